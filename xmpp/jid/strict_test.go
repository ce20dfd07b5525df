package jid

import (
	"errors"
	"strings"
	"testing"
)

func TestPrepareLocal(t *testing.T) {
	for _, tc := range []struct {
		in, want string
		err      error
	}{
		{"Alice", "alice", nil},
		{"\u00c9ric", "\u00e9ric", nil},
		{`o\27hara`, `o\27hara`, nil},
		{"", "", ErrEmpty},
		{"two words", "", ErrForbidden},
		{" alice", "", ErrForbidden},
		{`\20alice`, "", ErrStrict},
		{`alice\20`, "", ErrStrict},
		{"a@b", "", ErrForbidden},
		{"a/b", "", ErrForbidden},
		{"\u265a", "", ErrForbidden},
		{strings.Repeat("a", MaxPart), strings.Repeat("a", MaxPart), nil},
		{strings.Repeat("a", MaxPart+1), "", ErrTooLong},
	} {
		got, err := PrepareLocal(tc.in)
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("PrepareLocal(%.20q) = %.20q, %v; want %.20q, %v", tc.in, got, err, tc.want, tc.err)
		}
	}
}

func TestParseStrict(t *testing.T) {
	for _, ok := range []string{
		"alice@example.com", "example.com", "alice@b\u00fccher.example/x", "a@[::1]",
		"a@127.0.0.1", "a@fa\u00df.example", "\u00e9ric@example.com/a b",
	} {
		j, err := ParseStrict(ok)
		if err != nil || j.String() != ok {
			t.Errorf("ParseStrict(%q) = %s, %v", ok, j, err)
		}
	}
	for _, tc := range []struct {
		in   string
		part Part
	}{
		{"a@chat_room.internal", DomainPart},
		{"a@" + strings.Repeat("a", 64) + ".example", DomainPart},
		{"a@" + strings.Repeat("a.", 127) + "example", DomainPart},
		{`\20a@example.com`, LocalPart},
		{"juliet@example.com/ foo", ResourcePart}, // RFC 7622 section 3.5, example 18
		{"juliet@example.com/foo ", ResourcePart},
		{"juliet@example.com/foo\u00a0", ResourcePart},
	} {
		if _, err := Parse(tc.in); err != nil {
			t.Errorf("Parse(%.30q) refuses what others may send: %v", tc.in, err)
		}
		_, err := ParseStrict(tc.in)
		var e *Error
		if !errors.As(err, &e) || e.Part != tc.part || !errors.Is(err, ErrStrict) {
			t.Errorf("ParseStrict(%.30q): %v, want %v %v", tc.in, err, tc.part, ErrStrict)
		}
	}
	if _, err := ParseStrict("@"); !errors.Is(err, ErrEmpty) {
		t.Errorf("ParseStrict of a malformed address: %v", err)
	}
}

func TestASCIIDomain(t *testing.T) {
	for in, want := range map[string]string{
		"a@example.com/x":       "example.com",
		"a@B\u00fccher.example": "xn--bcher-kva.example",
		"a@fa\u00df.example":    "xn--fa-hia.example", // not "fass", RFC 5891
		"a@[2001:db8::1]":       "2001:db8::1",
		"192.0.2.1":             "192.0.2.1",
		"a@chat_room.internal":  "chat_room.internal",
	} {
		if got, err := MustParse(in).ASCIIDomain(); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"a@" + strings.Repeat("a", 64) + ".example",
		"a@" + strings.Repeat("a.", 127) + "example",
	} {
		if got, err := MustParse(in).ASCIIDomain(); !errors.Is(err, ErrTooLong) {
			t.Errorf("%.20s: %q, %v", in, got, err)
		}
	}
	if _, err := (JID{}).ASCIIDomain(); err == nil {
		t.Error("the zero JID has a domain")
	}
}

func TestEscape(t *testing.T) {
	// XEP-0106 section 5.1, in its order, then section 4.3.
	for _, tc := range []struct{ text, escaped string }{
		{"space cadet", `space\20cadet`},
		{`call me "ishmael"`, `call\20me\20\22ishmael\22`},
		{"at&t guy", `at\26t\20guy`},
		{"d'artagnan", `d\27artagnan`},
		{"/.fanboy", `\2f.fanboy`},
		{"::foo::", `\3a\3afoo\3a\3a`},
		{"<foo>", `\3cfoo\3e`},
		{"user@host", `user\40host`},
		{`c:\net`, `c\3a\net`},
		{`c:\\net`, `c\3a\\net`},
		{`c:\cool stuff`, `c\3a\cool\20stuff`},
		{`c:\5commas`, `c\3a\5c5commas`},
		{`\2plus\2is\4`, `\2plus\2is\4`},
		{`foo\bar`, `foo\bar`},
		{`foob\41r`, `foob\41r`},
		{`\3and\2is\5cool`, `\5c3and\2is\5c5cool`},
		{"plain", "plain"},
		{`\`, `\`},
		{`\5`, `\5`},
	} {
		if got := Escape(tc.text); got != tc.escaped {
			t.Errorf("Escape(%q) = %q, want %q", tc.text, got, tc.escaped)
		}
		if got := Unescape(tc.escaped); got != tc.text {
			t.Errorf("Unescape(%q) = %q, want %q", tc.escaped, got, tc.text)
		}
		if _, err := PrepareLocal(Escape(tc.text)); err != nil {
			t.Errorf("escaped %q is no localpart: %v", tc.text, err)
		}
	}
	for in, want := range map[string]string{
		`\20a\20`: `\20a\20`, // section 3.2 forbids it, so it means nothing
		`\2F`:     `\2F`,     // case is significant
		`\5c20x`:  `\20x`,
	} {
		if got := Unescape(in); got != want {
			t.Errorf("Unescape(%q) = %q, want %q", in, got, want)
		}
	}
}
