package disk

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// Loss says what a cut took away.
type Loss struct {
	Pages int // pages that did not come out as last written
	Sizes int // files that did not come out with their last size
	Names int // changes of names that were undone
}

// String gives the figures in one line.
func (l Loss) String() string {
	return fmt.Sprintf("%d pages, %d sizes, %d names", l.Pages, l.Sizes, l.Names)
}

// AfterCut returns a new disk, powered on, in one of the states that the
// present one could be found in after a cut at this moment. rng decides among
// them; the same seed on the same disk gives the same state. The present disk
// is left as it is.
func (d *Disk) AfterCut(rng *rand.Rand) (*Disk, Loss) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var loss Loss
	after := &Disk{nodes: make(map[uint64]*node), nextID: d.nextID, capacity: d.capacity, delay: d.delay}
	after.changed = sync.NewCond(&after.mu)
	for _, id := range sortedKeys(d.nodes) {
		after.nodes[id] = d.nodes[id].afterCut(rng, &loss)
	}
	// Half of the cuts leave no unsynced name at all, the others a prefix.
	if n := len(d.journal); n > 0 {
		survive := 0
		if rng.IntN(2) == 0 {
			survive = rng.IntN(n + 1)
		}
		for _, op := range d.journal[:survive] {
			after.keep(op)
		}
		loss.Names = n - survive
	}
	after.settleNames()
	return after, loss
}

// afterCut draws what is left of one node.
func (n *node) afterCut(rng *rand.Rand, loss *Loss) *node {
	c := &node{id: n.id, mode: n.mode, uid: n.uid, gid: n.gid, modified: n.modified, dirty: make(map[int64][][]byte)}
	if n.names != nil {
		c.names, c.kept = make(map[string]uint64), make(map[string]uint64, len(n.kept))
		for name, id := range n.kept {
			c.kept[name] = id
		}
		return c
	}
	// One draw per file decides its character: all unsynced lost, all there,
	// or a mixture.
	character := rng.IntN(3)
	size := int64(len(n.durable))
	if m := len(n.sizes); m > 0 {
		switch character {
		case 1:
			size = n.sizes[m-1]
		case 2:
			size = append([]int64{size}, n.sizes...)[rng.IntN(m+1)]
		}
		if size != int64(len(n.data)) {
			loss.Sizes++
		}
	}
	c.data = make([]byte, size)
	copy(c.data, n.durable)
	for _, i := range sortedKeys(n.dirty) {
		n.drawPage(c.data, i, character, rng, loss)
	}
	c.durable = slices.Clone(c.data)
	return c
}

// drawPage puts one of the possible versions of an unsynced page into data.
func (n *node) drawPage(data []byte, i int64, character int, rng *rand.Rand, loss *Loss) {
	versions := n.dirty[i]
	newest := versions[len(versions)-1]
	whole := true
	for s := int64(0); s < PageSize; s += SectorSize {
		v := len(versions) // one past the newest version stands for the durable one
		switch character {
		case 1:
			v--
		case 2:
			v = rng.IntN(len(versions) + 1)
		}
		at := i*PageSize + s
		if v < len(versions) && at < int64(len(data)) {
			copy(data[at:min(at+SectorSize, int64(len(data)))], versions[v][s:])
		}
		whole = whole && v < len(versions) && slices.Equal(versions[v][s:s+SectorSize], newest[s:s+SectorSize])
	}
	if !whole {
		loss.Pages++
	}
}

// settleNames makes the kept names the visible ones, drops what no name
// reaches, and counts links and space anew.
func (d *Disk) settleNames() {
	reach := make(map[uint64]bool)
	var walk func(id uint64)
	walk = func(id uint64) {
		n := d.nodes[id]
		n.links++
		if reach[id] {
			return
		}
		reach[id] = true
		for name, child := range n.kept {
			n.names[name] = child
			walk(child)
		}
	}
	walk(rootID)
	for id, n := range d.nodes {
		if !reach[id] {
			delete(d.nodes, id)
			continue
		}
		d.used += (pages(int64(len(n.data))) + 1) * PageSize
	}
}

// SyncAll keeps everything as it is now, as an orderly shutdown of the
// machine does.
func (d *Disk) SyncAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.nodes {
		if n.names == nil {
			n.settle()
		}
	}
	for _, op := range d.journal {
		d.keep(op)
	}
	d.journal = nil
	d.collect()
}

// CopyTo writes the files and folders that a reader sees into an ordinary
// folder, for looking at them with ordinary tools. Sockets are left out.
func (d *Disk) CopyTo(folder string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.copyTo(d.nodes[rootID], folder)
}

func (d *Disk) copyTo(n *node, path string) error {
	switch n.mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		return os.WriteFile(path, n.data, os.FileMode(n.mode&0o777))
	case syscall.S_IFLNK:
		return os.Symlink(string(n.data), path)
	case syscall.S_IFDIR:
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		for name, id := range n.names {
			if err := d.copyTo(d.nodes[id], filepath.Join(path, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func sortedKeys[K int64 | uint64, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
