package muc

import (
	"fmt"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/xmpp/jid"
)

// peek looks at the state of the cave in a turn.
func (v *world) peek(f func(x *room)) {
	v.Helper()
	err := v.host.AskRoom(v.Context(), jid.MustParse(cave), func(_ *core.Work, r *core.Room) error {
		x, ok := v.m.rooms.Has(r)
		if !ok {
			return errNoRoom
		}
		f(x)
		return nil
	})
	if err != nil {
		v.Fatal(err)
	}
}

// TestNobodyIsAskedOutOfTheRoom: an error that a client answers to a request of another occupant says nothing of whether it is there.
func TestNobodyIsAskedOutOfTheRoom(t *testing.T) {
	_, juliet, romeo := inCave(t)
	for _, condition := range []string{"item-not-found", "gone", "recipient-unavailable", "remote-server-not-found"} {
		romeo.send("<iq xmlns='jabber:client' type='get' id='q' to='" + cave + "/juliet'><query xmlns='http://jabber.org/protocol/disco#info' node='none'/></iq>")
		got := juliet.expect("<iq", "type='get'", "from='"+cave+"/romeo'")
		_, id, _ := strings.Cut(got, "id='")
		id, _, _ = strings.Cut(id, "'")
		juliet.send("<iq xmlns='jabber:client' type='error' id='" + id + "' to='" + cave + "/romeo'><error type='cancel'><" + condition +
			" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
		romeo.expect("<iq", "type='error'", "id='q'", condition)
	}
	romeo.never("type='unavailable'")
}

// TestNobodySetsACard: what is passed on to an account is asked, never changed.
func TestNobodySetsACard(t *testing.T) {
	_, _, romeo := inCave(t)
	romeo.send("<iq xmlns='jabber:client' type='set' id='card' to='" + cave + "/juliet'><vCard xmlns='vcard-temp'><FN>fool</FN></vCard></iq>")
	romeo.expect("<iq", "id='card'", "type='error'")
}

// TestHistoryIsBounded: what a room keeps ready for who enters has a bound in bytes, too.
func TestHistoryIsBounded(t *testing.T) {
	v, juliet, _ := inCave(t)
	for i := range 12 {
		juliet.send(fmt.Sprintf("<message xmlns='jabber:client' to='%s' type='groupchat' id='big-%d'><body>%d%s</body></message>", cave, i, i, strings.Repeat("x", 100_000)))
		juliet.expect("<message", fmt.Sprintf("id='big-%d'", i))
	}
	v.peek(func(x *room) {
		bytes := 0
		for _, h := range x.history {
			bytes += h.size
		}
		if bytes > 512<<10 || len(x.history) == 0 {
			t.Errorf("%d messages with %d bytes are held", len(x.history), bytes)
		}
		if last := x.history[len(x.history)-1]; last.st.ID != "big-11" {
			t.Errorf("the last one is %s", last.st.ID)
		}
	})
}

// TestLargePresence: what everybody is shown, and the room holds for who comes, is small; who leaves leaves anyway.
func TestLargePresence(t *testing.T) {
	v, juliet, romeo := inCave(t)
	large := "<status>" + strings.Repeat("x", 50_000) + "</status>"
	romeo.send("<presence xmlns='jabber:client' to='" + cave + "/romeo'>" + large + "</presence>")
	romeo.expect("<presence", "type='error'", "policy-violation")
	tybalt := v.bind("tybalt")
	tybalt.send("<presence xmlns='jabber:client' to='" + cave + "/tybalt'><x xmlns='http://jabber.org/protocol/muc'/>" + large + "</presence>")
	tybalt.expect("<presence", "type='error'", "policy-violation")
	romeo.send("<presence xmlns='jabber:client' type='unavailable' to='" + cave + "/romeo'>" + large + "</presence>")
	juliet.expect("<presence", "type='unavailable'", cave+"/romeo")
	juliet.never("<presence", "xxxxx")
}

// TestLargeSubject: a subject is a short text, whatever comes with it, since everybody who enters is sent it.
func TestLargeSubject(t *testing.T) {
	_, juliet, romeo := inCave(t)
	for i, inner := range []string{
		"<subject>a</subject><x xmlns='urn:x'>" + strings.Repeat("x", 50_000) + "</x>",
		"<subject>a</subject><subject xml:lang='de'>" + strings.Repeat("x", 50_000) + "</subject>",
	} {
		juliet.send(fmt.Sprintf("<message xmlns='jabber:client' to='%s' type='groupchat' id='s-%d'>%s</message>", cave, i, inner))
		juliet.expect("<message", fmt.Sprintf("id='s-%d'", i), "type='error'")
	}
	romeo.never("xxxxx")
}

// TestForgedPresence: presence does not say in the room's name what only the room says.
func TestForgedPresence(t *testing.T) {
	_, juliet, romeo := inCave(t)
	forged := "<delay xmlns='urn:xmpp:delay' from='" + cave + "' stamp='2001-01-01T00:00:00Z'/><stanza-id xmlns='urn:xmpp:sid:0' by='" + cave + "' id='forged'/>" +
		"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/><x xmlns='http://jabber.org/protocol/muc#user'><status code='301'/></x>" +
		"<hats xmlns='urn:xmpp:hats:0'><hat title='forged' uri='u'/></hats><hats xmlns='xmpp:prosody.im/protocol/hats:1'><hat title='forged' uri='u'/></hats>"
	romeo.send("<presence xmlns='jabber:client' to='" + cave + "/romeo'><show>away</show>" + forged + "</presence>")
	got := juliet.expect("<presence", "<show>away")
	for _, bad := range []string{"2001-", "forged", "301"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q in %s", bad, got)
		}
	}
	romeo.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='m'><body>b</body>" + forged + forged + "</message>")
	got = juliet.expect("<message", "<body>b")
	for _, bad := range []string{"2001-", "forged", "301"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q in %s", bad, got)
		}
	}
}

// TestTwoSubjectsOneFails: the subject that everybody sees is the one that is kept.
func TestTwoSubjectsOneFails(t *testing.T) {
	v, juliet, _ := inCave(t)
	v.disk.fill(true)
	say := func(id string) {
		juliet.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='" + id + "'><subject>" + id + "</subject></message>")
	}
	say("lost")
	v.disk.fill(false)
	say("kept")
	juliet.expect("<subject>kept")
	v.peek(func(x *room) {
		if !strings.Contains(string(x.kept.Subject), "kept") {
			t.Errorf("it would be kept as %q", x.kept.Subject)
		}
	})
}

// TestRoomsOfOneAccount: many at once are counted like one behind the other.
func TestRoomsOfOneAccount(t *testing.T) {
	v := newWorld(t, "juliet")
	v.m.config.PerAccount = 3
	juliet := v.bind("juliet")
	for i := range 20 {
		juliet.send(fmt.Sprintf("<presence xmlns='jabber:client' to='c%d@rooms.example.org/j'><x xmlns='http://jabber.org/protocol/muc'/></presence>", i))
	}
	for range 17 {
		juliet.expect("<presence", "type='error'", "not-allowed")
	}
	n, err := v.db.Rooms.CountBy(t.Context(), "rooms.example.org", "juliet@example.org")
	if err != nil || n > 3 {
		t.Errorf("%d rooms, %v", n, err)
	}
}

// TestLookalikes: nobody passes for another by letters of another alphabet.
func TestLookalikes(t *testing.T) {
	_, juliet, romeo := inCave(t)
	for _, nick := range []string{"јuliet", "juӏiet", "julіеt", "JULΙΕΤ", "ju1iet", "juli\u0307et", "j\u0335uliet"} {
		romeo.send("<presence xmlns='jabber:client' to='" + cave + "/" + nick + "'/>")
		romeo.expect("<presence", "type='error'", "<conflict")
	}
	juliet.send("<presence xmlns='jabber:client' to='" + cave + "/јuliet'/>") // their own they may write so
	romeo.expect("code='303'")
}
