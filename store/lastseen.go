package store

import (
	"context"
	"time"
)

// ShownTo says who may know when an account was there last.
type ShownTo string

// Who may know. An account that never chose shows it to contacts.
const (
	ShownToContacts ShownTo = "contacts" // who may see the account's presence
	ShownToNobody   ShownTo = "nobody"
)

// LastSeen is when an account was there last (XEP-0012).
type LastSeen struct {
	At     time.Time // microseconds, UTC; zero: never
	Status string    // what it said when it left
	Shown  ShownTo
}

// Activity keeps when accounts were there last.
type Activity interface {
	// LastSeen of an owner; one that was never there has a zero time.
	LastSeen(ctx context.Context, owner Owner) (LastSeen, error)
	// SetLastSeen keeps when the owner was there last, and with which words it left. It may take a moment: nobody waits for it.
	SetLastSeen(owner Owner, at time.Time, status string) Ticket
	// ShowLastSeen keeps who may know.
	ShowLastSeen(owner Owner, to ShownTo) Ticket
}
