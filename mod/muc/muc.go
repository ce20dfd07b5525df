// Package muc is rooms for many people: XEP-0045 1.35.5, with occupant ids (XEP-0421 1.0.1), self-ping (XEP-0410 1.1.0), ids of the room for its
// messages (XEP-0359 0.7.0), moderation (XEP-0425 0.3.0, with tombstones), pictures of rooms (XEP-0486 0.1.0), invitations of both kinds (XEP-0249 1.2),
// versions of member lists in rooms that show addresses (XEP-0463 0.2.0), hats (XEP-0317 0.3.1), slow mode (XEP-0500 0.1.1) and search (XEP-0433 0.1.0). The
// room's archive (XEP-0313) is kept and answered by the port Archiver.
//
// A room's state changes when a stanza arrives, what occupants see changes when its place in the room's line has come (core.Room.Stand): so
// there is one order for all, and nothing is seen before it is durable. What changes the store and the state together pauses the room for one
// commit. rules.go has who may do what, and is pure.
//
// Hooks: AccountDeleted, so that whoever comes after under the same name is nobody to the rooms; it runs Said, and serves rooms (core.Rooms). Ports:
// Archiver, Publisher, Contacts, Spaces. Left out: groupchat 1.0 (section 7.2.17 recommends so), presence subscriptions to rooms, lists of occupants for who
// is not one of them, approval of registrations, ofrom addresses in the history, hats in other languages and with payloads of others.
package muc

import (
	"context"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// readTime is how long a turn waits for the store when somebody creates a room.
const readTime = 250 * time.Millisecond

// Stores are the parts of the store that the module reads and writes.
type Stores struct {
	Rooms        store.Rooms
	Affiliations store.Affiliations
	Occupants    store.Occupants
	Tombstones   store.Tombstones
	Personal     store.Personal // of rooms: their pictures
}

// Module is the feature on one host.
type Module struct {
	Stores
	config config.Rooms
	obs    obs.Obs
	host   *core.Host
	domain jid.JID
	rooms  core.Slot[room]
	graves core.Slot[grave]
	making core.Tally  // rooms that accounts are about to make
	purses core.Purses // deliveries, by account
	sent   core.Quota  // invitations, requests for voice and registrations, by account

	searches core.Quota // by account
	guesses  core.Quota // wrong passwords, by account
}

// New takes the stores and the limits.
func New(s Stores, c config.Rooms, o obs.Obs) *Module { return &Module{Stores: s, config: c, obs: o} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "muc" }

// Install serves the rooms and registers rows.
func (m *Module) Install(h *core.Host) {
	m.host = h
	domain, err := jid.Parse(m.config.Of(h.Domain.Domain()))
	if err != nil {
		// The configuration is checked: what stands before a domain makes one, unless it is too long. Serve reports it at the start.
		m.obs.Log.Error("no domain for rooms", obs.Err, err)
	}
	m.domain = domain
	m.rooms, m.graves = core.NewSlot[room](h), core.NewSlot[grave](h)
	h.Serve(core.Rooms{
		Module: m.Name(), Domain: domain, Load: m.load, Loaded: m.loaded, Receive: m.receive, Absent: m.absent, Standing: m.standing, Whose: m.whose,
		Vacant: m.vacant, Keep: m.keep, Wake: m.wake, Follow: m.follow,
	})
	row := func(space string, typ stanza.Type, to core.Target, act core.Action, slow bool, do func(context.Context, *core.Event) (core.Answer, error)) {
		h.IQ.Handle(core.IQ{Space: space, Local: "query", Type: typ, To: to, Action: act, Slow: slow, Do: do, Module: m.Name()})
	}
	row(ns.DiscoInfo, stanza.Get, core.ToRooms, core.ActSeeRooms, false, m.serviceInfo)
	row(ns.DiscoItems, stanza.Get, core.ToRooms, core.ActSeeRooms, true, m.serviceItems)
	h.IQ.Handle(core.IQ{
		Space: ns.ChannelSearch, Local: "search", Type: stanza.Get, To: core.ToRooms, Action: core.ActSeeRooms, Slow: true, Do: m.search, Module: m.Name(),
	})
	row(ns.DiscoInfo, stanza.Get, core.ToRoom, core.ActSeeRoom, false, m.roomInfo)
	row(ns.DiscoItems, stanza.Get, core.ToRoom, core.ActSeeRoom, false, m.roomItems)
	// Who may do what of whom is decided by affiliations and roles of both: rules.go.
	row(ns.MUCAdmin, stanza.Get, core.ToRoom, core.ActSeeRoom, false, m.list)
	row(ns.MUCAdmin, stanza.Set, core.ToRoom, core.ActSeeRoom, false, m.change)
	row(ns.MUCOwner, stanza.Get, core.ToRoom, core.ActOwnRoom, false, m.askConfig)
	row(ns.MUCOwner, stanza.Set, core.ToRoom, core.ActOwnRoom, false, m.setConfig)
	row(ns.Register, stanza.Get, core.ToRoom, core.ActSeeRoom, false, m.askRegister)
	row(ns.Register, stanza.Set, core.ToRoom, core.ActSeeRoom, false, m.register)
	h.IQ.Handle(core.IQ{
		Space: ns.Moderate, Local: "moderate", Type: stanza.Set, To: core.ToRoom, Action: core.ActModerateRoom, Slow: true, Do: m.moderate, Module: m.Name(),
	})
	h.IQ.Handle(core.IQ{
		Space: ns.Commands, Local: "command", Type: stanza.Set, To: core.ToRoom, Action: core.ActSeeRoom, Do: m.command, Module: m.Name(),
	})
	picture := core.IQ{Space: ns.VCardTemp, Local: "vCard", To: core.ToRoom, Module: m.Name()}
	picture.Type, picture.Action, picture.Slow, picture.Do = stanza.Get, core.ActSeeRoom, true, m.picture
	h.IQ.Handle(picture)
	picture.Type, picture.Action, picture.Slow, picture.Do = stanza.Set, core.ActOwnRoom, false, m.setPicture
	h.IQ.Handle(picture)
	for _, to := range []core.Target{core.ToRooms, core.ToRoom} {
		h.IQ.Handle(core.IQ{Space: ns.Ping, Local: "ping", Type: stanza.Get, To: to, Action: core.ActSeeRooms, Do: m.pong, Module: m.Name()})
	}
	h.Hooks.AccountDeleted.Add(m.Name(), m.accountDeleted)
	h.Disco.HostItems = append(h.Disco.HostItems, core.DiscoItem{JID: domain, Name: "Rooms"})
}

func (m *Module) pong(_ context.Context, e *core.Event) (core.Answer, error) {
	if e.Room != nil {
		m.behind(e)
	}
	return core.Answer{}, nil
}

// receive is core.Rooms.Receive.
func (m *Module) receive(e *core.Event) core.Verdict {
	switch e.Stanza.Kind {
	case stanza.Presence:
		return m.presence(e)
	case stanza.Message:
		return m.message(e)
	case stanza.IQ:
		return m.relay(e)
	}
	return core.Next
}

// refuse answers the stanza with an error of the room's own.
func refuse(e *core.Event, err *stanza.Error) core.Verdict {
	own := *err
	own.By = e.Room.JID
	if e.Stanza.Kind == stanza.Presence {
		// The examples of section 7.2: it is all that tells some clients that the error is about a room.
		own.Beside = "<x xmlns='" + ns.MUC + "'/>"
	}
	return e.Refuse(&own)
}

// behind has the answer to a request stand behind what the room is about to show (RFC 6120 section 10.1): who asks sees what came before.
func (m *Module) behind(e *core.Event) {
	p := new(store.Promise)
	e.Room.Stand(e.Work, func(*core.Work, error) { p.Settle(nil) })
	if done, _ := p.Ticket().Outcome(); !done {
		e.Wait(p.Ticket())
	}
}

// outcome is the answer to a request that changes something: who asks hears of success before others see it (section 8.2).
type outcome struct{ p *store.Promise }

// answered is the outcome of a request that will not fail any more.
func answered(e *core.Event) outcome {
	o := outcome{new(store.Promise)}
	e.After(func(*core.Event) { o.p.Settle(nil) })
	return o
}

// told is done when the answer went out.
func (o outcome) told() store.Ticket { return o.p.Ticket() }

// guard is deferred where something Stands for the ticket: a mistake there must not stop the room's line for ever.
func (o outcome) guard() {
	if p := recover(); p != nil {
		o.p.Settle(nil)
		panic(p)
	}
}
