package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// den is the smallest module with rooms: presence joins and leaves, whoever is in is heard by all, an error takes out. "/make" creates the
// room in the store, "/end" destroys it, "/panic" does what a mistake does.
type den struct {
	host  *core.Host
	db    *sqlstore.DB
	slots core.Slot[denRoom]
	// wait, which may be nil, gives a promise that a message waits for.
	wait func() store.Ticket
	// lines, which may be 0, is how long the history is that a join gets.
	history int
}

type denRoom struct {
	nicks map[jid.JID]string
	order []jid.JID
}

var denDomain = jid.MustParse("rooms.example.org")

func (m *den) install(h *core.Host, db *sqlstore.DB) {
	m.host, m.db, m.slots = h, db, core.NewSlot[denRoom](h)
	h.Serve(core.Rooms{
		Module: "den", Domain: denDomain, Load: m.load, Loaded: m.loaded, Receive: m.receive, Standing: m.standing, Vacant: m.vacant, Keep: m.keep, Wake: m.wake,
	})
	for _, to := range []core.Target{core.ToRooms, core.ToRoom, core.ToOccupant} {
		act := core.ActSeeRoom
		if to == core.ToOccupant {
			act = core.ActUseRoom
		}
		h.IQ.Handle(core.IQ{Space: "urn:den", Local: "who", Type: stanza.Get, To: to, Action: act, Module: "den", Do: m.who})
	}
	h.IQ.Handle(core.IQ{Space: "urn:den", Local: "slow", Type: stanza.Get, To: core.ToRoom, Action: core.ActOwnRoom, Module: "den", Slow: true, Do: m.slow})
}

func (m *den) load(ctx context.Context, r *core.Room) error {
	row, err := m.db.Rooms.Get(ctx, r.JID.Domain(), r.JID.Local())
	if err != nil {
		return err
	}
	if string(row.Config) == "broken" {
		return errors.New("it cannot be read")
	}
	r.ID = row.ID
	b, err := m.db.Occupants.Occupants(ctx, r.ID)
	if err != nil || b == nil {
		return err
	}
	var kept map[string]string
	if err := json.Unmarshal(b, &kept); err != nil {
		return err
	}
	d := m.slots.Of(r)
	for who, nick := range kept {
		d.enter(jid.MustParse(who), nick)
	}
	return nil
}

func (m *den) loaded(w *core.Work, r *core.Room) {
	r.Check(w, m.slots.Of(r).order...)
	m.db.Occupants.SetOccupants(r.ID, nil)
}

func (m *den) keep(_ *core.Work, r *core.Room) (store.Ticket, bool) {
	kept := map[string]string{}
	for who, nick := range m.slots.Of(r).nicks {
		kept[who.String()] = nick
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return store.Settled(err), true
	}
	return m.db.Occupants.SetOccupants(r.ID, b), len(kept) > 0
}

func (m *den) wake(ctx context.Context) (all []jid.JID, err error) {
	names, err := m.db.Occupants.Waking(ctx, denDomain.Domain())
	for _, n := range names {
		all = append(all, jid.MustParse(n+"@"+denDomain.Domain()))
	}
	return all, err
}

func (m *den) vacant(r *core.Room) bool { return len(m.slots.Of(r).order) == 0 }

func (m *den) standing(r *core.Room, who jid.JID) core.Standing {
	switch m.slots.Of(r).nicks[who] {
	case "":
		return 0
	case "boss":
		return core.RoomOwner | core.RoomModerator
	}
	return core.RoomParticipant
}

func (m *den) who(_ context.Context, e *core.Event) (core.Answer, error) {
	if e.Room == nil {
		return core.Answer{Payload: "<all xmlns='urn:den'/>"}, nil
	}
	return core.Answer{Payload: fmt.Sprintf("<in xmlns='urn:den' n='%d'/>", len(m.slots.Of(e.Room).order))}, nil
}

func (m *den) slow(ctx context.Context, e *core.Event) (core.Answer, error) {
	all, err := m.db.Affiliations.Of(ctx, e.Room.ID)
	if err != nil {
		return core.Answer{}, err
	}
	room, to := e.Room.JID, e.Stanza.From
	e.After(func(e *core.Event) { m.slots.Of(e.Room).nicks[to] = "boss" })
	left := 3
	return core.Answer{Payload: fmt.Sprintf("<slow xmlns='urn:den' n='%d'/>", len(all)), Before: func() (*stanza.Stanza, bool) {
		left--
		return said(room, "", fmt.Sprint("before-", left)), left >= 0
	}}, nil
}

func (d *denRoom) name(who jid.JID, nick string) {
	if d.nicks == nil {
		d.nicks = map[jid.JID]string{}
	}
	d.nicks[who.Clone()] = strings.Clone(nick)
}

func (d *denRoom) enter(who jid.JID, nick string) {
	d.name(who, nick)
	if !slices.Contains(d.order, who) {
		d.order = append(d.order, who.Clone())
	}
}

func (d *denRoom) leave(who jid.JID) {
	delete(d.nicks, who)
	d.order = slices.DeleteFunc(slices.Clone(d.order), func(j jid.JID) bool { return j == who })
}

// presence of an occupant as the room shows it, and a message as it says it.
func presence(room jid.JID, nick string, typ stanza.Type) *stanza.Stanza {
	return den1(stanza.Head{Kind: stanza.Presence, Type: typ, From: occupant(room, nick)}, "")
}

func said(room jid.JID, nick, id string) *stanza.Stanza {
	return den1(stanza.Head{Kind: stanza.Message, Type: stanza.GroupChat, ID: id, From: occupant(room, nick)}, "<body>hello</body>")
}

func den1(h stanza.Head, inner string) *stanza.Stanza {
	st, err := stanza.New(h, inner)
	if err != nil {
		panic(err)
	}
	return st.Seal()
}

func occupant(room jid.JID, nick string) jid.JID {
	if nick == "" {
		return room
	}
	j, err := room.WithResource(nick)
	if err != nil {
		panic(err)
	}
	return j
}

func (m *den) receive(e *core.Event) core.Verdict {
	r, st, d := e.Room, e.Stanza, m.slots.Of(e.Room)
	nick, in := d.nicks[st.From]
	switch {
	case st.Type == stanza.TypeError || st.Kind == stanza.Presence && st.Type == stanza.Unavailable:
		if in {
			m.out(e.Work, r, st.From, nick)
		}
	case st.Kind == stanza.Presence:
		m.join(e.Work, r, st.From.Clone(), st.To.Resource())
	case st.Kind == stanza.IQ:
		for who, nick := range d.nicks {
			if nick == st.To.Resource() {
				m.host.Router.Route(e.Work, den1(stanza.Head{Kind: stanza.IQ, Type: st.Type, ID: st.ID, To: who, From: occupant(r.JID, d.nicks[st.From])}, st.Inner()))
				return core.Next
			}
		}
		return e.Refuse(stanza.NewError(stanza.ItemNotFound, ""))
	case !in:
		return e.Refuse(stanza.NewError(stanza.NotAcceptable, "you are not in the room"))
	default:
		m.message(e, nick)
	}
	return core.Next
}

func (m *den) out(w *core.Work, r *core.Room, who jid.JID, nick string) {
	d := m.slots.Of(r)
	st := presence(r.JID, nick, stanza.Unavailable)
	r.Stand(w, func(w *core.Work, _ error) {
		d.leave(who)
		r.Tell(w, st, d.order...)
	})
}

func (m *den) join(w *core.Work, r *core.Room, who jid.JID, nick string) {
	d := m.slots.Of(r)
	if d.nicks[who] == nick {
		return // an update
	}
	d.name(who, nick)
	r.Stand(w, func(w *core.Work, _ error) {
		d.enter(who, nick) // who hears changes in the place where others see it
		var all []*stanza.Stanza
		for _, o := range d.order {
			all = append(all, presence(r.JID, d.nicks[o], stanza.Available))
		}
		for i := range m.history {
			all = append(all, said(r.JID, "old", fmt.Sprint("h-", i)))
		}
		r.TellAll(w, who, func() (*stanza.Stanza, bool) {
			if len(all) == 0 {
				return nil, false
			}
			st := all[0]
			all = all[1:]
			return st, true
		})
		r.Tell(w, presence(r.JID, nick, stanza.Available), slices.DeleteFunc(slices.Clone(d.order), func(j jid.JID) bool { return j == who })...)
	})
}

func (m *den) message(e *core.Event, nick string) {
	r := e.Room
	body := ""
	if b, ok := e.Stanza.Child(ns.Client, "body"); ok {
		body = b.Text()
	}
	switch body {
	case "/panic":
		panic("in a room")
	case "/make":
		var id store.Owner
		r.Pause(e.Work, m.db.Rooms.Create(store.Room{Domain: r.JID.Domain(), Local: r.JID.Local()}, nil, func(o store.Owner) { id = o }), func(w *core.Work, err error) {
			if err == nil {
				r.ID = id
			}
		})
		return
	case "/end":
		t := m.db.Rooms.Delete(r.ID)
		e.Wait(t)
		r.Vanish()
		return
	}
	var tickets []store.Ticket
	if m.wait != nil {
		tickets = append(tickets, m.wait())
	}
	st := said(r.JID, nick, e.Stanza.ID)
	r.Stand(e.Work, func(w *core.Work, err error) {
		if err == nil {
			r.Tell(w, st, m.slots.Of(r).order...)
		}
	}, tickets...)
}

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
		m := &den{}
		x := build(t, []string{"juliet", "romeo", "nurse"}, m.install)
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
		romeo.wait("<all xmlns='urn:den'/>")
		if !x.far() {
			romeo.wait("id='w1'")
		}
	})
}

// far tells whether there are several nodes.
func (x *house) far() bool { return x.links != nil }

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
	juliet.wait("id='broken'", "internal-server-error")
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
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(slow.text(), "id='h-2999'"); {
		if time.Now().After(deadline) || slow.closed() {
			t.Fatalf("closed %v, has %d bytes", slow.closed(), len(slow.text()))
		}
		s.Writable(w)
		w.Run()
		most = max(most, len(slow.text())-read)
		read = len(slow.text())
		if n := strings.Count(slow.text(), "<message") + strings.Count(slow.text(), "<presence"); n > acked {
			acked = n
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
