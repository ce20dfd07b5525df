package store

import (
	"context"
	"time"
)

// Key is the place of a row in the archive: microseconds since 1970, moved on so that no two rows share one. Order of keys is order of
// Append. Keys are for the server alone; clients get ids. Zero is before every row.
type Key int64

// Time is when the row was appended.
func (k Key) Time() time.Time { return time.UnixMicro(int64(k)).UTC() }

// KeyAt is the smallest key that a row of time t can have.
func KeyAt(t time.Time) Key { return Key(t.UnixMicro()) }

// Limits of archive queries.
const (
	MaxPage      = 500     // rows of one page
	MaxPageBytes = 4 << 20 // stanza bytes of one page; the row that passes it is the page's last
	MaxIDs       = 256     // entries of Query.IDs
	MaxCount     = 100_000 // Result.Count stops here; of one kind of rows so many of all are counted
	MaxPassed    = 20_000  // rows of one page that are looked at when not all kinds are wanted
)

// Direction of a message as the archive's owner sees it.
type Direction uint8

// The directions.
const (
	Incoming Direction = iota
	Outgoing
)

// Entry is one message to keep. When it was is not part of it: that is the Key.
type Entry struct {
	Owner     Owner
	Peer      string // the other party's bare address, prepared; the owner's own for notes to self; in a room archive the publisher
	Resource  string // the other party's resource, may be empty
	Direction Direction
	Offline   bool   // incoming and fit to be delivered later to a client that reads no archive (XEP-0160)
	Hidden    bool   // in no archive: only Offline.After gives it, until SetDelivered passes it; implies Offline
	Aside     bool   // it says nothing by itself, such as a receipt: it is no news in a chat
	Origin    uint64 // hash that recognises the same message sent again; zero: none
	Target    uint64 // hash of the name of the row that this one is about (Fastenings); zero: it stands for itself
	Stanza    []byte // standalone XML; the archive keeps the slice until the ticket is done
}

// Row is one kept message.
type Row struct {
	Key       Key
	ID        string // public id (XEP-0359)
	Peer      string
	Resource  string
	Direction Direction
	Hidden    bool   // the owner's archive does not hold it; its ID is empty
	Stanza    []byte // the caller's own
}

// Query selects rows (XEP-0313 sections 4.1 and 4.2). All conditions apply together; zero values select everything.
type Query struct {
	With         string    // bare address of the other party; the owner's own gives notes to self only
	WithResource string    // with With: only this resource of it
	Start, End   time.Time // both included
	AfterID      string    // form field after-id: only rows behind this one
	BeforeID     string    // form field before-id: only rows in front of this one
	IDs          []string  // form field ids: only these, at most MaxIDs

	Max    int     // rows wanted, at most MaxPage; zero asks for the count only
	After  string  // RSM <after/>: the page behind this row
	Before *string // RSM <before/>: the page in front of this row; the empty string gives the last page
	Flip   bool    // newest first within the page

	Rows Rows // which ones; of IDs all are wanted
}

// Rows are kinds of rows, by whether they are about another one (Entry.Target).
type Rows uint8

// The kinds of Query.Rows.
const (
	AllRows   Rows = iota
	OwnRows        // that stand for themselves
	AimedRows      // that are about another one
)

// Result is a page of rows.
type Result struct {
	Rows     []Row // oldest first, unless flipped
	Complete bool  // no more rows in the direction of paging (XEP-0313 section 4.3: complete)
	Count    int   // rows that match, up to MaxCount; only when Max was zero
	// Edge is the id of the last row that was looked at, when so many others stood between the wanted ones (MaxPassed) that the page ended early.
	Edge string
}

// Bounds are the ends of an archive (XEP-0313 section 5.1). Ids are empty when it holds nothing.
type Bounds struct {
	FirstID, LastID string
	First, Last     time.Time
}

// Seen is the origin of a kept message.
type Seen struct {
	Key    Key
	Origin uint64
}

// Archive keeps messages. There is one per owner.
type Archive interface {
	// Append keeps a message. The key is final at once, and so is its id; they must not be shown to anybody before the ticket is done.
	Append(e Entry) (Key, Ticket)
	// ID is the public id of a row: unguessable, and worth nothing to other owners.
	ID(owner Owner, key Key) string
	// Find returns the key of the row with this id, or ErrNotFound when the owner keeps no such row (any more).
	Find(ctx context.Context, owner Owner, id string) (Key, error)
	// Page returns one page. ErrNotFound: an id in the query is not in the archive. ErrInvalid: a limit was passed.
	Page(ctx context.Context, owner Owner, q Query) (Result, error)
	// Replace puts another stanza into a row, which keeps its place. ErrNotFound: the owner has no such row (any more).
	Replace(owner Owner, key Key, stanza []byte) Ticket
	// Bounds returns the first and the last row.
	Bounds(ctx context.Context, owner Owner) (Bounds, error)
	// Recent returns the origins of rows at or after since, oldest first, at most the newest limit ones.
	Recent(ctx context.Context, owner Owner, since time.Time, limit int) ([]Seen, error)
	// Expire erases the rows of all owners that are older than before, in small steps that let others write between, and returns how many.
	Expire(ctx context.Context, before time.Time) (int64, error)
}

// Offline knows up to where an owner's incoming messages were delivered to clients that read no archive (XEP-0160).
type Offline interface {
	// Delivered returns the mark, zero at first.
	Delivered(ctx context.Context, owner Owner) (Key, error)
	// SetDelivered moves the mark and erases what is hidden up to it. It never moves back.
	SetDelivered(owner Owner, key Key) Ticket
	// After returns up to limit rows behind key that were appended with Entry.Offline or Entry.Hidden, oldest first.
	After(ctx context.Context, owner Owner, key Key, limit int) ([]Row, error)
}

// ArchiveDefault says which messages an owner wants kept when its lists do not tell (XEP-0441 section 2).
type ArchiveDefault string

// The defaults of XEP-0441; empty when the owner never chose.
const (
	ArchiveAlways ArchiveDefault = "always"
	ArchiveNever  ArchiveDefault = "never"
	ArchiveRoster ArchiveDefault = "roster"
)

// ArchivePrefs is what an owner wants kept.
type ArchivePrefs struct {
	Default ArchiveDefault
	Always  []string // addresses
	Never   []string // addresses
}

// Prefs keeps what owners chose.
type Prefs interface {
	// ArchivePrefs returns the choice, or the zero value.
	ArchivePrefs(ctx context.Context, owner Owner) (ArchivePrefs, error)
	// SetArchivePrefs replaces it.
	SetArchivePrefs(owner Owner, p ArchivePrefs) Ticket
}
