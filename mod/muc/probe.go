package muc

import (
	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

var errProbe = &stanza.Error{Type: stanza.Cancel, Condition: stanza.NotAcceptable, Text: "you are not in this room"}

// probe is section 17.3: who is in the room may ask for presence that it has missed, of an occupant or of the room itself. The answer stands in the line, or
// it would be about something that nobody has seen yet.
func (m *Module) probe(e *core.Event, x *room, s *session) core.Verdict {
	if s == nil {
		return refuse(e, errProbe)
	}
	r, about := e.Room, e.Stanza.To.Clone()
	r.Stand(e.Work, func(w *core.Work, _ error) {
		if about.IsBare() {
			tell(r, w, x.portrait(), s.jid)
			return
		}
		tell(r, w, x.seenBy(s, about), s.jid)
	})
	return core.Next
}

// seenBy is the presence at an address in the room, as a session sees it.
func (x *room) seenBy(s *session, about jid.JID) *stanza.Stanza {
	if o := x.named(about.Resource()); o != nil && o.view != nil {
		switch {
		case o == s.occupant:
			return o.view.self(x.knows(s))
		case !o.view.hidden, s.occupant.role == muc.Moderator: // a moderator may also ask for the list of them (section 9.8)
			return o.view.to(x.knows(s))
		}
	}
	nobody := view{Presence: muc.Presence{From: about, Type: stanza.Unavailable, Item: x.holder(about)}}
	return nobody.to(x.knows(s))
}

// holder is who has reserved the nick of an address; nobody is without affiliation.
func (x *room) holder(about jid.JID) muc.Item {
	n, err := nickOf(about.Resource(), jid.MaxPart)
	if err != nil {
		return muc.Item{}
	}
	for who, p := range x.people {
		if p.nick.key == n.key {
			return muc.Item{Affiliation: p.affiliation, JID: who, Nick: p.nick.shown}
		}
	}
	return muc.Item{}
}
