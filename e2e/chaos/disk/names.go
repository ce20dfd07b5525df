package disk

import (
	"io/fs"
	"syscall"
)

// create adds a node under a name. Every node costs one page, as its entry in
// the tables of a real file system does.
func (d *Disk) create(dir uint64, name string, mode, uid, gid uint32) (*node, error) {
	if err := d.powered(); err != nil {
		return nil, err
	}
	p, err := d.folder(dir)
	if err != nil {
		return nil, err
	}
	if _, there := p.names[name]; there {
		return nil, fs.ErrExist
	}
	if err := d.reserve(0, 1); err != nil {
		return nil, err
	}
	n := d.addNode(mode)
	n.uid, n.gid = uid, gid
	d.change(nameOp{{dir, name, n.id}})
	return n, nil
}

// change applies one change of names to what readers see and notes it as not
// yet kept.
func (d *Disk) change(op nameOp) {
	for _, c := range op {
		p := d.nodes[c.dir]
		if old, there := p.names[c.name]; there {
			d.unlinked(d.nodes[old])
		}
		if c.id == 0 {
			delete(p.names, c.name)
			continue
		}
		p.names[c.name] = c.id
		d.nodes[c.id].links++
	}
	d.journal = append(d.journal, op)
}

// unlinked counts a lost link and frees the space of a node that nobody can
// reach any more. The node itself stays until no cut could bring it back.
func (d *Disk) unlinked(n *node) {
	n.links--
	d.freeIfGone(n)
}

func (d *Disk) freeIfGone(n *node) {
	if n.links == 0 && n.opens == 0 {
		d.used -= (pages(int64(len(n.data))) + 1) * PageSize
	}
}

func (d *Disk) remove(dir uint64, name string, folder bool) error {
	if err := d.powered(); err != nil {
		return err
	}
	p, err := d.folder(dir)
	if err != nil {
		return err
	}
	id, there := p.names[name]
	if !there {
		return fs.ErrNotExist
	}
	n := d.nodes[id]
	switch {
	case folder && n.names == nil:
		return syscall.ENOTDIR
	case !folder && n.names != nil:
		return syscall.EISDIR
	case len(n.names) > 0:
		return syscall.ENOTEMPTY
	}
	d.change(nameOp{{dir, name, 0}})
	return nil
}

// Flags of renameat2(2).
const (
	renameNoReplace = 1
	renameExchange  = 2
)

func (d *Disk) rename(oldDir uint64, oldName string, newDir uint64, newName string, flags uint32) error {
	if err := d.powered(); err != nil {
		return err
	}
	if flags&renameExchange != 0 {
		return syscall.EINVAL
	}
	from, err := d.folder(oldDir)
	if err != nil {
		return err
	}
	to, err := d.folder(newDir)
	if err != nil {
		return err
	}
	id, there := from.names[oldName]
	if !there {
		return fs.ErrNotExist
	}
	over, taken := to.names[newName]
	switch {
	case taken && flags&renameNoReplace != 0:
		return fs.ErrExist
	case taken && over == id:
		return nil
	case taken && len(d.nodes[over].names) > 0:
		return syscall.ENOTEMPTY
	}
	// The new name first: the count of links must not touch zero.
	d.change(nameOp{{newDir, newName, id}, {oldDir, oldName, 0}})
	return nil
}

func (d *Disk) link(id, dir uint64, name string) (*node, error) {
	if err := d.powered(); err != nil {
		return nil, err
	}
	n, err := d.node(id)
	if err != nil {
		return nil, err
	}
	p, err := d.folder(dir)
	if err != nil {
		return nil, err
	}
	if _, there := p.names[name]; there {
		return nil, fs.ErrExist
	}
	d.change(nameOp{{dir, name, id}})
	return n, nil
}

// syncNames keeps the names of one folder. A change is kept whole, and never
// before an earlier change of a folder that it touches, as in a file system
// with a journal.
func (d *Disk) syncNames(dir uint64) error {
	if err := d.powered(); err != nil {
		return err
	}
	if _, err := d.folder(dir); err != nil {
		return err
	}
	d.stats.DirSyncs++
	if err := d.delaySync(); err != nil {
		return err
	}
	touched := map[uint64]bool{dir: true}
	keep := make([]bool, len(d.journal))
	for i := len(d.journal) - 1; i >= 0; i-- {
		for _, c := range d.journal[i] {
			keep[i] = keep[i] || touched[c.dir]
		}
		if keep[i] {
			for _, c := range d.journal[i] {
				touched[c.dir] = true
			}
		}
	}
	var rest []nameOp
	for i, op := range d.journal {
		if keep[i] {
			d.keep(op)
		} else {
			rest = append(rest, op)
		}
	}
	d.journal = rest
	d.collect()
	return nil
}

// keep applies a change to what a cut leaves.
func (d *Disk) keep(op nameOp) {
	for _, c := range op {
		p, there := d.nodes[c.dir]
		if !there {
			continue
		}
		if c.id == 0 {
			delete(p.kept, c.name)
		} else {
			p.kept[c.name] = c.id
		}
	}
}

// collect forgets nodes that neither a reader nor a cut can reach.
func (d *Disk) collect() {
	reach := map[uint64]bool{rootID: true}
	for _, n := range d.nodes {
		if n.links > 0 || n.opens > 0 {
			reach[n.id] = true
		}
		for _, id := range n.kept {
			reach[id] = true
		}
	}
	for _, op := range d.journal {
		for _, c := range op {
			reach[c.id] = true
		}
	}
	for id := range d.nodes {
		if !reach[id] {
			delete(d.nodes, id)
		}
	}
}
