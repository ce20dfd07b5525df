package jid

import (
	"strings"

	"golang.org/x/net/idna"
)

// PrepareLocal prepares a localpart for a new account. It applies the rules of
// Parse and refuses in addition what only escaping can bring in: an escaped
// space at either end (XEP-0106 section 4.1).
func PrepareLocal(local string) (string, error) {
	prepared, err := prepareLocal(local)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(prepared, `\20`) || strings.HasSuffix(prepared, `\20`) {
		return "", &Error{Part: LocalPart, Err: ErrStrict}
	}
	return prepared, nil
}

// ParseStrict is Parse for addresses that are about to be created (accounts,
// rooms, served domains). Beyond Parse it refuses domains that could not be
// registered under IDNA 2008 or resolved by DNS, escaped spaces at the ends of
// the localpart, and spaces at the ends of the resourcepart (RFC 7622
// section 3.5, example 18).
func ParseStrict(s string) (JID, error) {
	j, err := Parse(s)
	if err != nil {
		return JID{}, err
	}
	if local := j.Local(); local != "" {
		if _, err := PrepareLocal(local); err != nil {
			return JID{}, err
		}
	}
	if d := j.Domain(); d[0] != '[' {
		if _, err := idna.Registration.ToASCII(d); err != nil {
			return JID{}, &Error{Part: DomainPart, Err: ErrStrict}
		}
	}
	if r := j.Resource(); r != strings.Trim(r, " ") {
		return JID{}, &Error{Part: ResourcePart, Err: ErrStrict}
	}
	return j, nil
}

// ASCIIDomain returns the domainpart in the form that DNS and certificates use:
// A-labels (RFC 5890), lower case, at most 253 bytes. IP literals come without
// brackets. Errors are of type *Error.
func (j JID) ASCIIDomain() (string, error) {
	d := j.Domain()
	if strings.HasPrefix(d, "[") {
		return d[1 : len(d)-1], nil
	}
	out, err := domainProfile.ToASCII(d)
	if err != nil {
		return "", &Error{Part: DomainPart, Err: ErrForbidden}
	}
	if out == "" || len(out) > 253 {
		return "", &Error{Part: DomainPart, Err: ErrTooLong}
	}
	for label := range strings.SplitSeq(out, ".") {
		if len(label) > 63 {
			return "", &Error{Part: DomainPart, Err: ErrTooLong}
		}
	}
	return out, nil
}
