package store

import (
	"context"
	"iter"
	"time"
)

// Role is what an account may do on this server.
type Role string

// The roles, from the most to the least powerful; bots stand beside the order.
const (
	RoleOwner     Role = "owner"
	RoleAdmin     Role = "admin"
	RoleModerator Role = "moderator"
	RoleMember    Role = "member"
	RoleGuest     Role = "guest"
	RoleBot       Role = "bot"
)

// Known tells whether r is one of the roles.
func (r Role) Known() bool {
	switch r {
	case RoleOwner, RoleAdmin, RoleModerator, RoleMember, RoleGuest, RoleBot:
		return true
	}
	return false
}

// Credential is what is kept of a password for one mechanism (RFC 5802 section 3: never the password itself).
type Credential struct {
	Mechanism  string // "SCRAM-SHA-1", "SCRAM-SHA-256"; any other name is kept as well
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// Account is one account of a served domain.
type Account struct {
	ID       Owner
	Domain   string // prepared domainpart
	Local    string // prepared localpart
	Role     Role
	Disabled bool      // cannot log in, for whatever reason
	Waiting  bool      // Disabled until somebody approves it
	Leaving  bool      // Disabled until it is erased: for everybody else it is gone
	Created  time.Time // microseconds, UTC
	// Credentials by mechanism name in ascending order; empty when the account cannot log in by password. List leaves them out.
	Credentials []Credential
}

// NewAccount describes an account to create.
type NewAccount struct {
	Domain, Local string // prepared, not empty
	Role          Role   // empty: RoleMember
	Disabled      bool
	Created       time.Time // zero: now
	Credentials   []Credential
	// Contacts become the roster. Used by Import and Create alike.
	Contacts []Contact
}

// Imported tells what Import did.
type Imported struct {
	Created  int // accounts that are durable now
	Existing int // accounts that existed already and were left untouched
}

// Accounts keeps accounts. Names must be prepared (RFC 7622); they are compared byte by byte.
type Accounts interface {
	// Get returns the account with its credentials, or ErrNotFound.
	Get(ctx context.Context, domain, local string) (Account, error)
	// List returns up to limit accounts of a domain ordered by local name, those after the name `after`; "" begins. Credentials are left out.
	List(ctx context.Context, domain, after string, limit int) ([]Account, error)
	// Create adds an account with its roster, or returns ErrConflict.
	Create(ctx context.Context, a NewAccount) (Account, error)
	// SetCredentials replaces all credentials of the account, and ends its tokens (Devices).
	SetCredentials(ctx context.Context, id Owner, c []Credential) error
	// SetRole changes the role.
	SetRole(ctx context.Context, id Owner, r Role) error
	// SetDisabled forbids or allows log-ins; who is forbidden them has no tokens afterwards (Devices). Sessions are the caller's affair. An account that waits or leaves is ErrNotFound.
	SetDisabled(ctx context.Context, id Owner, disabled bool) error
	// Delete removes the account at once and returns when everything that was kept for it is erased too. In the same commit it ends to be anything to rooms
	// and nodes of others, but for bans; a room that it alone owned gets another owner: its admin, or else a member who belongs to it (Been, or with a
	// nick), with the oldest account of the domain. Without one, the room is deleted, and so is a room whose node it alone owned. When the context ends first, or
	// the process, erasing goes on by itself.
	Delete(ctx context.Context, id Owner) error
	// Import adds many accounts, each together with its contacts or not at all, some per commit. Accounts that exist are skipped, so an
	// interrupted import is simply run again. An error of one account (such as an empty name) stops the import after the accounts before it.
	Import(ctx context.Context, accounts iter.Seq[NewAccount]) (Imported, error)
}
