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
	hidden      bool // others do not see it (muc#roomconfig_presencebroadcast)
	alone       bool // its session is no more: by its address another one would hear of it, which has not been in the room
	known, seen *stanza.Stanza
}

// look makes the view of an occupant as it is now.
func (x *room) look(o *occupant) *view {
	p := o.face.presence
	return &view{
		Presence: muc.Presence{
			From: x.at(o.nick), Type: stanza.Available, Lang: p.Lang, Content: p.Inner(), OccupantID: o.id,
			Item: muc.Item{Affiliation: x.affiliation(o.account), Role: o.role, JID: o.face.jid},
		},
		hidden: !x.config.Broadcast.Has(o.role),
	}
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
	st, _ := v.For(knows, append([]muc.Status{muc.StatusSelf}, status...)...)
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
		out = &view{Presence: v.Presence}
		out.Type, out.Content, out.Item.Role = stanza.Unavailable, "", muc.Absent
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
	for _, s := range o.sessions {
		delete(x.sessions, s.jid)
	}
	o.sessions = nil
	if x.nicks[o.nick.key] == o {
		delete(x.nicks, o.nick.key)
	}
	r.Stand(w, func(w *core.Work, _ error) {
		v.hidden = o.view == nil || o.view.hidden
		x.spread(r, w, o, v, false)
		x.drop(func(s *session) bool { return s.occupant == o })
		x.forget(o)
	}, before...)
	m.lookAfter(r)
}

// forget an occupant that nobody sees any more.
func (x *room) forget(o *occupant) {
	o.view = nil
	x.faces = slices.DeleteFunc(x.faces, func(f *occupant) bool { return f == o })
}

// send brings a stanza of the room's own to one address, in the ordinary way.
func (m *Module) send(w *core.Work, h stanza.Head, inner string) {
	st, err := stanza.New(h, inner)
	if err != nil {
		m.obs.Log.Error("stanza of a room not written", obs.JID, h.From.String(), obs.Err, err)
		return
	}
	m.host.Router.Route(w, st.Seal())
}
