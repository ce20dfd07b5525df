package core_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// in has clients join the room.
func in(room string, nicks map[*client]string) {
	for c, nick := range nicks {
		c.say("<presence to='" + room + "/" + nick + "'/>")
		c.wait("from='" + room + "/" + nick + "'")
	}
}

func talk(room, id string) string {
	return "<message to='" + room + "' type='groupchat' id='" + id + "'><body>hello</body></message>"
}

const cave = "cave@rooms.example.org"

// Everybody in a room hears everything in one order; who leaves, in whatever way, is seen to leave and hears no more.
func TestRoom(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo", "nurse"}, func(h *core.Host, db *sqlstore.DB) { new(den).install(h, db) })
		juliet, romeo, nurse := x.online("juliet", "j"), x.online("romeo", "r"), x.online("nurse", "n")
		juliet.say(talk(cave, "early"))
		juliet.wait("id='early'", "not-acceptable")
		in(cave, map[*client]string{juliet: "J", romeo: "R", nurse: "N"})
		for i := range 20 {
			juliet.say(talk(cave, fmt.Sprint("j-", i)))
			romeo.say(talk(cave, fmt.Sprint("r-", i)))
		}
		all := []*client{juliet, romeo, nurse}
		for _, c := range all {
			c.wait("id='j-19'", "id='r-19'")
			if got, want := order(c.text()), order(juliet.text()); got != want || strings.Count(got, "j-") != 20 {
				t.Errorf("%s: %s\nwant %s", c.session.JID, got, want)
			}
		}
		// Changing the nick leaves one address: it is told of the end once.
		nurse.say("<presence to='" + cave + "/N2'/>")
		romeo.wait("from='" + cave + "/N2'")
		nurse.say("<presence type='unavailable'/>")
		romeo.wait("from='" + cave + "/N2' type='unavailable'")
		juliet.session.Lose(juliet.work, juliet, core.LostClosed)
		juliet.work.Run()
		romeo.wait("from='" + cave + "/J' type='unavailable'")
		romeo.say("<iq type='get' id='w1' to='"+cave+"'><who xmlns='urn:den'/></iq>", "<iq type='get' id='w2' to='rooms.example.org'><who xmlns='urn:den'/></iq>")
		romeo.wait("<all xmlns='urn:den'/>", "id='w1'")
	})
}

var groupchat = regexp.MustCompile(`<message [^>]*id='([^']*)' type='groupchat'`)

// order is the ids of what was said.
func order(text string) string {
	var ids []string
	for _, m := range groupchat.FindAllStringSubmatch(text, -1) {
		ids = append(ids, m[1])
	}
	return strings.Join(ids, " ")
}

// Rows answer for the domain, for a room and for occupants; what none answers goes to the occupant.
func TestRoomRequests(t *testing.T) {
	m := &den{}
	x := build(t, []string{"juliet", "romeo"}, m.install)
	juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
	who := func(id, to string) string {
		return "<iq type='get' id='" + id + "' to='" + to + "'><who xmlns='urn:den'/></iq>"
	}
	juliet.say(who("none", cave), who("nobody", cave+"/X"))
	juliet.wait("id='none'", "id='nobody'")
	if strings.Count(juliet.text(), "item-not-found") != 2 {
		t.Errorf("of a room that does not exist: %s", juliet.text())
	}
	in(cave, map[*client]string{juliet: "boss", romeo: "R"})
	found := "<message to='" + cave + "' type='groupchat'><body>/make</body></message>"
	slow := func(id string) string {
		return "<iq type='get' id='" + id + "' to='" + cave + "'><slow xmlns='urn:den'/></iq>"
	}
	juliet.say(found, who("in", cave), who("boss", cave+"/R"), slow("s1")) // they wait for the number
	juliet.wait("<in xmlns='urn:den' n='2'/>", "id='boss'", "<slow xmlns='urn:den' n='0'/>", "id='before-0'")
	if text := juliet.text(); strings.Index(text, "before-2") > strings.Index(text, "before-0") || strings.Index(text, "before-0") > strings.Index(text, "id='s1'") {
		t.Errorf("not in order: %s", text)
	}
	romeo.say(slow("s2"))
	romeo.wait("id='s2'", "<forbidden")
	// What no row answers is the occupant's, and so is the answer.
	romeo.say("<iq type='get' id='relay' to='" + cave + "/boss'><other xmlns='urn:x'/></iq>")
	juliet.wait("from='"+cave+"/R'", "<other xmlns='urn:x'")
	juliet.say("<iq type='result' id='relay' to='" + cave + "/R'/>")
	romeo.wait("from='" + cave + "/boss'")
	romeo.say("<iq type='get' id='unknown' to='" + cave + "'><other xmlns='urn:x'/></iq>")
	romeo.wait("id='unknown'", "service-unavailable")
	romeo.say("<presence type='subscribe' to='"+cave+"'/>", "<message to='"+cave+"' type='groupchat' id='p'><body>/panic</body></message>")
	romeo.wait("internal-server-error")
	romeo.say(talk(cave, "on"))
	juliet.wait("id='on'")
}

// Nothing is shown before it is durable, and nothing overtakes; the sender's stanza is settled then.
func TestRoomLine(t *testing.T) {
	var promises []*store.Promise
	m := &den{wait: func() store.Ticket {
		promises = append(promises, new(store.Promise))
		return promises[len(promises)-1].Ticket()
	}}
	x := build(t, []string{"juliet", "romeo", "nurse"}, m.install)
	juliet, romeo, nurse := x.online("juliet", "j"), x.online("romeo", "r"), x.online("nurse", "n")
	in(cave, map[*client]string{juliet: "J", romeo: "R"})
	juliet.say(talk(cave, "m-0"), talk(cave, "m-1"), talk(cave, "m-2"))
	nurse.say("<presence to='" + cave + "/N'/>")
	romeo.fence()
	if strings.Contains(romeo.text(), "m-0") || strings.Contains(romeo.text(), cave+"/N") || !juliet.busy(3) {
		t.Errorf("shown before it is durable: %s", romeo.text())
	}
	promises[1].Settle(errors.New("full"))
	promises[2].Settle(nil)
	romeo.fence()
	if strings.Contains(romeo.text(), "m-2") {
		t.Error("overtaken")
	}
	promises[0].Settle(nil)
	nurse.wait("from='" + cave + "/N'")
	romeo.wait("from='" + cave + "/N'")
	if got := order(romeo.text()); got != "m-0 m-2" || order(nurse.text()) != "" {
		t.Errorf("romeo heard %q, nurse, who came later, %q", got, order(nurse.text()))
	}
	juliet.fence()
	if juliet.busy(1) {
		t.Error("not settled")
	}
}

// busy tells whether the client has so many unsettled stanzas.
func (c *client) busy(n int) bool { return int(core.Open(c.session)) >= n }

// A session that is not there is taken out; a room that nobody is in leaves the memory, and one that could not be read is read again.
func TestRoomGhosts(t *testing.T) {
	m := &den{}
	x := build(t, []string{"juliet", "romeo"}, m.install)
	juliet := x.online("juliet", "j")
	in(cave, map[*client]string{juliet: "J"})
	room := jid.MustParse(cave)
	host := x.rooms[0].host
	err := host.AskRoom(t.Context(), room, func(_ *core.Work, r *core.Room) error {
		for _, ghost := range []string{"romeo@example.org/gone", "nobody@example.org/x", "mercutio@elsewhere.org/x", "juliet@example.org/other"} {
			m.slots.Of(r).enter(jid.MustParse(ghost), "ghost-"+jid.MustParse(ghost).Local())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	juliet.say(talk(cave, "boo"))
	for _, ghost := range []string{"romeo", "nobody", "mercutio", "juliet"} {
		juliet.wait("from='" + cave + "/ghost-" + ghost + "' type='unavailable'")
	}
	// Who is there and has never shown itself to the room is not in it, whatever was written of it; who has stays.
	romeo := x.online("romeo", "r")
	err = host.AskRoom(t.Context(), room, func(w *core.Work, r *core.Room) error {
		m.slots.Of(r).enter(romeo.session.JID, "R")
		r.Check(w, romeo.session.JID, juliet.session.JID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	juliet.wait("from='" + cave + "/R' type='unavailable'")
	juliet.say(talk(cave, "alone"))
	juliet.wait("id='alone'")
	juliet.say("<presence to='" + cave + "/J' type='unavailable'/>")
	juliet.fence()
	if n := core.RoomsInMemory(host); n != 1 {
		t.Errorf("%d rooms", n)
	}
	core.SweepRooms(host)
	if n := core.RoomsInMemory(host); n != 0 {
		t.Errorf("%d rooms in memory, that do not exist and that nobody is in", n)
	}

	if err := m.db.Rooms.Create(store.Room{Domain: denDomain.Domain(), Local: "cave", Config: []byte("broken")}, nil, func(store.Owner) {}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	juliet.say(talk(cave, "broken"))
	juliet.say("<iq type='get' id='unread' to='" + cave + "'><who xmlns='urn:den'/></iq>")
	juliet.wait("id='broken'", "id='unread'")
	if n := strings.Count(juliet.text(), "<error type='wait'><resource-constraint "); n != 2 {
		t.Errorf("a room that cannot be read: %s", juliet.text())
	}
	r, err := m.db.Rooms.Get(t.Context(), denDomain.Domain(), "cave")
	r.Config = nil
	if err := errors.Join(err, m.db.Rooms.Change(r).Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	core.SweepRooms(host)
	in(cave, map[*client]string{juliet: "J3"})
	juliet.say("<presence to='" + cave + "/J3' type='unavailable'/>")
	juliet.fence()
	core.SweepRooms(host)
	if n := core.RoomsInMemory(host); n != 1 {
		t.Errorf("%d rooms in memory: one that exists stays for a while", n)
	}
	for range 3 {
		core.SweepRooms(host)
	}
	if n := core.RoomsInMemory(host); n != 0 {
		t.Errorf("%d rooms in memory after a while", n)
	}
}

// A room that was destroyed does not exist, and the next one of its name is another.
func TestRoomVanishes(t *testing.T) {
	m := &den{}
	x := build(t, []string{"juliet"}, m.install)
	juliet := x.online("juliet", "j")
	command := func(text string) {
		juliet.say("<message to='" + cave + "' type='groupchat'><body>" + text + "</body></message>")
	}
	var ids []store.Owner
	for range 2 {
		in(cave, map[*client]string{juliet: "J"})
		command("/make")
		juliet.say(talk(cave, "made"))
		juliet.wait("id='made'")
		r, err := m.db.Rooms.Get(t.Context(), denDomain.Domain(), "cave")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
		command("/end")
		juliet.say(talk(cave, "ended"))
		juliet.wait("id='ended'", "not-acceptable")
		juliet.clear()
	}
	if ids[0] == ids[1] || ids[0] == 0 {
		t.Errorf("numbers %v", ids)
	}
}

// A mistake behind a pause costs nobody what has waited meanwhile.
func TestRoomFallsBehindPause(t *testing.T) {
	promise := new(store.Promise)
	m := &den{wait: func() store.Ticket { return promise.Ticket() }}
	x := build(t, []string{"juliet", "romeo"}, m.install)
	juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
	in(cave, map[*client]string{juliet: "J"})
	juliet.say("<message to='"+cave+"' type='groupchat'><body>/fall</body></message>", talk(cave, "m-1"))
	romeo.say("<presence to='" + cave + "/R'/>")
	juliet.fence()
	if text := juliet.text(); strings.Contains(text, "m-1") || strings.Contains(text, cave+"/R") {
		t.Errorf("handled during the pause: %s", text)
	}
	promise.Settle(nil)
	juliet.wait("id='m-1'", "from='"+cave+"/R'")
	juliet.fence()
	if juliet.busy(1) {
		t.Error("not settled")
	}
}

// Whoever has blocked an occupant neither hears nor sees them, also in what a join tells (XEP-0191); the others do.
func TestBlockedOccupant(t *testing.T) {
	m := &den{}
	x := build(t, []string{"juliet", "romeo", "nurse"}, m.install)
	juliet, romeo, nurse := x.online("juliet", "j"), x.online("romeo", "r"), x.online("nurse", "n")
	err := x.rooms[0].host.Ask(t.Context(), address("nurse"), func(_ *core.Work, a *core.Account) error {
		a.Bar(func(j jid.JID) bool { return j.String() == cave+"/R" })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Whoever was there first is told of first: once it is one of them, once the other.
	in(cave, map[*client]string{romeo: "R"}) // of whom the nurse would be told first
	in(cave, map[*client]string{juliet: "J"})
	in(cave, map[*client]string{nurse: "N"})
	romeo.say(talk(cave, "r-1"))
	juliet.say(talk(cave, "j-1"))
	nurse.wait("id='j-1'", "from='"+cave+"/J'")
	juliet.wait("id='r-1'")
	if strings.Contains(nurse.text(), cave+"/R") {
		t.Errorf("heard of who is blocked: %s", nurse.text())
	}
}

// What is wrong with rooms is told when the host starts.
func TestServeRefuses(t *testing.T) {
	o := obs.Discard()
	cfg := config.Default()
	pool := core.NewPool()
	defer pool.Close()
	h := core.NewHost(domain, core.Parts{Config: &cfg, Obs: o, Router: core.NewRouter(), Pool: pool, Metrics: core.NewMetrics(o), Accounts: inMemory{}, Holdings: nothing{}})
	defer h.Close()
	h.Ports.Contacts, h.Ports.Authenticator = everybody(nil), nobody{}
	whole := core.Rooms{
		Module: "a", Domain: denDomain, Load: func(context.Context, *core.Room) error { return nil }, Receive: func(*core.Event) core.Verdict { return core.Next },
		Standing: func(*core.Room, jid.JID) core.Standing { return 0 }, Vacant: func(*core.Room) bool { return true },
	}
	taken, twice := whole, whole
	taken.Domain, taken.Module, twice.Module = domain, "b", "c"
	for _, r := range []core.Rooms{whole, taken, twice, {Module: "d", Domain: denDomain}} {
		h.Serve(r)
	}
	err := h.Start()
	for _, want := range []string{"b cannot have rooms at example.org", "c cannot have rooms at rooms.example.org", "the rooms of d are incomplete"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nsays nothing of: %s", err, want)
		}
	}
	if err := h.DoRoom(jid.MustParse("a@rooms.example.net"), nil); !errors.Is(err, core.ErrNoRooms) {
		t.Errorf("a room of nobody: %v", err)
	}
}

// clear forgets what the client has got.
func (c *client) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got.Reset()
}

// A join with more than the outbox may hold ends no client, however slowly it reads.
func TestJoinOfASlowClient(t *testing.T) {
	m := &den{history: 3000}
	x := build(t, []string{"juliet"}, func(h *core.Host, db *sqlstore.DB) {
		h.Config.Limits.OutboxBytes, h.Config.Limits.OutboxMerge = 100_000, 20_000
		m.install(h, db)
	})
	slow := &stalled{}
	w := core.NewWork(x.rooms[0].pool)
	s, err := x.rooms[0].host.Bind(t.Context(), w, core.Binding{Account: address("juliet"), Resource: "j", Sink: slow, First: func(jid.JID) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"<enable xmlns='" + ns.StreamManagement + "'/>", "<presence xmlns='jabber:client' to='" + cave + "/J'/>"} {
		st, err := stanza.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if fail := s.Receive(w, slow, st); fail != nil {
			t.Fatal(fail)
		}
		w.Run()
	}
	acked, read, most := 0, 0, 0
	for deadline, turn := time.Now().Add(20*time.Second), 0; !strings.Contains(slow.text(), "id='h-2999'"); turn++ {
		if time.Now().After(deadline) || slow.closed() {
			t.Fatalf("closed %v, has %d bytes", slow.closed(), len(slow.text()))
		}
		s.Writable(w)
		w.Run()
		text := slow.text()
		most = max(most, len(text)-read)
		// It takes whatever comes, and acknowledges later.
		if n := strings.Count(text, "<message") + strings.Count(text, "<presence"); n > acked && turn%8 == 7 {
			acked, read = n, len(text)
			st, err := stanza.Parse(fmt.Sprintf("<a xmlns='%s' h='%d'/>", ns.StreamManagement, n))
			if err != nil {
				t.Fatal(err)
			}
			if fail := s.Receive(w, slow, st); fail != nil {
				t.Fatal(fail)
			}
			w.Run()
		}
	}
	if most > 100_000 {
		t.Errorf("%d bytes at once went to a client that had acknowledged nothing of them", most)
	}
}

// stalled takes one write at a time.
type stalled struct {
	mu   sync.Mutex
	got  strings.Builder
	gone bool
}

func (k *stalled) Write(p []byte) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.got.Write(p)
	return false, nil
}

func (k *stalled) Close(*stanza.StreamError) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone = true
}

func (k *stalled) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.got.String()
}

func (k *stalled) closed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.gone
}

// What a room passes on for somebody is settled when it is durable where it goes to: an acknowledgement means that it is not lost (XEP-0198).
func TestPassedOnIsDurable(t *testing.T) {
	for _, command := range []string{"/pass", "/pause"} {
		t.Run(command, func(t *testing.T) {
			first, second, reached := new(store.Promise), new(store.Promise), make(chan struct{})
			m := &den{wait: func() store.Ticket { return first.Ticket() }}
			x := build(t, []string{"juliet", "romeo"}, func(h *core.Host, db *sqlstore.DB) {
				m.install(h, db)
				h.Hooks.Receiving.Add("slow", func(e *core.Event) core.Verdict {
					if e.Stanza.ID == "passed" {
						e.Wait(second.Ticket())
						close(reached)
					}
					return core.Next
				})
			})
			juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
			in(cave, map[*client]string{juliet: "J"})
			juliet.say("<message to='" + cave + "' type='groupchat'><body>" + command + "</body></message>")
			first.Settle(nil)
			<-reached
			if err := x.rooms[0].host.AskRoom(t.Context(), jid.MustParse(cave), func(*core.Work, *core.Room) error { return nil }); err != nil {
				t.Fatal(err)
			}
			juliet.fence()
			romeo.fence()
			if !juliet.busy(1) {
				t.Error("settled before it is durable")
			}
			second.Settle(nil)
			romeo.wait("id='passed'")
			juliet.fence()
			romeo.fence()
			if juliet.busy(1) {
				t.Error("never settled")
			}
		})
	}
}

// What is looked up for a request is looked up of the room that was asked, also when it goes and another one of its name comes meanwhile.
func TestSlowRowOfARoomThatGoes(t *testing.T) {
	first := new(store.Promise)
	m := &den{}
	x := build(t, []string{"juliet", "romeo"}, func(h *core.Host, db *sqlstore.DB) {
		m.install(h, db)
		h.Hooks.Receiving.Add("slow", func(e *core.Event) core.Verdict {
			if e.Stanza.ID == "before" {
				e.Wait(first.Ticket())
			}
			return core.Next
		})
		h.IQ.Handle(core.IQ{
			Space: "urn:number", Local: "number", Type: stanza.Get, To: core.ToRoom, Action: core.ActSeeRoom, Slow: true, Module: "t",
			Do: func(_ context.Context, e *core.Event) (core.Answer, error) {
				return core.Answer{Payload: fmt.Sprintf("<number xmlns='urn:number'>%d</number>", e.Room.ID)}, nil
			},
		})
	})
	juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
	in(cave, map[*client]string{juliet: "J"})
	command := func(text string) {
		juliet.say("<message to='"+cave+"' type='groupchat'><body>"+text+"</body></message>", talk(cave, "behind-"+text[1:]))
		juliet.wait("id='behind-" + text[1:] + "'")
	}
	command("/make")
	was, err := m.db.Rooms.Get(t.Context(), denDomain.Domain(), "cave")
	if err != nil {
		t.Fatal(err)
	}
	// The request waits for what romeo said before.
	romeo.say("<message to='juliet@example.org' type='chat' id='before'><body>b</body></message>", "<iq type='get' id='n' to='"+cave+"'><number xmlns='urn:number'/></iq>")
	who := "<iq type='get' id='fence' to='" + cave + "'><who xmlns='urn:den'/></iq>"
	juliet.say(who)
	juliet.wait("id='fence'")
	command("/end")
	in(cave, map[*client]string{juliet: "J2"})
	command("/make")
	first.Settle(nil)
	romeo.wait("id='n'")
	if want := fmt.Sprintf("<number xmlns='urn:number'>%d</number>", was.ID); !strings.Contains(romeo.text(), want) {
		t.Errorf("not of the room that was asked, %d: %s", was.ID, romeo.text())
	}
}
