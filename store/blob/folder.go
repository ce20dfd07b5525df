package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"stonechat/store"
)

// Folder keeps contents as files, named by their hash, in folders by its first byte. One process at a time may use it.
type Folder struct {
	*Incoming
	path string
	// mu is held while a name appears or goes, so that what was put anew is not deleted for its age before. Both take no time beside the writing, but for the
	// first content of each of 256 folders, whose name must be durable.
	mu sync.Mutex
}

// OpenFolder makes the folder if there is none, durably, and clears away what an earlier process has left unfinished.
func OpenFolder(folder string) (*Folder, error) {
	in, err := openIncoming(folder)
	if err != nil {
		return nil, err
	}
	return &Folder{Incoming: in, path: folder}, nil
}

// place of a content.
func (f *Folder) place(h Hash) string { return filepath.Join(f.path, filepath.FromSlash(h.key())) }

// Keep implements Blobs: a whole and durable file gets its name, durably. It takes the place of an equal one, which makes the content young.
func (f *Folder) Keep(_ context.Context, p *Part) (Hash, error) {
	h := p.hash()
	to := f.place(h)
	if err := p.file.Sync(); err != nil {
		return h, full(err)
	}
	if err := f.named(p, to); err != nil {
		return h, full(err)
	}
	return h, full(syncFolder(filepath.Dir(to)))
}

// named moves a part to its place. Whoever finds the place's folder there finds it durable: it is made under the lock, too.
func (f *Folder) named(p *Part, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := makeFolder(filepath.Dir(to)); err != nil {
		return err
	}
	err := os.Rename(p.file.Name(), to)
	p.kept = err == nil
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
func (f *Folder) Each(ctx context.Context, do func(h Hash, kept time.Time) error) error {
	for first := range 256 {
		entries, err := os.ReadDir(filepath.Join(f.path, fmt.Sprintf("%02x", first)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			h, ok := hashNamed(e.Name())
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

var _ Blobs = (*Folder)(nil)
