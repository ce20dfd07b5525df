package store

import (
	"context"
	"time"
)

// Room is a room as it is kept.
type Room struct {
	ID      Owner
	Domain  string
	Local   string
	Creator string    // bare address; whose limit of rooms it counts for
	Created time.Time // microseconds
	// Public: listed for everybody. Temporary: it goes with its last occupant.
	Public, Temporary bool
	Config            []byte // JSON of the module's own
	Subject           []byte // the stanza that set it, standalone XML; empty: never set
	Secret            []byte // for occupant ids (XEP-0421); never changed
}

// Affiliation is how a bare address stands to a room, whether it is there or not.
type Affiliation struct {
	JID    string // bare, prepared
	Kind   string // owner, admin, member or outcast; empty: none, which is not kept
	Nick   string // reserved, may be empty
	Reason string // may be empty
	Hats   string // URIs of what they wear (XEP-0317), separated by spaces
	Been   bool   // they have been in the room as a member
}

// Rooms keeps rooms. An owner is given a number when it is created, and no other one ever has it.
type Rooms interface {
	// Get reads a room by name. ErrNotFound: there is none.
	Get(ctx context.Context, domain, local string) (Room, error)
	// List returns up to limit rooms of a domain behind the name after, by name; public: only those that are listed for everybody. Subject and
	// Secret are not read.
	List(ctx context.Context, domain, after string, limit int, public bool) ([]Room, error)
	// CountBy is how many rooms of the domain a bare address has created.
	CountBy(ctx context.Context, domain, creator string) (int, error)
	// BytesBy is how many bytes the ids and payloads of all items have on the nodes of those, and the addresses of people with an affiliation.
	BytesBy(ctx context.Context, domain, creator string) (int, error)
	// Create keeps a new room with its first affiliations; made hears its number before the ticket is done, perhaps on another goroutine.
	// ErrConflict: there is one of that name, or a tombstone keeps it, when the room is created, for others than the creator. Of the creator's own it takes
	// the place.
	Create(r Room, first []Affiliation, made func(Owner)) Ticket
	// Change replaces what can change: Public, Temporary, Config and Subject. ErrNotFound: there is no such room any more.
	Change(r Room) Ticket
	// Delete erases a room, its archive and all that is kept under its number. It is gone when the ticket is done; the archive of one that was
	// long is erased behind it.
	Delete(owner Owner) Ticket
}

// Affiliations keeps who stands how to rooms.
type Affiliations interface {
	// Of a room, by address.
	Of(ctx context.Context, room Owner) ([]Affiliation, error)
	// Set replaces what is kept of each address; one of empty Kind and Nick is removed.
	Set(room Owner, changes []Affiliation) Ticket
}

// Occupants keeps who was in rooms when the process ended in order.
type Occupants interface {
	// Occupants of a room as they were given to SetOccupants, or nil.
	Occupants(ctx context.Context, room Owner) ([]byte, error)
	// SetOccupants replaces them; nil: there is nobody.
	SetOccupants(room Owner, occupants []byte) Ticket
	// Waking are the names of rooms of the domain with occupants, and of temporary ones: those that must be looked after when the process starts.
	Waking(ctx context.Context, domain string) ([]string, error)
}

// Tombstone keeps the name of a room that was destroyed for those who owned it then, so that nobody else gets who comes back to it.
type Tombstone struct {
	By        string    // bare address of the owner who destroyed it; whose limit of tombstones it counts for. Not read
	At        time.Time // when that was; not read
	Until     time.Time // microseconds; from then on it keeps nothing
	Reason    string    // may be empty
	Alternate string    // address of another room, may be empty
	Owners    []string  // bare addresses, By among them; read in their order
}

// Tombstones keeps what stands in the place of rooms that were destroyed. An account that goes, or leaves, is no owner any more in the same commit, and a
// tombstone without an owner goes.
type Tombstones interface {
	// Tombstone of a name. ErrNotFound: there is none. One that is over may still be there.
	Tombstone(ctx context.Context, domain, local string) (Tombstone, error)
	// Bury is Rooms.Delete that leaves a tombstone, in the same commit. Whoever does not own the room in that moment is no owner of it; without any there
	// is none. Of all that By has left the most newest stay.
	Bury(room Owner, t Tombstone, most int) Ticket
	// ExpireTombstones erases those that are over at a time, and returns how many.
	ExpireTombstones(ctx context.Context, now time.Time) (int64, error)
}
