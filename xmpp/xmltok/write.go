package xmltok

import (
	"strings"
	"unicode/utf8"
)

// AppendEscaped appends s so that it can stand as character data and inside
// either kind of quotes: & < > ' " become references, what is not UTF-8 becomes
// U+FFFD, and characters that XML forbids are left out. A carriage return
// becomes a reference, because a reader would turn it into a line end.
func AppendEscaped(dst []byte, s string) []byte { return escape(dst, s, textSafe) }

// AppendAttr appends a space, the name, and the escaped value in single
// quotes. Tabs and line ends become references, because a reader would turn
// them into spaces otherwise (XML 1.0 section 3.3.3).
func AppendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '\'')
	dst = escape(dst, value, valueSafe)
	return append(dst, '\'')
}

// Bits of safeTable: where an ASCII byte can stand as it is.
const (
	textSafe uint8 = 1 << iota
	valueSafe
)

var safeTable = buildSafeTable()

func buildSafeTable() (t [256]uint8) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		if strings.IndexByte(`&<>'"`, c) < 0 {
			t[c] = textSafe | valueSafe
		}
	}
	t['\t'], t['\n'] = textSafe, textSafe
	return t
}

func escape(dst []byte, s string, safe uint8) []byte {
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if safeTable[c]&safe != 0 {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if allowed(r) && (r != utf8.RuneError || n > 1) {
				i += n
				continue
			}
			dst = append(dst, s[done:i]...)
			if n == 1 {
				dst = append(dst, "\uFFFD"...)
			}
			i += n
			done = i
			continue
		}
		dst = append(dst, s[done:i]...)
		dst = append(dst, replacement(c)...)
		i++
		done = i
	}
	return append(dst, s[done:]...)
}

// replacement returns what stands for an ASCII character that is not safe;
// nothing for a control character.
func replacement(c byte) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '\'':
		return "&apos;"
	case '"':
		return "&quot;"
	case '\t':
		return "&#9;"
	case '\n':
		return "&#10;"
	case '\r':
		return "&#13;"
	}
	return ""
}

// Unescape resolves references in an attribute value and turns white space
// into spaces (XML 1.0 section 3.3.3). It allocates only if something changes.
// What a Scanner would refuse stays as it is.
func Unescape(s string) string {
	i := strings.IndexAny(s, "&\t\n\r")
	if i < 0 {
		return s
	}
	b := make([]byte, i, len(s))
	copy(b, s)
	for i < len(s) {
		var r rune
		start := i
		if r, i = valueChar(s, i); r < 0 {
			b = append(b, s[start])
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

// valueChar returns the character of an attribute value at i if it is written
// as a reference or is white space, -1 if it is the byte at i itself, and the
// position behind it.
func valueChar(s string, i int) (rune, int) {
	switch s[i] {
	case '&':
		if next, condition := reference(s, i); condition == "" && next > i {
			return referred(s[i:next]), next
		}
	case '\r':
		if i+1 < len(s) && s[i+1] == '\n' {
			return ' ', i + 2
		}
		return ' ', i + 1
	case '\t', '\n':
		return ' ', i + 1
	}
	return -1, i + 1
}

const (
	cdataOpen  = "<![CDATA["
	cdataClose = "]]>"
)

// UnescapeText resolves references and CDATA sections in character data and
// turns line ends into \n (XML 1.0 section 2.11). It allocates only if
// something changes. What a Scanner would refuse stays as it is.
func UnescapeText(s string) string {
	i := strings.IndexAny(s, "&<\r")
	if i < 0 {
		return s
	}
	b := make([]byte, i, len(s))
	copy(b, s)
	literal := 0 // end of the CDATA section that i is in
	for i < len(s) {
		switch c := s[i]; {
		case c == '\r':
			b = append(b, '\n')
			if i++; i < len(s) && s[i] == '\n' {
				i++
			}
			continue
		case i < literal:
		case c == '&':
			if next, condition := reference(s, i); condition == "" && next > i {
				b = utf8.AppendRune(b, referred(s[i:next]))
				i = next
				continue
			}
		case c == '<' && strings.HasPrefix(s[i:], cdataOpen):
			if n := strings.Index(s[i:], cdataClose); n >= 0 {
				i, literal = i+len(cdataOpen), i+n
				continue
			}
		case literal > 0 && i == literal:
			i, literal = i+len(cdataClose), 0
			continue
		}
		b = append(b, s[i])
		i++
	}
	return string(b)
}
