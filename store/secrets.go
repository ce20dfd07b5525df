package store

import "context"

// Secrets keeps keys of the server, and what else it keeps for itself that is one small value, by name.
type Secrets interface {
	// Get returns a secret or ErrNotFound.
	Get(ctx context.Context, name string) ([]byte, error)
	// Put sets a secret, replacing one of that name.
	Put(ctx context.Context, name string, value []byte) error
	// Ensure returns the secret of that name. If there is none it keeps fresh first, in one step: everybody gets the same.
	Ensure(ctx context.Context, name string, fresh []byte) ([]byte, error)
}
