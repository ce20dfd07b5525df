package jid

// Properties of ASCII bytes in prepared addresses.
const (
	inLocal    uint8 = 1 << iota // allowed in a prepared localpart
	inDomain                     // allowed in a prepared domainpart that is a name
	inResource                   // allowed in a prepared resourcepart
)

// class tells for each byte in which prepared parts it may stand as it is.
// Bytes above 0x7e have no property: they take the long way.
var class = buildClass()

func buildClass() (t [256]uint8) {
	for c := 0x20; c <= 0x7e; c++ {
		t[c] = inResource
		if c > 0x20 {
			t[c] |= inLocal
		}
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] &^= inLocal
	}
	// RFC 7622 section 3.3.1: characters excluded from localparts.
	for _, c := range []byte(`"&'/:<>@`) {
		t[c] &^= inLocal
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= inDomain
	}
	for c := '0'; c <= '9'; c++ {
		t[c] |= inDomain
	}
	// The underscore is no host name character, but names with it are in use
	// inside private networks and do no harm here.
	for _, c := range []byte("-._") {
		t[c] |= inDomain
	}
	return t
}

// parsePlain reads an address that is already prepared and all ASCII, which
// nearly all addresses on the wire are. It gives up (false) on anything else,
// including errors, and leaves the verdict to the full rules.
func parsePlain(s string) (JID, bool) {
	// One pass over local or domain: which of the two it was is known only
	// when '@' or the end is met, so both properties are followed.
	all := inLocal | inDomain
	start, i := 0, 0
	for ; i < len(s) && s[i] != '/'; i++ {
		c := s[i]
		if c == '@' {
			if start != 0 || i == 0 || i > MaxPart || all&inLocal == 0 {
				return JID{}, false
			}
			start, all = i+1, inLocal|inDomain
			continue
		}
		all &= class[c]
		if all == 0 {
			return JID{}, false
		}
	}
	if all&inDomain == 0 || !plainDomain(s[start:i]) {
		return JID{}, false
	}
	if i < len(s) && !plainResource(s[i+1:]) {
		return JID{}, false
	}
	j := JID{s: s, domain: uint16(i - start)}
	if start > 0 {
		j.local = uint16(start - 1)
	}
	return j, true
}

// plainDomain reports whether d, which consists of inDomain bytes only, is a
// prepared name: labels are not empty, do not begin or end with a hyphen, and
// are no A-labels.
func plainDomain(d string) bool {
	if len(d) == 0 || len(d) > MaxPart {
		return false
	}
	label := 0
	for i := 0; i <= len(d); i++ {
		if i < len(d) && d[i] != '.' {
			continue
		}
		if !plainLabel(d[label:i]) {
			return false
		}
		label = i + 1
	}
	return true
}

// plainLabel reports whether l is a label that needs no preparation.
func plainLabel(l string) bool {
	if l == "" || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	return len(l) < 4 || l[:4] != "xn--"
}

// plainResource reports whether r is a prepared resourcepart in ASCII.
func plainResource(r string) bool {
	if len(r) == 0 || len(r) > MaxPart {
		return false
	}
	for i := 0; i < len(r); i++ {
		if class[r[i]]&inResource == 0 {
			return false
		}
	}
	return true
}
