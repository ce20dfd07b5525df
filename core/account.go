package core

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Account is the owner of one bare address of a host. Exported fields are fixed once it is loaded, but for Exists, which ends when the account
// is deleted; everything else belongs to its turns.
type Account struct {
	holder
	Host *Host
	JID  jid.JID
	// ID is the owner's number in the store; zero when the account does not exist.
	ID store.Owner
	// Exists is false for an address that nobody has; it is forgotten right after its turns. Failed: it could not be read, so whether it
	// exists is not known; what is brought to it is answered with errors, and it is read again for the next one.
	Exists, Failed bool

	guest     *guest // nil: it is no guest's
	role      atomic.Pointer[store.Role]
	barred    func(jid.JID) bool // nil: nobody is blocked
	turns     Turns[turn]
	sessions  []*Session
	line      line
	ended     []ended              // sessions that ended lately without the will of their clients
	revoked   map[string]time.Time // devices, and when; see RevokeDevice, ShutOut and born
	gates     int                  // tickets that its turns wait for
	erasing   bool                 // it is deleted, and in the store still
	followers atomic.Int32         // sessions that follow its chats
	idle      time.Time            // since when nobody is there
	chosen    []int                // scratch of targets
	cands     []candidate
}

// turn is one thing that an account handles.
type turn struct {
	op     func(a *Account, w *Work, t *turn)
	st     *stanza.Stanza
	s      *Session
	sink   Sink
	src    Source // of what a room tells
	from   origin
	before store.Ticket
	gate   *gate
	call   func(w *Work, a *Account)
	to     jid.JID
	also   []jid.JID // of a message: other sessions of the same account that it is for
	by     jid.JID   // of a message that a room passes on: who is behind it, if that may be known
	asker  *jid.JID  // whose probe it is; nil: none
	why    Lost
	told   bool // with asker: it is told when nobody is there
	over   bool // presence: its session has ended
}

// Role of the account now. Safe from any goroutine.
func (a *Account) Role() store.Role {
	if r := a.role.Load(); r != nil {
		return *r
	}
	return store.RoleGuest
}

// SetRole makes a changed role count at once. Only in a turn of a.
func (a *Account) SetRole(r store.Role) { a.role.Store(&r) }

// Sessions of the account, in the order of their binding. Only in a turn of a; the slice is not to be kept.
func (a *Account) Sessions() []*Session { return a.sessions }

// session of a full address, or nil.
func (a *Account) session(full jid.JID) *Session {
	for _, s := range a.sessions {
		if s.JID == full {
			return s
		}
	}
	return nil
}

// handle is every turn: one recover, so that a mistake costs its stanza an error and nothing else.
func (a *Account) handle(w *Work, t *turn) {
	defer func() {
		if r := recover(); r != nil {
			a.panicked(w, t, r)
		}
		w.trace = nil
	}()
	w.trace = t.from.trace
	t.op(a, w, t)
}

// panicked counts a failed turn and answers its stanza, unless it is presence, which nobody answers.
func (a *Account) panicked(w *Work, t *turn, r any) {
	a.Host.metrics.panics.Inc()
	a.Host.logPanic(a.JID, t.st, r)
	if t.from.known() && t.st != nil {
		t.from.settle(w)
		if t.st.Kind != stanza.Presence {
			a.replyError(w, t.st, stanza.NewError(stanza.InternalServerError, ""))
		}
	}
}

// invoke is the turn that Ask and Do bring.
func (a *Account) invoke(w *Work, t *turn) { t.call(w, a) }

// receive is the turn of one stanza of the account's own client.
func (a *Account) receive(w *Work, t *turn) {
	s := t.s
	st := t.st
	if s.state != live || s.sink != t.sink {
		s.win.drop(size(st))
		return // the client will say it again on its new connection, or is gone
	}
	t.from = origin{s: s, n: s.win.begin(size(st)), trace: t.from.trace}
	s.out.said(w)
	if st.ToErr != nil {
		a.refuse(w, st.Stamped(s.JID), s, stanza.NewError(stanza.JIDMalformed, ""))
		t.from.settle(w)
		return
	}
	if st.HasTo && a.Blocks(st.To) {
		a.keptIn(w, t)
		return
	}
	if err := a.guestSends(st); err != nil {
		a.refuse(w, st, s, err)
		t.from.settle(w)
		return
	}
	switch st.Kind {
	case stanza.IQ:
		a.receiveIQ(w, t)
	case stanza.Presence:
		a.receivePresence(w, t)
	default:
		a.receiveMessage(w, t)
	}
}

// receiveMessage: own copy, limits and the like by Hooks.Sending, then on its way.
func (a *Account) receiveMessage(w *Work, t *turn) {
	st := t.st
	if !st.HasTo {
		// RFC 6120 section 10.3.1: as if addressed to the sender's own bare address.
		st = st.WithTo(a.JID)
		st.Seal()
	}
	e := w.begin(a, st, t.s)
	verdict := a.Host.Hooks.Sending.run(e)
	e.hop(3, "Account.receiveMessage", "Sending", verdict.String())
	switch verdict {
	case Drop:
		if e.Err != nil {
			a.replyError(w, st, e.Err)
		}
		t.from.settle(w)
		return
	case Done:
		a.finishSending(w, e, t.from)
		return
	}
	st = e.Stanza
	before := joined(e.tickets)
	if len(e.tickets) > 0 || a.line.holds(st.From) {
		entry := &lineEntry{sent: true, arrival: arrival{st: st, s: t.s, from: t.from, kept: e.Kept, key: e.Key}}
		tickets := e.tickets
		if entry.route = a.Host.Router.outside(st.To); !entry.route {
			t.from.more()
			a.Host.Router.route(w, st, t.from, before)
		}
		a.stand(w, entry, tickets)
		return
	}
	a.Host.Router.route(w, st, t.from, store.Ticket{})
	e = w.begin(a, st, t.s)
	a.Host.Hooks.Sent.run(e)
	e.hop(0, "Hooks.Sent", "Sent", "")
}

// finishSending: a hook has taken care of the stanza; what it wants to happen after its tickets happens then.
func (a *Account) finishSending(w *Work, e *Event, from origin) {
	st, s, after := e.Stanza, e.Session, e.after
	a.whenDone(w, e.tickets, func(w *Work, err error) {
		w.trace = from.trace
		if err != nil {
			a.refuse(w, st, s, a.Host.asStanzaError(st, err))
			from.settle(w)
			return
		}
		a.whenDone(w, a.follow(w, st, s, after), func(w *Work, err error) {
			w.trace = from.trace
			if err != nil {
				a.refuse(w, st, s, a.Host.asStanzaError(st, err))
			}
			from.settle(w)
		})
	})
}

// follow calls what was to come after an event's tickets, and returns those that what comes then waits for.
func (a *Account) follow(w *Work, st *stanza.Stanza, s *Session, after []func(*Event)) []store.Ticket {
	if len(after) == 0 {
		return nil
	}
	return a.Host.afterwards(a.JID, w.begin(a, st, s), after)
}

// deliver is the turn of a message or subscription for the account.
func (a *Account) deliver(w *Work, t *turn) {
	st := t.st
	if st.Kind == stanza.Presence {
		a.deliverPresence(w, t)
		return
	}
	if a.ignores(t) {
		a.keptOut(w, t)
		return
	}
	if !a.guestHears(st) {
		t.from.settle(w)
		return
	}
	_, out := a.chooseAll(st, t.also)
	if a.Failed {
		a.replyError(w, st, stanza.NewError(stanza.InternalServerError, ""))
		t.from.settle(w)
		return
	}
	switch out {
	case ignore:
		w.hop(a, 5, "Account.deliver", out.String())
		t.from.settle(w)
		return
	case refuse:
		w.hop(a, 5, "Account.deliver", out.String())
		a.replyError(w, st, stanza.NewError(stanza.ServiceUnavailable, ""))
		t.from.settle(w)
		return
	}
	e := w.begin(a, st, nil)
	e.Absent = out == fallback
	verdict := a.Host.Hooks.Receiving.run(e)
	e.hop(5, "Account.deliver", "Receiving", verdict.String())
	switch verdict {
	case Drop:
		if e.Err != nil {
			a.replyError(w, st, e.Err)
		}
		t.from.settle(w)
		return
	case Done:
		a.finishSending(w, e, t.from)
		return
	}
	x := arrival{st: e.Stanza, from: t.from, before: t.before, also: t.also, kept: e.Kept, key: e.Key}
	tickets := e.tickets
	if done, err := t.before.Outcome(); !done || err != nil {
		tickets = append(tickets, t.before)
	}
	if len(tickets) > 0 || a.line.holds(st.From) || (st.Type == stanza.TypeError && a.line.holds(a.JID)) {
		// An error does not come before the message to which it responds is shown to the sender's other devices.
		a.stand(w, &lineEntry{arrival: x}, tickets)
		return
	}
	a.show(w, x)
}

// show gives a message to the sessions of this moment, or to Fallback.
func (a *Account) show(w *Work, x arrival) {
	chosen, out := a.chooseAll(x.st, x.also)
	e := w.begin(a, x.st, x.s)
	e.Kept, e.Key, e.also = x.kept, x.key, x.also
	for _, i := range chosen {
		e.Targets = append(e.Targets, a.sessions[i])
	}
	a.Host.Hooks.Received.run(e)
	e.hop(7, "Account.show", "Received", out.String())
	a.give(w, e, out)
	x.from.settle(w)
}

// showAgain is show for what was shown before to a session that did not get it. Nobody else is told of it twice: neither those that were
// sent it then nor those that were sent a copy.
func (a *Account) showAgain(w *Work, it *item) {
	st := it.st.WithTo(a.JID).Seal()
	chosen, out := a.choose(st)
	e := w.begin(a, st, nil)
	for _, i := range chosen {
		if s := a.sessions[i]; !it.many && !(s.copied && it.st.To.IsFull()) {
			e.Targets = append(e.Targets, s)
		}
	}
	a.give(w, e, out)
}

// give ends showing: to the targets, to Fallback, or back.
func (a *Account) give(w *Work, e *Event, out outcome) {
	st := e.Stanza
	many := len(e.Targets) > 1
	for _, s := range e.Targets {
		to := st.To
		if slices.Contains(e.also, s.JID) {
			to = s.JID
		}
		s.out.push(w, item{st: st, to: to, size: size(st), kept: e.Kept, key: e.Key, many: many})
	}
	kept := e.Key != 0
	if out == deliver {
		return
	}
	verdict := a.Host.Hooks.Fallback.run(e)
	e.hop(0, "Hooks.Fallback", "Fallback", verdict.String())
	if verdict != Done && out != ignore && !kept {
		a.replyError(w, st, stanza.NewError(stanza.ServiceUnavailable, ""))
	}
}

// choose applies the table of RFC 6121 section 8.5 to the sessions of this moment. The result is valid until the next call.
func (a *Account) choose(st *stanza.Stanza) ([]int, outcome) {
	a.cands = a.cands[:0]
	for _, s := range a.sessions {
		a.cands = append(a.cands, candidate{s.JID.Resource(), s.available, s.priority})
	}
	var out outcome
	a.chosen, out = chooseMessage(a.chosen[:0], a.Exists, st.Type, st.To.Resource(), a.cands)
	return a.chosen, out
}

// chooseAll is choose for a message that is for other sessions as well; those that are there get it whatever happens to the first.
func (a *Account) chooseAll(st *stanza.Stanza, also []jid.JID) ([]int, outcome) {
	chosen, out := a.choose(st)
	for i, s := range a.sessions {
		if len(also) == 0 {
			break
		}
		if slices.Contains(also, s.JID) && !slices.Contains(chosen, i) {
			chosen, out = append(chosen, i), deliver
		}
	}
	a.chosen = chosen
	return chosen, out
}

// touch notes since when nobody is there.
func (a *Account) touch() {
	if len(a.sessions) == 0 {
		a.idle = a.Host.now()
	}
}

// leaveMemory is the turn that forgets an account that nobody uses.
func (a *Account) leaveMemory(_ *Work, _ *turn) {
	a.forgetRevoked()
	if len(a.sessions) > 0 || a.line.head != nil || a.gates > 0 || a.erasing || (a.Exists && len(a.revoked) > 0) || (a.Exists && a.Host.now().Sub(a.idle) < forgetAfter) {
		return
	}
	if a.turns.close() {
		a.Host.accounts.remove(a.JID, a)
	}
}

// ask has f called in a turn of the account and waits for its answer. When ctx ends first, undo, which may be nil, is called in that turn with
// what nobody waits for any more. Only a door may call it.
func ask[T any](ctx context.Context, h *Host, w *Work, account jid.JID, f func(*Work, *Account) (T, error), undo func(*Work, T)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	var none T
	if _, far := h.Router.elsewhere(account); far {
		return none, ErrElsewhere
	}
	done := make(chan answer, 1)
	var decided atomic.Bool // by the turn, which answers, or by the door, which has gone
	h.accounts.take(w, account, turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
		v, err := f(w, a)
		if decided.CompareAndSwap(false, true) {
			done <- answer{v, err}
		} else if err == nil && undo != nil {
			undo(w, v)
		}
	}})
	w.Run()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		if decided.CompareAndSwap(false, true) {
			return none, ctx.Err()
		}
		r := <-done
		return r.v, r.err
	}
}

// StanzaID is the element of XEP-0359 that tells the owner's archive id of a message.
func StanzaID(id string, by jid.JID) string {
	b := xmltok.AppendAttr([]byte("<stanza-id xmlns='"+ns.StanzaID+"'"), "id", id)
	return string(append(xmltok.AppendAttr(b, "by", by.String()), "/>"...))
}
