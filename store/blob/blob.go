// Package blob keeps contents of files by their hash. Who may have them, and how they are called, is said elsewhere (store.Files): a content has no
// owner, and equal contents are one.
//
// What arrives is written to a folder of this machine first (Incoming), wherever contents are kept: its hash is known when all of it is there, and who
// looks into it before it is kept may take the time that takes.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"time"
)

// Hash is the SHA-256 of a content.
type Hash [sha256.Size]byte

// String is the hash in lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// HashOf reads what the store has of a hash; false: it is none.
func HashOf(b []byte) (h Hash, ok bool) {
	return h, copy(h[:], b) == len(h) && len(b) == len(h)
}

// key is where a content is kept, below a folder or a prefix: 256 folders, so that none gets too long to list.
func (h Hash) key() string {
	name := h.String()
	return name[:2] + "/" + name
}

// hashNamed is the hash that the last part of a key names; false: it is nothing of ours.
func hashNamed(name string) (Hash, bool) {
	b, err := hex.DecodeString(name)
	if err != nil {
		return Hash{}, false
	}
	h, ok := HashOf(b)
	return h, ok && h.String() == name
}

// ErrLength: a content did not have the length that was announced. Nothing was kept.
var ErrLength = errors.New("another length than announced")

// Content is one that is being read. Close gives it up.
type Content interface {
	io.ReadSeekCloser
}

// Blobs keeps contents. All methods may be called from any goroutine, and may wait.
type Blobs interface {
	// Arrive begins a content of so many bytes. store.ErrFull: there is no room.
	Arrive(size int64) (*Part, error)
	// Resume goes on with the content of a name, or begins it. The name is of letters, digits, - and _; what has arrived under it stays until it is whole or Tidy
	// removes it. One caller at a time may use a name. store.ErrFull: there is no room.
	Resume(name string, size int64) (*Part, error)
	// Keep keeps a part that is whole. When it returns without an error the content is durable, and as young as if there had never been the same before. It
	// needs the same memory whatever the size. store.ErrFull: there is no room.
	Keep(ctx context.Context, p *Part) (Hash, error)
	// Open begins to read a content, or returns store.ErrNotFound. What is deleted behind its first byte was read can be read to its end.
	Open(ctx context.Context, h Hash) (Content, error)
	// Delete removes a content unless it was kept after a time; then it returns false. One that is not there counts as removed.
	Delete(ctx context.Context, h Hash, notAfter time.Time) (bool, error)
	// Each calls f for all contents, in no order, with when they were kept last, until f fails. f may delete.
	Each(ctx context.Context, f func(h Hash, kept time.Time) error) error
	// Tidy removes what is left of contents that the end of a process has kept from being kept, and what has arrived under names that nobody wants any more.
	Tidy(ctx context.Context, wanted func(name string) (bool, error)) error
	// Free is how many bytes there is room for on this machine; known is false when nobody can say.
	Free(ctx context.Context) (bytes int64, known bool, err error)
}

// Put keeps what r has, which must be exactly size bytes, else ErrLength. look, if there is one, is shown all of it before it is kept; its error
// refuses it. Nothing is left of what fails.
func Put(ctx context.Context, to Blobs, r io.Reader, size int64, look func(io.Reader) error) (h Hash, err error) {
	p, err := to.Arrive(size)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err = p.Receive(ctx, r); err == nil && look != nil {
		err = look(p.Content())
	}
	if err != nil {
		return h, err
	}
	return to.Keep(ctx, p)
}
