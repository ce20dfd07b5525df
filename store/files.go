package store

import (
	"context"
	"time"
)

// FileState says how far a file has come.
type FileState uint8

// The states. A slot may be used until File.Due; then it becomes one that arrives, and that becomes a stored file, or a slot again.
const (
	FileSlot FileState = iota
	FileArriving
	FileStored
)

// File is what is known of an uploaded file, or of one that may be uploaded. What it holds is kept elsewhere, by its hash.
type File struct {
	ID      string // unguessable; given by the caller
	Owner   Owner
	State   FileState
	Size    int64
	Type    string // media type; may be empty in a slot
	Name    string
	Purpose string
	Hash    []byte // of a stored one
	Created time.Time
	// Due is when it goes, whatever its state; zero: never. Slots that are due cannot be used, stored files that are due cannot be had.
	Due time.Time
	// Until is when it goes once it is stored; zero: never.
	Until time.Time
	Look  Look
}

// Look is what the server has found out about the content of a stored file; zero: nothing.
type Look struct {
	Width, Height int           // of a picture as it is shown, in pixels
	Duration      time.Duration // of sound, in whole milliseconds
	Blurhash      string        // the picture as a wash of its colours
	Waveform      []byte        // how loud the sound is, in parts of equal length
	Thumb         Thumb
}

// Thumb is a smaller picture, a content of its own.
type Thumb struct {
	Hash          []byte // nil: there is none
	Type          string // media type
	Width, Height int    // in pixels
}

// Gone tells whether the file is due.
func (f File) Gone(now time.Time) bool { return !f.Due.IsZero() && !f.Due.After(now) }

// Quota is how much an owner may have with the purposes that are counted together.
type Quota struct {
	Purposes []string
	Files    int
	Bytes    int64
}

// Files keeps what is known of uploaded files. Times have microseconds.
type Files interface {
	// Reserve keeps a slot. Slots count like files as long as they are not due. ErrQuota: the owner would have too many bytes; ErrTooMany: too many
	// files; ErrConflict: there is such an id; ErrNotFound: there is no such account.
	Reserve(f File, most Quota) Ticket
	// Get returns a file in whatever state, or ErrNotFound.
	Get(ctx context.Context, id string) (File, error)
	// Arrive makes a slot that is not due at the time now one that arrives, due at another time. ErrConflict: it is no slot any more; ErrNotFound: it is
	// not there, or due.
	Arrive(f File, now, due time.Time) Ticket
	// Return makes a file that arrives a slot again, due at a time. For one that does not arrive it does nothing.
	Return(f File, due time.Time) Ticket
	// Store makes a file that arrives a stored one, with hash and type, and the Size and Look of f, due at its Until. ErrNotFound: it has gone meanwhile.
	Store(f File, hash []byte, mediaType string) Ticket
	// Recover makes all files that arrive slots again, and returns how many: those that an earlier process has left. Nobody else may use the store.
	Recover(ctx context.Context) (int, error)
	// Expire removes up to limit files that are due, and returns how many.
	Expire(ctx context.Context, now time.Time, limit int) (int, error)
	// Holds tells whether a stored file has this hash, or a thumbnail that has it.
	Holds(ctx context.Context, hash []byte) (bool, error)
}

// OwnFiles is what owners may see of their files, and do with them.
type OwnFiles interface {
	// Usage sums up what counts for an owner, by purpose.
	Usage(ctx context.Context, owner Owner, now time.Time) ([]FileUsage, error)
	// List returns all stored files of an owner that are not due, newest first.
	List(ctx context.Context, owner Owner, now time.Time) ([]File, error)
	// Remove removes a file in whatever state. ErrNotFound: the owner has no such file (any more).
	Remove(owner Owner, id string) Ticket
}

// FileUsage is what an owner has with one purpose.
type FileUsage struct {
	Purpose string
	Files   int
	Bytes   int64
}
