package muc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
)

// field is one of a form.
func field(name, value string) string {
	return "<field var='" + name + "'><value>" + value + "</value></field>"
}

// register asks for a nick of one's own.
func (c *client) register(nick string) string {
	c.Helper()
	return c.ask("set", "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>"+
		field("FORM_TYPE", "http://jabber.org/protocol/muc#register")+field("muc#register_roomnick", nick)+"</x></query>")
}

const archiveQuery = "<query xmlns='urn:xmpp:mam:2'/>"

// TestRegistrationOpensNoPassword: whoever has not shown that they know the password does not become a member, who may read what was said.
func TestRegistrationOpensNoPassword(t *testing.T) {
	v, juliet, romeo := inCave(t)
	juliet.configure(field("muc#roomconfig_passwordprotectedroom", "1") + field("muc#roomconfig_roomsecret", "sesame") + field("muc#roomconfig_enablearchiving", "1"))
	juliet.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='m'><body>secret words</body></message>")
	romeo.expect("secret words")
	tybalt := v.bind("tybalt")
	if got := tybalt.ask("set", archiveQuery); !strings.Contains(got, "type='error'") {
		t.Fatal(got)
	}
	if got := tybalt.register("tybalt"); !strings.Contains(got, "not-allowed") {
		t.Errorf("registered: %s", got)
	}
	if got := tybalt.ask("set", archiveQuery); !strings.Contains(got, "type='error'") {
		t.Errorf("read without the password: %s", got)
	}
	if got := romeo.register("romeo"); !strings.Contains(got, "type='result'") {
		t.Errorf("who is in the room may register: %s", got)
	}
}

// TestNobodyUnmutesThemselves: a voice that a moderator has taken does not come back by what somebody does themselves.
func TestNobodyUnmutesThemselves(t *testing.T) {
	_, juliet, romeo := inCave(t)
	speaks := func(id string) bool {
		t.Helper()
		romeo.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='" + id + "'><body>I speak</body></message>")
		return !strings.Contains(romeo.expect("<message", "id='"+id+"'"), "type='error'")
	}
	juliet.admin("<item nick='romeo' role='visitor'/>")
	romeo.expect("<presence", "role='visitor'")
	got := romeo.register("romeo")
	if speaks("a") {
		t.Errorf("registration gave a voice: %s", got)
	}
	// A member, who leaves the list.
	juliet.admin("<item jid='romeo@example.org' affiliation='member'/>")
	juliet.admin("<item nick='romeo' role='visitor'/>")
	romeo.expect("<presence", "role='visitor'", "affiliation='member'")
	romeo.ask("set", "<query xmlns='jabber:iq:register'><remove/></query>")
	romeo.expect("<presence", "affiliation='none'")
	if speaks("b") {
		t.Error("leaving the list gave a voice")
	}
	romeo.send("<presence xmlns='jabber:client' type='unavailable' to='" + cave + "/romeo'/>")
	romeo.expect("type='unavailable'")
	romeo.enter("romeo")
	romeo.expect("<subject")
	if speaks("c") {
		t.Error("coming back gave a voice")
	}
}

// TestMutedBehindARestart: nor does it come back by the end of the process.
func TestMutedBehindARestart(t *testing.T) {
	v, juliet, romeo := inCave(t)
	juliet.admin("<item nick='romeo' role='visitor'/>")
	romeo.expect("<presence", "role='visitor'")
	v.peek(func(x *room) {
		b, err := x.occupants()
		if err != nil {
			t.Fatal(err)
		}
		again := new(room)
		again.begin(x.address, x.kept, x.config)
		if err := again.restore(b); err != nil {
			t.Fatal(err)
		}
		if got := again.roleOf(jid.MustParse("romeo@example.org")); got != muc.Visitor {
			t.Errorf("he enters as %v", got)
		}
	})
}

// TestDeclineTellsNoAddresses: who was invited answers who has invited them, and learns of nobody else whether they are here.
func TestDeclineTellsNoAddresses(t *testing.T) {
	v, juliet, romeo := inCave(t)
	tybalt := v.bind("tybalt")
	tybalt.send("<presence xmlns='jabber:client'/>")
	juliet.send("<presence xmlns='jabber:client'/>")
	juliet.send("<message xmlns='jabber:client' to='" + cave + "' id='i'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='tybalt@example.org'/></x></message>")
	tybalt.expect("<invite")
	decline := func(id, to string) {
		tybalt.send("<message xmlns='jabber:client' to='" + cave + "' id='" + id + "'><x xmlns='http://jabber.org/protocol/muc#user'><decline to='" + to + "'/></x></message>")
	}
	decline("d1", "romeo@example.org")
	tybalt.expect("<message", "id='d1'", "type='error'")
	romeo.never("<decline")
	decline("d2", "juliet@example.org")
	juliet.expect("<decline", "tybalt@example.org")
}

// TestAttributesAreBoundToo: what everybody is sent has its bounds, whatever part of a stanza it stands in.
func TestAttributesAreBoundToo(t *testing.T) {
	_, juliet, romeo := inCave(t)
	large := strings.Repeat("x", 50_000)
	romeo.send("<presence xmlns='jabber:client' to='" + cave + "/romeo' xml:lang='" + large + "'><show>away</show></presence>")
	romeo.expect("<presence", "type='error'", "policy-violation")
	juliet.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='" + large + "'><subject>a</subject></message>")
	juliet.expect("<message", "type='error'", "not-acceptable")
	got := juliet.ask("set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy><password>"+large+"</password></destroy></query>")
	if !strings.Contains(got, "type='error'") {
		t.Error("a password of any size is told to everybody")
	}
	juliet.never("type='unavailable'", "xxxxx")
}

// TestQuestionsHoldLittle: a request that nobody answers costs the room little, and one account takes no more than its share.
func TestQuestionsHoldLittle(t *testing.T) {
	v, _, romeo := inCave(t)
	ask := func(c *client, id string) {
		c.send("<iq xmlns='jabber:client' type='get' id='" + id + "' to='" + cave + "/juliet'><query xmlns='urn:example:question'/></iq>")
	}
	ask(romeo, strings.Repeat("x", 50_000))
	romeo.expect("<iq", "type='error'", "policy-violation")
	other := v.bindAs("romeo", "other")
	other.enter("romeo")
	other.expect("<subject")
	for i := range maxOfOne {
		ask(romeo, fmt.Sprintf("q-%d", i))
	}
	ask(other, "more")
	other.expect("<iq", "id='more'", "type='error'", "resource-constraint")
}

// TestNicksOfOneRequest: two people are not given the same nick by one request.
func TestNicksOfOneRequest(t *testing.T) {
	v, juliet, _ := inCave(t)
	got := juliet.admin("<item jid='a@example.org' affiliation='member' nick='twin'/><item jid='b@example.org' affiliation='member' nick='Twin'/>")
	if !strings.Contains(got, "<conflict") {
		t.Error(got)
	}
	v.peek(func(x *room) {
		if len(x.reserved) > 1 {
			t.Errorf("reserved: %v", x.reserved)
		}
	})
}

// TestOwnersOfOneRequest: a room has an owner at the end of a request, whatever its order.
func TestOwnersOfOneRequest(t *testing.T) {
	v, juliet, _ := inCave(t)
	got := juliet.admin("<item jid='a@example.org' affiliation='owner'/><item jid='a@example.org' affiliation='none'/><item jid='juliet@example.org' affiliation='none'/>")
	if !strings.Contains(got, "type='error'") {
		t.Error(got)
	}
	got = juliet.configure(field("muc#roomconfig_roomowners", "romeo@example.org"))
	if !strings.Contains(got, "type='result'") {
		t.Errorf("a room may be given away: %s", got)
	}
	v.peek(func(x *room) {
		if x.owners() != 1 {
			t.Errorf("%d owners", x.owners())
		}
	})
}

// TestGuesses: nobody tries passwords without end.
func TestGuesses(t *testing.T) {
	v, juliet, _ := inCave(t)
	juliet.configure(field("muc#roomconfig_passwordprotectedroom", "1") + field("muc#roomconfig_roomsecret", "sesame"))
	tybalt := v.bind("tybalt")
	try := func(password string) string {
		tybalt.send("<presence xmlns='jabber:client' to='" + cave + "/tybalt'><x xmlns='http://jabber.org/protocol/muc'><password>" + password + "</password></x></presence>")
		return tybalt.expect("<presence", cave+"/")
	}
	for i := range 100 {
		if got := try(fmt.Sprint(i)); strings.Contains(got, "type='wait'") {
			if got := try("sesame"); !strings.Contains(got, "type='wait'") {
				t.Errorf("it is told all the same whether it was right: %s", got)
			}
			return
		}
	}
	t.Error("100 guesses were judged")
}

// TestVoiceIsForWhoAsked: a moderator's answer gives nobody a voice who has taken the nick since.
func TestVoiceIsForWhoAsked(t *testing.T) {
	v, juliet, romeo := inCave(t)
	juliet.configure(field("muc#roomconfig_moderatedroom", "1"))
	tybalt := v.bind("tybalt")
	tybalt.enter("tybalt")
	tybalt.expect("<subject")
	answer := func(who string) {
		juliet.send("<message xmlns='jabber:client' to='" + cave + "' id='v'><x xmlns='jabber:x:data' type='submit'>" + field("FORM_TYPE", "http://jabber.org/protocol/muc#request") +
			field("muc#role", "participant") + field("muc#jid", who) + field("muc#roomnick", "tybalt") + field("muc#request_allow", "true") + "</x></message>")
	}
	answer("romeo@example.org/r")
	juliet.expect("<message", "id='v'", "type='error'", "item-not-found")
	answer("tybalt@example.org/r")
	romeo.expect("<presence", cave+"/tybalt", "role='participant'")
}

// TestTakenBackStaysSo: what somebody has taken back is not shown to who enters, also when the room was read again.
func TestTakenBackStaysSo(t *testing.T) {
	v, juliet, romeo := inCave(t)
	juliet.configure(field("muc#roomconfig_persistentroom", "1"))
	juliet.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='m1'><body>regretted</body></message>")
	got := romeo.expect("regretted", "stanza-id")
	_, id, _ := strings.Cut(got, "stanza-id")
	_, id, _ = strings.Cut(id, " id='")
	id, _, _ = strings.Cut(id, "'")
	juliet.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='m2'><retract xmlns='urn:xmpp:message-retract:1' id='" + id + "'/><store xmlns='urn:xmpp:hints'/></message>")
	romeo.expect("id='m2'")
	again := new(room)
	err := v.host.AskRoom(t.Context(), jid.MustParse(cave), func(_ *core.Work, r *core.Room) error {
		again.begin(r.JID, v.m.rooms.Of(r).kept, v.m.rooms.Of(r).config)
		return v.m.recall(t.Context(), r, again)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range again.past(muc.AnyHistory, time.Now()) {
		if strings.Contains(s.Inner(), "regretted") {
			t.Errorf("shown again: %s", s.Inner())
		}
	}
}

// TestSuccessorHearsNothingOfAnError: who is found to be gone is told to the others alone; by the address another session would hear of it, which has not
// been in the room.
func TestSuccessorHearsNothingOfAnError(t *testing.T) {
	v, juliet, _ := inCave(t)
	tybalt := v.bind("tybalt")
	ghost := tybalt.s.JID
	err := v.host.AskRoom(t.Context(), jid.MustParse(cave), func(w *core.Work, r *core.Room) error {
		v.m.rooms.Of(r).seat(keptOccupant{
			Nick: "ghost", Role: "participant", Sessions: []keptSession{{JID: ghost.String(), Presence: "<presence xmlns='jabber:client' from='" + ghost.String() + "'/>"}},
		}, 1)
		r.Check(w, ghost)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	juliet.expect("<presence", cave+"/ghost", "type='unavailable'", "code='333'")
	tybalt.never("<presence")
}

// TestUnconfiguredRoomAfterACrash: a room that its owner has not configured goes with the end of the process, also where a new room is a lasting one.
func TestUnconfiguredRoomAfterACrash(t *testing.T) {
	v := newWorldWith(t, func(_ *core.Parts, c *config.Rooms) { c.Preset = "group" }, "juliet", "romeo")
	juliet := v.bind("juliet")
	juliet.enter("juliet")
	juliet.expect("<presence", "code='201'")
	var locked bool
	err := v.host.AskRoom(t.Context(), jid.MustParse(cave), func(_ *core.Work, r *core.Room) error {
		again := *v.m.rooms.Of(r)
		defer func() { *v.m.rooms.Of(r) = again }()
		err := v.m.load(t.Context(), r)
		locked = v.m.rooms.Of(r).locked
		return err
	})
	if err != nil || !locked {
		t.Errorf("locked: %v, %v", locked, err)
	}
	juliet.configure("")
	v.peek(func(x *room) {
		if x.kept.Temporary {
			t.Error("it is kept as a temporary one")
		}
	})
}

// TestListsArePaid: nobody keeps a room busy by asking for its lists.
func TestListsArePaid(t *testing.T) {
	v, juliet, romeo := inCave(t)
	juliet.configure(field("muc#roomconfig_whois", "anyone"))
	v.m.config.Deliveries, v.m.config.Invites = 10, 3
	v.peek(func(x *room) {
		for i := range 1000 {
			x.people[jid.MustParse(fmt.Sprintf("u%d@example.org", i))] = person{affiliation: muc.Member}
		}
	})
	list := "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='member'/></query>"
	if got := romeo.ask("get", list); !strings.Contains(got, "u999@") {
		t.Error(got)
	}
	if got := romeo.ask("get", list); !strings.Contains(got, "policy-violation") {
		t.Errorf("%d bytes for nothing", len(got))
	}
	for i := range 4 {
		got := juliet.register(fmt.Sprintf("juliet%d", i))
		if refused := strings.Contains(got, "resource-constraint"); refused != (i >= 3) {
			t.Errorf("registration %d: %s", i, got)
		}
	}
}

// TestHiddenOnceHiddenInTheArchive: a room that begins to show addresses does not tell everybody whose they were while it hid them.
func TestHiddenOnceHiddenInTheArchive(t *testing.T) {
	v, juliet, romeo := inCave(t)
	say := func(text string) {
		romeo.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='" + text + "'><body>" + text + " words</body></message>")
		juliet.expect("<body>" + text)
	}
	say("old")
	juliet.configure(field("muc#roomconfig_whois", "anyone") + field("muc#roomconfig_persistentroom", "1"))
	say("new")
	tybalt := v.bind("tybalt")
	tybalt.enter("tybalt")
	tybalt.expect("<subject")
	read := func(c *client, form string) (all string) {
		c.mu.Lock()
		c.seen = len(c.got)
		first := c.seen
		c.mu.Unlock()
		c.ask("set", "<query xmlns='urn:xmpp:mam:2'>"+form+"</query>")
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, x := range c.got[first:] {
			if strings.Contains(x, "words") {
				all += x[strings.Index(x, "<body>")+6 : strings.Index(x, " words")]
				if strings.Contains(x, "romeo@example.org") {
					all += "!"
				}
			}
		}
		return all
	}
	with := "<x xmlns='jabber:x:data' type='submit'>" + field("FORM_TYPE", "urn:xmpp:mam:2") + field("with", "romeo@example.org") + "</x>"
	for _, c := range []struct {
		who        *client
		form, want string
	}{{tybalt, "", "oldnew!"}, {tybalt, with, "new!"}, {juliet, "", "old!new!"}, {juliet, with, "old!new!"}} {
		if got := read(c.who, c.form); got != c.want {
			t.Errorf("%s reads %s, not %s", c.who.s.JID, got, c.want)
		}
	}
	v.peek(func(x *room) {
		kept, err := v.db.Rooms.Get(t.Context(), "rooms.example.org", "cave")
		if err != nil || !strings.Contains(string(kept.Config), `"shown":"`) || x.config.Shown.IsZero() {
			t.Errorf("kept: %s, %v", kept.Config, err)
		}
	})
}

// TestStaffOfTheFormStay: who becomes an admin by the form that makes the room one for members only does not have to leave it.
func TestStaffOfTheFormStay(t *testing.T) {
	_, juliet, romeo := inCave(t)
	got := juliet.configure(field("muc#roomconfig_membersonly", "1") + field("muc#roomconfig_roomadmins", "romeo@example.org"))
	if !strings.Contains(got, "type='result'") {
		t.Fatal(got)
	}
	romeo.expect("<presence", cave+"/romeo", "affiliation='admin'", "role='moderator'")
	romeo.never("type='unavailable'")
}

// TestErrorsAreNoPrivateMessages: where nobody may say anything in private, an error does not either.
func TestErrorsAreNoPrivateMessages(t *testing.T) {
	_, juliet, romeo := inCave(t)
	fail := func(id string) {
		romeo.send("<message xmlns='jabber:client' type='error' id='" + id + "' to='" + cave + "/juliet'><error type='cancel'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
	}
	fail("e1")
	juliet.expect("<message", "type='error'", "id='e1'")
	fail(strings.Repeat("x", 5000))
	juliet.configure(field("muc#roomconfig_allowpm", "none"))
	fail("e2")
	juliet.never("id='e2'")
	juliet.never("xxxxx")
}
