package muc

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/store"
)

// TestSlowRowsAndDestruction: what is looked up on the disk for a request does not trip over a room that goes meanwhile.
func TestSlowRowsAndDestruction(t *testing.T) {
	_, juliet, romeo := inCave(t)
	romeo.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='m'><body>b</body></message>")
	romeo.expect("<body>b")
	for i := range 15 {
		romeo.send(fmt.Sprintf("<iq xmlns='jabber:client' type='set' id='a%d' to='%s'><query xmlns='urn:xmpp:mam:2'/></iq>", i, cave))
		romeo.send(fmt.Sprintf("<iq xmlns='jabber:client' type='get' id='v%d' to='%s'><vCard xmlns='vcard-temp'/></iq>", i, cave))
	}
	juliet.ask("set", "<query xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query>")
	for i := range 15 {
		romeo.expect("<iq", fmt.Sprintf("id='v%d'", i))
	}
}

// held is a store that keeps changes of rooms waiting until they are let go, one by one.
type held struct {
	store.Rooms
	mu   sync.Mutex
	open []*store.Promise
}

func (h *held) Change(store.Room) store.Ticket {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = append(h.open, new(store.Promise))
	return h.open[len(h.open)-1].Ticket()
}

func (h *held) waits() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open)
}

// TestSubjectsUnderWay: of two subjects that are on their way to the disk the first fails, or the second: what is kept next is what people see.
func TestSubjectsUnderWay(t *testing.T) {
	for i, want := range []string{"second", "first"} {
		v, juliet, romeo := inCave(t)
		h := &held{Rooms: v.m.Rooms}
		v.m.Rooms = h
		for n, id := range []string{"first", "second"} {
			juliet.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='" + id + "'><subject>" + id + "</subject></message>")
			v.peek(func(*room) {})
			if h.waits() != n+1 {
				t.Fatal(h.waits())
			}
		}
		h.open[i].Settle(store.ErrFull)
		h.open[1-i].Settle(nil)
		romeo.expect("<subject>" + want)
		juliet.expect("<message", "type='error'")
		v.peek(func(x *room) {
			if !strings.Contains(string(x.kept.Subject), want) {
				t.Errorf("%s is seen, and what would be kept is %s", want, x.kept.Subject)
			}
		})
		v.m.Rooms = h.Rooms
	}
}

// TestOccupantsThatCannotBeRead: a row that says who was in a room, and cannot be read, does not close the room.
func TestOccupantsThatCannotBeRead(t *testing.T) {
	v := newWorld(t, "juliet")
	var id store.Owner
	for _, ticket := range []store.Ticket{
		v.db.Rooms.Create(store.Room{Domain: "rooms.example.org", Local: "cave", Config: []byte("{}"), Secret: []byte("s")}, []store.Affiliation{{JID: "juliet@example.org", Kind: "owner"}},
			func(o store.Owner) { id = o }),
	} {
		if err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.db.Occupants.SetOccupants(id, []byte("{")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	juliet := v.bind("juliet")
	juliet.enter("juliet")
	juliet.expect("<presence", cave+"/juliet", "code='110'")
}

// TestManyAtOnce: a configuration that changes everybody is told to everybody, in lists that are read as clients can; who has to go with others is
// told of itself alone.
func TestManyAtOnce(t *testing.T) {
	const people = 40
	var names []string
	for i := range people {
		names = append(names, fmt.Sprint("p", i))
	}
	v := newWorld(t, names...)
	all := make([]*client, people)
	for i := range all {
		all[i] = v.bind(names[i])
		all[i].enter(names[i])
		if i == 0 {
			all[0].expect("code='201'")
			all[0].configure("")
			continue
		}
		all[i].expect("<subject/>")
	}
	form := func(name string) string {
		return "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field><field var='" + name + "'>"
	}
	all[0].configure(form("muc#roomconfig_whois") + "<value>anyone</value></field>")
	for i, c := range all {
		c.ask("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
		for k, other := range names {
			self := []string{"<presence", cave + "/" + other + "'", "jid='" + other + "@example.org/r'"}
			if i == k {
				self = append(self, "code='110'")
			}
			if !c.has(self...) {
				t.Fatalf("%s does not learn who %s is", names[i], other)
			}
		}
	}
	before := all[1].count()
	all[0].configure(form("muc#roomconfig_membersonly") + "<value>1</value></field>")
	all[1].expect("type='unavailable'", "code='322'", "code='110'")
	for _, other := range names[1:] {
		all[0].expectAnywhere("type='unavailable'", cave+"/"+other+"'", "code='322'")
	}
	if n := all[1].told(); n > before+10 {
		t.Errorf("who had to go was told of %d things", n-before)
	}
	v.peek(func(x *room) {
		if len(x.crowd) != 1 || len(x.faces) != 1 || len(x.nicks) != 1 || len(x.sessions) != 1 {
			t.Errorf("%d, %d, %d, %d are left", len(x.crowd), len(x.faces), len(x.nicks), len(x.sessions))
		}
	})
}

// has tells whether something so far holds all the parts.
func (c *client) has(parts ...string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.got {
		if holds(x, parts) {
			return true
		}
	}
	return false
}

// expectAnywhere waits for something that holds all the parts, in whatever order things come.
func (c *client) expectAnywhere(parts ...string) {
	c.Helper()
	for end := time.Now().Add(awaited); !c.has(parts...); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			c.Fatalf("%s: nothing holds %q", c.s.JID, parts)
		}
	}
}

func (c *client) told() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

// TestTurnedAwayBehindOthers: who is not in the room is told so in its turn, however much happens until then.
func TestTurnedAwayBehindOthers(t *testing.T) {
	v, juliet, _ := inCave(t)
	h := &held{Rooms: v.m.Rooms}
	v.m.Rooms = h
	juliet.send("<message xmlns='jabber:client' to='" + cave + "' type='groupchat' id='s'><subject>s</subject></message>")
	v.peek(func(*room) {})
	tybalt := v.bind("tybalt")
	tybalt.send("<presence xmlns='jabber:client' to='" + cave + "/tybalt'/>")
	for range 20 { // the event of a turn is used again for others
		tybalt.send("<message xmlns='jabber:client' to='romeo@example.org' type='chat' id='m'><body>b</body></message>")
		v.peek(func(*room) {})
	}
	h.open[0].Settle(nil)
	tybalt.expect("<presence", cave+"/tybalt", "type='unavailable'", "code='307'", "code='333'")
	v.m.Rooms = h.Rooms
}
