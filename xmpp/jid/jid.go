// Package jid implements XMPP addresses as defined by RFC 7622: parsing,
// preparation (PRECIS for the localpart and resourcepart, IDNA for the
// domainpart), comparison and the escaping of XEP-0106.
//
// A JID is always in its prepared form, so two addresses are the same address
// exactly when the values compare equal with ==.
package jid

import "strings"

// JID is a prepared XMPP address: localpart@domainpart/resourcepart, where the
// localpart and the resourcepart may be absent. It is a small comparable value
// and may be used as a map key. The zero value is no address at all; see
// IsZero.
//
// A JID shares memory with the string it was parsed from. Whoever keeps one
// for long while the string was cut out of a much larger one should parse a
// copy (strings.Clone).
type JID struct {
	s      string
	local  uint16 // bytes of the localpart, 0 when absent
	domain uint16 // bytes of the domainpart, 0 only in the zero value
}

// Clone returns the address with memory of its own, for one that was cut out of
// something large and outlives it.
func (j JID) Clone() JID {
	j.s = strings.Clone(j.s)
	return j
}

// domainStart is the offset of the domainpart in s.
func (j JID) domainStart() int {
	if j.local == 0 {
		return 0
	}
	return int(j.local) + 1
}

// domainEnd is the offset just behind the domainpart in s.
func (j JID) domainEnd() int {
	return j.domainStart() + int(j.domain)
}

// Local returns the localpart, or "" when there is none.
func (j JID) Local() string { return j.s[:j.local] }

// Domain returns the domainpart in Unicode (U-label) form, or the literal of
// an IP address, an IPv6 one within brackets. It is "" only for the zero JID.
func (j JID) Domain() string { return j.s[j.domainStart():j.domainEnd()] }

// Resource returns the resourcepart, or "" when there is none.
func (j JID) Resource() string {
	end := j.domainEnd()
	if end == len(j.s) {
		return ""
	}
	return j.s[end+1:]
}

// Bare returns the address without its resourcepart.
func (j JID) Bare() JID {
	j.s = j.s[:j.domainEnd()]
	return j
}

// DomainJID returns the address that consists of the domainpart alone.
func (j JID) DomainJID() JID {
	return JID{s: j.Domain(), domain: j.domain}
}

// IsZero reports whether j is the zero value, which is no address.
func (j JID) IsZero() bool { return j.domain == 0 }

// IsBare reports whether j is an address without a resourcepart. A domain
// alone counts as bare (RFC 6120 section 1.4: "bare JID" may be either form).
func (j JID) IsBare() bool { return j.domain != 0 && j.domainEnd() == len(j.s) }

// IsFull reports whether j has a resourcepart.
func (j JID) IsFull() bool { return j.domainEnd() < len(j.s) }

// IsDomain reports whether j has no localpart; it may have a resourcepart.
func (j JID) IsDomain() bool { return j.domain != 0 && j.local == 0 }

// String returns the address in its prepared textual form, "" for the zero
// value.
func (j JID) String() string { return j.s }

// WithResource returns the address with its resourcepart replaced by the
// prepared form of resource. An empty resource is an error (RFC 7622
// section 3.4: a resourcepart is never zero bytes long); use Bare to remove
// one.
func (j JID) WithResource(resource string) (JID, error) {
	if j.IsZero() {
		return JID{}, &Error{Part: DomainPart, Err: ErrEmpty}
	}
	r, err := prepareResource(resource)
	if err != nil {
		return JID{}, err
	}
	bare := j.Bare()
	bare.s = bare.s + "/" + r
	return bare, nil
}

// MarshalText implements encoding.TextMarshaler. The zero value becomes empty
// text.
func (j JID) MarshalText() ([]byte, error) { return []byte(j.s), nil }

// UnmarshalText implements encoding.TextUnmarshaler with the rules of Parse;
// empty text gives the zero value.
func (j *JID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*j = JID{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*j = parsed
	return nil
}
