package core

import (
	"stonechat/store"
	"stonechat/xmpp/stanza"
)

// This file is the way of a request: from the client of an account, to it, and back.

// receiveIQ: answered here, or on its way.
func (a *Account) receiveIQ(w *Work, t *turn) {
	st := t.st
	w.hop(a, 3, "Account.receiveIQ", "")
	if err := checkIQ(st); err != nil {
		a.replyError(w, st, err)
		t.from.settle(w)
		return
	}
	asks := st.Type == stanza.Get || st.Type == stanza.Set
	host := a.Host
	if st.HasTo {
		host = host.Router.hosts[st.To.Domain()]
	}
	if rooms := a.Host.Router.services[st.To.Domain()]; rooms != nil && st.To.IsDomain() {
		part, found := a.Host.Router.find(st)
		switch {
		case !asks:
			t.from.settle(w) // nobody there has asked
		case rooms.Find == nil:
			rooms.host.answerFor(a, w, st, t.s, ToRooms, t.from)
		case !found:
			rooms.host.answerFor(a, w, st, t.s, ToService, t.from)
		default:
			a.Host.Router.routeTo(w, st, part, true, t.from, store.Ticket{})
		}
		return
	}
	switch {
	case host != nil && (!st.HasTo || st.To == a.JID):
		// RFC 6120 section 10.3.3: no address means the sender's own account.
		if asks {
			a.answerIQ(w, st, t.s, ToOwn, t.from)
			return
		}
	case host != nil && st.To.IsDomain():
		if asks {
			host.answerFor(a, w, st, t.s, ToHost, t.from)
			return
		}
		host.answered(w, st)
	case a.line.leads(st.To.Bare()):
		// RFC 6120 section 10.1: it must not overtake; on this node it waits in the addressee's line.
		a.stand(w, &lineEntry{route: true, arrival: arrival{st: st, from: t.from}}, nil)
		return
	default:
		a.Host.Router.route(w, st, t.from, store.Ticket{})
		return
	}
	t.from.settle(w)
}

// deliverIQ is the turn of an IQ for the account or one of its sessions.
func (a *Account) deliverIQ(w *Work, t *turn) {
	st := t.st
	if a.ignores(t) {
		a.keptOut(w, t)
		return
	}
	asks := st.Type == stanza.Get || st.Type == stanza.Set
	w.hop(a, 5, "Account.deliverIQ", "")
	if !a.guestHears(st) {
		a.replyError(w, st, stanza.NewError(stanza.ServiceUnavailable, "")) // as if there were nobody
		t.from.settle(w)
		return
	}
	if st.To.IsFull() {
		if err := a.guard(w, st, t.from); asks && err != nil {
			a.replyError(w, st, err)
			t.from.settle(w)
			return
		}
		x := arrival{st: st, from: t.from}
		if a.line.holds(st.From) {
			// RFC 6120 section 10.1: nothing between two entities overtakes.
			a.stand(w, &lineEntry{arrival: x}, nil)
			return
		}
		a.pass(w, x)
		return
	}
	if !asks {
		if st.From == a.JID {
			a.Host.answered(w, st) // see Host.Act
		}
		t.from.settle(w) // RFC 6121 section 8.5.2: nothing else of ours asked
		return
	}
	if !a.Exists {
		if row := a.Host.IQ.find(st, ToContact); row == nil || !blind(row.Action) {
			a.replyError(w, st, stanza.NewError(stanza.ServiceUnavailable, "")) // RFC 6121 section 8.5.1
			t.from.settle(w)
			return
		}
	}
	a.answerIQ(w, st, nil, ToContact, t.from)
}

// guard asks whether a request may reach a device (ToDevice). Most may.
func (a *Account) guard(w *Work, st *stanza.Stanza, from origin) *stanza.Error {
	row := a.Host.IQ.find(st, ToDevice)
	if row == nil {
		return nil
	}
	if err := Permit(from.actor(st), row.Action, a.object(ToContact, st)); err != nil {
		return err
	}
	if _, err := row.Do(a.Host.ctx, w.begin(a, st, nil)); err != nil {
		return a.Host.asStanzaError(st, err)
	}
	return nil
}

// pass gives an IQ to the session that it is for.
func (a *Account) pass(w *Work, x arrival) {
	w.hop(a, 7, "Account.pass", "")
	if s := a.session(x.st.To); s != nil {
		s.Send(w, x.st) // RFC 6121 section 8.5.3.1
	} else if x.st.Type == stanza.Get || x.st.Type == stanza.Set {
		a.replyError(w, x.st, stanza.NewError(stanza.ServiceUnavailable, "")) // RFC 6121 section 8.5.3.2.3
	}
	x.from.settle(w)
}

// answerIQ has the row answer, in a turn of a: the sender's account for ToHost and ToOwn, the addressee for ToContact.
func (a *Account) answerIQ(w *Work, st *stanza.Stanza, s *Session, to Target, from origin) {
	row := a.Host.row(st, to)
	// RFC 6121 section 8.5.1 and RFC 6120 section 8.4: nobody understands it.
	err := stanza.NewError(stanza.ServiceUnavailable, "")
	if row != nil {
		err = Permit(from.actor(st), row.Action, a.object(to, st))
	}
	if err != nil && row != nil && to == ToContact && !blind(row.Action) {
		err = stanza.NewError(stanza.ServiceUnavailable, "") // the same as for an account that does not exist
	}
	if w.trace != nil {
		w.trace.Hop(answering(row, err))
	}
	if err != nil {
		a.replyError(w, st, err)
		from.settle(w)
		return
	}
	if row.Slow {
		a.Host.slow(a, st, s, row, from)
		return
	}
	e := w.begin(a, st, s)
	ans, failure := row.Do(a.Host.ctx, e)
	a.finishIQ(w, e, ans, failure, from)
}

// finishIQ answers at once, or when the event's tickets are done.
func (a *Account) finishIQ(w *Work, e *Event, ans Answer, err error, from origin) {
	st := e.Stanza
	if err != nil {
		a.replyError(w, st, a.Host.asStanzaError(st, err))
		from.settle(w)
		return
	}
	session, after := e.Session, e.after
	a.whenDone(w, e.tickets, func(w *Work, err error) {
		w.trace = from.trace
		if err != nil {
			a.replyError(w, st, a.Host.asStanzaError(st, err))
			from.settle(w)
			return
		}
		a.whenDone(w, a.follow(w, st, session, after), func(w *Work, err error) {
			w.trace = from.trace
			if err != nil {
				a.replyError(w, st, a.Host.asStanzaError(st, err))
			} else {
				a.reply(w, st, session, ans)
			}
			from.settle(w)
		})
	})
}

// reply sends the result to the asking session, or by the router to whoever asked from elsewhere.
func (a *Account) reply(w *Work, st *stanza.Stanza, s *Session, ans Answer) {
	if ans.Before != nil && s != nil {
		s.sendSource(w, ans.Before)
	}
	if r := stanza.Result(st, ans.Payload); r != nil {
		a.answer(w, r, s)
	}
}

// replyError answers st with err, unless st is itself an answer.
func (a *Account) replyError(w *Work, st *stanza.Stanza, err *stanza.Error) {
	a.refuse(w, st, a.session(st.From), err)
}

// refuse is replyError for a stanza of this session, whatever address it is stamped with.
func (a *Account) refuse(w *Work, st *stanza.Stanza, s *Session, err *stanza.Error) {
	if r := stanza.ErrorReply(st, err); r != nil {
		a.answer(w, r, s)
	}
}

func (a *Account) answer(w *Work, r *stanza.Stanza, s *Session) {
	r.Seal()
	if s != nil {
		s.Send(w, r)
		return
	}
	a.Host.Router.Route(w, r)
}

// object says what the request is about, for Permit.
func (a *Account) object(to Target, st *stanza.Stanza) Object {
	switch to {
	case ToOwn:
		return Object{Account: a.JID, Role: a.Role()}
	case ToContact:
		sub := a.Host.Ports.Contacts.Subscription(a, st.From.Bare())
		// XEP-0175 section 4: a guest answers what it is; only its counterparts come so far.
		return Object{Account: a.JID, Role: a.Role(), Subscribed: sub&SubscribedFrom != 0 || a.guest != nil}
	}
	return Object{}
}
