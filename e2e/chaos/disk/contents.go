package disk

import (
	"syscall"
	"time"
)

// maxFile bounds one file, so that a wild offset cannot eat the memory of the
// test machine.
const maxFile = 4 << 30

func (d *Disk) read(id uint64, buf []byte, off int64) (int, error) {
	if err := d.powered(); err != nil {
		return 0, err
	}
	n, err := d.node(id)
	if err != nil {
		return 0, err
	}
	if off >= int64(len(n.data)) {
		return 0, nil
	}
	return copy(buf, n.data[off:]), nil
}

func (d *Disk) write(id uint64, data []byte, off int64) (int, error) {
	if err := d.powered(); err != nil {
		return 0, err
	}
	n, err := d.node(id)
	if err != nil {
		return 0, err
	}
	end := off + int64(len(data))
	if end > maxFile {
		return 0, syscall.EFBIG
	}
	if end > int64(len(n.data)) {
		if err := d.resize(n, end); err != nil {
			return 0, err
		}
	}
	copy(n.data[off:], data)
	n.version(off, end)
	n.modified = time.Now()
	d.stats.Writes++
	d.stats.Bytes += int64(len(data))
	return len(data), nil
}

func (d *Disk) truncate(n *node, size int64) error {
	if size > maxFile {
		return syscall.EFBIG
	}
	old := int64(len(n.data))
	if err := d.resize(n, size); err != nil {
		return err
	}
	// Bytes behind a cut-off end are zeros if the file grows again, and a
	// power cut may show either.
	n.version(min(size, old), max(size, old))
	n.modified = time.Now()
	return nil
}

// resize sets the size a reader sees and notes it as not yet kept.
func (d *Disk) resize(n *node, size int64) error {
	old := int64(len(n.data))
	if err := d.reserve(old, size); err != nil {
		return err
	}
	switch {
	case size <= old:
		clear(n.data[size:])
		n.data = n.data[:size]
	case size <= int64(cap(n.data)):
		n.data = n.data[:size]
	default:
		grown := make([]byte, size, max(size, 2*int64(cap(n.data))))
		copy(grown, n.data)
		n.data = grown
	}
	n.sizes = append(n.sizes, size)
	return nil
}

// version notes the present contents of the pages between two offsets as one
// more version that a cut may leave.
func (n *node) version(from, to int64) {
	for i := from / PageSize; i*PageSize < to; i++ {
		page := make([]byte, PageSize)
		if at := i * PageSize; at < int64(len(n.data)) {
			copy(page, n.data[at:])
		}
		v := append(n.dirty[i], page)
		if len(v) > keptVersions {
			v = v[1:]
		}
		n.dirty[i] = v
	}
}

// syncFile keeps the contents and the size of a file as they are when the
// delay is over; what is written while the call waits is not promised, but a
// disk may keep more than it promised.
func (d *Disk) syncFile(id uint64) error {
	if err := d.powered(); err != nil {
		return err
	}
	n, err := d.node(id)
	if err != nil {
		return err
	}
	d.stats.FileSyncs++
	if err := d.delaySync(); err != nil {
		return err
	}
	n.settle()
	return nil
}

// settle makes what a reader sees what a cut leaves.
func (n *node) settle() {
	size := int64(len(n.data))
	n.durable = resized(n.durable, size)
	for i := range n.dirty {
		if at := i * PageSize; at < size {
			copy(n.durable[at:min(at+PageSize, size)], n.data[at:])
		}
	}
	clear(n.dirty)
	n.sizes = n.sizes[:0]
}

// resized returns b with the given length; new bytes are zeros.
func resized(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		clear(b[size:])
		return b[:size]
	}
	if size <= int64(cap(b)) {
		return b[:size]
	}
	grown := make([]byte, size, max(size, 2*int64(cap(b))))
	copy(grown, b)
	return grown
}
