package muc

import (
	"slices"
	"time"

	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

var (
	errNoNick   = stanza.NewError(stanza.JIDMalformed, "a room is entered with a nick")
	errNoRoom   = stanza.NewError(stanza.ItemNotFound, "there is no such room")
	errSessions = stanza.NewError(stanza.ResourceConstraint, "too many of your sessions are in this room")
	errConflict = stanza.NewError(stanza.Conflict, "somebody else has this nick")
)

// presence takes what changes who is in the room (section 13.2).
func (m *Module) presence(e *core.Event) core.Verdict {
	st := e.Stanza
	x, exists := m.rooms.Has(e.Room)
	exists = exists && e.Room.ID != 0
	var s *session
	if exists {
		s = x.sessions[st.From]
	}
	switch {
	case st.Type == stanza.Unavailable:
		if s != nil { // section 13.2: of who is not in the room it is ignored
			m.purses.Take(m.host.Now(), st.From.Bare().String(), len(x.crowd), m.config.Deliveries) // nobody can be kept from leaving
			m.leave(e, x, s)
		}
		return core.Next
	case st.Type == stanza.TypeError:
		// Section 18.1.2. Clients answer no presence: whatever the error says, what the room showed did not get there.
		if s != nil {
			m.lose(e, x, s)
		}
		return core.Next
	case st.Type == stanza.Probe:
		return m.probe(e, x, s)
	case st.Type != stanza.Available:
		return core.Next
	}
	c, joins := st.Child(ns.MUC, "x")
	if st.To.IsBare() {
		return refuse(e, errNoNick)
	}
	if !joins && s == nil {
		m.turnAway(e)
		return core.Next
	}
	n, bad := nickOf(st.To.Resource(), m.config.Nick)
	if bad != nil {
		return refuse(e, bad)
	}
	if len(st.Inner())+len(st.ID)+len(st.Lang) > m.config.Presence {
		// Every occupant is shown it, and the room holds it for who comes.
		m.host.Metrics().Refused("room_presence")
		return refuse(e, stanza.NewError(stanza.PolicyViolation, "this presence is too large for a room"))
	}
	if !joins {
		return m.update(e, x, s, n)
	}
	tree, err := c.Tree()
	if err != nil {
		return refuse(e, stanza.AsError(err))
	}
	j, err := muc.ParseJoin(tree)
	if err != nil {
		return refuse(e, stanza.AsError(err))
	}
	if !exists {
		if err := m.reserved(e.Room, st.From); err != nil {
			return refuse(e, err)
		}
		return m.create(e, j, n)
	}
	return m.join(e, x, j, n)
}

// turnAway is section 7.2.17: presence without a join, of somebody who is not in the room, is that of a client that believes it was.
func (m *Module) turnAway(e *core.Event) {
	p := muc.Presence{
		From: e.Stanza.To, Type: stanza.Unavailable, Item: muc.Item{Reason: "You are not in the room."},
		Status: []muc.Status{muc.StatusSelf, muc.StatusKicked, muc.StatusTechnical},
	}
	st, err := p.For(false)
	if err != nil {
		return
	}
	r, to := e.Room, e.Stanza.From // the event is another turn's then
	r.Stand(e.Work, func(w *core.Work, _ error) { tell(r, w, st, to) })
}

// ghostly are the conditions of section 14.1.2: nobody is there any more.
var ghostly = []stanza.Condition{
	stanza.Gone, stanza.ItemNotFound, stanza.RecipientUnavailable, stanza.Redirect, stanza.RemoteServerNotFound, stanza.RemoteServerTimeout,
}

// bury takes out a session of which an error says that it is not there. It tells whether the error did.
func (m *Module) bury(e *core.Event, x *room, s *session) bool {
	if !slices.Contains(ghostly, stanza.ParseError(e.Stanza).Condition) {
		return false
	}
	m.lose(e, x, s)
	return true
}

// lose takes out a session that does not get what the room shows.
func (m *Module) lose(e *core.Event, x *room, s *session) {
	v := x.gone(s.occupant, s, muc.StatusTechnical)
	v.alone = e.Over
	m.part(e.Room, e.Work, x, s, v)
}

// leave is section 7.14.
func (m *Module) leave(e *core.Event, x *room, s *session) {
	v := x.gone(s.occupant, s)
	v.alone = e.Over
	v.answers = e.Stanza.ID
	if last := x.shown(e.Stanza).Inner(); len(last) <= m.config.Presence {
		v.Content = last
	}
	if x.locked && len(x.sessions) == 1 {
		v.Destroy = &muc.Destroy{} // section 10.1.3: the room goes, unconfigured
	}
	m.part(e.Room, e.Work, x, s, v)
}

// part takes out one session; with the last one the occupant goes.
func (m *Module) part(r *core.Room, w *core.Work, x *room, s *session, v *view) {
	o := s.occupant
	if len(o.sessions) == 1 {
		m.remove(r, w, x, o, v)
		return
	}
	delete(x.sessions, s.jid)
	o.sessions = slices.DeleteFunc(o.sessions, func(other *session) bool { return other == s })
	if o.face == s {
		o.face = o.sessions[len(o.sessions)-1]
	}
	rest := x.look(o)
	r.Stand(w, func(w *core.Work, _ error) {
		tell(r, w, v.self(x.knows(s)), s.jid)
		x.drop(func(other *session) bool { return other == s })
	})
	m.show(r, w, x, o, rest)
}

// join is section 7.2.
func (m *Module) join(e *core.Event, x *room, j muc.Join, n nick) core.Verdict {
	r, st := e.Room, e.Stanza
	a := x.affiliation(st.From)
	if x.locked && a < muc.Owner {
		return refuse(e, errNoRoom) // section 7.2.10
	}
	if s := x.sessions[st.From]; s != nil {
		// Section 13.2: who is in the room and joins wants all of it again.
		if err := m.afford(st.From, len(x.faces)+len(x.history)+x.listing(j)); err != nil {
			return refuse(e, err)
		}
		if v := m.update(e, x, s, n); v != core.Next {
			return v
		}
		m.again(r, e.Work, x, s, j)
		return core.Next
	}
	limit := m.config.Occupants
	if x.config.MaxUsers > 0 {
		limit = min(limit, x.config.MaxUsers)
	}
	there := x.nicks[n.key]
	occupants := len(x.nicks)
	if there != nil {
		occupants-- // it is there already
	}
	if err := m.atTheDoor(x, st.From, a, j.Password, occupants, limit); err != nil {
		return refuse(e, err)
	}
	if err := x.free(n, st.From); err != nil {
		return refuse(e, err)
	}
	if there != nil && len(there.sessions) >= m.config.Sessions {
		return refuse(e, errSessions)
	}
	// Others see it come, and it sees others.
	if err := m.afford(st.From, len(x.crowd)+len(x.faces)+len(x.history)+x.listing(j)); err != nil {
		return refuse(e, err)
	}
	m.admit(r, e.Work, x, st, j, n)
	return core.Next
}

const (
	maxGuesses = 30 // wrong passwords of one account, for all rooms, in guessSpan
	guessSpan  = 10 * time.Minute
)

// atTheDoor is mayEnter for who does not try passwords without end.
func (m *Module) atTheDoor(x *room, who jid.JID, a muc.Affiliation, password string, occupants, limit int) *stanza.Error {
	if x.config.Password == "" || password == "" {
		return mayEnter(&x.config, a, password, occupants, limit)
	}
	key := who.Bare().String()
	if !m.guesses.Take(m.host.Now(), key, maxGuesses, guessSpan) {
		m.host.Metrics().Refused("room_password")
		return &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "too many wrong passwords"}
	}
	err := mayEnter(&x.config, a, password, occupants, limit)
	if err == nil || err.Condition != stanza.NotAuthorized {
		m.guesses.Give(key)
	}
	return err
}

// free tells whether somebody may use a nick (section 7.2.8).
func (x *room) free(n nick, who jid.JID) *stanza.Error {
	if o := x.nicks[n.key]; o != nil && o.account != who.Bare() {
		return errConflict
	}
	if owner, ok := x.reserved[n.key]; ok && owner != who.Bare() {
		return errConflict
	}
	return nil
}

// admit lets a session in, and shows it what there is: others, itself, the history, the subject (section 7.1).
func (m *Module) admit(r *core.Room, w *core.Work, x *room, st *stanza.Stanza, j muc.Join, n nick, status ...muc.Status) {
	if n.shown != st.To.Resource() {
		status = append(status, muc.StatusNickAssigned)
	}
	o := x.nicks[n.key]
	if o == nil {
		who := st.From.Bare().Clone()
		o = &occupant{nick: n, account: who, role: x.roleOf(who), id: occupantID(x.kept.Secret, who)}
		x.nicks[n.key] = o
		x.here[who]++
		m.visited(r, x, o)
		o.quiet = m.config.QuietAbove > 0 && len(x.nicks) > m.config.QuietAbove
	} else if o.nick.shown != st.To.Resource() && len(status) == 0 {
		status = append(status, muc.StatusNickAssigned) // the nick of the session that is there
	}
	s := &session{jid: st.From.Clone(), occupant: o, presence: x.shown(st)}
	o.sessions, o.face = append(o.sessions, s), s
	x.sessions[s.jid] = s
	v := x.look(o)
	status = append(x.warnings(), status...)
	open := x.open(s, j, st.ID) // the list as it is now: what changes it later is shown behind the join
	r.Stand(w, func(w *core.Work, _ error) {
		wasSeen := o.view != nil && !o.view.hidden
		if o.view == nil {
			x.faces = append(x.faces, o)
		}
		o.view = v
		x.spread(r, w, o, v, wasSeen)
		x.crowd, x.all = append(x.crowd, s), nil
		m.welcome(r, w, x, s, st.ID, j, open, status)
	})
}

// warnings are what everybody who enters is told (sections 7.2.3 and 7.2.12).
func (x *room) warnings() (out []muc.Status) {
	if x.config.NonAnonymous {
		out = append(out, muc.StatusNonAnonymous)
	}
	if x.config.Archive {
		out = append(out, muc.StatusLogged)
	}
	return out
}

// welcome shows a session all that is to be seen, in the order of section 7.1.
func (m *Module) welcome(r *core.Room, w *core.Work, x *room, s *session, id string, j muc.Join, open opening, status []muc.Status) {
	o := s.occupant
	if o.view == nil {
		return
	}
	all := open.first
	if p := x.portrait(); p != nil && x.config.Picture != "" {
		all = append(all, p)
	}
	all = append(all, x.others(o, x.knows(s))...)
	own := *o.view
	own.Since, own.Until = "", open.until
	own.answers = id
	if st := own.self(x.knows(s), status...); st != nil {
		all = append(all, st)
	}
	all = append(all, x.past(j.History, m.host.Now())...)
	all = append(all, x.topic())
	r.TellAll(w, s.jid, list(all))
}

// again shows a session everything once more.
func (m *Module) again(r *core.Room, w *core.Work, x *room, s *session, j muc.Join) {
	status, open := x.warnings(), x.open(s, j, "")
	r.Stand(w, func(w *core.Work, _ error) { m.welcome(r, w, x, s, "", j, open, status) })
}

// update is sections 7.6 and 7.7: another nick, or other presence.
func (m *Module) update(e *core.Event, x *room, s *session, n nick) core.Verdict {
	r, o := e.Room, s.occupant
	presence := x.shown(e.Stanza)
	if n.shown != o.nick.shown {
		if err := x.free(n, s.jid); err != nil {
			return refuse(e, err)
		}
		if there := x.nicks[n.key]; there != nil && there != o && len(there.sessions)+len(o.sessions) > m.config.Sessions {
			return refuse(e, errSessions)
		}
		if err := m.afford(s.jid, 2*len(x.crowd)); err != nil {
			return refuse(e, err)
		}
		var status []muc.Status
		if n.shown != e.Stanza.To.Resource() {
			status = append(status, muc.StatusNickAssigned)
		}
		s.presence = presence
		m.rename(r, e.Work, x, s, n, status...)
		return core.Next
	}
	if s.presence.Inner() == presence.Inner() && o.face == s {
		return core.Next // nobody would see a difference
	}
	if err := m.afford(s.jid, len(x.crowd)*weight(presence)); err != nil {
		return refuse(e, err)
	}
	s.presence, o.face = presence, s
	m.show(r, e.Work, x, o, x.look(o))
	return core.Next
}

// rename is section 7.6, for all sessions of an occupant. Who goes to the nick of another occupant of the same account joins it.
func (m *Module) rename(r *core.Room, w *core.Work, x *room, s *session, n nick, status ...muc.Status) {
	o := s.occupant
	last := x.gone(o, s, muc.StatusNickChanged)
	last.Item.Nick, last.Item.Role = n.shown, o.role
	o.face = s
	if target := x.nicks[n.key]; target != nil && target != o {
		m.merge(r, w, x, o, target, last, status)
		return
	}
	delete(x.nicks, o.nick.key)
	o.nick = n
	x.nicks[n.key] = o
	v := x.look(o)
	r.Stand(w, func(w *core.Work, _ error) {
		if o.view == nil {
			return
		}
		last.hidden = o.view.hidden
		x.spread(r, w, o, last, false)
		o.view = v
		x.spread(r, w, o, v, false, status...)
	})
}

// merge takes the sessions of one occupant to another of the same account.
func (m *Module) merge(r *core.Room, w *core.Work, x *room, o, target *occupant, last *view, status []muc.Status) {
	// Their places among the crowd are taken by sessions of the other: what stands in the line before is still for those of o.
	next := make(map[*session]*session, len(o.sessions))
	for _, s := range o.sessions {
		moved := &session{jid: s.jid, occupant: target, presence: s.presence}
		next[s], x.sessions[s.jid] = moved, moved
		target.sessions = append(target.sessions, moved)
	}
	target.face = next[o.face]
	o.sessions = nil
	delete(x.nicks, o.nick.key)
	x.left(o)
	v := x.look(target)
	r.Stand(w, func(w *core.Work, _ error) {
		last.hidden = o.view == nil || o.view.hidden
		x.spread(r, w, o, last, false)
		x.forget(func(f *occupant) bool { return f == o })
		o.view = nil
		for i, s := range x.crowd {
			if moved := next[s]; moved != nil {
				x.crowd[i] = moved
			}
		}
		if target.view == nil {
			return
		}
		was := target.view
		target.view = v
		x.spread(r, w, target, v, !was.hidden, status...)
	})
}
