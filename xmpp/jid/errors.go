package jid

import "errors"

// Part names one of the three parts of an address.
type Part uint8

// The parts of an address (RFC 7622 section 3.1).
const (
	LocalPart Part = iota + 1
	DomainPart
	ResourcePart
)

// String returns the name that RFC 7622 gives the part.
func (p Part) String() string {
	switch p {
	case LocalPart:
		return "localpart"
	case DomainPart:
		return "domainpart"
	case ResourcePart:
		return "resourcepart"
	}
	return "address"
}

// Reasons for which an address is refused. They arrive wrapped in an *Error
// and are found with errors.Is.
var (
	ErrEmpty     = errors.New("must not be empty")
	ErrTooLong   = errors.New("longer than 1023 bytes")
	ErrEncoding  = errors.New("not valid UTF-8")
	ErrForbidden = errors.New("contains a character or sequence that is not allowed")
	ErrUnstable  = errors.New("has no stable prepared form")
	ErrStrict    = errors.New("tolerated from others but not for a new address")
)

// Error says which part of an address was refused and why. Its text never
// contains the address.
type Error struct {
	Part Part
	Err  error // one of the reasons of this package
}

// Error returns the part and the reason.
func (e *Error) Error() string { return "jid: " + e.Part.String() + " " + e.Err.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }
