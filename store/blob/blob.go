// Package blob keeps contents of files by their hash. Who may have them, and how they are called, is said elsewhere (store.Files): a content has no
// owner, and equal contents are one.
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

// ErrLength: a content did not have the length that was announced. Nothing was kept.
var ErrLength = errors.New("another length than announced")

// Content is one that is being read. Close gives it up.
type Content interface {
	io.ReadSeekCloser
}

// Blobs keeps contents. All methods may be called from any goroutine, and may wait.
type Blobs interface {
	// Put keeps what r has, which must be exactly size bytes, else ErrLength. When it returns without an error the content is durable, and as young as if
	// there had never been the same before. It needs the same memory whatever the size. store.ErrFull: there is no room.
	Put(ctx context.Context, r io.Reader, size int64) (Hash, error)
	// Open begins to read a content, or returns store.ErrNotFound. What is deleted while it is read can be read to its end.
	Open(ctx context.Context, h Hash) (Content, error)
	// Delete removes a content unless it was put after a time; then it returns false. One that is not there counts as removed.
	Delete(ctx context.Context, h Hash, notAfter time.Time) (bool, error)
	// Each calls f for all contents, in no order, with when they were put last, until f fails. f may delete.
	Each(ctx context.Context, f func(h Hash, put time.Time) error) error
	// Free is how many bytes there is room for; known is false when nobody can say.
	Free(ctx context.Context) (bytes int64, known bool, err error)
}
