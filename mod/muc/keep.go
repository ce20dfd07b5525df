package muc

import (
	"context"
	"encoding/json"
	"errors"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

// This file is what of a room outlives the process, an account, or its last occupant.

// keptOccupants is what is written of who is in a room when the process ends.
type keptOccupants struct {
	Locked    bool           `json:"locked,omitempty"`
	Occupants []keptOccupant `json:"occupants"`
}

type keptOccupant struct {
	Nick     string        `json:"nick"`
	Role     string        `json:"role"`
	Quiet    bool          `json:"quiet,omitempty"`
	Sessions []keptSession `json:"sessions"`
}

type keptSession struct {
	JID      string `json:"jid"`
	Presence string `json:"presence"`
}

// keep is core.Rooms.Keep.
func (m *Module) keep(_ *core.Work, r *core.Room) (store.Ticket, bool) {
	x, ok := m.rooms.Has(r)
	if !ok || r.ID == 0 || len(x.sessions) == 0 {
		return store.Ticket{}, false
	}
	b, err := x.occupants()
	if err != nil {
		m.obs.Log.Error("occupants not kept", obs.JID, r.JID.String(), obs.Err, err)
		return store.Ticket{}, false
	}
	return m.Occupants.SetOccupants(r.ID, b), true
}

// occupants are who is in the room, as they are written.
func (x *room) occupants() ([]byte, error) {
	k := keptOccupants{Locked: x.locked}
	for _, o := range x.inOrder() {
		one := keptOccupant{Nick: o.nick.shown, Role: o.role.String(), Quiet: o.quiet}
		for _, s := range o.sessions {
			one.Sessions = append(one.Sessions, keptSession{JID: s.jid.String(), Presence: s.presence.Standalone()})
		}
		k.Occupants = append(k.Occupants, one)
	}
	return json.Marshal(k)
}

// restore takes over who was in the room. Whether they still are is asked in the first turn.
func (x *room) restore(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	var k keptOccupants
	if err := json.Unmarshal(b, &k); err != nil {
		return err
	}
	x.locked = x.locked || k.Locked
	for _, one := range k.Occupants {
		x.seat(one, len(k.Occupants))
	}
	return nil
}

// seat takes over one of who was in the room, of so many.
func (x *room) seat(one keptOccupant, most int) {
	n, refused := nickOf(one.Nick, jid.MaxPart)
	role, _ := muc.ParseRole(one.Role)
	if refused != nil || role == muc.Absent || x.nicks[n.key] != nil {
		return
	}
	o := &occupant{nick: n, role: role, quiet: one.Quiet}
	for _, s := range one.Sessions {
		full, err := jid.Parse(s.JID)
		presence, bad := stanza.Parse(s.Presence)
		if err != nil || bad != nil {
			continue
		}
		if o.account.IsZero() {
			o.account, o.id = full.Bare(), occupantID(x.kept.Secret, full)
		}
		in := &session{jid: full, occupant: o, presence: presence}
		o.sessions = append(o.sessions, in)
		x.sessions[full] = in
		x.crowd = append(x.crowd, in)
	}
	if len(o.sessions) == 0 {
		return
	}
	if role != initialRole(&x.config, x.affiliation(o.account)) {
		x.remark(o, role, most)
	}
	o.face = o.sessions[0]
	x.nicks[n.key] = o
	x.here[o.account]++
	o.view = x.look(o)
	x.faces = append(x.faces, o)
}

// loaded is core.Rooms.Loaded.
func (m *Module) loaded(w *core.Work, r *core.Room) {
	x := m.rooms.Of(r)
	if len(x.crowd) > 0 {
		all := make([]jid.JID, len(x.crowd))
		for i, s := range x.crowd {
			all[i] = s.jid
		}
		m.Occupants.SetOccupants(r.ID, nil)
		r.Check(w, all...)
	}
	m.lookAfter(r)
}

// wake is core.Rooms.Wake.
func (m *Module) wake(ctx context.Context) ([]jid.JID, error) {
	names, err := m.Occupants.Waking(ctx, m.domain.Domain())
	if err != nil {
		return nil, err
	}
	var out []jid.JID
	for _, name := range names {
		if j, err := jid.New(name, m.domain.Domain(), ""); err == nil {
			out = append(out, j)
		}
	}
	return out, nil
}

// lookAfter destroys a temporary room that nobody is in (section 7.14), in a turn of its own: that comes when the room is not paused.
func (m *Module) lookAfter(r *core.Room) {
	if x, ok := m.rooms.Has(r); !ok || r.ID == 0 || x.config.Persistent && !x.locked || len(x.sessions) > 0 {
		return
	}
	err := m.host.DoRoom(r.JID, func(w *core.Work, r *core.Room) {
		x, ok := m.rooms.Has(r)
		if !ok || r.ID == 0 || x.config.Persistent && !x.locked || len(x.sessions) > 0 {
			return
		}
		r.Pause(w, m.Rooms.Delete(r.ID), func(_ *core.Work, err error) {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				m.obs.Log.Error("temporary room not erased", obs.JID, r.JID.String(), obs.Err, err)
				return
			}
			r.Vanish()
		})
	})
	if err != nil {
		m.obs.Log.Error("temporary room not erased", obs.JID, r.JID.String(), obs.Err, err)
	}
}

// accountDeleted takes an account out of the lists of all rooms. Turn of the account.
func (m *Module) accountDeleted(e *core.Event) {
	who := e.Account.JID
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	all, err := m.Affiliations.Rooms(ctx, who.String())
	if err != nil {
		// The lists that are kept are changed with the account (store.Accounts); what is left are those in memory.
		m.obs.Log.Warn("rooms of a deleted account not read: all in memory look for it", obs.JID, who.String(), obs.Err, err)
		m.host.EachRoom(func(w *core.Work, r *core.Room) { m.disown(w, r, who) })
		return
	}
	for _, kept := range all {
		address, err := jid.New(kept.Local, kept.Domain, "")
		if err != nil {
			continue
		}
		err = m.host.DoRoom(address, func(w *core.Work, r *core.Room) { m.disown(w, r, who) })
		if err != nil {
			m.obs.Log.Error("a deleted account still stands in a list of a room", obs.JID, who.String(), obs.Err, err)
		}
	}
}

// disown makes an address nobody to the room, but for bans.
func (m *Module) disown(w *core.Work, r *core.Room, who jid.JID) {
	x, ok := m.rooms.Has(r)
	if !ok || r.ID == 0 || x.people[who].affiliation == muc.Outcast {
		return
	}
	if _, known := x.people[who]; !known {
		return
	}
	plan := append(x.succession(who), change{who: who})
	keep := make([]store.Affiliation, len(plan))
	for i := range plan {
		keep[i] = plan[i].kept()
	}
	r.Pause(w, m.Affiliations.Set(r.ID, keep), func(w *core.Work, err error) {
		if err != nil {
			// It goes with the account, which has not been erased yet.
			m.obs.Log.Warn("a deleted account still stands in a kept list of a room", obs.JID, who.String(), obs.Err, err)
		}
		for _, c := range plan {
			m.affiliate(r, w, x, c, who, cause{}, store.Ticket{})
		}
	})
}

// succession is who becomes an owner when this one goes: a room has one (section 10). Where there are no admins there is nobody whom an owner has trusted
// with so much.
func (x *room) succession(who jid.JID) (plan []change) {
	if x.people[who].affiliation != muc.Owner || x.owners() > 1 {
		return nil
	}
	for heir, p := range x.people {
		if p.affiliation == muc.Admin {
			p.affiliation = muc.Owner
			plan = append(plan, change{who: heir, person: p})
		}
	}
	return plan
}
