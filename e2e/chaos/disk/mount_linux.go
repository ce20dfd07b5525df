package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A Mounted disk appears under a folder of this machine.
type Mounted struct {
	server *fuse.Server
	folder string
}

// Lacking returns nil when this machine can mount a Disk, and otherwise says
// what it lacks.
func Lacking() error {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("no simulated disk: /dev/fuse cannot be opened: %w", err)
	}
	f.Close()
	if os.Geteuid() == 0 {
		return nil
	}
	if _, err := exec.LookPath("fusermount3"); err == nil {
		return nil
	}
	if _, err := exec.LookPath("fusermount"); err == nil {
		return nil
	}
	return errors.New("no simulated disk: not root, and neither fusermount3 nor fusermount is installed")
}

// Mount puts d under an existing folder. Only other processes may map its
// files into memory, as SQLite does: a page fault blocks its thread without
// the Go scheduler knowing, so a process that serves the disk itself could
// stop for ever.
func Mount(d *Disk, folder string) (*Mounted, error) {
	if err := Lacking(); err != nil {
		return nil, err
	}
	server, err := fuse.NewServer(&kernelSide{RawFileSystem: fuse.NewDefaultRawFileSystem(), d: d}, folder, &fuse.MountOptions{
		FsName:             "chaosdisk",
		Name:               "chaosdisk",
		DirectMount:        os.Geteuid() == 0,
		MaxWrite:           1 << 20,
		MaxBackground:      64,
		DisableXAttrs:      true,
		DisableReadDirPlus: true,
	})
	if err != nil {
		return nil, fmt.Errorf("disk: mount on %s: %w", folder, err)
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		return nil, fmt.Errorf("disk: mount on %s: %w", folder, err)
	}
	return &Mounted{server: server, folder: folder}, nil
}

// Unmount takes the disk away from its folder. All programs that use it must
// have ended; a folder that stays busy for two seconds is detached by force.
func (m *Mounted) Unmount() error {
	var err error
	for range 20 {
		if err = m.server.Unmount(); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	if forced := unix.Unmount(m.folder, unix.MNT_DETACH); forced != nil {
		return errors.Join(err, forced)
	}
	return nil
}

// kernelSide answers the kernel's questions from a Disk. Locks and caching of
// pages are left to the kernel: it is the only user of the disk.
type kernelSide struct {
	fuse.RawFileSystem
	d *Disk

	mu      sync.Mutex
	listing map[uint64][]fuse.DirEntry // open folders by handle
	handle  uint64
}

const forever = 3600 // seconds that the kernel may remember an answer

func status(err error) fuse.Status {
	var errno syscall.Errno
	switch {
	case err == nil:
		return fuse.OK
	case errors.As(err, &errno):
		return fuse.Status(errno)
	case errors.Is(err, fs.ErrNotExist):
		return fuse.ENOENT
	case errors.Is(err, fs.ErrExist):
		return fuse.Status(syscall.EEXIST)
	}
	return fuse.EIO
}

func (n *node) attr(out *fuse.Attr) {
	out.Ino = n.id
	out.Size = uint64(len(n.data))
	out.Blocks = uint64(pages(int64(len(n.data)))) * PageSize / SectorSize
	out.Mode = n.mode
	out.Nlink = uint32(max(n.links, 1))
	out.Uid, out.Gid = n.uid, n.gid
	out.Blksize = PageSize
	out.SetTimes(&n.modified, &n.modified, &n.modified)
}

func (n *node) entry(out *fuse.EntryOut) {
	out.NodeId = n.id
	out.SetEntryTimeout(forever * time.Second)
	out.SetAttrTimeout(forever * time.Second)
	n.attr(&out.Attr)
}

func (k *kernelSide) String() string { return "chaosdisk" }

func (k *kernelSide) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	if err := k.d.powered(); err != nil {
		return status(err)
	}
	p, err := k.d.folder(h.NodeId)
	if err != nil {
		return status(err)
	}
	id, there := p.names[name]
	if !there {
		return fuse.ENOENT
	}
	k.d.nodes[id].entry(out)
	return fuse.OK
}

func (k *kernelSide) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	if err := k.d.powered(); err != nil {
		return status(err)
	}
	n, err := k.d.node(in.NodeId)
	if err != nil {
		return status(err)
	}
	out.SetTimeout(forever * time.Second)
	n.attr(&out.Attr)
	return fuse.OK
}

func (k *kernelSide) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	if err := k.d.powered(); err != nil {
		return status(err)
	}
	n, err := k.d.node(in.NodeId)
	if err != nil {
		return status(err)
	}
	if size, ok := in.GetSize(); ok {
		if err := k.d.truncate(n, int64(size)); err != nil {
			return status(err)
		}
	}
	if mode, ok := in.GetMode(); ok {
		n.mode = n.mode&syscall.S_IFMT | mode&0o7777
	}
	if uid, ok := in.GetUID(); ok {
		n.uid = uid
	}
	if gid, ok := in.GetGID(); ok {
		n.gid = gid
	}
	if t, ok := in.GetMTime(); ok {
		n.modified = t
	}
	out.SetTimeout(forever * time.Second)
	n.attr(&out.Attr)
	return fuse.OK
}

func (k *kernelSide) make(h *fuse.InHeader, name string, mode uint32, target string, out *fuse.EntryOut) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	n, err := k.d.create(h.NodeId, name, mode, h.Uid, h.Gid)
	if err != nil {
		return status(err)
	}
	if target != "" {
		// A symbolic link is kept with its name.
		n.data, n.durable = []byte(target), []byte(target)
		k.d.used += PageSize
	}
	n.entry(out)
	return fuse.OK
}

func (k *kernelSide) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	return k.make(&in.InHeader, name, in.Mode, "", out)
}

func (k *kernelSide) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return k.make(&in.InHeader, name, syscall.S_IFDIR|in.Mode&0o7777, "", out)
}

func (k *kernelSide) Symlink(_ <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return k.make(h, name, syscall.S_IFLNK|0o777, target, out)
}

func (k *kernelSide) Readlink(_ <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	n, err := k.d.node(h.NodeId)
	if err != nil {
		return nil, status(err)
	}
	return slices.Clone(n.data), fuse.OK
}

func (k *kernelSide) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	return status(k.d.remove(h.NodeId, name, false))
}

func (k *kernelSide) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	return status(k.d.remove(h.NodeId, name, true))
}

func (k *kernelSide) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	return status(k.d.rename(in.NodeId, oldName, in.Newdir, newName, in.Flags))
}

func (k *kernelSide) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	n, err := k.d.link(in.Oldnodeid, in.NodeId, name)
	if err != nil {
		return status(err)
	}
	n.entry(out)
	return fuse.OK
}

func (k *kernelSide) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.OK }

func (k *kernelSide) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	n, err := k.d.create(in.NodeId, name, syscall.S_IFREG|in.Mode&0o7777, in.Uid, in.Gid)
	if err != nil {
		return status(err)
	}
	n.opens++
	n.entry(&out.EntryOut)
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return fuse.OK
}

func (k *kernelSide) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	if err := k.d.powered(); err != nil {
		return status(err)
	}
	n, err := k.d.node(in.NodeId)
	if err != nil {
		return status(err)
	}
	if in.Flags&syscall.O_TRUNC != 0 {
		if err := k.d.truncate(n, 0); err != nil {
			return status(err)
		}
	}
	n.opens++
	out.OpenFlags = fuse.FOPEN_KEEP_CACHE
	return fuse.OK
}

func (k *kernelSide) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	if n, err := k.d.node(in.NodeId); err == nil {
		n.opens--
		k.d.freeIfGone(n)
	}
}

func (k *kernelSide) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	n, err := k.d.read(in.NodeId, buf, int64(in.Offset))
	if err != nil {
		return nil, status(err)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

func (k *kernelSide) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	n, err := k.d.write(in.NodeId, data, int64(in.Offset))
	return uint32(n), status(err)
}

func (k *kernelSide) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

func (k *kernelSide) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	return status(k.d.syncFile(in.NodeId))
}

func (k *kernelSide) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	return status(k.d.syncNames(in.NodeId))
}

func (k *kernelSide) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	if err := k.d.powered(); err != nil {
		return status(err)
	}
	p, err := k.d.folder(in.NodeId)
	if err != nil {
		return status(err)
	}
	var list []fuse.DirEntry
	for name, id := range p.names {
		list = append(list, fuse.DirEntry{Name: name, Ino: id, Mode: k.d.nodes[id].mode})
	}
	slices.SortFunc(list, func(a, b fuse.DirEntry) int { return int(int64(a.Ino) - int64(b.Ino)) })
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.listing == nil {
		k.listing = make(map[uint64][]fuse.DirEntry)
	}
	k.handle++
	k.listing[k.handle] = list
	out.Fh = k.handle
	return fuse.OK
}

func (k *kernelSide) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	k.mu.Lock()
	list := k.listing[in.Fh]
	k.mu.Unlock()
	for i := int(in.Offset); i < len(list); i++ {
		e := list[i]
		e.Off = uint64(i + 1)
		if !out.AddDirEntry(e) {
			break
		}
	}
	return fuse.OK
}

func (k *kernelSide) ReleaseDir(in *fuse.ReleaseIn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.listing, in.Fh)
}

func (k *kernelSide) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	k.d.mu.Lock()
	defer k.d.mu.Unlock()
	capacity := k.d.capacity
	if capacity == 0 {
		capacity = 1 << 40
	}
	free := uint64(max(capacity-k.d.used, 0)) / PageSize
	*out = fuse.StatfsOut{
		Blocks: uint64(capacity) / PageSize, Bfree: free, Bavail: free,
		Files: 1 << 20, Ffree: 1 << 20, Bsize: PageSize, Frsize: PageSize, NameLen: 255,
	}
	return fuse.OK
}
