package store

import (
	"context"
	"time"
)

// Device is one installation of a client that has logged in to an account (XEP-0388 section 2.3: user-agent).
type Device struct {
	ID       string // made of the id that the client gives itself, which is kept nowhere
	Name     string // of the device, as the client says; for people
	Software string // likewise
	First    time.Time
	Last     time.Time // of the last log-in
	Address  string    // where that came from
	Tokens   int       // how many it has; List only
}

// Token is one token of a device (XEP-0484). It is not the secret itself: that is derived from the seed with a key that the store does not hold.
type Token struct {
	Seed      []byte // random, and with it the name of the token
	Mechanism string // the only one that it is good for
	Issued    time.Time
	Expires   time.Time
	Count     int64 // the highest that was used with it; zero: none
}

// Login is a log-in of a device, and what it does to the device's tokens. All of it happens in one step or not at all.
type Login struct {
	Device Device // First and Tokens are ignored
	Keep   int    // devices that the owner may have: with more, those not seen for longest are forgotten with their tokens

	// Used is the seed of the token that was proven; nil: none was. Every older token of the device is worth nothing from now on.
	Used []byte
	// Count is what the client counts with it, zero for nothing. Enter fails with ErrConflict unless it is higher than any before.
	Count int64
	// Invalidate ends all tokens that the device has.
	Invalidate bool

	// Under is the StoredKey that was proven instead of a token; nil: none. Enter fails with ErrNotFound when the account has no such
	// credential any more, since its password was changed meanwhile.
	Under []byte
	// Issue becomes the device's new token, in place of an earlier one that was never used. Its Count is ignored.
	Issue *Token
}

// Devices keeps what is known of the devices of accounts, and their tokens. SetCredentials and SetDisabled of
// Accounts end all tokens of the account, as does Leave of Leavers.
type Devices interface {
	// List returns the owner's devices, the one seen last first.
	List(ctx context.Context, owner Owner) ([]Device, error)
	// Tokens returns the tokens of a device, two at most: the new one that was not used yet, then the current one.
	Tokens(ctx context.Context, owner Owner, device string) ([]Token, error)
	// Enter notes a log-in. It fails with ErrNotFound when there is no such account, or it is disabled, or the token that was proven is
	// worth nothing any more.
	Enter(owner Owner, e Login) Ticket
	// Revoke forgets a device and its tokens, or returns ErrNotFound.
	Revoke(ctx context.Context, owner Owner, device string) error
	// RevokeAll forgets all of them.
	RevokeAll(ctx context.Context, owner Owner) error
}

// Credentials is what log-in needs of the credentials of accounts beyond Accounts.
type Credentials interface {
	// Shared returns the mechanisms of which all accounts of a domain have a credential, and those of which some have one, both in ascending
	// order. Only accounts count that may log in and have any. What it costs depends on how many kinds of accounts there are, not on how many accounts.
	Shared(ctx context.Context, domain string) (all, some []string, err error)
	// Add gives the account another credential, in place of one of that mechanism. It fails with ErrNotFound when the account has no
	// credential with the StoredKey under any more, since its password was changed meanwhile.
	Add(ctx context.Context, id Owner, c Credential, under []byte) error
}
