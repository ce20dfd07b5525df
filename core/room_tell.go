package core

import (
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Tell gives one sealed message or presence, as it stands, to the session of each full address: a turn of its account, which asks who is blocked
// and what of the room stands before it, and appends the address and the shared bytes to one outbox. No hook runs. A session that is not
// there (any more) is answered for with presence of type error, recipient-unavailable, which comes to Receive from its address, with Event.Over;
// nothing is answered to errors and unavailable presence. Only in a turn of r.
func (r *Room) Tell(w *Work, st *stanza.Stanza, to ...jid.JID) {
	x := turn{op: (*Account).hear, st: st, from: origin{trace: w.trace}}
	for _, x.to = range to {
		r.Host.Router.tell(w, x)
	}
}

// Route brings a sealed stanza of the room to the owner of its address, as any stanza; a message also to other sessions of the same account: it is one
// message, kept once, whatever the number of devices. Whoever's stanza the room handles or shows at this moment waits for it: it is settled when this one
// is durable where it goes to. Only in a turn of r.
func (r *Room) Route(w *Work, st *stanza.Stanza, also ...jid.JID) {
	r.RouteBy(w, st, jid.JID{}, also...)
}

// RouteBy is Route for a message or a request of which the receiver may know who is behind it: an account that has blocked that address, too, does not get it. The
// zero address is nobody. Only in a turn of r.
func (r *Room) RouteBy(w *Work, st *stanza.Stanza, by jid.JID, also ...jid.JID) {
	from := origin{}
	if r.current != nil {
		from = r.current.from
	}
	from.trace = w.trace
	from.more()
	r.Host.Router.pass(w, st, by, also, from)
}

// TellAll gives the stanzas of src to the session of one full address, in the place where Tell would give one: they are pulled while the client reads,
// and count against none of its limits, so that a join never ends a slow client. They may be addressed to anybody: what the client sees is to. A
// source is called later and elsewhere: it must hold what it gives, and may look at nothing that belongs to a turn. Other nodes and
// components get it at once. Only in a turn of r.
func (r *Room) TellAll(w *Work, to jid.JID, src Source) {
	if r.Host.Router.outside(to) {
		for st, ok := src(); ok; st, ok = src() {
			r.Tell(w, st, to)
		}
		return
	}
	if st, ok := src(); ok {
		r.Host.Router.tell(w, turn{op: (*Account).hear, st: st, to: to, src: src, from: origin{trace: w.trace}})
	}
}

// pass is route for a message to several sessions of one account, or for a message or request by somebody who may be known.
func (r *Router) pass(w *Work, st *stanza.Stanza, by jid.JID, also []jid.JID, from origin) {
	h := r.hosts[st.To.Domain()]
	if len(also) == 0 && by.IsZero() || h == nil || st.To.IsDomain() || st.Kind == stanza.Presence {
		r.route(w, st, from, store.Ticket{})
		return
	}
	if node, far := r.elsewhere(st.To); far {
		r.nodes.deliverBy(w, node, st, by, from, also...)
	} else {
		x := turn{op: (*Account).deliver, st: st, by: by, from: from, also: also}
		if st.Kind == stanza.IQ {
			x.op = (*Account).deliverIQ
		}
		from.more()
		h.accounts.take(w, st.To.Bare(), x)
	}
	from.settle(w)
}

// Check asks for each full address whether its session is there and shows itself to the room, as after a restart. For who is not, Receive gets
// the error that Tell speaks of. Only in a turn of r.
func (r *Room) Check(w *Work, to ...jid.JID) {
	for _, j := range to {
		h := r.Host.Router.hosts[j.Domain()]
		if h == nil || !j.IsFull() || !h.accounts.takeIfLoaded(w, j.Bare(), turn{op: (*Account).vouch, to: j, asker: &r.JID}) {
			r.Host.Router.absent(w, j, r.JID)
		}
	}
}

// tell brings what a room tells to the account of x.to.
func (r *Router) tell(w *Work, x turn) {
	if c := r.components[x.to.Domain()]; c != nil {
		if !c.take(w, x.st, x.to, x.from) {
			r.untold(w, x.st, x.to)
		}
		return
	}
	if node, far := r.elsewhere(x.to); far {
		r.nodes.tell(node, x)
		return
	}
	h := r.hosts[x.to.Domain()]
	if h == nil || !h.accounts.takeIfLoaded(w, x.to.Bare(), x) {
		r.untold(w, x.st, x.to)
	}
}

// untold answers for a session that is not there.
func (r *Router) untold(w *Work, st *stanza.Stanza, to jid.JID) {
	if st.Type != stanza.TypeError && st.Type != stanza.Unavailable {
		r.absent(w, to, st.From)
	}
}

// absent tells a room that a session is not there: whoever is at its address by now is another.
func (r *Router) absent(w *Work, who, room jid.JID) {
	gone := stanza.NewError(stanza.RecipientUnavailable, "")
	st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.TypeError, From: who, To: room}, string(gone.Append(nil)))
	if err == nil {
		r.bringPresence(w, room.Bare(), turn{op: (*Account).deliverPresence, st: st.Seal(), to: room, over: true})
	}
}

// hear is the turn of what a room tells one session.
func (a *Account) hear(w *Work, t *turn) {
	x := arrival{st: t.st, to: t.to, src: t.src}
	for a.Blocks(x.st.From) { // XEP-0191, "User Blocks JID": without an answer, and what comes behind it in a source is heard
		more := x.src != nil
		if more {
			x.st, more = x.src()
		}
		if !more {
			return
		}
	}
	if a.line.holds(x.st.From) {
		a.stand(w, &lineEntry{told: true, arrival: x}, nil) // RFC 6120 section 10.1: it does not overtake
		return
	}
	a.heard(w, x)
}

// heard gives it to the session. It is of no use to any other: what was said is in the room's archive.
func (a *Account) heard(w *Work, x arrival) {
	w.hop(a, 7, "Account.heard", "")
	s := a.session(x.to)
	if s == nil {
		a.Host.Router.untold(w, x.st, x.to)
		return
	}
	s.sendTo(w, x.st, x.to, true)
	if x.src != nil {
		s.out.push(w, item{src: a.unblocked(x.src), to: x.to})
	}
}

// unblocked is a source without what comes from addresses that the account has blocked. Who that is may be asked in a turn only.
func (a *Account) unblocked(src Source) Source {
	if !a.Bars() {
		return src
	}
	var rest []*stanza.Stanza
	for st, ok := src(); ok; st, ok = src() {
		if !a.Blocks(st.From) {
			rest = append(rest, st)
		}
	}
	return func() (*stanza.Stanza, bool) {
		if len(rest) == 0 {
			return nil, false
		}
		st := rest[0]
		rest = rest[1:]
		return st, true
	}
}

// vouch is the turn of Check: a session that is there and has sent presence to the room is in it.
func (a *Account) vouch(w *Work, t *turn) {
	if s := a.session(t.to); s != nil {
		if _, there := s.shownIn(*t.asker); there {
			return
		}
	}
	a.Host.Router.absent(w, t.to, *t.asker)
}

// shownIn is the address of a room to which the session has sent presence.
func (s *Session) shownIn(room jid.JID) (jid.JID, bool) {
	for to := range s.directed {
		if to.Bare() == room {
			return to, true
		}
	}
	return jid.JID{}, false
}
