package store

import (
	"context"

	"stonechat/xmpp/jid"
)

// MaxBlocked is how long an address may be that is blocked, bytes: it must fit into a row of an index (PostgreSQL takes 2704). Only addresses with a
// resource can be longer.
const MaxBlocked = 2600

// BlockChange is one atomic change of a block list. Clear comes first, then Remove, then Add.
type BlockChange struct {
	Clear       bool
	Remove, Add []jid.JID
}

// Blocks keeps with whom owners exchange nothing (XEP-0191).
type Blocks interface {
	// Blocked returns the owner's list, ordered by address.
	Blocked(ctx context.Context, owner Owner) ([]jid.JID, error)
	// ChangeBlocked applies c as one. What is there already is left alone, and so is what is removed and not there.
	// ErrInvalid: an address of Add is longer than MaxBlocked.
	ChangeBlocked(owner Owner, c BlockChange) Ticket
}
