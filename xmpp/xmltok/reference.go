package xmltok

import "unicode/utf8"

// reference looks at the reference that begins at i. It returns the position
// behind it, i if the buffer ends inside it, or the condition of an error.
func reference[T string | []byte](buf T, i int) (next int, condition string) {
	if i+1 < len(buf) && buf[i+1] == '#' {
		return charReference(buf, i)
	}
	for j := i + 1; j < len(buf); j++ {
		c := buf[j]
		if c == ';' {
			if predefined(string(buf[i+1:j])) == 0 {
				if j == i+1 {
					return 0, NotWellFormed
				}
				// RFC 6120 section 11.1: no entity references but the five.
				return 0, RestrictedXML
			}
			return j + 1, ""
		}
		k := nameTable[c]
		if k == 0 || j == i+1 && k == nameInner {
			return 0, NotWellFormed
		}
		if j-i >= maxReference {
			return 0, RestrictedXML
		}
	}
	return i, ""
}

// predefined returns the character of one of the five entities of XML 1.0
// section 4.6, or 0.
func predefined(name string) byte {
	switch name {
	case "amp":
		return '&'
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "apos":
		return '\''
	case "quot":
		return '"'
	}
	return 0
}

func charReference[T string | []byte](buf T, i int) (next int, condition string) {
	j, base := i+2, rune(10)
	if j < len(buf) && buf[j] == 'x' {
		j, base = j+1, 16
	}
	var r rune
	for first := j; j < len(buf); j++ {
		c := buf[j]
		if c == ';' {
			// XML 1.0 section 4.1: a reference must be to a character that XML has.
			if j == first || !allowed(r) {
				return 0, NotWellFormed
			}
			return j + 1, ""
		}
		d := digit(c)
		if d >= base || j-i >= maxReference {
			return 0, NotWellFormed
		}
		r = min(r*base+d, utf8.MaxRune+1)
	}
	return i, ""
}

// digit returns the value of a hexadecimal digit, or 16.
func digit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return 16
}

// referred returns the character that a whole reference stands for; reference
// has accepted it.
func referred(ref string) rune {
	name := ref[1 : len(ref)-1]
	if name[0] != '#' {
		return rune(predefined(name))
	}
	name, base := name[1:], rune(10)
	if name[0] == 'x' {
		name, base = name[1:], 16
	}
	var r rune
	for _, c := range []byte(name) {
		r = r*base + digit(c)
	}
	return r
}
