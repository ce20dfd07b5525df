package server_test

import (
	"testing"

	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// XEP-0191, "User Blocks JID": whoever is blocked gets no answer, also one who shows a good token of the account (XEP-0379).
func TestTokenOfTheBlocked(t *testing.T) {
	r := joining(t, "closed", nil)
	bob, alice := r.dial("bob", nil), r.dial("alice", nil)
	token := r.makeInvite(`{"as":"bob"}`).token(t)
	if _, err := bob.IQ(t.Context(), jid.JID{}, stanza.Set, "<block xmlns='"+ns.Blocking+"'><item jid='alice@"+joinDomain+"'/></block>"); err != nil {
		t.Fatal(err)
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Subscribe, To: jid.MustParse("bob@" + joinDomain)},
		"<preauth xmlns='"+ns.PreAuth+"' token='"+token+"'/>")
	if err == nil {
		_, err = alice.Send(t.Context(), st)
	}
	if err != nil {
		t.Fatal(err)
	}
	// What comes behind the request tells that it has arrived.
	if _, err := alice.IQ(t.Context(), jid.MustParse("bob@"+joinDomain), stanza.Get, "<ping xmlns='urn:xmpp:ping'/>"); err == nil {
		t.Error("bob's account answers")
	}
	for range 3 { // the use of the token, the change of the roster and what follows would be on disk before these
		if err := bob.SetRoster(t.Context(), client.RosterItem{JID: jid.MustParse("dora@" + joinDomain)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := contacts(t, bob); len(got) != 1 {
		t.Errorf("bob has %v", got)
	}
	if got := contacts(t, alice); len(got) != 1 || got[0] != "bob@"+joinDomain+" none" {
		t.Errorf("alice has %v", got)
	}
	var list []struct{ Uses, Used int }
	r.ctl("GET", "/invites?of=bob", "", &list)
	if len(list) != 1 || list[0].Used != 0 {
		t.Errorf("invites: %+v", list)
	}
}
