package core

import (
	"testing"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Neither an account itself nor its server is ever asked about, whatever is blocked.
func TestBlocksNeverItself(t *testing.T) {
	a := &Account{JID: jid.MustParse("me@example.org")}
	if a.Bars() || a.Blocks(jid.MustParse("you@example.net")) {
		t.Error("nobody is blocked")
	}
	a.Bar(func(jid.JID) bool { return true })
	for address, want := range map[string]bool{
		"me@example.org": false, "me@example.org/x": false, "example.org": false, "example.org/x": false,
		"you@example.org": true, "rooms.example.org": true, "example.net": true, "you@example.net/x": true,
	} {
		if got := a.Blocks(jid.MustParse(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	a.Bar(nil)
	if a.Bars() || a.Blocks(jid.MustParse("you@example.net")) {
		t.Error("somebody is still blocked")
	}
}

func TestInvitation(t *testing.T) {
	for inner, want := range map[string]string{
		"": "", "<body>x</body>": "",
		"<x xmlns='http://jabber.org/protocol/muc#user'/>":                                                   "",
		"<x xmlns='http://jabber.org/protocol/muc#user'><invite/></x>":                                       "",
		"<x xmlns='http://jabber.org/protocol/muc#user'><invite from='@'/></x>":                              "",
		"<x xmlns='http://jabber.org/protocol/muc#user'><decline from='a@b'/></x>":                           "",
		"<body>x</body><x xmlns='http://jabber.org/protocol/muc#user'><invite from='A@b/c' to='d'/></x><y/>": "a@b/c",
		"<x xmlns='jabber:client'><invite from='a@b'/></x>":                                                  "",
	} {
		st, err := stanza.Parse("<message xmlns='jabber:client'>" + inner + "</message>")
		if err != nil {
			t.Fatal(err)
		}
		if got := Invitation(st).String(); got != want {
			t.Errorf("%s: %q, want %q", inner, got, want)
		}
	}
}

func FuzzInvitation(f *testing.F) {
	f.Add("<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b/c'/></x>")
	f.Add("<x xmlns='http://jabber.org/protocol/muc#user'><invite xmlns='' from='a@b/c'/></x>")
	f.Fuzz(func(t *testing.T, inner string) {
		st, err := stanza.Parse("<message xmlns='jabber:client'>" + inner + "</message>")
		if err != nil {
			return
		}
		again, err := stanza.Parse(st.Standalone())
		if err != nil || Invitation(again) != Invitation(st) {
			t.Fatalf("read in two ways: %s, %v", st.Standalone(), err)
		}
	})
}
