package core

import (
	"context"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// receiveIQ is the turn of an IQ for a room or one of its occupants. A row answers, or the module passes on what is for an occupant.
func (r *Room) receiveIQ(w *Work, t *roomTurn) {
	st := t.st
	r.rests = 0
	asks := st.Type == stanza.Get || st.Type == stanza.Set
	to := ToRoom
	if st.To.IsFull() {
		to = ToOccupant
	} else if st.To.IsDomain() {
		to = ToPart
	}
	var row *IQ
	if asks {
		row = r.Host.IQ.find(st, to)
	}
	if w.trace != nil {
		w.trace.Hop(answering(row, nil))
	}
	var refused *stanza.Error
	var standing Standing
	switch {
	case r.Failed:
		refused = unread()
	case asks && r.ID == 0 && to != ToPart:
		refused = r.absent(st.From)
	case row == nil && to == ToOccupant:
		r.receive(w, t)
		return
	case row == nil:
		refused = stanza.NewError(stanza.ServiceUnavailable, "")
	default:
		standing = r.service.Standing(r, st.From)
		refused = Permit(t.from.actor(st), row.Action, Object{Account: r.JID, Standing: standing})
	}
	switch {
	case refused != nil || !asks:
		r.refuse(w, st, refused)
		t.from.settle(w)
	case row.Slow:
		r.slow(st, row, standing, t.from)
	default:
		e := r.begin(w, st)
		e.Standing = standing
		ans, err := row.Do(r.Host.ctx, e)
		r.finishIQ(w, e, ans, err, t.from)
	}
}

// absent is what who asks something of a room that does not exist is told.
func (r *Room) absent(who jid.JID) *stanza.Error {
	if r.service.Absent != nil {
		return r.service.Absent(r, who)
	}
	return stanza.NewError(stanza.ItemNotFound, "there is no such room")
}

// unread is what who wants something of a room that could not be read is told: to try again later, as it is read again then.
func unread() *stanza.Error {
	return stanza.NewError(stanza.ResourceConstraint, "the room cannot be read at the moment")
}

// refuse answers st with err, unless st is itself an answer.
func (r *Room) refuse(w *Work, st *stanza.Stanza, err *stanza.Error) {
	if err != nil {
		r.Host.Router.bounce(w, st, err)
	}
}

// finishIQ answers at once, or when the event's tickets are done.
func (r *Room) finishIQ(w *Work, e *Event, ans Answer, err error, from origin) {
	st, after, tickets := e.Stanza, e.after, e.tickets
	if err != nil {
		after, tickets = nil, nil
	}
	r.whenDone(w, tickets, func(w *Work, failed error) {
		w.trace = from.trace
		if err == nil {
			err = failed
		}
		if err != nil {
			r.refuse(w, st, r.Host.asStanzaError(st, err))
			from.settle(w)
			return
		}
		r.whenDone(w, r.follow(w, st, after), func(w *Work, err error) {
			w.trace = from.trace
			r.answer(w, st, ans, err)
			from.settle(w)
		})
	})
}

// follow calls what was to come after an event's tickets, and returns those that what comes then waits for.
func (r *Room) follow(w *Work, st *stanza.Stanza, after []func(*Event)) []store.Ticket {
	if len(after) == 0 {
		return nil
	}
	return r.Host.afterwards(r.JID, r.begin(w, st), after)
}

func (r *Room) answer(w *Work, st *stanza.Stanza, ans Answer, err error) {
	if err != nil {
		r.refuse(w, st, r.Host.asStanzaError(st, err))
		return
	}
	if ans.Before != nil {
		r.TellAll(w, st.From, ans.Before)
	}
	if result := stanza.Result(st, ans.Payload); result != nil {
		r.Host.Router.Route(w, result.Seal())
	}
}

// slow runs a slow row of the room outside turns, for which the event's room has nothing but its address, number and NamesSince; its answer comes back as a turn.
func (r *Room) slow(st *stanza.Stanza, row *IQ, standing Standing, from origin) {
	h := r.Host
	asked := h.now()
	r.gates++ // it stays in memory until the answer's turn
	// What was asked of this room is looked up of this room. Its number belongs to turns, and whoever comes next may have another one of its name.
	asking := &Room{Host: h, JID: r.JID, ID: r.ID, NamesSince: r.NamesSince, service: r.service}
	h.wait.Go(func() {
		h.inOrder(from)
		h.slowly <- struct{}{}
		defer func() { <-h.slowly }()
		ctx, cancel := context.WithTimeout(h.ctx, slowTime-h.now().Sub(asked))
		defer cancel()
		e := &Event{Host: h, Room: asking, Stanza: st, Standing: standing}
		ans, err := h.runSlow(ctx, row, e)
		r.turns.TakeAsync(h.pool, roomTurn{op: (*Room).invoke, call: func(w *Work, r *Room) {
			e.Work, e.Room = w, r
			r.gates--
			r.finishIQ(w, e, ans, err, from)
		}})
	})
}
