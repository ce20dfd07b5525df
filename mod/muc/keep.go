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

// accountDeleted takes over what the store makes of rooms when an account goes (store.Accounts). Those that are not in memory find it there. Turn of the
// account.
func (m *Module) accountDeleted(e *core.Event) {
	who := e.Account.JID
	e.After(func(*core.Event) { m.host.EachRoom(func(w *core.Work, r *core.Room) { m.bequeath(w, r, who) }) })
}

// bequeath makes an address nobody to the room, but for bans. If the store has found another owner, or none, so it is here.
func (m *Module) bequeath(w *core.Work, r *core.Room, gone jid.JID) {
	x, ok := m.rooms.Has(r)
	if !ok || r.ID == 0 {
		return
	}
	was, known := x.people[gone]
	if !known || was.affiliation == muc.Outcast {
		return
	}
	m.affiliate(r, w, x, change{who: gone}, gone, cause{}, store.Ticket{})
	if was.affiliation < muc.Owner || x.owners() > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	_, err := m.Rooms.Get(ctx, r.JID.Domain(), r.JID.Local())
	if errors.Is(err, store.ErrNotFound) {
		vanish(r, w, x, &muc.Destroy{Reason: "The room has lost its only owner."})
		return
	}
	var kept []store.Affiliation
	if err == nil {
		kept, err = m.Affiliations.Of(ctx, r.ID)
	}
	if err != nil {
		m.obs.Log.Error("who owns a room now is not known before it is read again", obs.JID, r.JID.String(), obs.Err, err)
		return
	}
	for _, a := range kept {
		if heir, err := jid.Parse(a.JID); err == nil && a.Kind == kindOf(muc.Owner) {
			c := change{who: heir, person: x.people[heir]}
			c.person.affiliation = muc.Owner
			m.affiliate(r, w, x, c, heir, cause{reason: "The room has lost its only owner."}, store.Ticket{})
		}
	}
}
