package core

import (
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// sweeps is how often in forgetAfter it is looked whether a room is used.
const sweeps = 3

// Room is the owner of a bare address at a domain of rooms: turns, a line and slots, like an account, and no sessions. What it is a room for
// its module knows, which keeps that in slots. Host and JID are fixed; everything else belongs to its turns.
type Room struct {
	holder
	Host *Host
	JID  jid.JID
	// ID is the owner's number in the store; zero: the room does not exist (yet). Load sets it, and whoever creates the room.
	ID store.Owner
	// Failed: it could not be read, so whether it exists is not known. Its module sees nothing of it.
	Failed bool
	// NamesSince is since when all who may know addresses (RoomKnower) may know who said something. What is older is for those who run the room:
	// others were told nothing of it then. Its module sets it; rows outside turns have it, too.
	NamesSince time.Time

	service *service
	turns   Turns[roomTurn]
	line    roomLine
	current *roomTurn  // that is handled, for Stand
	paused  bool       // turns wait
	waiting []roomTurn // while it is paused
	gates   int        // tickets that its turns wait for, and rows that run outside turns
	rests   int        // sweeps since the last turn
	begun   bool       // the first turn was
}

// roomTurn is one thing that a room handles.
type roomTurn struct {
	op     func(r *Room, w *Work, t *roomTurn)
	st     *stanza.Stanza
	from   origin
	before store.Ticket // the sender's own promise
	gate   *gate
	call   func(w *Work, r *Room)
	over   bool // presence: its session has ended
}

// handle is every turn: one recover, so that a mistake costs its stanza an error and nothing else.
func (r *Room) handle(w *Work, t *roomTurn) {
	if r.paused && t.gate == nil {
		r.waiting = append(r.waiting, *t)
		return
	}
	defer func() {
		if p := recover(); p != nil {
			r.panicked(w, t, p)
		}
		w.trace, r.current = nil, nil
	}()
	w.trace, r.current = t.from.trace, t
	if !r.begun {
		r.begun = true
		if r.ID != 0 && r.service.Loaded != nil {
			r.service.Loaded(w, r)
		}
	}
	t.op(r, w, t)
}

// panicked counts a failed turn and answers its stanza, unless it is presence, which nobody answers.
func (r *Room) panicked(w *Work, t *roomTurn, p any) {
	r.Host.metrics.panics.Inc()
	r.Host.logPanic(r.JID, t.st, p)
	if t.from.known() && t.st != nil {
		t.from.settle(w)
		if t.st.Kind != stanza.Presence {
			r.Host.Router.bounce(w, t.st, stanza.NewError(stanza.InternalServerError, ""))
		}
	}
}

// invoke is the turn that DoRoom brings.
func (r *Room) invoke(w *Work, t *roomTurn) { t.call(w, r) }

// begin prepares the event of w for a stanza of the room.
func (r *Room) begin(w *Work, st *stanza.Stanza) *Event {
	e := &w.event
	*e = Event{Host: r.Host, Work: w, Room: r, Stanza: st, Targets: e.Targets[:0], trace: w.trace}
	return e
}

// receive is the turn of a message, of presence, and of an IQ that the room only passes on.
func (r *Room) receive(w *Work, t *roomTurn) {
	r.rests = 0
	st := t.st
	if r.Failed {
		r.Host.Router.bounce(w, st, unread())
		t.from.settle(w)
		return
	}
	e := r.begin(w, st)
	e.Over = t.over
	verdict := r.service.Receive(e)
	w.hopAt(r.JID, 5, "Room.receive", verdict.String())
	if verdict == Drop {
		if e.Err != nil {
			r.Host.Router.bounce(w, st, e.Err)
		}
		t.from.settle(w)
		return
	}
	r.finish(w, e, t.from)
}

// finish settles the event's stanza when its tickets are done.
func (r *Room) finish(w *Work, e *Event, from origin) {
	if len(e.tickets) == 0 && len(e.after) == 0 {
		from.settle(w)
		return
	}
	st, after := e.Stanza, e.after
	r.whenDone(w, e.tickets, func(w *Work, err error) {
		w.trace = from.trace
		if err != nil {
			r.Host.Router.bounce(w, st, r.Host.asStanzaError(st, err))
			from.settle(w)
			return
		}
		r.whenDone(w, r.follow(w, st, after), func(w *Work, err error) {
			w.trace = from.trace
			if err != nil {
				r.Host.Router.bounce(w, st, r.Host.asStanzaError(st, err))
			}
			from.settle(w)
		})
	})
}

// Vanish is for a room that was destroyed: it exists no longer, and what modules keep of it in memory goes. Whoever comes next may create another
// one of the same name, which has another number. What stands in the line is still shown. Only in a turn of r.
func (r *Room) Vanish() {
	r.ID, r.slots, r.NamesSince = 0, nil, time.Time{}
	r.turns.TakeAsync(r.Host.pool, roomTurn{op: (*Room).leaveMemory})
}

// leaveMemory is the turn that forgets a room that nobody uses. One that does not exist, or could not be read, goes at once.
func (r *Room) leaveMemory(_ *Work, _ *roomTurn) {
	r.rests++
	if r.line.head != nil || r.gates > 0 || r.paused || !r.Failed && !r.service.Vacant(r) || r.ID != 0 && r.rests <= sweeps {
		return
	}
	if r.turns.close() {
		r.service.remove(r.JID, r)
		r.service.count(-1)
	}
}

// Pause has the turns of the room queue until the ticket is done; then f is called in a turn, before any other. A room that is being created
// waits like that for its number. Only in a turn of r, and never twice at a time.
//
// In the turn of a stanza that is open until f was called.
func (r *Room) Pause(w *Work, t store.Ticket, f func(w *Work, err error)) {
	r.paused = true
	var from origin
	if r.current != nil {
		from = r.current.from
	}
	from.more()
	r.hold(func(w *Work, err error) {
		r.paused = false
		defer from.settle(w)
		queued := r.waiting
		r.waiting = nil
		defer func() { // also behind a panic in f: what waits must not be lost with it
			for i := range queued {
				r.handle(w, &queued[i]) // one of them may pause the room again: then the rest waits behind it
			}
		}()
		r.current = &roomTurn{from: from}
		f(w, err)
	}, []store.Ticket{t})
}

// whenDone calls f in a turn of the room when all tickets are done, with the first error; at once if there are none.
func (r *Room) whenDone(w *Work, tickets []store.Ticket, f func(w *Work, err error)) {
	if len(tickets) == 0 {
		f(w, nil)
		return
	}
	r.hold(f, tickets)
}

func (r *Room) hold(f func(w *Work, err error), tickets []store.Ticket) {
	r.gates++
	g := &gate{room: r, f: f}
	g.pending.Store(int32(len(tickets)))
	for _, t := range tickets {
		t.Done(g.done)
	}
}

// open is the turn of a gate whose tickets are done.
func (r *Room) open(w *Work, t *roomTurn) {
	r.gates--
	t.gate.f(w, t.gate.outcome())
}

// roomLine is what a room is about to show, in order.
type roomLine struct{ head, tail *roomEntry }

type roomEntry struct {
	f    func(w *Work, err error)
	from origin
	done bool
	err  error
	next *roomEntry
}

// Stand puts something into the line: f is called, in a turn of r, when all that stands before it was shown and the tickets are done, with the
// first error of them; at once when nothing is to be waited for. All that a room shows to its occupants goes this way, so that there is one
// order for all, and nothing is seen before it is durable. In the turn of a stanza its sender's own promise is waited for, too, and the stanza
// is settled when f was called. Only in a turn of r.
func (r *Room) Stand(w *Work, f func(w *Work, err error), tickets ...store.Ticket) {
	var t roomTurn
	if r.current != nil {
		t = *r.current
	}
	open, failed := pending(tickets, t.before)
	if len(open) == 0 && r.line.head == nil {
		f(w, failed)
		return
	}
	t.from.more()
	e := &roomEntry{f: f, from: t.from, err: failed, done: len(open) == 0}
	if r.line.tail == nil {
		r.line.head = e
	} else {
		r.line.tail.next = e
	}
	r.line.tail = e
	if len(open) > 0 {
		r.hold(func(w *Work, err error) {
			e.done = true
			if e.err == nil {
				e.err = err
			}
			r.release(w)
		}, open)
	}
}

// pending are the tickets that are not done, and the first error of those that are.
func pending(tickets []store.Ticket, more store.Ticket) (open []store.Ticket, failed error) {
	look := func(t store.Ticket) {
		switch done, err := t.Outcome(); {
		case !done:
			open = append(open, t)
		case failed == nil:
			failed = err
		}
	}
	for _, t := range tickets {
		look(t)
	}
	look(more)
	return open, failed
}

// release shows the head of the line and what follows it up to the next open ticket.
func (r *Room) release(w *Work) {
	was := w.trace
	defer func() { w.trace = was }()
	for e := r.line.head; e != nil && e.done; e = r.line.head {
		r.show(w, e)
		if r.line.head = e.next; e.next == nil {
			r.line.tail = nil
		}
	}
}

// show calls f of an entry; a mistake in it must not stop those behind. What f gives to Stand itself stands behind everything.
func (r *Room) show(w *Work, e *roomEntry) {
	w.trace = e.from.trace
	was := r.current
	r.current = &roomTurn{from: e.from}
	defer func() {
		r.current = was
		if p := recover(); p != nil {
			r.Host.metrics.panics.Inc()
			r.Host.logPanic(r.JID, nil, p)
		}
		e.from.settle(w)
	}()
	e.f(w, e.err)
}
