package muc

import (
	"fmt"
	"strings"
	"sync"
	"testing"

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
