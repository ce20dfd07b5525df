// Package disk is a simulated disk with a power switch: a file system held in
// memory that knows, for every byte and every name, whether it would survive a
// power cut at this very moment.
//
// A [Disk] is the model and needs no rights at all; [Mount] puts it under a
// folder through FUSE, so that any program can run on it unchanged. The rules
// are those of POSIX at their strictest, because a promise to keep a message
// must not lean on the kindness of one file system:
//
//   - the contents and the size of a file survive once fsync or fdatasync of
//     that file has returned, and not before;
//   - a name (made, renamed or removed) survives once fsync of its folder has
//     returned; fsync of the file alone does not keep its name;
//   - whatever was not synced may be there, may be missing, or may be there
//     in part: every 512-byte sector carries one of the versions that were
//     written since the last sync, every file one of the sizes it had since,
//     and of the names a prefix of the changes in the order they were made.
//
// The same layer can also be full ([Disk.SetCapacity]) and slow
// ([Disk.SetSyncDelay], [Disk.HoldSync]).
package disk

import (
	"errors"
	"io/fs"
	"sync"
	"syscall"
	"time"
)

const (
	// PageSize is the unit in which space is counted and versions are kept.
	PageSize = 4096
	// SectorSize is the unit that a power cut never tears.
	SectorSize = 512
	// keptVersions bounds how many unsynced versions of a page are told
	// apart; beyond it the oldest unsynced ones are forgotten.
	keptVersions = 6
	rootID       = 1
)

// ErrPowerLost is what every access answers after [Disk.CutPower].
var ErrPowerLost = errors.New("disk: the power is off")

// Stats counts what a Disk was asked to do.
type Stats struct {
	Writes     int64 // write calls
	Bytes      int64 // bytes written
	FileSyncs  int64 // fsync and fdatasync of files
	DirSyncs   int64 // fsync of folders
	Refused    int64 // writes and creations refused for lack of space
	Unsynced   int64 // pages with contents that a cut would put at risk now
	NamesAhead int64 // changes of names that a cut would put at risk now
}

// Disk is the simulated disk. All methods may be called at any time from any
// goroutine.
type Disk struct {
	mu       sync.Mutex
	changed  *sync.Cond // power, release or the hold on syncs changed
	nodes    map[uint64]*node
	nextID   uint64
	journal  []nameOp // changes of names that no folder sync has kept yet
	capacity int64    // bytes; 0 means no bound
	used     int64    // bytes, in whole pages
	delay    time.Duration
	held     bool // syncs wait
	off      bool // the power is off: nothing is answered
	released bool // the power is off and waiting calls fail
	stats    Stats
}

// node is a file, folder, symbolic link or socket.
type node struct {
	id       uint64
	mode     uint32 // type and permissions as in stat(2)
	uid, gid uint32
	modified time.Time
	data     []byte // what a reader sees now
	durable  []byte // what a cut leaves at least
	dirty    map[int64][][]byte
	sizes    []int64           // sizes since the last sync, oldest first
	names    map[string]uint64 // folder: what a reader sees now
	kept     map[string]uint64 // folder: what a cut leaves at least
	links    int
	opens    int
}

// nameOp is one indivisible change of names, as a creation, a removal or a
// rename makes it.
type nameOp []nameChange

type nameChange struct {
	dir  uint64
	name string
	id   uint64 // 0: the name goes
}

// New returns an empty disk with the power on and without a bound on space.
func New() *Disk {
	d := &Disk{nodes: make(map[uint64]*node), nextID: rootID}
	d.changed = sync.NewCond(&d.mu)
	root := d.addNode(syscall.S_IFDIR | 0o755)
	root.links = 1
	return d
}

// SetCapacity bounds the space to n bytes; 0 takes the bound away. A bound
// below what is used refuses all growth.
func (d *Disk) SetCapacity(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = n
}

// Used returns the occupied space in bytes, counted in whole pages.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// SetSyncDelay makes every later sync take at least t.
func (d *Disk) SetSyncDelay(t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.delay = t
}

// HoldSync makes every sync wait until ReleaseSync, as a stalled disk does.
// Reads and writes go on.
func (d *Disk) HoldSync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = true
}

// ReleaseSync ends HoldSync.
func (d *Disk) ReleaseSync() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = false
	d.changed.Broadcast()
}

// CutPower stops the disk between two operations: from now on nothing changes
// and nothing is answered, so no program can learn of a sync that did not
// happen. Calls wait until Release.
func (d *Disk) CutPower() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
	d.changed.Broadcast()
}

// Release lets the calls that wait since CutPower fail with an input/output
// error. It is called once the programs on the disk were killed, so that the
// kernel can let go of them.
func (d *Disk) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off, d.released = true, true
	d.changed.Broadcast()
}

// Stats returns the counters and what is at risk now.
func (d *Disk) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.NamesAhead = int64(len(d.journal))
	for _, n := range d.nodes {
		s.Unsynced += int64(len(n.dirty))
	}
	return s
}

// powered waits while the power is cut and not yet released. It is called
// with the lock held at the start of every operation.
func (d *Disk) powered() error {
	for d.off && !d.released {
		d.changed.Wait()
	}
	if d.off {
		return ErrPowerLost
	}
	return nil
}

// delaySync applies the sync delay and the hold. It is called with the lock
// held, and gives it up while it waits.
func (d *Disk) delaySync() error {
	if t := d.delay; t > 0 {
		d.mu.Unlock()
		time.Sleep(t)
		d.mu.Lock()
	}
	for d.held && !d.off {
		d.changed.Wait()
	}
	return d.powered()
}

func (d *Disk) addNode(mode uint32) *node {
	n := &node{id: d.nextID, mode: mode, modified: time.Now(), dirty: make(map[int64][][]byte)}
	if mode&syscall.S_IFMT == syscall.S_IFDIR {
		n.names, n.kept = make(map[string]uint64), make(map[string]uint64)
	}
	d.nodes[n.id] = n
	d.nextID++
	return n
}

func (d *Disk) node(id uint64) (*node, error) {
	n, ok := d.nodes[id]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return n, nil
}

func (d *Disk) folder(id uint64) (*node, error) {
	n, err := d.node(id)
	if err != nil {
		return nil, err
	}
	if n.names == nil {
		return nil, syscall.ENOTDIR
	}
	return n, nil
}

func pages(size int64) int64 { return (size + PageSize - 1) / PageSize }

// reserve takes the pages between two sizes from the free space.
func (d *Disk) reserve(from, to int64) error {
	more := (pages(to) - pages(from)) * PageSize
	if more > 0 && d.capacity > 0 && d.used+more > d.capacity {
		d.stats.Refused++
		return syscall.ENOSPC
	}
	d.used += more
	return nil
}
