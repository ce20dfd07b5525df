package muc

import (
	"strings"
	"testing"

	"stonechat/xmpp/jid"
)

func TestNicks(t *testing.T) {
	key := func(s string) string {
		n, err := nickOf(s, 64)
		if err != nil {
			t.Errorf("%q: %v", s, err)
		}
		return n.key
	}
	for _, pair := range [][2]string{
		{"Bob", "bob"},
		{"Bob", " Bob "},
		{"Bob Marley", "Bob  Marley"},
		{"Bob", "Ｂｏｂ"}, // full width
		{"straße", "STRAßE"},
		{"Ω", "Ω"}, // OHM SIGN and GREEK CAPITAL LETTER OMEGA
	} {
		if key(pair[0]) != key(pair[1]) {
			t.Errorf("%q and %q are different nicks", pair[0], pair[1])
		}
	}
	if key("Bob") == key("Rob") {
		t.Error("all nicks are the same")
	}
	for _, s := range []string{" ", "\u00a0", "\u200b", "a\u200bb", "\u2800", "\u0301", "a\u0000", strings.Repeat("x", 65)} {
		if n, err := nickOf(s, 64); err == nil {
			t.Errorf("%q is a nick: %+v", s, n)
		}
	}
	if n, err := nickOf("  The  Bard ", 64); err != nil || n.shown != "The Bard" {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestOccupantID(t *testing.T) {
	a, b := jid.MustParse("a@example.org/x"), jid.MustParse("b@example.org")
	one := occupantID([]byte("one"), a)
	if one != occupantID([]byte("one"), a.Bare()) {
		t.Error("another session is another occupant")
	}
	if one == occupantID([]byte("one"), b) || one == occupantID([]byte("two"), a) {
		t.Error("people or rooms are mixed up")
	}
	if strings.Contains(one, "a@") || len(one) < 32 {
		t.Errorf("%q", one)
	}
}
