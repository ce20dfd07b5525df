package core

import (
	"sync/atomic"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// line is what an owner is about to show to others: first in, first out. A kept stanza stands in it until its tickets are done.
type line struct {
	head, tail *lineEntry
	senders    map[jid.JID]int // how many entries of each bare sender stand in it
}

type lineEntry struct {
	arrival
	sent  bool // the owner's own sending: show means Hooks.Sent
	told  bool // a room tells it one session
	route bool // it leaves for another node, or a component, at release, since nobody there can wait for our ticket
	done  bool
	err   error
	since time.Time // it stands in the line, where somebody watches
	next  *lineEntry
}

// arrival is a stanza on its way to be shown, with what its owner's archive knows of it.
type arrival struct {
	st     *stanza.Stanza
	to     jid.JID  // presence, and what a room tells: whom it is for
	src    Source   // what a room tells: more behind it
	s      *Session // the sender's session where it is one of the owner's own
	from   origin
	before store.Ticket // the sender's own promise
	also   []jid.JID    // of a message: other sessions that it is for
	over   bool         // presence: its session has ended
	kept   string
	key    store.Key
}

func (l *line) push(e *lineEntry) {
	if l.tail == nil {
		l.head = e
	} else {
		l.tail.next = e
	}
	l.tail = e
	if l.senders == nil {
		l.senders = make(map[jid.JID]int)
	}
	l.senders[e.st.From.Bare()]++
}

// holds tells whether something of this sender stands in the line.
func (l *line) holds(sender jid.JID) bool { return l.head != nil && l.senders[sender.Bare()] > 0 }

// leads tells whether something in the line is on its way to this address, which is outside.
func (l *line) leads(bare jid.JID) bool {
	for e := l.head; e != nil; e = e.next {
		if e.route && e.dest().Bare() == bare {
			return true
		}
	}
	return false
}

// dest is whom an entry is for.
func (e *lineEntry) dest() jid.JID {
	if e.st.Kind == stanza.Presence {
		return e.to
	}
	return e.st.To
}

// ready takes the first entry out if its tickets are done.
func (l *line) ready() *lineEntry {
	e := l.head
	if e == nil || !e.done {
		return nil
	}
	l.head = e.next
	if l.head == nil {
		*l = line{}
		return e
	}
	sender := e.st.From.Bare()
	if l.senders[sender]--; l.senders[sender] == 0 {
		delete(l.senders, sender)
	}
	return e
}

// stand puts an entry into the line and releases what is ready when its tickets are done.
func (a *Account) stand(w *Work, e *lineEntry, tickets []store.Ticket) {
	a.line.push(e)
	if e.from.trace != nil {
		e.since = time.Now()
	}
	a.whenDone(w, tickets, func(w *Work, err error) {
		e.done, e.err = true, err
		a.release(w)
	})
}

// release shows the head of the line and what follows it up to the next open ticket.
func (a *Account) release(w *Work) {
	was := w.trace
	defer func() { w.trace = was }()
	for e := a.line.ready(); e != nil; e = a.line.ready() {
		if w.trace = e.from.trace; w.trace != nil {
			a.released(w, e)
		}
		switch {
		case e.err != nil && e.sent:
			a.replyError(w, e.st, a.Host.storeError(e.st, e.err))
			e.from.settle(w)
		case e.err != nil:
			a.undeliverable(w, e)
		case e.route && e.st.Kind == stanza.IQ:
			a.Host.Router.route(w, e.st, e.from, store.Ticket{})
		case e.route && e.st.Kind == stanza.Presence:
			a.Host.Router.bringPresence(w, e.to.Bare(), turn{op: (*Account).deliverPresence, st: e.st, to: e.to, over: e.over})
		case e.sent:
			if e.route {
				e.from.more()
				a.Host.Router.route(w, e.st, e.from, store.Ticket{})
			}
			ev := w.begin(a, e.st, e.s)
			ev.Kept, ev.Key = e.kept, e.key
			a.Host.Hooks.Sent.run(ev)
			ev.hop(0, "Hooks.Sent", "Sent", "")
			e.from.settle(w)
		case e.told:
			a.heard(w, e.arrival)
		case e.st.Kind == stanza.IQ:
			a.pass(w, e.arrival)
		case e.st.Kind == stanza.Presence:
			a.see(w, e.arrival)
		default:
			a.show(w, e.arrival)
		}
	}
}

// undeliverable ends a stanza that could not be kept. Where the sender's own copy failed too, the sender has been told there.
func (a *Account) undeliverable(w *Work, e *lineEntry) {
	if _, failed := e.before.Outcome(); failed == nil {
		a.replyError(w, e.st, a.Host.storeError(e.st, e.err))
	}
	e.from.settle(w)
}

// whenDone calls f in a turn of the account when all tickets are done, with the first error; at once if there are none.
func (a *Account) whenDone(w *Work, tickets []store.Ticket, f func(w *Work, err error)) {
	if len(tickets) == 0 {
		f(w, nil)
		return
	}
	a.gates++
	g := &gate{account: a, f: f}
	g.pending.Store(int32(len(tickets)))
	for _, t := range tickets {
		t.Done(g.done)
	}
}

// gate joins several tickets.
type gate struct {
	account *Account
	room    *Room // instead of an account
	pending atomic.Int32
	err     atomic.Pointer[error]
	f       func(w *Work, err error)
}

func (g *gate) done(err error) {
	if err != nil {
		g.err.CompareAndSwap(nil, &err)
	}
	if g.pending.Add(-1) > 0 {
		return
	}
	if g.room != nil {
		g.room.turns.TakeAsync(g.room.Host.pool, roomTurn{op: (*Room).open, gate: g})
		return
	}
	g.account.turns.TakeAsync(g.account.Host.pool, turn{op: (*Account).open, gate: g})
}

// open is the turn of a gate whose tickets are done.
func (a *Account) open(w *Work, t *turn) {
	a.gates--
	t.gate.f(w, t.gate.outcome())
}

// outcome is the first error of the tickets.
func (g *gate) outcome() error {
	if p := g.err.Load(); p != nil {
		return *p
	}
	return nil
}

// joined is one ticket for several: it is done when all are, with the first failure.
func joined(tickets []store.Ticket) store.Ticket {
	switch len(tickets) {
	case 0:
		return store.Ticket{}
	case 1:
		return tickets[0]
	}
	var pending atomic.Int32
	var failed atomic.Pointer[error]
	p := new(store.Promise)
	pending.Store(int32(len(tickets)))
	for _, t := range tickets {
		t.Done(func(err error) {
			if err != nil {
				failed.CompareAndSwap(nil, &err)
			}
			if pending.Add(-1) > 0 {
				return
			}
			if first := failed.Load(); first != nil {
				err = *first
			}
			p.Settle(err)
		})
	}
	return p.Ticket()
}
