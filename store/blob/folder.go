package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"

	"stonechat/store"
)

// FolderName is what the folder is called within the data folder.
const FolderName = "files"

// incoming is the part of the folder for what is not whole yet; see Arriving.
const incoming = "incoming"

// copyBytes is the memory that one Put takes for bytes on their way.
const copyBytes = 64 << 10

// Arriving tells whether a file of the data folder, named with slashes relative to it, is a content that is not whole yet: no part of a copy.
func Arriving(name string) bool { return path.Dir(name) == FolderName+"/"+incoming }

// Folder keeps contents as files, named by their hash, in folders by its first byte. One process at a time may use it.
type Folder struct {
	path string
	// mu is held while a name appears or goes, so that what was put anew is not deleted for its age before. Both take no time beside the writing, but for the
	// first content of each of 256 folders, whose name must be durable.
	mu sync.Mutex
}

// OpenFolder makes the folder if there is none, durably, and clears away what an earlier process has left unfinished.
func OpenFolder(folder string) (*Folder, error) {
	f := &Folder{path: folder}
	for _, p := range []string{folder, filepath.Join(folder, incoming)} {
		if err := f.makeFolder(p); err != nil {
			return nil, fmt.Errorf("folder of files: %w", err)
		}
	}
	left, err := os.ReadDir(filepath.Join(folder, incoming))
	if err != nil {
		return nil, err
	}
	for _, e := range left {
		if err := os.Remove(filepath.Join(folder, incoming, e.Name())); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// makeFolder makes a folder, and its name durable.
func (f *Folder) makeFolder(folder string) error {
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

// place of a content.
func (f *Folder) place(h Hash) string {
	name := h.String()
	return filepath.Join(f.path, name[:2], name)
}

// Put implements Blobs.
func (f *Folder) Put(ctx context.Context, r io.Reader, size int64) (Hash, error) {
	part, err := os.CreateTemp(filepath.Join(f.path, incoming), "part-")
	if err != nil {
		return Hash{}, full(err)
	}
	h, err := write(ctx, part, r, size)
	if err = errors.Join(err, part.Close()); err == nil {
		err = f.publish(part.Name(), h)
	}
	if err != nil {
		return Hash{}, full(errors.Join(err, removed(part.Name())))
	}
	return h, nil
}

// write copies and hashes exactly size bytes, and makes them durable.
func write(ctx context.Context, to *os.File, r io.Reader, size int64) (h Hash, err error) {
	sum := sha256.New()
	// One byte more than announced would be read, and no other: what is longer is noticed without being kept.
	n, err := io.CopyBuffer(&both{to, sum, ctx}, io.LimitReader(r, size+1), make([]byte, copyBytes))
	if err == nil && n != size {
		err = ErrLength
	}
	if err != nil {
		return h, err
	}
	sum.Sum(h[:0])
	return h, to.Sync()
}

// both writes to a file and a hash until ctx ends. It is a type of its own so that nothing but the buffer given is used for copying.
type both struct {
	file *os.File
	sum  hash.Hash
	ctx  context.Context
}

// Write implements io.Writer.
func (b *both) Write(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	_, _ = b.sum.Write(p) // a hash takes everything
	return b.file.Write(p)
}

// publish gives a whole and durable file its name, durably. It takes the place of an equal one, which makes the content young.
func (f *Folder) publish(part string, h Hash) error {
	to := f.place(h)
	if err := f.named(part, to); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(to))
}

// named moves a file to its place. Whoever finds the place's folder there finds it durable: it is made under the lock, too.
func (f *Folder) named(part, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.makeFolder(filepath.Dir(to)); err != nil {
		return err
	}
	return os.Rename(part, to)
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

// Open implements Blobs.
func (f *Folder) Open(_ context.Context, h Hash) (Content, error) {
	file, err := os.Open(f.place(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("content: %w", store.ErrNotFound)
	}
	if err != nil {
		return nil, err // a nil *os.File would be no nil Content
	}
	return file, nil
}

// Delete implements Blobs. That a name has gone is made durable by nobody: a content that is there again after a power cut goes once more.
func (f *Folder) Delete(_ context.Context, h Hash, notAfter time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Lstat(f.place(h))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	case info.ModTime().After(notAfter):
		return false, nil
	}
	return true, removed(f.place(h))
}

// Each implements Blobs.
func (f *Folder) Each(ctx context.Context, do func(h Hash, put time.Time) error) error {
	for first := range 256 {
		entries, err := os.ReadDir(filepath.Join(f.path, fmt.Sprintf("%02x", first)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			h, ok := hashName(e.Name())
			info, err := e.Info()
			if !ok || err != nil {
				continue // nothing of ours, or gone meanwhile
			}
			if err := errors.Join(ctx.Err(), do(h, info.ModTime())); err != nil {
				return err
			}
		}
	}
	return nil
}

// hashName is the hash that a file is named by.
func hashName(name string) (Hash, bool) {
	b, err := hex.DecodeString(name)
	if err != nil {
		return Hash{}, false
	}
	h, ok := HashOf(b)
	return h, ok && h.String() == name
}

// Free implements Blobs.
func (f *Folder) Free(context.Context) (int64, bool, error) { return freeSpace(f.path) }

var _ Blobs = (*Folder)(nil)
