package store

import "errors"

// The errors that callers tell apart. They arrive wrapped and are found with errors.Is.
var (
	// ErrNotFound: no such account, secret, or archive id, or it is not this owner's.
	ErrNotFound = errors.New("not found")
	// ErrConflict: something with this name exists already.
	ErrConflict = errors.New("exists already")
	// ErrFull: the disk is full or cannot be written. Nothing was kept; trying again later may succeed.
	ErrFull = errors.New("storage full")
	// ErrBusy: too much waits for the disk already. Nothing was kept; it is an ErrFull too.
	ErrBusy = fullBecause("too much waits for the disk")
	// ErrAway: the database cannot be reached. Nothing was kept; it is an ErrFull too.
	ErrAway = fullBecause("the database cannot be reached")
	// ErrClosed: the store is closed or closing.
	ErrClosed = errors.New("store closed")
	// ErrQuota: the owner has as much as it may have. Nothing was kept.
	ErrQuota = errors.New("quota used up")
	// ErrTooMany: there are as many of the kind as the caller allows.
	ErrTooMany = errors.New("too many")
	// ErrInvalid: the call breaks a limit of this package, such as MaxIDs.
	ErrInvalid = errors.New("invalid")
)

// fullError is a kind of ErrFull.
type fullError struct{ text string }

func fullBecause(text string) error { return &fullError{text} }

// Error returns the reason.
func (e *fullError) Error() string { return ErrFull.Error() + ": " + e.text }

// Is makes every fullError an ErrFull.
func (e *fullError) Is(target error) bool { return target == ErrFull }
