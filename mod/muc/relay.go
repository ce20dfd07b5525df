package muc

import (
	"crypto/rand"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const (
	maxQuestions = 1000            // requests that are on their way to occupants of one room
	maxOfOne     = 100             // of them of one account
	maxID        = 1024            // bytes of what the asker calls one
	questionTime = 5 * time.Minute // after which nobody waits for the answer any more
)

// question is a request from one occupant to another that was passed on.
type question struct {
	id    string  // as the asker called it
	asker jid.JID // full
	to    jid.JID // the occupant's address, as asked
	by    jid.JID // who has to answer
	since time.Time
}

// relay passes requests between occupants (section 13.3), so that neither learns who the other is, and answers those that an occupant sends itself
// (XEP-0410).
func (m *Module) relay(e *core.Event) core.Verdict {
	st := e.Stanza
	x, ok := m.rooms.Has(e.Room)
	if !ok || e.Room.ID == 0 {
		return refuse(e, m.absent(e.Room, st.From))
	}
	if st.Type == stanza.TypeResult || st.Type == stanza.TypeError {
		m.reply(e, x)
		return core.Next
	}
	s := x.sessions[st.From]
	payload, _ := st.Payload()
	if s == nil {
		if payload.Space == ns.DiscoInfo || payload.Space == ns.DiscoItems { // section 6.7
			return refuse(e, stanza.NewError(stanza.BadRequest, "only occupants ask occupants"))
		}
		return refuse(e, &stanza.Error{Type: stanza.Cancel, Condition: stanza.NotAcceptable, Text: errNotHere.Text}) // XEP-0410 section 2.2
	}
	to := x.named(st.To.Resource())
	if to == nil {
		return refuse(e, errNobody)
	}
	if to == s.occupant && payload.Space == ns.Ping {
		// XEP-0410 section 3.1: the room knows that it is in the room.
		if st := stanza.Result(st, ""); st != nil {
			e.Room.Stand(e.Work, func(w *core.Work, _ error) { m.host.Router.Route(w, st.Seal()) })
		}
		return core.Next
	}
	return m.ask(e, x, s, to, payload)
}

// ask passes a request on under an id of its own.
func (m *Module) ask(e *core.Event, x *room, s *session, to *occupant, payload stanza.Child) core.Verdict {
	now := e.Host.Now()
	if len(e.Stanza.ID) > maxID {
		return refuse(e, stanza.NewError(stanza.PolicyViolation, "the id of this request is too long"))
	}
	if len(x.asked) >= maxOfOne {
		own := 0
		for id, q := range x.asked {
			if now.Sub(q.since) > questionTime {
				delete(x.asked, id)
			} else if q.asker.Bare() == s.occupant.account {
				own++
			}
		}
		if len(x.asked) >= maxQuestions || own >= maxOfOne {
			return refuse(e, stanza.NewError(stanza.ResourceConstraint, "too many requests between occupants"))
		}
	}
	// What an account keeps is asked of the account, not of one of its clients.
	target := to.face.jid
	if payload.Space == ns.VCardTemp {
		// The account sees a room ask, not who does: to strangers it may not want to show itself.
		if h := m.host.Router.Host(s.jid.Domain()); h == nil || h.IsGuest(s.jid) {
			return refuse(e, stanza.NewError(stanza.ServiceUnavailable, ""))
		}
		target = to.account
	}
	id := rand.Text()
	x.asked[id] = question{id: strings.Clone(e.Stanza.ID), asker: s.jid, to: e.Stanza.To.Clone(), by: target, since: now}
	r, by := e.Room, x.revealed(s)
	out := e.Stanza.WithID(id).WithTo(target).Stamped(x.at(s.occupant.nick))
	r.Stand(e.Work, func(w *core.Work, _ error) { r.RouteBy(w, out, by) })
	return core.Next
}

// reply passes an answer back to who has asked.
func (m *Module) reply(e *core.Event, x *room) {
	st := e.Stanza
	q, ok := x.asked[st.ID]
	if !ok || q.by != st.From {
		return
	}
	delete(x.asked, st.ID)
	if st.Type == stanza.TypeError {
		// Whatever it says is of what was asked: that a client has no such item does not mean that it is not there, or anybody could ask others out
		// of the room.
		if st = withoutAddress(st); st == nil {
			return
		}
	}
	out := st.WithID(q.id).WithTo(q.asker).Stamped(q.to)
	e.Room.Stand(e.Work, func(w *core.Work, _ error) { m.host.Router.Route(w, out) })
}

// actor is the nick of who does something; nothing for who does it from outside.
func (x *room) actor(who jid.JID) string {
	if s := x.sessions[who]; s != nil {
		return s.occupant.nick.shown
	}
	return ""
}

// toModerators gives a stanza to all sessions of moderators.
func (x *room) toModerators(r *core.Room, w *core.Work, st *stanza.Stanza) {
	var all []jid.JID
	for _, s := range x.crowd {
		if x.sessions[s.jid] == s && s.occupant.role == muc.Moderator {
			all = append(all, s.jid)
		}
	}
	tell(r, w, st, all...)
}
