package store

import "context"

// Held says of which kinds something is kept, so that what most owners have nothing of costs them no read.
type Held uint32

// The kinds that are read when an account comes into memory.
const (
	HoldsRoster Held = 1 << iota // contacts, or removed ones
	HoldsPending
	HoldsBlocks
	HoldsStrangerPrefs
	HoldsAcquaintances
	HoldsStrangerMessages
	HoldsArchivePrefs
	HoldsDelivered
	HoldsNodes
	HoldsPrivate
	HoldsVCard
	HoldsPush // targets of notifications
)

// HoldsAll is for whoever does not know.
const HoldsAll = ^Held(0)

// Any tells whether something of one of the kinds is kept.
func (h Held) Any(kinds Held) bool { return h&kinds != 0 }

// Holdings tells what there is to read of an owner.
type Holdings interface {
	// Held of an owner, as of the last commit; one that nothing is kept of holds nothing.
	Held(ctx context.Context, owner Owner) (Held, error)
}
