package client

import (
	"reflect"
	"strings"
	"testing"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

func TestRoster(t *testing.T) {
	f := newFake(t)
	var sent []string
	f.handle = func(s *fakeSession, st *stanza.Stanza) {
		sent = append(sent, st.Inner())
		q, _ := st.Child(ns.Roster, "query")
		switch ver, _ := q.Attr("ver"); {
		case st.Type == stanza.Get && ver != "v2":
			s.send(stanza.Result(st, "<query xmlns='jabber:iq:roster' ver='v2'><item jid='nurse@example.net' name='N&amp;' subscription='both' approved='1'><group>A</group><group>B</group></item>"+
				"<item jid='romeo@example.net' ask='subscribe'/></query>").Standalone())
		default:
			s.send(stanza.Result(st, "").Standalone())
		}
	}
	c := f.dial(f.config())
	want := []RosterItem{
		{JID: jid.MustParse("nurse@example.net"), Name: "N&", Subscription: "both", Approved: true, Groups: []string{"A", "B"}},
		{JID: romeo, Subscription: "none", Ask: true},
	}
	if got, ver, err := c.Roster(deadline(t)); err != nil || ver != "v2" || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %q, %v", got, ver, err)
	}
	if got, _, changed, err := c.RosterSince(deadline(t), "v2"); err != nil || changed || got != nil {
		t.Errorf("%+v, %v, %v", got, changed, err)
	}
	if got, _, changed, err := c.RosterSince(deadline(t), "v1"); err != nil || !changed || len(got) != 2 {
		t.Errorf("%+v, %v, %v", got, changed, err)
	}
	if err := c.SetRoster(deadline(t), RosterItem{JID: romeo, Name: "<R>", Groups: []string{"&"}}); err != nil {
		t.Error(err)
	}
	if err := c.RemoveRoster(deadline(t), romeo); err != nil {
		t.Error(err)
	}
	f.locked(func() {
		all := strings.Join(sent, "\n")
		for _, want := range []string{
			"<item jid='romeo@example.net' name='&lt;R&gt;'><group>&amp;</group></item>",
			"<item jid='romeo@example.net' subscription='remove'/>", "ver='v1'",
		} {
			if !strings.Contains(all, want) {
				t.Errorf("%s lacks %s", all, want)
			}
		}
	})
}

func TestPresence(t *testing.T) {
	f := newFake(t)
	c := f.dial(f.config())
	for _, send := range []func() (*Ticket, error){
		func() (*Ticket, error) {
			return c.SendPresence(deadline(t), Presence{Show: "dnd", Status: "a<b", Priority: -3})
		},
		func() (*Ticket, error) {
			return c.SendPresence(deadline(t), Presence{To: romeo, Unavailable: true, XML: "<x xmlns='urn:x'/>"})
		},
		func() (*Ticket, error) { return c.Subscribe(deadline(t), jid.MustParse("romeo@example.net/garden")) },
		func() (*Ticket, error) { return c.Approve(deadline(t), romeo) },
		func() (*Ticket, error) { return c.Deny(deadline(t), romeo) },
		func() (*Ticket, error) { return c.Unsubscribe(deadline(t), romeo) },
	} {
		k, err := send()
		if err == nil {
			err = k.Wait(deadline(t))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.SendPresence(deadline(t), Presence{XML: "<broken"}); err == nil {
		t.Error("broken XML goes out")
	}
	s := f.session("sm-1")
	f.locked(func() {
		got := s.received
		if got[0].Inner() != "<show>dnd</show><status>a&lt;b</status><priority>-3</priority>" || !got[1].Has("urn:x", "x") {
			t.Errorf("%s %s", got[0].Raw(), got[1].Raw())
		}
		for i, want := range []stanza.Type{stanza.Available, stanza.Unavailable, stanza.Subscribe, stanza.Subscribed, stanza.Unsubscribed, stanza.Unsubscribe} {
			if got[i].Type != want || i > 0 && got[i].To != romeo {
				t.Errorf("%d: %s", i, got[i].Raw())
			}
		}
	})
}
