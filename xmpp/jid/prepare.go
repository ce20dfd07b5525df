package jid

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
)

// domainProfile prepares internationalised names. Mapping is the one meant for
// looking names up, so that upper case and width variants of old peers are
// accepted (RFC 7622 section 3.2 via RFC 5895). ASCII characters are judged by
// this package afterwards, because a mapping may produce separators.
var domainProfile = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.StrictDomainName(false),
	idna.BidiRule(),
)

// isASCII reports whether s has no byte above 0x7f.
func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// checkRaw applies what must hold before any mapping.
func checkRaw(p Part, s string) error {
	switch {
	case s == "":
		return &Error{Part: p, Err: ErrEmpty}
	case len(s) > maxRaw:
		return &Error{Part: p, Err: ErrTooLong}
	case !utf8.ValidString(s):
		return &Error{Part: p, Err: ErrEncoding}
	}
	return nil
}

// checkSize applies the size rules, which hold after mapping.
func checkSize(p Part, s string) error {
	switch {
	case s == "":
		return &Error{Part: p, Err: ErrEmpty}
	case len(s) > MaxPart:
		return &Error{Part: p, Err: ErrTooLong}
	}
	return nil
}

// allIn reports whether every ASCII byte of s has the property want.
func allIn(s string, want uint8) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < utf8.RuneSelf && class[c]&want == 0 {
			return false
		}
	}
	return true
}

// stable applies prepare until its output no longer changes. RFC 8264
// section 7: some profiles are not idempotent for every string, so the rules
// are applied again, at most three further times, and a string that has not
// settled by then is refused.
func stable(p Part, s string, prepare func(string) (string, error)) (string, error) {
	for range 4 {
		next, err := prepare(s)
		if err != nil {
			return "", &Error{Part: p, Err: ErrForbidden}
		}
		if next == s {
			return s, nil
		}
		s = next
	}
	return "", &Error{Part: p, Err: ErrUnstable}
}

// prepareLocal applies RFC 7622 section 3.3: UsernameCaseMapped of RFC 8265
// without the eight characters of section 3.3.1.
func prepareLocal(s string) (string, error) {
	if err := checkRaw(LocalPart, s); err != nil {
		return "", err
	}
	var err error
	if isASCII(s) {
		s = strings.ToLower(s)
	} else if s, err = stable(LocalPart, s, precis.UsernameCaseMapped.String); err != nil {
		return "", err
	}
	// RFC 7622 section 3.3.1, after mapping: a full-width '＠' has become '@'.
	if !allIn(s, inLocal) {
		return "", &Error{Part: LocalPart, Err: ErrForbidden}
	}
	return s, checkSize(LocalPart, s)
}

// prepareResource applies RFC 7622 section 3.4: OpaqueString of RFC 8265, which
// keeps case and maps only foreign spaces.
func prepareResource(s string) (string, error) {
	if err := checkRaw(ResourcePart, s); err != nil {
		return "", err
	}
	if !isASCII(s) {
		var err error
		if s, err = stable(ResourcePart, s, precis.OpaqueString.String); err != nil {
			return "", err
		}
	}
	if !allIn(s, inResource) {
		return "", &Error{Part: ResourcePart, Err: ErrForbidden}
	}
	return s, checkSize(ResourcePart, s)
}

// prepareDomain applies RFC 7622 section 3.2: an IP literal, or a name made of
// labels in the form for lookup.
func prepareDomain(s string) (string, error) {
	if err := checkRaw(DomainPart, s); err != nil {
		return "", err
	}
	if s[0] == '[' {
		return prepareIPv6(s)
	}
	s = strings.TrimSuffix(s, ".")
	if isASCII(s) {
		s = strings.ToLower(s)
	}
	if !plainName(s) {
		var err error
		if s, err = stable(DomainPart, s, mapDomain); err != nil {
			return "", err
		}
	}
	if err := checkSize(DomainPart, s); err != nil {
		return "", err
	}
	// After mapping: full-width '＠' and '／' have become ASCII separators, and
	// '℀' has become "a/c".
	if !allIn(s, inDomain) || !lettersOnly(s) || !labelsFit(s) {
		return "", &Error{Part: DomainPart, Err: ErrForbidden}
	}
	return s, nil
}

// mapDomain maps a name, and removes the one dot that ends a rooted name
// (RFC 7622 section 3.2); the dot may have been an ideographic one.
func mapDomain(s string) (string, error) {
	out, err := domainProfile.ToUnicode(s)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(out, "."), nil
}

// plainName reports whether s needs no mapping: ASCII without A-labels.
func plainName(s string) bool {
	return isASCII(s) && !strings.Contains(s, "xn--")
}

// lettersOnly reports whether the non-ASCII characters of a mapped name are
// letters, digits and marks, or the exceptions that RFC 5892 section 2.6 adds
// to them. The mapping alone would let symbols through, for example a fraction
// slash that looks like a separator; RFC 5891 section 5.4 has names with
// disallowed characters refused when they are looked up too.
func lettersOnly(s string) bool {
	for _, r := range s {
		if r < utf8.RuneSelf || unicode.In(r, unicode.L, unicode.Nd, unicode.Mn, unicode.Mc) {
			continue
		}
		if !strings.ContainsRune("\u00b7\u0375\u05f3\u05f4\u06fd\u06fe\u0f0b\u200c\u200d\u3007\u30fb", r) {
			return false
		}
	}
	return true
}

// labelsFit reports whether each label of a mapped name is well-formed:
// RFC 5890 section 2.3.1 has no empty label and no hyphen at its ends.
func labelsFit(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// prepareIPv6 brings "[address]" into the text form of RFC 5952. Zones have no
// meaning to anybody but the sender and are refused.
func prepareIPv6(s string) (string, error) {
	inner, closed := strings.CutSuffix(s[1:], "]")
	addr, err := netip.ParseAddr(inner)
	if !closed || err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", &Error{Part: DomainPart, Err: ErrForbidden}
	}
	return "[" + addr.String() + "]", nil
}
