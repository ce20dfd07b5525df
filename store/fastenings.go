package store

import "context"

// Limits of Fastenings.
const (
	MaxTargets    = 1024 // of one look
	MaxFastened   = 256  // rows about one target
	MaxFastenings = 4096 // rows of one look
)

// Fastened is what rows of an archive say about one target.
type Fastened struct {
	Rows []Row // newest first
	More bool  // there are others, which were not looked at
}

// Fastenings finds the rows that are about others: reactions, edits, receipts and the like. They are found by Entry.Target, in an order that the
// store keeps behind its commits as it does for whole archives.
type Fastenings interface {
	// About returns what an owner's rows say about each target, in the order of the targets; those of Fastened.Rows that are left out by a limit are
	// the oldest. ErrInvalid: there are more than MaxTargets.
	About(ctx context.Context, owner Owner, targets []uint64) ([]Fastened, error)
}
