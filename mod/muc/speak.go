package muc

import (
	"crypto/rand"
	"slices"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

var (
	errNotHere = stanza.NewError(stanza.NotAcceptable, "you are not in this room")
	errNobody  = stanza.NewError(stanza.ItemNotFound, "nobody here has this nick")
)

// message takes what is said in the room, to it, or through it (section 13.1).
func (m *Module) message(e *core.Event) core.Verdict {
	st := e.Stanza
	x, ok := m.rooms.Has(e.Room)
	if !ok || e.Room.ID == 0 {
		return refuse(e, m.absent(e.Room, st.From))
	}
	s := x.sessions[st.From]
	switch {
	case st.Type == stanza.TypeError:
		m.failed(e, x, s)
		return core.Next
	case x.locked && x.affiliation(st.From) < muc.Owner:
		return refuse(e, errNoRoom) // section 13.1
	case st.To.IsFull():
		return m.whisper(e, x, s)
	case st.Type == stanza.GroupChat:
		return m.speak(e, x, s)
	}
	return m.petition(e, x, s)
}

// speak is section 7.4.
func (m *Module) speak(e *core.Event, x *room, s *session) core.Verdict {
	st := e.Stanza
	if s == nil {
		return refuse(e, errNotHere)
	}
	// Section 8.1: a subject that comes with a body or a thread is none.
	if st.Has(ns.Client, "subject") && !st.Has(ns.Client, "body") && !st.Has(ns.Client, "thread") {
		return m.setSubject(e, x, s)
	}
	if !maySpeak(s.occupant.role) {
		return refuse(e, forbidden("you have no voice in this room"))
	}
	if err := m.afford(s.occupant.account, len(x.crowd)*weight(st)); err != nil {
		return refuse(e, err)
	}
	if err := x.tooSoon(s.occupant.account, st, e.Host.Now()); err != nil {
		return refuse(e, err)
	}
	out, err := x.spoken(s, st)
	if err != nil {
		return refuse(e, stanza.AsError(err))
	}
	r, kept := e.Room, store.Ticket{}
	a := core.Archived{Stanza: out, Publisher: s.occupant.account, At: e.Host.Now()}
	if archive := e.Host.Ports.Archiver; archive != nil {
		if a, kept, err = archive.Archive(r, out, s.jid, x.config.Archive); err != nil {
			return refuse(e, stanza.AsError(err))
		}
	}
	if a.ID == "" && readable(a.Stanza) {
		// XEP-0359 section 4: what is not kept can be referred to all the same.
		a.ID = rand.Text()
		if a.Stanza, err = a.Stanza.WithChildren(core.StanzaID(a.ID, x.address)); err != nil {
			return refuse(e, stanza.AsError(err))
		}
	}
	a.Stanza.Seal()
	e.Wait(kept) // a failure is told to the sender
	r.Stand(e.Work, func(w *core.Work, err error) {
		if err != nil {
			return
		}
		x.takenBack(a)
		m.note(x, a)
		x.tellCrowd(r, w, a.Stanza)
		m.said(r, w, x, a, core.Archived{})
	}, kept)
	return core.Next
}

// spoken is a message as everybody gets it: from the occupant, and without what only the room says.
func (x *room) spoken(s *session, st *stanza.Stanza) (*stanza.Stanza, error) {
	id := st.ID
	if id == "" {
		id = rand.Text() // section 7.4: for who refers to it
	}
	out, err := x.ours(muc.Cleaned(st)).WithChildren(string(muc.AppendOccupantID(nil, s.occupant.id)))
	if err != nil {
		return nil, err
	}
	return out.WithID(id).WithTo(jid.JID{}).Stamped(x.at(s.occupant.nick)), nil
}

// shown is presence of a client as the room shows it.
func (x *room) shown(st *stanza.Stanza) *stanza.Stanza { return x.ours(muc.Cleaned(st)) }

// ours takes out ids and notes of delay that claim to be the room's (XEP-0359 section 3, XEP-0203 section 4).
func (x *room) ours(st *stanza.Stanza) *stanza.Stanza {
	own := x.address.String()
	return st.Without(func(c stanza.Child) bool {
		attr := ""
		switch {
		case c.Space == ns.StanzaID && c.Local == "stanza-id":
			attr = "by"
		case c.Space == ns.Delay:
			attr = "from"
		default:
			return false
		}
		by, _ := c.Attr(attr)
		if by == own {
			return true
		}
		j, err := jid.Parse(by)
		return err == nil && j == x.address
	})
}

// besideSubject is how many bytes may come with a subject: addresses, ids and the like, and its words in other languages.
const besideSubject = 4 << 10

// setSubject is section 8.1.
func (m *Module) setSubject(e *core.Event, x *room, s *session) core.Verdict {
	st := e.Stanza
	if !maySetSubject(&x.config, s.occupant.role) {
		return refuse(e, forbidden("you may not change the subject of this room"))
	}
	// All of it is sent to everybody who enters.
	if c, _ := st.Child(ns.Client, "subject"); len(c.Text()) > m.config.Subject || st.Size() > m.config.Subject+besideSubject {
		return refuse(e, stanza.NewError(stanza.NotAcceptable, "this subject is too long"))
	}
	if err := m.afford(s.occupant.account, len(x.crowd)); err != nil {
		return refuse(e, err)
	}
	out, err := x.spoken(s, st)
	if err != nil {
		return refuse(e, stanza.AsError(err))
	}
	var first store.Ticket
	if archive := e.Host.Ports.Archiver; archive != nil {
		// XEP-0313 section 5.1.2: changes of the subject belong into the archive.
		a, ticket, err := archive.Archive(e.Room, out, s.jid, x.config.Archive)
		if err != nil {
			return refuse(e, stanza.AsError(err))
		}
		out, first = a.Stanza, ticket
	}
	// Section 7.2.15: for who comes later, when it was set.
	late, err := out.WithChildren(string(forward.Delay{From: x.address, Stamp: e.Host.Now()}.AppendXML(nil)))
	if err != nil {
		return refuse(e, stanza.AsError(err))
	}
	late.Seal()
	mine := []byte(late.Standalone())
	x.kept.Subject = mine
	t := store.All(first, m.Rooms.Change(x.kept))
	e.Wait(t)
	r := e.Room
	r.Stand(e.Work, func(w *core.Work, err error) {
		if err != nil {
			// Another one may be on its way behind it; without, what is kept is what people see.
			if len(x.kept.Subject) > 0 && &x.kept.Subject[0] == &mine[0] {
				x.kept.Subject = x.seen
			}
			return
		}
		x.subject, x.seen = late, mine
		x.tellCrowd(r, w, out)
	}, t)
	return core.Next
}

// topic is the subject as who enters is told; an empty one when none was ever set (section 7.2.15).
func (x *room) topic() *stanza.Stanza {
	if x.subject != nil {
		return x.subject
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.GroupChat, From: x.address}, "<subject/>")
	if err != nil {
		return nil // cannot be: it is well-formed
	}
	return st.Seal()
}

// past is the history that somebody wants and the room shows, oldest first (sections 7.2.13 and 7.2.14).
func (x *room) past(h muc.History, now time.Time) []*stanza.Stanza {
	var out []*stanza.Stanza
	chars := 0
	for i := len(x.history) - 1; i >= 0 && len(out) < x.config.History; i-- {
		chars += x.history[i].size
		if !h.Wants(len(out)+1, chars, x.history[i].at, now) {
			break
		}
		out = append(out, x.history[i].st)
	}
	slices.Reverse(out)
	return out
}

// readable tells whether people would read a message.
func readable(st *stanza.Stanza) bool {
	return st.Has(ns.Client, "body") || encrypted(st) || st.Has(ns.FileSharing, "")
}

// historic tells what belongs into the history: what people would read, unless its sender wants it otherwise (XEP-0334 sections 4.2 and 4.4).
func historic(st *stanza.Stanza) bool {
	return !st.Has(ns.Hints, "no-store") && (readable(st) || st.Has(ns.Hints, "store"))
}

func encrypted(st *stanza.Stanza) bool {
	return st.Has(ns.OMEMO, "encrypted") || st.Has(ns.OMEMOLegacy, "encrypted") || st.Has(ns.OpenPGP, "openpgp") || st.Has(ns.EME, "encryption")
}

// whisper is a private message (section 7.5).
func (m *Module) whisper(e *core.Event, x *room, s *session) core.Verdict {
	st := e.Stanza
	switch {
	case st.Type == stanza.GroupChat:
		return refuse(e, stanza.NewError(stanza.BadRequest, "what is said to everybody is for the room"))
	case s == nil:
		return refuse(e, errNotHere)
	case !mayWhisper(&x.config, s.occupant.role):
		return refuse(e, forbidden("you may not send private messages in this room"))
	}
	to := x.named(st.To.Resource())
	if to == nil {
		return refuse(e, errNobody)
	}
	extra := muc.AppendOccupantID([]byte("<x xmlns='"+ns.MUCUser+"'/>"), s.occupant.id)
	out, err := x.ours(muc.Cleaned(st)).WithChildren(string(extra))
	if err != nil {
		return refuse(e, stanza.AsError(err))
	}
	m.pass(e.Room, e.Work, x, out, x.at(s.occupant.nick), x.revealed(s), to)
	return core.Next
}

// revealed is the address that occupants may know to be behind what a session sends them alone; zero where addresses are hidden.
func (x *room) revealed(s *session) (by jid.JID) {
	if x.config.NonAnonymous {
		// XEP-0191: whom somebody has blocked does not reach them by way of a room either. Where addresses are hidden this would tell whose one is: who is
		// behind a nick could be tried out by blocking one address after the other. There a nick is blocked by its own address.
		by = s.jid
	}
	return by
}

// pass brings a stanza from one occupant's address to all sessions of another (section 7.2.8).
func (m *Module) pass(r *core.Room, w *core.Work, x *room, st *stanza.Stanza, from, by jid.JID, to *occupant) {
	r.Stand(w, func(w *core.Work, _ error) {
		var all []jid.JID
		for _, s := range x.crowd {
			if s.occupant == to {
				all = append(all, s.jid)
			}
		}
		if len(all) > 0 {
			r.RouteBy(w, st.WithTo(all[0]).Stamped(from), by, all[1:]...)
		}
	})
}

// failed is an error that comes back for what the room has sent.
func (m *Module) failed(e *core.Event, x *room, s *session) {
	if s == nil || m.bury(e, x, s) || e.Stanza.To.IsBare() {
		return
	}
	// What was said in private comes back to who said it. The error tells nothing of who the other is.
	to := x.named(e.Stanza.To.Resource())
	if to == nil || !mayWhisper(&x.config, to.role) || len(e.Stanza.ID) > maxID {
		return // it answers nothing that was said here
	}
	if out := withoutAddress(e.Stanza); out != nil {
		m.pass(e.Room, e.Work, x, out, x.at(s.occupant.nick), jid.JID{}, to)
	}
}

// withoutAddress is an error stanza with the error alone, and without the address of who raised it.
func withoutAddress(st *stanza.Stanza) *stanza.Stanza {
	err := stanza.ParseError(st)
	if err == nil {
		return nil
	}
	plain := stanza.Error{Type: err.Type, Condition: err.Condition}
	out, bad := st.WithInner(string(plain.Append(nil)))
	if bad != nil {
		return nil
	}
	return out
}
