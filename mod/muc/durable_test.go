package muc

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

const full = "resource-constraint"

// TestNothingIsSeen: what the disk does not take is told to who wanted it, seen by nobody, and changes nothing.
func TestNothingIsSeen(t *testing.T) {
	v, juliet, romeo := inCave(t)
	v.disk.fill(true)
	for what, item := range map[string]string{
		"a ban":       "<item affiliation='outcast' jid='romeo@example.org'/>",
		"membership":  "<item affiliation='member' jid='romeo@example.org'/>",
		"a new admin": "<item affiliation='admin' jid='tybalt@example.org'/>",
	} {
		if got := juliet.admin(item); !strings.Contains(got, full) {
			t.Errorf("%s: %s", what, got)
		}
	}
	form := "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
	if got := juliet.configure(form + "<field var='muc#roomconfig_membersonly'><value>1</value></field>"); !strings.Contains(got, full) {
		t.Errorf("a configuration: %s", got)
	}
	if got := juliet.ask("set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>"); !strings.Contains(got, full) {
		t.Errorf("the end of the room: %s", got)
	}
	juliet.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='m1'><body>lost</body></message>")
	juliet.expect("<message", "type='error'", "id='m1'", full)
	juliet.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='s1'><subject>lost</subject></message>")
	juliet.expect("<message", "type='error'", "id='s1'", full)
	v.disk.fill(false)

	romeo.never("<body>lost")
	romeo.never("<subject>lost")
	romeo.never("unavailable")
	romeo.never("affiliation='member'")
	romeo.never("affiliation='admin'")
	// All goes on as it was: the room is not paused, nobody is banned, and others may enter.
	romeo.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='m2'><body>heard</body></message>")
	juliet.expect("<body>heard")
	tybalt := v.bind("tybalt")
	tybalt.enter("tybalt")
	tybalt.expect("<presence", cave+"/tybalt", "affiliation='none'", "role='participant'")
	tybalt.expect("<body>heard")
	tybalt.expect("<subject/>")
}

// TestRoomThatIsNotKept: a room that the disk does not take is not there.
func TestRoomThatIsNotKept(t *testing.T) {
	v := newWorld(t, "juliet")
	juliet := v.bind("juliet")
	v.disk.fill(true)
	juliet.enter("juliet")
	juliet.expect("<presence", "type='error'", full)
	v.disk.fill(false)
	if got := juliet.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"); !strings.Contains(got, "item-not-found") {
		t.Errorf("it is there: %s", got)
	}
	juliet.enter("juliet")
	juliet.expect("<presence", "code='201'")
}

// TestTwoOwnersDoNotUnmakeEachOther: of two requests at once that would leave the room without an owner one is refused.
func TestTwoOwnersDoNotUnmakeEachOther(t *testing.T) {
	_, juliet, romeo := inCave(t)
	juliet.admin("<item affiliation='owner' jid='romeo@example.org'/>")
	romeo.expect("affiliation='owner'", "code='110'")
	ask := func(c *client, other string) {
		c.send("<iq xmlns='jabber:client' type='set' id='down' to='" + cave + "'><query xmlns='http://jabber.org/protocol/muc#admin'>" +
			"<item affiliation='admin' jid='" + other + "@example.org'/></query></iq>")
	}
	ask(juliet, "romeo")
	ask(romeo, "juliet")
	first, second := juliet.expect("<iq", "id='down'"), romeo.expect("<iq", "id='down'")
	if strings.Contains(first, "'result'") == strings.Contains(second, "'result'") {
		t.Errorf("%s\n%s", first, second)
	}
}

// TestSuccessIsHeardFirst: section 8.2, who removes somebody hears of success before seeing it.
func TestSuccessIsHeardFirst(t *testing.T) {
	_, juliet, romeo := inCave(t)
	for i, item := range []string{
		"<item role='visitor' nick='romeo'/>",
		"<item affiliation='member' jid='romeo@example.org'/>",
		"<item role='none' nick='romeo'/>",
	} {
		before := juliet.count()
		juliet.admin(item)
		juliet.expect("<presence", cave+"/romeo")
		juliet.mu.Lock()
		if next := juliet.got[before]; !strings.HasPrefix(next, "<iq") {
			t.Errorf("%d: %s comes before the result", i, next)
		}
		juliet.mu.Unlock()
	}
	romeo.expect("unavailable", "code='307'")
}

func (c *client) count() int {
	c.Helper()
	c.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

// TestRestoredRoom: what is written of occupants is read again, and nothing that makes no sense with it.
func TestRestoredRoom(t *testing.T) {
	v, juliet, romeo := inCave(t)
	juliet.admin("<item role='visitor' nick='romeo'/>")
	romeo.expect("role='visitor'", "code='110'")
	var kept []byte
	var back room
	err := v.host.AskRoom(t.Context(), jid.MustParse(cave), func(_ *core.Work, r *core.Room) error {
		x := v.m.rooms.Of(r)
		b, err := x.occupants()
		kept = b
		back.begin(r.JID, x.kept, x.config)
		back.people = x.people
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := back.restore(kept); err != nil {
		t.Fatal(err)
	}
	o := back.named("romeo")
	if o == nil || o.role.String() != "visitor" || o.view == nil || len(back.crowd) != 2 || len(back.sessions) != 2 {
		t.Fatalf("%+v of %s", o, kept)
	}
	for _, bad := range []string{"{", "[]", `{"occupants":[{"nick":" ","role":"visitor","sessions":[{"jid":"a@b/c","presence":"<presence/>"}]}]}`} {
		x := room{}
		x.begin(back.address, back.kept, back.config)
		if err := x.restore([]byte(bad)); err == nil && len(x.sessions) > 0 {
			t.Errorf("%s was taken", bad)
		}
	}
}

// TestTheRestOnAFullDisk: nor is what people do for themselves, or for one another.
func TestTheRestOnAFullDisk(t *testing.T) {
	v, juliet, romeo := inCave(t)
	tybalt := v.bind("tybalt")
	tybalt.send("<presence xmlns='jabber:client'/>")
	juliet.configure(field("muc#roomconfig_allowinvites", "1"))
	juliet.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='m0'><body>kept</body></message>")
	got := romeo.expect("<body>kept", "stanza-id")
	_, id, _ := strings.Cut(got, "stanza-id")
	_, id, _ = strings.Cut(id, " id='")
	id, _, _ = strings.Cut(id, "'")
	v.disk.fill(true)
	if got := romeo.register("romeo"); !strings.Contains(got, full) {
		t.Errorf("a registration: %s", got)
	}
	hat := "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:hats:commands:create'><x xmlns='jabber:x:data' type='submit'>" +
		field("hats#title", "Fool") + field("hats#uri", "urn:fool") + "</x></command>"
	if got := juliet.ask("set", hat); !strings.Contains(got, full) {
		t.Errorf("a hat: %s", got)
	}
	if got := juliet.ask("set", "<moderate xmlns='urn:xmpp:message-moderate:1' id='"+id+"'><retract xmlns='urn:xmpp:message-retract:1'/></moderate>"); !strings.Contains(got, full) {
		t.Errorf("a message that is taken back: %s", got)
	}
	v.peek(func(x *room) { x.config.MembersOnly = true })
	juliet.send("<message xmlns='jabber:client' to='" + cave + "' id='i1'><x xmlns='http://jabber.org/protocol/muc#user'><invite to='tybalt@example.org'/></x></message>")
	juliet.expect("<message", "type='error'", "id='i1'", full)
	v.peek(func(x *room) { x.config.MembersOnly = false })
	v.disk.fill(false)
	romeo.never("affiliation='member'")
	romeo.never("<retract")
	tybalt.never("<invite")
	v.peek(func(x *room) {
		if len(x.hats) > 0 || len(x.people) > 1 || len(x.history) != 1 {
			t.Errorf("hats %v, people %v, %d messages", x.hats, x.people, len(x.history))
		}
	})
	romeo.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='m2'><body>heard</body></message>")
	juliet.expect("<body>heard")
}

// TestTheLastOneLeavesAFullDisk: a temporary room that could not be erased when the last one left is there as it was, until it can be.
func TestTheLastOneLeavesAFullDisk(t *testing.T) {
	v, juliet, romeo := inCave(t)
	leave := func(c *client, nick string) {
		c.send("<presence xmlns='jabber:client' type='unavailable' to='" + cave + "/" + nick + "'/>")
		c.expect("<presence", "type='unavailable'", "code='110'")
	}
	leave(juliet, "juliet")
	v.disk.fill(true)
	leave(romeo, "romeo")
	v.disk.fill(false)
	romeo.enter("romeo")
	romeo.expect("<presence", cave+"/romeo", "affiliation='none'", "code='110'")
	leave(romeo, "romeo")
	for {
		_, err := v.db.Rooms.Get(t.Context(), "rooms.example.org", "cave")
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	romeo.enter("romeo")
	romeo.expect("<presence", cave+"/romeo", "affiliation='owner'", "code='201'")
}
