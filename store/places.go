package store

import (
	"context"
	"time"
)

// Place is one network as an account knows it.
type Place struct {
	// Owner is the account; zero when there is none of that name.
	Owner Owner
	// Seen is when the account logged in from there last, microseconds, UTC; zero when it never did, or when that was forgotten.
	Seen time.Time
}

// Places keeps from which networks accounts have logged in. A network is whatever bytes the caller takes for it, such as a hash.
type Places interface {
	// Place returns what is known. It is the same one read for whoever exists and whoever does not.
	Place(ctx context.Context, domain, local string, network []byte) (Place, error)
	// SetPlace notes a log-in and forgets all networks of the account but the newest keep. It fails with ErrNotFound when the account has gone.
	SetPlace(owner Owner, network []byte, seen time.Time, keep int) Ticket
}

// Shape is what many accounts have in common that anybody can see who tries to log in: which credentials there are, and their salts and
// iteration counts.
type Shape struct {
	// Accounts is how many there are.
	Accounts int
	// Credentials are those of one of them, without the keys, by mechanism name in ascending order.
	Credentials []Credential
}

// Shapes looks at the credentials of all accounts.
type Shapes interface {
	// Shapes returns the limit most frequent shapes among the accounts of a domain, as far as the named mechanisms go; two shapes differ in which
	// of them there are, an iteration count, or the length of a salt. It costs as much as there are kinds of accounts.
	Shapes(ctx context.Context, domain string, mechanisms []string, limit int) ([]Shape, error)
}
