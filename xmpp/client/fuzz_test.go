package client

import (
	"net"
	"testing"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

// FuzzDispatch gives a client arbitrary stanzas: it must not fall over, and must
// take the account's affairs from the account only.
func FuzzDispatch(f *testing.F) {
	f.Add("<message from='juliet@example.net'><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' id='x'/></forwarded></sent></message>")
	f.Add("<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='a@b' name='x'><group>g</group></item></query></iq>")
	f.Add("<iq type='result' id='call'/>")
	f.Add("<iq type='get' id='1' from='x@y/z'><ping xmlns='urn:xmpp:ping'/></iq>")
	f.Add(result("q", "juliet@example.net", 7))
	me := jid.MustParse("juliet@example.net")
	f.Fuzz(func(t *testing.T, xml string) {
		st, err := stanza.Parse(xml)
		if err != nil {
			return
		}
		trusted := !st.HasFrom || st.From == me
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		private := func(what string) {
			if !trusted {
				t.Fatalf("%s from a stranger: %s", what, xml)
			}
		}
		c := &Client{state: cut, bare: me, conn: stream.NewConn(near, stream.Options{}), cfg: &Config{
			MaxUnacked: 10,
			Handle:     func(*stanza.Stanza) {},
			Carbon:     func(*stanza.Stanza, bool) { private("carbon") },
			RosterPush: func(RosterItem) { private("roster push") },
		}}
		p := &page{max: 2}
		c.queries = map[string]*page{"q": p}
		ask := &call{to: romeo, answer: make(chan *stanza.Stanza, 1)}
		c.calls = map[string]*call{"call": ask}
		c.dispatch(st)
		if len(p.items) > 0 {
			private("archive result")
		}
		if len(ask.answer) > 0 && st.From != romeo {
			t.Fatalf("answer from somebody else: %s", xml)
		}
	})
}
