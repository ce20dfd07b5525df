package xmltok

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Classes of ASCII bytes inside names.
const (
	nameInner uint8 = 1 << iota // may stand inside a name
	nameFirst                   // may begin a name
	nameWide                    // first byte of a longer character
	nameColon
)

var nameTable = buildNameTable()

func buildNameTable() (t [256]uint8) {
	for c := range 256 {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
			t[c] = nameInner | nameFirst
		case c >= '0' && c <= '9', c == '-', c == '.':
			t[c] = nameInner
		case c == ':':
			t[c] = nameColon
		case c >= 0x80:
			t[c] = nameWide
		}
	}
	return t
}

// wideName says whether r may stand in a name, or begin one (XML 1.0 fifth
// edition, productions 4 and 4a); r is not ASCII.
func wideName(r rune, first bool) bool {
	switch {
	case r >= 0xC0 && r <= 0x2FF:
		return r != 0xD7 && r != 0xF7
	case r >= 0x370 && r <= 0x1FFF:
		return r != 0x37E
	case r == 0x200C, r == 0x200D, r >= 0x2070 && r <= 0x218F,
		r >= 0x2C00 && r <= 0x2FEF, r >= 0x3001 && r <= 0xD7FF,
		r >= 0xF900 && r <= 0xFDCF, r >= 0xFDF0 && r <= 0xFFFD,
		r >= 0x10000 && r <= 0xEFFFF:
		return true
	}
	return !first && (r == 0xB7 || r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040)
}

// allowed says whether XML 1.0 has the character (production 2).
func allowed(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	case r < 0xE000:
		return false
	}
	return r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// skipSpace returns the position of the first byte from i on that is no white space.
func skipSpace(buf []byte, i int) int {
	for i < len(buf) && isSpace(buf[i]) {
		i++
	}
	return i
}

// Results of wideChar that are no length.
const (
	wideMore      = 0  // the buffer ends inside the character
	wideBad       = -1 // not UTF-8
	wideForbidden = -2 // U+FFFE or U+FFFF
)

// wideChar returns the length of the character at i, whose first byte is not
// ASCII, or one of the results above.
func wideChar(buf []byte, i int) int {
	b := buf[i:]
	if len(b) >= 3 {
		// The two forms that nearly all text consists of, without the detour
		// through a rune: E0, ED and EF have exceptions, the others none.
		if b[0] >= 0xC2 && b[0] < 0xE0 && b[1]&0xC0 == 0x80 {
			return 2
		}
		if b[0] > 0xE0 && b[0] < 0xEF && b[0] != 0xED && b[1]&0xC0 == 0x80 && b[2]&0xC0 == 0x80 {
			return 3
		}
	}
	if !utf8.FullRune(b) {
		return wideMore
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n == 1 {
		return wideBad
	}
	if r == 0xFFFE || r == 0xFFFF {
		return wideForbidden
	}
	return n
}

// Eight equal bytes, for work on eight bytes at a time.
const (
	ones  uint64 = 0x0101010101010101
	highs uint64 = 0x8080808080808080
)

// skipText returns a position from i on such that all bytes before it are plain
// character data: no markup, no reference, no '>' (which may end ']]>'), no
// control character, ASCII only. It may stop early, near the end of buf and
// before white space.
func skipText(buf []byte, i int) int {
	for ; i+8 <= len(buf); i += 8 {
		x := binary.LittleEndian.Uint64(buf[i:])
		angle := (x | 2*ones) ^ '>'*ones // '<' and '>' differ in one bit
		amp := x ^ '&'*ones
		hit := (x | (x-' '*ones)&^x | (angle-ones)&^angle | (amp-ones)&^amp) & highs
		if hit != 0 {
			return i + trailingBytes(hit)
		}
	}
	return i
}

// skipValue is skipText inside quotes: it also stops before quotes of both
// kinds, and before '#', which shares a bit pattern with them.
func skipValue(buf []byte, i int) int {
	for ; i+8 <= len(buf); i += 8 {
		x := binary.LittleEndian.Uint64(buf[i:])
		quote := (x | 5*ones) ^ '\''*ones // " # & '
		angle := (x | 2*ones) ^ '>'*ones
		hit := (x | (x-' '*ones)&^x | (quote-ones)&^quote | (angle-ones)&^angle) & highs
		if hit != 0 {
			return i + trailingBytes(hit)
		}
	}
	return i
}

// trailingBytes returns the index of the lowest byte that is marked in hit.
// Borrows can mark bytes above a true one, never below it.
func trailingBytes(hit uint64) int { return bits.TrailingZeros64(hit) >> 3 }
