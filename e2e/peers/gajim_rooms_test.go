package peers_test

import (
	"fmt"
	"strings"
	"testing"

	"stonechat/e2e/peers"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// talks says something in a room, once Gajim is in there.
func (g gajimClient) talks(room jid.JID, body string) {
	g.t.Helper()
	g.until("cannot say "+body, func() (string, bool) {
		out, err := g.try("gajim-remote", "send_groupchat_message", room.String(), body, "alice")
		return fmt.Sprint(out, err), err == nil && strings.TrimSpace(out) == "True"
	})
}

// gajimRooms is a room that another device of alice has kept among the bookmarks, and that Gajim enters by itself: talk, a nick, a cut line, a restart of the server.
func gajimRooms(t *testing.T, s *peers.Server) {
	proxy, err := peers.NewProxy(s.C2S)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	bob, other := newPartner(t, s, "bob"), newPartner(t, s, "alice")
	council := bob.room("council", "bob")
	bob.enters(council, "muc#roomconfig_persistentroom")
	desk := startGajim(t, s, "desk", proxy.Addr)
	desk.lists(bob.address("bob"), "online")
	other.bookmarks(council, "alice")
	bob.meets(bob.room("council", "alice"))
	bob.talks(council, "hear ye", "")
	desk.has("hear ye")
	desk.talks(council.Bare(), "we do")
	bob.hears("we do")
	bob.talks(council, "", "<subject>The harvest</subject>")
	desk.logs("The harvest")
	bob.enters(bob.room("council", "robert"))
	desk.logs("/robert")

	if proxy.Cut() == 0 {
		t.Error("there was no line to cut")
	}
	bob.talks(council, "sent in the tunnel", "")
	desk.logs("<resumed ")
	desk.has("sent in the tunnel")
	desk.talks(council.Bare(), "out of the tunnel")
	bob.hears("out of the tunnel")
	desk.screenshot("gajim-room")
}

// bookmarks keeps a room for all devices of the account, which enter it (XEP-0402 section 3.2).
func (p *partner) bookmarks(room jid.JID, nick string) {
	p.t.Helper()
	_, err := p.client.IQ(p.t.Context(), jid.JID{}, stanza.Set, "<pubsub xmlns='"+ns.PubSub+"'><publish node='urn:xmpp:bookmarks:1'><item id='"+room.Bare().String()+
		"'><conference xmlns='urn:xmpp:bookmarks:1' name='Council' autojoin='true'><nick>"+nick+"</nick></conference></item></publish>"+
		"<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>"+ns.PubSub+"#publish-options</value></field>"+
		"<field var='pubsub#persist_items'><value>true</value></field><field var='pubsub#max_items'><value>max</value></field>"+
		"<field var='pubsub#send_last_published_item'><value>never</value></field><field var='pubsub#access_model'><value>whitelist</value></field></x></publish-options></pubsub>")
	if err != nil {
		p.t.Fatal(err)
	}
}
