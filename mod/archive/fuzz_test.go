package archive

import (
	"testing"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Whatever a message says, no id of ours is left in it, and what is kept of it can be read again.
func FuzzClean(f *testing.F) {
	for _, s := range []string{
		"<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='me@example.org'/><body>x</body>",
		"<a:stanza-id xmlns:a='urn:xmpp:sid:0' id='1' by='ME@EXAMPLE.ORG/x'/>",
		"<stanza-id xmlns='urn:xmpp:sid:0' by=''/><delay xmlns='urn:xmpp:delay' from='example.org' stamp=''/>",
		"<origin-id xmlns='urn:xmpp:sid:0' id='1'/><x xmlns='http://jabber.org/protocol/muc#user'><invite/></x>",
		"<active xmlns='http://jabber.org/protocol/chatstates'/><store xmlns='urn:xmpp:hints'/>",
	} {
		f.Add(s)
	}
	own, domain := jid.MustParse("me@example.org"), jid.MustParse("example.org")
	f.Fuzz(func(t *testing.T, inner string) {
		st, err := stanza.Parse("<message xmlns='jabber:client' type='chat'>" + inner + "</message>")
		if err != nil {
			return
		}
		for _, client := range []bool{true, false} {
			c := cleaner{router: core.NewRouter(), domain: domain, own: own, client: client}
			out := c.clean(st)
			if id := ownID(out, own); id != "" {
				t.Fatalf("%q is left in %s", id, out.Standalone())
			}
			again, err := stanza.Parse(out.Standalone())
			if err != nil {
				t.Fatalf("%s: %v", out.Standalone(), err)
			}
			if worth(again) != worth(out) || fleeting(again) != fleeting(out) || originOf(again, "a@b", 0) != originOf(out, "a@b", 0) {
				t.Fatalf("judged in two ways: %s", out.Standalone())
			}
			if fleeting(out) && worth(out) && !out.Has("urn:xmpp:hints", "store") {
				t.Fatalf("kept although it is fleeting: %s", out.Standalone())
			}
		}
	})
}

func FuzzPrefs(f *testing.F) {
	f.Add("<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>a@b</jid></always><never><jid>c@d/e</jid><jid>c@d/e</jid></never></prefs>")
	f.Add("<prefs xmlns='urn:xmpp:mam:2' default='never'/>")
	f.Add("<prefs xmlns='urn:xmpp:mam:2' default='x'><always/></prefs>")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := xmltok.Tree(s, "jabber:client")
		if err != nil {
			return
		}
		p, serr := parsePrefs(n)
		if serr != nil {
			return
		}
		if len(p.Always)+len(p.Never) > maxListed {
			t.Fatalf("%d and %d addresses", len(p.Always), len(p.Never))
		}
		back, err := xmltok.Tree(prefsXML(p), "")
		if err != nil {
			t.Fatal(err)
		}
		again, serr := parsePrefs(back)
		if serr != nil || prefsXML(again) != prefsXML(p) {
			t.Fatalf("%s reads as %s, %v", prefsXML(p), prefsXML(again), serr)
		}
		if kept := readPrefs(p, store.ArchiveAlways).kept; prefsXML(kept) != prefsXML(p) {
			t.Fatalf("told as %s", prefsXML(kept))
		}
	})
}

// BenchmarkRecognise is what one archive costs a message without the store, with as many remembered as there can be.
func BenchmarkRecognise(b *testing.B) {
	st, err := stanza.Parse("<message xmlns='jabber:client' from='a@b/c' to='d@e' type='chat' id='1'><body>Call me but love, and I will be new baptized</body>" +
		"<origin-id xmlns='urn:xmpp:sid:0' id='de305d54-75b4-431b-adb2-eb6b9e546013'/><request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/></message>")
	if err != nil {
		b.Fatal(err)
	}
	c := cleaner{router: core.NewRouter(), domain: jid.MustParse("e"), own: jid.MustParse("d@e")}
	var s seen
	for i := range store.Key(seenMost) {
		s.add(i+1, uint64(i+1), store.Ticket{}, 0)
	}
	b.ReportAllocs()
	for b.Loop() {
		out := c.clean(st)
		if !worth(out) {
			b.Fatal("not kept")
		}
		if _, _, ok := s.find(originOf(out, "a@b", store.Incoming), 0); ok {
			b.Fatal("seen")
		}
	}
}
