package muc

import (
	"slices"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

// view is how an occupant is seen from some moment on: made once, written once for each kind of reader.
type view struct {
	muc.Presence
	hidden      bool   // others do not see it (muc#roomconfig_presencebroadcast)
	alone       bool   // its session is no more: by its address another one would hear of it, which has not been in the room
	answers     string // the id of what the occupant's client has sent, for its own sessions: some wait for it
	known, seen *stanza.Stanza
}

// look makes the view of an occupant as it is now.
func (x *room) look(o *occupant) *view {
	p := o.face.presence
	return &view{
		Presence: muc.Presence{
			From: x.at(o.nick), Type: stanza.Available, Lang: p.Lang, Content: p.Inner(), OccupantID: o.id,
			Item:  muc.Item{Affiliation: x.affiliation(o.account), Role: o.role, JID: o.face.jid},
			Extra: x.worn(o.account),
		},
		hidden: !x.shows(o),
	}
}

// shows tells whether others see an occupant. Sections 5.1 and 7.2.2: presence is broadcast by role, as the room is configured; visitors need not
// be. What holds for one in a large room is decided when they enter, so that nobody is seen to go when the room grows.
func (x *room) shows(o *occupant) bool {
	return x.config.Broadcast.Has(o.role) && !(o.quiet && o.role == muc.Visitor)
}

// gone makes the last view of an occupant, or of one session.
func (x *room) gone(o *occupant, s *session, status ...muc.Status) *view {
	return &view{Presence: muc.Presence{
		From: x.at(o.nick), Type: stanza.Unavailable, OccupantID: o.id, Status: status,
		Item: muc.Item{Affiliation: x.affiliation(o.account), JID: s.jid},
	}}
}

// for readers who learn addresses, or not. It returns nil when it cannot be written, which would be a mistake of ours.
func (v *view) to(knows bool) *stanza.Stanza {
	at := &v.seen
	if knows {
		at = &v.known
	}
	if *at == nil {
		*at, _ = v.For(knows)
	}
	return *at
}

// self is the view for the occupant's own sessions.
func (v *view) self(knows bool, status ...muc.Status) *stanza.Stanza {
	if v.alone {
		return nil
	}
	own := v.Presence
	own.ID = v.answers
	st, _ := own.For(knows, append([]muc.Status{muc.StatusSelf}, status...)...)
	return st
}

// knows tells whether a session is told addresses (sections 7.2.3 and 7.2.4).
func (x *room) knows(s *session) bool {
	return x.exposed || x.sessions[s.jid] == s && s.occupant.role == muc.Moderator
}

// tell gives a stanza to sessions; nil is nothing.
func tell(r *core.Room, w *core.Work, st *stanza.Stanza, to ...jid.JID) {
	if st != nil && len(to) > 0 {
		r.Tell(w, st, to...)
	}
}

// tellCrowd gives the same to everybody.
func (x *room) tellCrowd(r *core.Room, w *core.Work, st *stanza.Stanza) {
	if x.all == nil {
		x.all = make([]jid.JID, len(x.crowd))
		for i, s := range x.crowd {
			x.all[i] = s.jid
		}
	}
	tell(r, w, st, x.all...)
}

// drop takes sessions out of the crowd.
func (x *room) drop(gone func(*session) bool) { x.crowd, x.all = slices.DeleteFunc(x.crowd, gone), nil }

// spread shows a view of o to everybody: to its sessions as their own. Others who saw the occupant, and may not any more, see it go.
func (x *room) spread(r *core.Room, w *core.Work, o *occupant, v *view, wasSeen bool, status ...muc.Status) {
	var knowing, others []jid.JID
	for _, s := range x.crowd {
		switch {
		case s.occupant == o:
			tell(r, w, v.self(x.knows(s), status...), s.jid)
		case v.hidden && !wasSeen:
		case x.knows(s):
			knowing = append(knowing, s.jid)
		default:
			others = append(others, s.jid)
		}
	}
	out := v
	if v.hidden {
		out = v.vanished()
	}
	if len(knowing) > 0 {
		tell(r, w, out.to(true), knowing...)
	}
	if len(others) > 0 {
		tell(r, w, out.to(false), others...)
	}
}

// show has everybody see an occupant as it is now, when its turn in the line has come; before says what must be done until then.
func (m *Module) show(r *core.Room, w *core.Work, x *room, o *occupant, v *view, before ...store.Ticket) {
	r.Stand(w, func(w *core.Work, _ error) {
		if o.view == nil {
			return
		}
		was := o.view
		o.view = v
		x.spread(r, w, o, v, !was.hidden)
		if v.Item.Role != muc.Moderator || was.Item.Role == muc.Moderator || x.exposed {
			return
		}
		// Section 8: a moderator knows who others are, and learns it by their presence.
		for _, s := range x.crowd {
			if s.occupant == o {
				r.TellAll(w, s.jid, list(x.others(o, true)))
			}
		}
	}, before...)
}

// others are the presences of everybody else who is seen.
func (x *room) others(o *occupant, knows bool) []*stanza.Stanza {
	out := make([]*stanza.Stanza, 0, len(x.faces)+8)
	for _, f := range x.faces {
		if f == o || f.view == nil || f.view.hidden {
			continue
		}
		if st := f.view.to(knows); st != nil {
			out = append(out, st)
		}
	}
	return out
}

// list is a source of stanzas.
func list(all []*stanza.Stanza) core.Source {
	return func() (*stanza.Stanza, bool) {
		if len(all) == 0 {
			return nil, false
		}
		st := all[0]
		all = all[1:]
		return st, true
	}
}

// remove takes an occupant with all sessions out of the room, for a reason that everybody sees.
func (m *Module) remove(r *core.Room, w *core.Work, x *room, o *occupant, v *view, before ...store.Ticket) {
	m.removeAll(r, w, x, map[*occupant]*view{o: v}, before...)
}

// removeAll takes occupants out together: those who go are told of themselves alone, or what is told would grow with the square of them.
func (m *Module) removeAll(r *core.Room, w *core.Work, x *room, last map[*occupant]*view, before ...store.Ticket) {
	for o := range last {
		for _, s := range o.sessions {
			delete(x.sessions, s.jid)
		}
		o.sessions = nil
		if x.nicks[o.nick.key] == o {
			delete(x.nicks, o.nick.key)
			x.left(o)
		}
	}
	r.Stand(w, func(w *core.Work, _ error) {
		for o, v := range last {
			v.hidden = o.view == nil || o.view.hidden
		}
		for _, s := range x.crowd {
			if v := last[s.occupant]; v != nil {
				tell(r, w, v.self(x.knows(s)), s.jid)
			}
		}
		x.drop(func(s *session) bool { return last[s.occupant] != nil })
		gone := x.forget(func(o *occupant) bool { return last[o] != nil })
		for _, o := range gone {
			x.spread(r, w, o, last[o], false)
		}
	}, before...)
	m.lookAfter(r)
}

// forget occupants that nobody sees any more, and return them in the order of coming.
func (x *room) forget(gone func(*occupant) bool) (all []*occupant) {
	x.faces = slices.DeleteFunc(x.faces, func(o *occupant) bool {
		if !gone(o) {
			return false
		}
		o.view = nil
		all = append(all, o)
		return true
	})
	return all
}

// showAll has everybody see how many occupants are now. Each session is given one list, which it reads as it can: as stanzas of their own they would
// be as many as the square of the people, in memory all at once.
func (m *Module) showAll(r *core.Room, w *core.Work, x *room, all []*occupant, before ...store.Ticket) {
	if len(all) == 0 {
		return
	}
	views := make(map[*occupant]*view, len(all))
	for _, o := range all {
		views[o] = x.look(o)
	}
	r.Stand(w, func(w *core.Work, _ error) {
		var news [2][]*stanza.Stanza // for those who do not know addresses, and those who do
		place := make(map[*occupant]int, len(all))
		for _, o := range all {
			v, was := views[o], o.view
			if was == nil {
				continue
			}
			o.view = v
			place[o] = len(news[0])
			news[0], news[1] = append(news[0], v.after(was, false)), append(news[1], v.after(was, true))
		}
		for _, s := range x.crowd {
			knows := x.knows(s)
			mine := news[0]
			if knows {
				mine = news[1]
			}
			own, self := -1, (*stanza.Stanza)(nil)
			if i, changed := place[s.occupant]; changed {
				own, self = i, s.occupant.view.self(knows)
			}
			r.TellAll(w, s.jid, except(mine, own, self))
		}
	}, before...)
}

// after is what others are shown who saw was before; nil: nothing.
func (v *view) after(was *view, knows bool) *stanza.Stanza {
	switch {
	case !v.hidden:
		return v.to(knows)
	case was.hidden:
		return nil
	}
	return v.vanished().to(knows)
}

// vanished is the view of an occupant that others may not see any more.
func (v *view) vanished() *view {
	out := &view{Presence: v.Presence}
	out.Type, out.Content, out.Item.Role = stanza.Unavailable, "", muc.Absent
	return out
}

// except is a source of stanzas that many read, with another one at a place; nil is nothing.
func except(all []*stanza.Stanza, place int, other *stanza.Stanza) core.Source {
	i := 0
	return func() (*stanza.Stanza, bool) {
		for i < len(all) {
			st := all[i]
			if i == place {
				st = other
			}
			if i++; st != nil {
				return st, true
			}
		}
		return nil, false
	}
}

// send brings a stanza of the room's own to one address, in the ordinary way.
func (m *Module) send(r *core.Room, w *core.Work, h stanza.Head, inner string) {
	st, err := stanza.New(h, inner)
	if err != nil {
		m.obs.Log.Error("stanza of a room not written", obs.JID, h.From.String(), obs.Err, err)
		return
	}
	r.Route(w, st.Seal())
}
