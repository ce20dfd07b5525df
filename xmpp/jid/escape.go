package jid

import "strings"

// escapes pairs each character that XEP-0106 escapes with its two lower-case
// hexadecimal digits (section 3.2; case is significant).
var escapes = [...]struct {
	char byte
	hex  string
}{
	{' ', "20"},
	{'"', "22"},
	{'&', "26"},
	{'\'', "27"},
	{'/', "2f"},
	{':', "3a"},
	{'<', "3c"},
	{'>', "3e"},
	{'@', "40"},
	{'\\', "5c"},
}

// escapedChar returns the character that the sequence at the start of s stands
// for, if s starts with one of the ten sequences.
func escapedChar(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '\\' {
		return 0, false
	}
	for _, e := range escapes {
		if s[1:3] == e.hex {
			return e.char, true
		}
	}
	return 0, false
}

// Escape turns text such as a user name of another system into text that may
// stand in a localpart (XEP-0106 section 4.2). It is for the edges only:
// prepared addresses already on the wire are never escaped again. The result
// is not prepared, and a space at either end gives a localpart that
// PrepareLocal refuses.
func Escape(text string) string {
	if !strings.ContainsAny(text, `\ "&'/:<>@`) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		hex := ""
		for _, e := range escapes {
			if e.char == text[i] {
				hex = e.hex
			}
		}
		// XEP-0106 section 4.1: a backslash is escaped only where it would
		// otherwise read as the start of an escape sequence.
		if text[i] == '\\' {
			if _, reads := escapedChar(text[i:]); !reads {
				hex = ""
			}
		}
		if hex == "" {
			b.WriteByte(text[i])
			continue
		}
		b.WriteByte('\\')
		b.WriteString(hex)
	}
	return b.String()
}

// Unescape reverses Escape for display or for another system (XEP-0106
// section 3.3). Unescaped text must never be used as an address or compared
// with one. Sequences other than the ten defined ones are left alone, and so
// is an escaped space at either end, which section 3.2 forbids.
func Unescape(local string) string {
	if strings.IndexByte(local, '\\') < 0 {
		return local
	}
	var b strings.Builder
	for i := 0; i < len(local); {
		char, ok := escapedChar(local[i:])
		atEnd := i == 0 || i+3 == len(local)
		if !ok || char == ' ' && atEnd {
			b.WriteByte(local[i])
			i++
			continue
		}
		b.WriteByte(char)
		i += 3
	}
	return b.String()
}
