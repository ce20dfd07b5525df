package core_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// passed is what a room brings to romeo on behalf of somebody.
func passed(from jid.JID) *stanza.Stanza {
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.Chat, ID: "passed", From: jid.MustParse(cave + "/" + from.Local()), To: address("romeo")}, "<body>psst</body>")
	if err != nil {
		panic(err)
	}
	return st.Seal()
}

// den is the smallest module with rooms: presence joins and leaves, whoever is in is heard by all, an error takes out. "/make" creates the
// room in the store, "/end" destroys it, "/panic" and "/fall" do what mistakes do.
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
	case st.Kind != stanza.IQ && st.Type == stanza.TypeError || st.Kind == stanza.Presence && st.Type == stanza.Unavailable:
		if in {
			m.out(e.Work, r, st.From, nick)
		}
	case st.Kind == stanza.Presence:
		m.join(e.Work, r, st.From.Clone(), st.To.Resource())
	case st.Kind == stanza.IQ:
		for who, nick := range d.nicks {
			if nick == st.To.Resource() {
				r.RouteBy(e.Work, den1(stanza.Head{Kind: stanza.IQ, Type: st.Type, ID: st.ID, To: who, From: occupant(r.JID, d.nicks[st.From])}, st.Inner()), st.From)
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
	if e.Stanza.To.IsFull() {
		var to []jid.JID
		for _, who := range m.slots.Of(r).order {
			if m.slots.Of(r).nicks[who] == e.Stanza.To.Resource() {
				to = append(to, who)
			}
		}
		if len(to) > 0 {
			r.RouteBy(e.Work, e.Stanza.WithTo(to[0]).Stamped(occupant(r.JID, nick)), e.Stanza.From, to[1:]...)
		}
		return
	}
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
	case "/pass":
		r.Stand(e.Work, func(w *core.Work, _ error) { r.Route(w, passed(e.Stanza.From), jid.MustParse("romeo@example.org/r")) }, m.wait())
		return
	case "/pause":
		r.Pause(e.Work, m.wait(), func(w *core.Work, _ error) {
			r.Stand(w, func(w *core.Work, _ error) { r.Route(w, passed(e.Stanza.From)) })
		})
		return
	case "/fall":
		r.Pause(e.Work, m.wait(), func(*core.Work, error) { panic("behind a pause") })
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
