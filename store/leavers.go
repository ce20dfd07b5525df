package store

import (
	"context"
	"time"
)

// Leaver is an account that is leaving and is due to be erased.
type Leaver struct {
	Owner         Owner
	Domain, Local string
	Due           time.Time
}

// Leavers keeps accounts that are on their way in or out.
type Leavers interface {
	// Leave takes an account out of the world until it is erased: it cannot log in, its own subscriptions, requests, circles,
	// invites and tokens end, and what it is to rooms and nodes, as in Accounts.Delete. Its name, messages and password stay until it is erased.
	Leave(owner Owner, due time.Time) Ticket
	// Return ends Leave: the account may log in again, unless it was disabled or waited before; its contacts are listed without subscriptions.
	// ErrNotFound: it was not leaving.
	Return(ctx context.Context, owner Owner) error
	// Due returns up to limit accounts of a domain that are to be erased by that time, the first due first.
	Due(ctx context.Context, domain string, by time.Time, limit int) ([]Leaver, error)
	// Erase is Accounts.Delete, and keeps the name from being registered until a time. The hold is a hash of the name.
	Erase(ctx context.Context, owner Owner, hold time.Time) error
	// EraseDue is Erase of an account that is still leaving and due by that time; ErrNotFound otherwise.
	EraseDue(ctx context.Context, owner Owner, by, hold time.Time) error
	// Waiting returns up to limit accounts of a domain that wait for approval, by name, without credentials.
	Waiting(ctx context.Context, domain string, limit int) ([]Account, error)
	// Approve lets an account in that has waited, or returns ErrNotFound.
	Approve(ctx context.Context, owner Owner) error
}
