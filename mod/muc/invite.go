package muc

import (
	"maps"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const (
	maxInvited  = 1000               // who was invited and may still decline, of one room
	invitedTime = 7 * 24 * time.Hour // for which they may
	sentSpan    = time.Hour
	maxPetition = 16 << 10 // bytes of an invitation, its refusal, or a form
)

// petition is a message to the room that is not for everybody: an invitation, its refusal, or a form.
func (m *Module) petition(e *core.Event, x *room, s *session) core.Verdict {
	if e.Stanza.Size() > maxPetition {
		// What the room makes of it goes to many, id and all.
		m.host.Metrics().Refused("room_petition")
		return refuse(e, stanza.NewError(stanza.PolicyViolation, "this is too large for the room to pass on"))
	}
	if c, ok := e.Stanza.Child(ns.MUCUser, "x"); ok {
		tree, err := c.Tree()
		if err != nil {
			return refuse(e, stanza.AsError(err))
		}
		u, err := muc.ParseUser(tree)
		switch {
		case err != nil:
			return refuse(e, stanza.AsError(err))
		case len(u.Invites) > 0:
			return m.inviteAll(e, x, s, u)
		case u.Decline != nil:
			return m.decline(e, x, u.Decline)
		}
	}
	if c, ok := e.Stanza.Child(ns.DataForm, "x"); ok {
		return m.voice(e, x, s, c)
	}
	return refuse(e, stanza.NewError(stanza.BadRequest, "what is said to everybody is of type groupchat"))
}

// invitation is who was invited, and by whom: bare addresses.
type invitation struct{ who, by jid.JID }

// invite remembers that somebody may decline.
func (x *room) invite(i invitation, now time.Time) {
	if len(x.invited) >= maxInvited {
		maps.DeleteFunc(x.invited, func(_ invitation, since time.Time) bool { return now.Sub(since) > invitedTime })
	}
	if len(x.invited) < maxInvited {
		x.invited[i] = now
	}
}

// spend counts what an account has rooms send to others.
func (m *Module) spend(who jid.JID) bool {
	return m.sent.Take(m.host.Now(), who.Bare().String(), m.config.Invites, sentSpan)
}

// inviteAll is section 7.8.2. Into a room for members only an invitation makes a member.
func (m *Module) inviteAll(e *core.Event, x *room, s *session, u muc.User) core.Verdict {
	if s == nil {
		return refuse(e, errNotHere)
	}
	from := s.occupant.account
	if !mayInvite(&x.config, standing{x.affiliation(from), s.occupant.role}) {
		return refuse(e, forbidden("you may not invite to this room"))
	}
	var plan []change
	var keep []store.Affiliation
	for _, i := range u.Invites {
		if i.To.IsZero() || i.To.Local() == "" {
			return refuse(e, stanza.NewError(stanza.JIDMalformed, "an invitation is for an address"))
		}
		who := i.To.Bare()
		a := x.affiliation(who)
		switch {
		case a == muc.Outcast:
			return refuse(e, forbidden("this person is banned from the room"))
		case !m.spend(from):
			return refuse(e, &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "too many invitations"})
		case x.config.MembersOnly && a == muc.Unaffiliated:
			if len(x.people)+len(keep) >= m.config.Affiliations {
				return refuse(e, stanza.NewError(stanza.ResourceConstraint, "this room remembers too many people"))
			}
			c := change{who: who.Clone(), person: person{affiliation: muc.Member, nick: x.people[who].nick, hats: x.people[who].hats, been: x.here[who] > 0}}
			plan, keep = append(plan, c), append(keep, c.kept())
		}
	}
	r, st := e.Room, e.Stanza
	deliver := func(w *core.Work) { m.deliverInvites(r, w, x, st, from, u) }
	if len(keep) == 0 {
		deliver(e.Work)
		return core.Next
	}
	t := m.Affiliations.Set(r.ID, keep)
	e.Wait(t)
	r.Pause(e.Work, t, func(w *core.Work, err error) {
		if err != nil {
			return
		}
		for _, c := range plan {
			var note cause
			note.since, note.until = x.setPerson(c.who, c.person)
			m.tellList(r, w, x, c, note, store.Ticket{})
			m.remind(x, c.who, from)
		}
		deliver(w)
	})
	return core.Next
}

// deliverInvites sends the room's messages. The inviter is named by the bare address: that is whom who is invited knows, and may refuse.
func (m *Module) deliverInvites(r *core.Room, w *core.Work, x *room, st *stanza.Stanza, from jid.JID, u muc.User) {
	for _, i := range u.Invites {
		x.invite(invitation{who: i.To.Bare().Clone(), by: from}, m.host.Now())
		head := stanza.Head{Kind: stanza.Message, From: x.address, To: i.To, ID: st.ID, Lang: st.Lang}
		i.To, i.From, i.Reason = jid.JID{}, from, clip(i.Reason)
		inner := x.invitation(i)
		r.Stand(w, func(w *core.Work, _ error) { m.send(r, w, head, inner) })
	}
}

// invitation is what the room says to who is invited. Section 7.8.2, implementation note: there are clients that know no invitations but direct ones, so it
// has the form of one, too.
func (x *room) invitation(i muc.Invite) string {
	u := muc.User{Invites: []muc.Invite{i}, Password: x.config.Password}
	return string(i.AppendDirect(u.AppendXML(nil), x.address, x.config.Password))
}

// decline is section 7.8.2: who was invited says no, to who has invited them. Else the room would carry anybody's text to anybody, and what it
// refuses would tell who is here.
func (m *Module) decline(e *core.Event, x *room, d *muc.Invite) core.Verdict {
	who := e.Stanza.From.Bare()
	i := invitation{who: who, by: d.To.Bare()}
	if _, invited := x.invited[i]; !invited {
		return refuse(e, forbidden("you were not invited by this person"))
	}
	delete(x.invited, i)
	out := muc.User{Decline: &muc.Invite{From: who, Reason: clip(d.Reason)}}
	head := stanza.Head{Kind: stanza.Message, From: x.address, To: d.To, ID: e.Stanza.ID, Lang: e.Stanza.Lang}
	inner := string(out.AppendXML(nil))
	r := e.Room
	r.Stand(e.Work, func(w *core.Work, _ error) { m.send(r, w, head, inner) })
	return core.Next
}

// voice is a request for voice, or a moderator's answer to one (sections 7.13 and 8.6).
func (m *Module) voice(e *core.Event, x *room, s *session, c stanza.Child) core.Verdict {
	if s == nil {
		return refuse(e, errNotHere)
	}
	tree, err := c.Tree()
	if err != nil {
		return refuse(e, stanza.AsError(err))
	}
	f, err := form.ParseSubmit(tree)
	if err != nil {
		return refuse(e, stanza.AsError(err))
	}
	v, err := muc.ParseVoiceRequest(f)
	switch {
	case err != nil:
		return refuse(e, stanza.AsError(err))
	case v.Role != muc.Participant:
		return refuse(e, stanza.NewError(stanza.NotAcceptable, "what can be asked for is the role of a participant"))
	case v.Answer:
		return m.grant(e, x, s, v)
	case s.occupant.role != muc.Visitor:
		return core.Next // who has voice needs nothing
	case !m.spend(s.occupant.account):
		return refuse(e, &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "too many requests"})
	}
	ask := muc.VoiceRequest{Role: muc.Participant, JID: s.jid, Nick: s.occupant.nick.shown}
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, From: x.address, ID: e.Stanza.ID}, string(ask.Form().AppendXML(nil)))
	if err != nil {
		return refuse(e, stanza.AsError(err))
	}
	st.Seal()
	r := e.Room
	r.Stand(e.Work, func(w *core.Work, _ error) { x.toModerators(r, w, st) })
	return core.Next
}

// grant is section 8.6: a moderator answers a request for voice.
func (m *Module) grant(e *core.Event, x *room, s *session, v muc.VoiceRequest) core.Verdict {
	o := x.named(v.Nick)
	switch {
	case s.occupant.role != muc.Moderator:
		return refuse(e, forbidden("only moderators grant voice"))
	case o == nil, !v.JID.IsZero() && v.JID.Bare() != o.account: // somebody else may have the nick by now
		return refuse(e, errNobody)
	case !v.Allow || o.role != muc.Visitor:
		return core.Next
	}
	x.remark(o, muc.Participant, len(x.people)+m.config.Occupants)
	m.giveRole(e.Room, e.Work, x, o, muc.Participant, cause{actor: s.occupant.nick.shown}, 0, store.Ticket{})
	return core.Next
}
