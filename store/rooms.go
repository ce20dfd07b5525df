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
	// ErrConflict: there is one of that name.
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
