package tui

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMarks is how many combining marks may stand on one character; more are a way to write over the lines above and below.
const maxMarks = 8

// Marks that steer or join characters and do no harm: the zero-width joiners, which emoji and many scripts need, and the three weak
// direction marks.
func harmless(r rune) bool {
	switch r {
	case '\u200c', '\u200d', '\u200e', '\u200f', '\u061c':
		return true
	}
	return false
}

// Escape makes text of others safe to print within one line. Whatever a terminal could take for a command, whatever is invisible, and what
// changes the direction of the text behind it (embeddings, overrides and isolates) comes out as <U+XXXX>, line ends included. Text that
// runs from right to left is set apart by a pair of isolates, so that it does not reorder what is printed beside it.
func Escape(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	marks, rtl := 0, false
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if unicode.In(r, unicode.Mn, unicode.Me) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "<0x%02X>", s[i])
		case r == '\t':
			b.WriteString("    ")
		case marks > maxMarks || !unicode.IsPrint(r) && !harmless(r) && !unicode.Is(unicode.Zs, r):
			fmt.Fprintf(&b, "<U+%04X>", r)
		default:
			rtl = rtl || rightToLeft(r)
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	if rtl {
		return "\u2068" + b.String() + "\u2069"
	}
	return b.String()
}

// plain reports whether s is printable ASCII.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// rightToLeft reports whether a character has the bidirectional class R or AL, by blocks.
func rightToLeft(r rune) bool {
	switch {
	case r < 0x0590:
		return false
	case r <= 0x08ff, r >= 0xfb1d && r <= 0xfdff, r >= 0xfe70 && r <= 0xfeff, r == 0x200f,
		r >= 0x10800 && r <= 0x10fff, r >= 0x1e800 && r <= 0x1efff:
		return true
	}
	return false
}

// Lines splits a message into lines that are each escaped; no line end within it can make it look like two messages.
func Lines(s string) []string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n").Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = Escape(l)
	}
	return lines
}

// wide are the blocks whose characters take two columns (East Asian Width W and F), from the first to the last of each.
var wide = [...][2]rune{
	{0x1100, 0x115f},
	{0x231a, 0x231b},
	{0x23e9, 0x23ec},
	{0x25fd, 0x25fe},
	{0x2614, 0x2615},
	{0x2648, 0x2653},
	{0x26a1, 0x26a1},
	{0x26bd, 0x26be},
	{0x2705, 0x2705},
	{0x270a, 0x270b},
	{0x2728, 0x2728},
	{0x274c, 0x274c},
	{0x2753, 0x2755},
	{0x2757, 0x2757},
	{0x2795, 0x2797},
	{0x2b1b, 0x2b1c},
	{0x2b50, 0x2b50},
	{0x2e80, 0x303e},
	{0x3041, 0x33ff},
	{0x3400, 0x4dbf},
	{0x4e00, 0x9fff},
	{0xa000, 0xa4cf},
	{0xa960, 0xa97c},
	{0xac00, 0xd7a3},
	{0xf900, 0xfaff},
	{0xfe30, 0xfe6f},
	{0xff00, 0xff60},
	{0xffe0, 0xffe6},
	{0x16fe0, 0x18dff},
	{0x1aff0, 0x1b2ff},
	{0x1f004, 0x1f004},
	{0x1f0cf, 0x1f0cf},
	{0x1f18e, 0x1f19a},
	{0x1f1e6, 0x1f265},
	{0x1f300, 0x1f64f},
	{0x1f680, 0x1f6ff},
	{0x1f7e0, 0x1f7eb},
	{0x1f900, 0x1f9ff},
	{0x1fa70, 0x1faff},
	{0x20000, 0x3fffd},
}

// width returns how many columns a character takes: 0, 1 or 2.
func width(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	for _, w := range wide {
		if r >= w[0] && r <= w[1] {
			return 2
		}
	}
	return 1
}

// columns returns the width of text.
func columns(rs []rune) int {
	n := 0
	for _, r := range rs {
		n += width(r)
	}
	return n
}

// sendable says why text cannot be the body of a message, or nothing.
func sendable(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("the text is not valid UTF-8")
	}
	if len(text) > MaxText {
		return fmt.Errorf("the text has %d bytes; %d is the most", len(text), MaxText)
	}
	for _, r := range text {
		// XML 1.0 section 2.2: these cannot be carried, not even escaped.
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0xfffe || r == 0xffff {
			return fmt.Errorf("the text has the control character U+%04X, which XMPP cannot carry", r)
		}
	}
	if strings.TrimSpace(text) == "" {
		return fmt.Errorf("the text is empty")
	}
	return nil
}
