package store

import (
	"context"
	"time"
)

// KeptSession is a session that has no connection and waits on disk for its client (XEP-0198 section 5).
type KeptSession struct {
	Owner    Owner
	ID       []byte // hash of the id that the client has
	Resource string
	Ends     time.Time // when it can be resumed no more; microseconds, UTC
	State    []byte    // as package core wrote it
}

// Resting is an account with sessions on disk.
type Resting struct {
	Domain, Local string
	Ends          time.Time // when the first of its sessions can be resumed no more
}

// Sessions keeps what waits for clients that lost their connections, beyond the memory and the life of a process. What is kept is a truth about
// counts, so it is worth something only when nothing has happened since: after a process that did not End, nothing of it is left.
type Sessions interface {
	// Begin is called once, before anything else, by every process that has sessions, and returns when its beginning is durable. If the last
	// one did not End, what it kept is erased, and voided is how many that were.
	Begin(ctx context.Context) (voided int64, err error)
	// End says that all that is kept is true; nothing may be changed after it. It is durable behind everything that was called before, for
	// whomever.
	End() Ticket
	// Resting returns all accounts with sessions on disk, those first whose sessions end first.
	Resting(ctx context.Context) ([]Resting, error)
	// Of returns the sessions of one owner.
	Of(ctx context.Context, owner Owner) ([]KeptSession, error)
	// Get returns one session, or ErrNotFound.
	Get(ctx context.Context, owner Owner, id []byte) (KeptSession, error)
	// Put keeps a session, in the place of one with the same id. Of an account that is gone it keeps nothing.
	Put(s KeptSession) Ticket
	// Remove forgets sessions of an owner; no ids: all of them.
	Remove(owner Owner, ids ...[]byte) Ticket
	// Messages returns those of the rows of an owner's archive that are there; keys may come more than once.
	Messages(ctx context.Context, owner Owner, keys []Key) (map[Key]Row, error)
}
