package muc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

const secretSize = 32 // bytes of a room's secret

// create is section 10.1: the room begins to exist, locked, with the creator as its owner.
func (m *Module) create(e *core.Event, j muc.Join, n nick) core.Verdict {
	r, st := e.Room, e.Stanza
	if err := m.mayCreate(st.From, r.JID); err != nil {
		return refuse(e, err)
	}
	if err := m.afford(st.From, creationCost); err != nil {
		m.making.End(st.From.Bare().String())
		return refuse(e, err)
	}
	t := store.Settled(nil)
	creator := st.From.Bare().String()
	defer func() { t.Done(func(error) { m.making.End(creator) }) }()
	c := preset(m.config.Preset, min(defaultHistory, m.config.History))
	b, err := json.Marshal(c)
	if err != nil {
		return refuse(e, stanza.AsError(err))
	}
	kept := store.Room{
		Domain: r.JID.Domain(), Local: r.JID.Local(), Creator: st.From.Bare().String(), Created: e.Host.Now(), Config: b, Secret: make([]byte, secretSize),
		// As long as it is locked it goes with its creator, and nobody finds it.
		Temporary: true,
	}
	if _, err := rand.Read(kept.Secret); err != nil {
		return refuse(e, stanza.AsError(err))
	}
	owner := person{affiliation: muc.Owner, been: true}
	t = m.Rooms.Create(kept, []store.Affiliation{{JID: kept.Creator, Kind: kindOf(muc.Owner), Been: true}}, func(id store.Owner) { kept.ID = id })
	e.Wait(t)
	r.Pause(e.Work, t, func(w *core.Work, err error) {
		if err != nil {
			return // the sender is told, since the event waits for it too
		}
		r.ID = kept.ID
		x := m.rooms.Of(r)
		x.begin(r.JID, kept, c)
		x.locked = true
		x.setPerson(st.From.Bare().Clone(), owner)
		m.admit(r, w, x, st, j, n, muc.StatusCreated)
	})
	return core.Next
}

// defaultHistory is how many messages a new room shows to who enters.
const defaultHistory = 20

// mayCreate asks who may make rooms, and how many are there. With nil the room counts as one that is being made.
func (m *Module) mayCreate(who, address jid.JID) *stanza.Error {
	if _, err := jid.ParseStrict(address.String()); err != nil {
		return stanza.NewError(stanza.JIDMalformed, "this cannot be the name of a room")
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	a, err := m.host.Accounts.Get(ctx, who.Domain(), who.Local())
	if errors.Is(err, store.ErrNotFound) {
		return notAllowed("only accounts of this server create rooms")
	} else if err != nil {
		return stanza.NewError(stanza.ResourceConstraint, "try again")
	}
	least := core.Object{Least: store.Role(m.config.Create)}
	if core.Permit(core.Actor{JID: who, Role: a.Role}, core.ActMakeRooms, least) != nil {
		return notAllowed("you may not create rooms")
	}
	// Those that are on their way to the disk count before they are looked for there, so that none is missed in between.
	under := m.making.Begin(who.Bare().String())
	n, err := m.Rooms.CountBy(ctx, m.domain.Domain(), who.Bare().String())
	switch {
	case err != nil:
		m.making.End(who.Bare().String())
		return stanza.NewError(stanza.ResourceConstraint, "try again")
	case n+under > m.config.PerAccount:
		m.making.End(who.Bare().String())
		return notAllowed("you have created too many rooms")
	}
	return nil
}
