package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"stonechat/store"
)

// FolderName is what the folder of contents is called within the data folder.
const FolderName = "files"

// incoming is the part of the folder for what is not whole yet; see Arriving.
const incoming = "incoming"

// resumed is what files of contents begin with that can be gone on with; all others end with their process.
const resumed = "name-"

// copyBytes is the memory that one content takes for bytes on their way.
const copyBytes = 64 << 10

// Arriving tells whether a file of the data folder, named with slashes relative to it, is a content that is not whole yet: no part of a copy.
func Arriving(name string) bool { return path.Dir(name) == FolderName+"/"+incoming }

// Incoming is the folder of contents that are not whole yet. One process at a time may use it.
type Incoming struct{ path string }

// openIncoming makes the folder within another if there is none, durably, and clears away what an earlier process has left unfinished.
func openIncoming(folder string) (*Incoming, error) {
	in := &Incoming{filepath.Join(folder, incoming)}
	for _, p := range []string{folder, in.path} {
		if err := makeFolder(p); err != nil {
			return nil, fmt.Errorf("folder of files: %w", err)
		}
	}
	left, err := os.ReadDir(in.path)
	if err != nil {
		return nil, err
	}
	for _, e := range left {
		if strings.HasPrefix(e.Name(), resumed) {
			continue
		}
		if err := os.Remove(filepath.Join(in.path, e.Name())); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// Arrive is that of Blobs.
func (in *Incoming) Arrive(size int64) (*Part, error) {
	file, err := os.CreateTemp(in.path, "part-")
	if err != nil {
		return nil, full(err)
	}
	return &Part{file: file, sum: sha256.New(), size: size}, nil
}

// Resume is that of Blobs.
func (in *Incoming) Resume(name string, size int64) (*Part, error) {
	file, err := os.OpenFile(filepath.Join(in.path, resumed+name), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, full(err)
	}
	info, err := file.Stat()
	if err != nil || info.Size() > size {
		return nil, errors.Join(err, file.Close(), removed(file.Name()))
	}
	// Whoever is told how much there is sends no more of it: so it is durable, with its name.
	if err := errors.Join(file.Sync(), syncFolder(in.path)); err != nil {
		return nil, full(errors.Join(err, file.Close()))
	}
	return &Part{file: file, size: size, have: info.Size(), stays: true}, nil
}

// Tidy is that of Blobs, as far as the folder goes.
func (in *Incoming) Tidy(ctx context.Context, wanted func(name string) (bool, error)) error {
	all, err := os.ReadDir(in.path)
	if err != nil {
		return err
	}
	for _, e := range all {
		name, ok := strings.CutPrefix(e.Name(), resumed)
		if !ok {
			continue
		}
		stays, err := wanted(name)
		if err == nil && !stays {
			err = removed(filepath.Join(in.path, e.Name()))
		}
		if err := errors.Join(ctx.Err(), err); err != nil {
			return err
		}
	}
	return nil
}

// Free is that of Blobs.
func (in *Incoming) Free(context.Context) (int64, bool, error) { return freeSpace(in.path) }

// Part is a content that arrives. One goroutine at a time may use it.
type Part struct {
	file  *os.File
	sum   hash.Hash // of what has arrived; nil for a part that was resumed, until it is whole
	size  int64
	have  int64 // of a part that was resumed
	kept  bool  // its file is no longer the part's
	stays bool  // its file stays when it is closed
}

// Receive takes what r has, which must be all that is announced and nothing else, else ErrLength. store.ErrFull: there is no room.
func (p *Part) Receive(ctx context.Context, r io.Reader) error {
	// One byte more than announced would be read, and no other: what is longer is noticed without being kept.
	n, err := io.CopyBuffer(&both{p.file, p.sum, ctx}, io.LimitReader(r, p.size+1), make([]byte, copyBytes))
	if err == nil && n != p.size {
		err = ErrLength
	}
	return full(err)
}

// Have is how much of a part that was resumed has arrived.
func (p *Part) Have() int64 { return p.have }

// Append takes what r has for a part that was resumed, until it ends or fails: what came before that stays, durably unless it failed. ErrLength: it has more than is missing. store.ErrFull: there is no
// room. When all is there its hash is taken, once, since whoever goes on often is not to have all of it read each time.
func (p *Part) Append(ctx context.Context, r io.Reader) error {
	n, err := io.CopyBuffer(&both{p.file, noHash{}, ctx}, io.LimitReader(r, p.size-p.have), make([]byte, copyBytes))
	if p.have += n; err == nil {
		err = p.file.Sync()
	}
	if err != nil || p.have < p.size {
		return full(err)
	}
	switch n, err := io.ReadFull(r, make([]byte, 1)); {
	case n > 0:
		p.Drop() // whoever sends it means something else
		return ErrLength
	case !errors.Is(err, io.EOF):
		return err
	}
	p.sum = sha256.New()
	_, err = io.CopyBuffer(&both{io.Discard, p.sum, ctx}, struct{ io.Reader }{p.Content()}, make([]byte, copyBytes))
	return err
}

// Drop removes what has arrived of a part that was resumed.
func (p *Part) Drop() { p.stays = false }

// noHash takes everything and remembers nothing.
type noHash struct{}

// Write implements io.Writer.
func (noHash) Write(p []byte) (int, error) { return len(p), nil }

// Content reads what has arrived from its beginning.
func (p *Part) Content() io.ReadSeeker { return io.NewSectionReader(p.file, 0, p.size) }

// hash of what has arrived.
func (p *Part) hash() (h Hash) {
	p.sum.Sum(h[:0])
	return h
}

// Close gives the part up; what was kept of it stays, and so does what has arrived of one that can be resumed.
func (p *Part) Close() error {
	err := p.file.Close()
	if p.kept || p.stays {
		return err
	}
	return errors.Join(err, removed(p.file.Name()))
}

// both writes to a file and a hash until ctx ends. It is a type of its own so that nothing but the buffer given is used for copying.
type both struct {
	file, sum io.Writer
	ctx       context.Context
}

// Write implements io.Writer.
func (b *both) Write(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	_, _ = b.sum.Write(p) // a hash takes everything
	return b.file.Write(p)
}

// makeFolder makes a folder, and its name durable.
func makeFolder(folder string) error {
	err := os.Mkdir(folder, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return errors.Join(err, syncFolder(filepath.Dir(folder)))
}

// syncFolder makes the names in a folder durable: without it a file that was synced may have none after a power cut.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// removed removes a file that may have gone already.
func removed(name string) error {
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// full marks errors that mean that there is no room.
func full(err error) error {
	if noRoom(err) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
