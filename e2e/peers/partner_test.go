package peers_test

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"stonechat/e2e/peers"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// partner is the other one in a conversation with a client that is looked at.
type partner struct {
	t      *testing.T
	client *client.Client
	domain string
}

// newPartner logs a user in, who is online until the test ends.
func newPartner(t *testing.T, s *peers.Server, user string) *partner {
	t.Helper()
	p := &partner{t: t, domain: s.Domain}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, client.Config{
		JID: p.address(user), Password: password, Address: s.C2S, TLS: &tls.Config{RootCAs: s.Roots, ServerName: s.Domain}, Queue: 4096,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.client = c
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	if _, _, err := c.Roster(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.SendPresence(ctx, client.Presence{}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *partner) address(user string) jid.JID {
	p.t.Helper()
	address, err := jid.Parse(user + "@" + p.domain)
	if err != nil {
		p.t.Fatal(err)
	}
	return address
}

// says sends a message.
func (p *partner) says(to jid.JID, body string) {
	p.t.Helper()
	if _, err := p.client.Message(p.t.Context(), to, body); err != nil {
		p.t.Fatal(err)
	}
}

// settles returns when the server has handled everything that was sent.
func (p *partner) settles() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := p.client.Ping(ctx, jid.JID{}); err != nil {
		p.t.Fatal(err)
	}
}

// asks wants to see somebody's presence, and shows its own in advance.
func (p *partner) asks(whom jid.JID) {
	p.t.Helper()
	_, err := p.client.Approve(p.t.Context(), whom)
	if err == nil {
		_, err = p.client.Subscribe(p.t.Context(), whom)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// hears waits for a message with that text.
func (p *partner) hears(body string) *stanza.Stanza {
	p.t.Helper()
	return p.until("hears "+body, func(st *stanza.Stanza) bool {
		got, ok := st.Child(ns.Client, "body")
		return st.Kind == stanza.Message && ok && got.Text() == body
	})
}

// sees waits for presence of somebody, of a type: none for available.
func (p *partner) sees(whom jid.JID, typ stanza.Type) {
	p.t.Helper()
	p.until("sees "+whom.String()+" "+string(typ), func(st *stanza.Stanza) bool {
		return st.Kind == stanza.Presence && st.From.Bare() == whom && st.Type == typ
	})
}

// until waits for a stanza that fits, and forgets those before it.
func (p *partner) until(what string, fits func(*stanza.Stanza) bool) *stanza.Stanza {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		select {
		case st := <-p.client.Incoming():
			if st == nil {
				p.t.Fatalf("%s: the line ended before it %s: %v", p.client.JID(), what, p.client.Err())
			}
			if fits(st) {
				return st
			}
		case <-ctx.Done():
			p.t.Fatalf("%s never %s", p.client.JID(), what)
		}
	}
}

// room is the address of somebody in a room, or of the room.
func (p *partner) room(name, nick string) jid.JID {
	p.t.Helper()
	address, err := jid.New(name, "rooms."+p.domain, nick)
	if err != nil {
		p.t.Fatal(err)
	}
	return address
}

// enters goes into a room, which is made if there is none and then configured with these fields.
func (p *partner) enters(room jid.JID, fields ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if _, err := p.client.SendPresence(ctx, client.Presence{To: room, XML: "<x xmlns='" + ns.MUC + "'><history maxstanzas='0'/></x>"}); err != nil {
		p.t.Fatal(err)
	}
	p.sees(room.Bare(), "")
	if len(fields) == 0 {
		return
	}
	form := "<query xmlns='" + ns.MUCOwner + "'><x xmlns='jabber:x:data' type='submit'>" +
		"<field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
	for _, name := range fields {
		form += "<field var='" + name + "'><value>1</value></field>"
	}
	if _, err := p.client.IQ(ctx, room.Bare(), stanza.Set, form+"</x></query>"); err != nil {
		p.t.Fatal(err)
	}
}

// talks says something in a room.
func (p *partner) talks(room jid.JID, body, xml string) {
	p.t.Helper()
	if _, err := p.client.SendMessage(p.t.Context(), room.Bare(), stanza.GroupChat, body, xml); err != nil {
		p.t.Fatal(err)
	}
}

// invites has a room invite somebody (XEP-0045 section 7.8.2).
func (p *partner) invites(room, whom jid.JID, reason string) {
	p.t.Helper()
	xml := "<x xmlns='" + ns.MUCUser + "'><invite to='" + whom.String() + "'><reason>" + reason + "</reason></invite></x>"
	if _, err := p.client.SendMessage(p.t.Context(), room.Bare(), stanza.Normal, "", xml); err != nil {
		p.t.Fatal(err)
	}
}

// finds waits until there is a room that others may see.
func (p *partner) finds(room jid.JID) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		answer, err := p.client.IQ(ctx, room.Bare(), stanza.Get, "<query xmlns='"+ns.DiscoInfo+"'/>")
		switch {
		case ctx.Err() != nil:
			p.t.Fatalf("there is no %s: %v", room.Bare(), err)
		case err == nil && answer.Type == stanza.TypeResult:
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// meets waits until somebody is seen in a room.
func (p *partner) meets(occupant jid.JID) {
	p.t.Helper()
	p.until("meets "+occupant.String(), func(st *stanza.Stanza) bool {
		return st.Kind == stanza.Presence && st.From == occupant && st.Type == stanza.Available
	})
}

// asked sends a request and wants it done.
func (p *partner) asked(to jid.JID, payload string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if _, err := p.client.IQ(ctx, to, stanza.Set, payload); err != nil {
		p.t.Fatalf("%s asks %s for %s: %v", p.client.JID(), to, payload, err)
	}
}

// hasBookmark waits until a room is among the bookmarks of the account, to be entered (XEP-0402).
func (p *partner) hasBookmark(room jid.JID) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		answer, err := p.client.IQ(ctx, jid.JID{}, stanza.Get, "<pubsub xmlns='"+ns.PubSub+"'><items node='urn:xmpp:bookmarks:1'/></pubsub>")
		if err == nil {
			payload, _ := answer.Payload()
			tree, bad := payload.Tree()
			if bad != nil {
				p.t.Fatal(bad)
			}
			for _, item := range tree.Child(ns.PubSub, "items").Children {
				auto := item.Child(ns.Bookmarks, "conference").Attr("autojoin")
				if item.Attr("id") == room.Bare().String() && (auto == "true" || auto == "1") {
					return
				}
			}
		}
		if ctx.Err() != nil {
			p.t.Fatalf("there is no bookmark of %s: %v", room.Bare(), err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// takesBack has a room take back what somebody has said (XEP-0425 section 3).
func (p *partner) takesBack(said *stanza.Stanza, reason string) {
	p.t.Helper()
	named, ok := said.Child(ns.StanzaID, "stanza-id")
	id, _ := named.Attr("id")
	if !ok {
		p.t.Fatalf("%s has no id", said.Append(nil, ns.Client))
	}
	p.asked(said.From.Bare(), "<moderate xmlns='"+ns.Moderate+"' id='"+id+"'><retract xmlns='"+ns.Retract+"'/><reason>"+reason+"</reason></moderate>")
}

// kicks takes somebody out of a room (XEP-0045 section 8.2).
func (p *partner) kicks(occupant jid.JID, reason string) {
	p.t.Helper()
	p.asked(occupant.Bare(), "<query xmlns='"+ns.MUCAdmin+"'><item nick='"+occupant.Resource()+"' role='none'><reason>"+reason+"</reason></item></query>")
}

// pictured has an avatar for everybody (XEP-0084 section 3), and returns its name.
func (p *partner) pictured(picture []byte) string {
	p.t.Helper()
	sum := sha1.Sum(picture)
	name := hex.EncodeToString(sum[:])
	for _, x := range []struct{ node, payload string }{
		{"data", "<data xmlns='urn:xmpp:avatar:data'>" + base64.StdEncoding.EncodeToString(picture) + "</data>"},
		{"metadata", fmt.Sprintf("<metadata xmlns='urn:xmpp:avatar:metadata'><info id='%s' type='image/png' bytes='%d'/></metadata>", name, len(picture))},
	} {
		p.asked(jid.JID{}, "<pubsub xmlns='"+ns.PubSub+"'><publish node='urn:xmpp:avatar:"+x.node+"'><item id='"+name+"'>"+x.payload+"</item></publish>"+
			"<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>"+ns.PubSub+"#publish-options</value></field>"+
			"<field var='pubsub#access_model'><value>open</value></field></x></publish-options></pubsub>")
	}
	return name
}

// depicts gives a room a picture, and returns its name.
func (p *partner) depicts(room jid.JID, picture []byte) string {
	p.t.Helper()
	p.asked(room.Bare(), "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>"+base64.StdEncoding.EncodeToString(picture)+"</BINVAL></PHOTO></vCard>")
	sum := sha1.Sum(picture)
	return hex.EncodeToString(sum[:])
}
