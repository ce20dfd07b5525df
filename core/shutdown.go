package core

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// End parts every session from its connection, and ends those that cannot be resumed: contacts are told. The others wait for Keep, and so do
// their connections. It is called for every host after the doors were closed, before Keep is called for any.
func (h *Host) End(ctx context.Context) error {
	if h.Router.nodes != nil {
		h.Router.nodes.release(h)
	}
	h.asides.end()
	return h.shelf.judge(h.everybody(ctx, func(w *Work, a *Account, done func()) {
		defer done()
		for _, s := range slices.Clone(a.sessions) {
			a.part(w, s)
		}
	}))
}

// Keep writes every session that can be resumed to disk, and behind them who is in rooms, and then closes the connections. Nothing may be brought to any host from outside any
// more; what is on its way is waited for, so that each session has all that it would have been sent.
func (h *Host) Keep(ctx context.Context) error {
	defer h.farewell()
	if !h.keeps() {
		return nil
	}
	err := h.rested(ctx)
	err = errors.Join(err, h.everybody(ctx, func(w *Work, a *Account, done func()) {
		defer done()
		for _, s := range slices.Clone(a.sessions) {
			a.part(w, s) // one that came late
			if s.state == detached {
				a.keepForGood(w, s)
			}
		}
	}))
	return errors.Join(h.shelf.judge(errors.Join(err, h.shelf.settle(ctx))), h.keepRooms(ctx))
}

// judge notes that somebody was left out: what others were told, or not told, of that session is wrong then.
func (h *shelf) judge(err error) error {
	if err != nil {
		h.spoiled.Store(true)
	}
	return err
}

// Intact tells whether all that is on disk of sessions is true. Nothing may change any session after it.
func (h *Host) Intact(ctx context.Context) bool {
	return h.keeps() && h.shelf.settle(ctx) == nil
}

// settle waits until every change is durable or has failed.
func (h *shelf) settle(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		h.writing.Wait()
		close(done)
	}()
	select {
	case <-done:
		if h.spoiled.Load() {
			return errors.New("core: sessions could not be written")
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keeps tells whether sessions survive the process.
func (h *Host) keeps() bool { return h.Sessions != nil && h.Router.nodes == nil }

// everybody has f called in a turn of every account in memory and waits until each has called done.
func (h *Host) everybody(ctx context.Context, f func(w *Work, a *Account, done func())) error {
	var left sync.WaitGroup
	h.accounts.each(func(a *Account) {
		left.Add(1)
		known := a.turns.TakeAsync(h.pool, turn{op: (*Account).invoke, call: func(w *Work, a *Account) { f(w, a, left.Done) }})
		if !known {
			left.Done() // forgotten meanwhile
		}
	})
	done := make(chan struct{})
	go func() {
		left.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rested waits until no turn is left to be handled and no line is left to be shown.
func (h *Host) rested(ctx context.Context) error {
	return errors.Join(h.pool.Rest(ctx), h.Drain(ctx), h.pool.Rest(ctx))
}

// part parts a session from its connection. One that cannot be kept ends.
func (a *Account) part(w *Work, s *Session) {
	if s.state == live {
		if s.managed {
			s.out.acknowledge(w, s.win.handled())
			s.out.flush()
		}
		if s.resume == nil || !a.Host.keeps() {
			a.cut(s, closing(LostShutdown))
			a.end(w, s, LostShutdown)
			return
		}
		s.sink = nil
		a.Host.parting(s.out.detach())
		a.detach(s)
	}
	// It is looked into here, where ending it still tells everybody; in Keep nobody would hear.
	if s.state == detached && !s.out.isAway() {
		if _, err := s.out.form(new(keptState)); err != nil {
			a.end(w, s, LostShutdown)
		}
	}
}

// parting remembers a connection until the session is on disk.
func (h *Host) parting(sink Sink) {
	if sink == nil {
		return
	}
	h.farewellMu.Lock()
	defer h.farewellMu.Unlock()
	h.leaving = append(h.leaving, sink)
}

// farewell closes the connections of the sessions that were kept.
func (h *Host) farewell() {
	h.farewellMu.Lock()
	all := h.leaving
	h.leaving = nil
	h.farewellMu.Unlock()
	for _, sink := range all {
		sink.Close(closing(LostShutdown))
	}
}

// keepForGood writes the session to disk; what comes to it nevertheless is written again. One that cannot be kept is written as void: there is
// nothing to resume, but those who saw it are told when it ends after the start.
func (a *Account) keepForGood(w *Work, s *Session) {
	for _, t := range []*time.Timer{s.resume.timer, s.resume.parked.timer} {
		if t != nil {
			t.Stop()
		}
	}
	s.out.seal()
	if s.out.written() && s.resume.parked.count == s.win.counted() {
		return
	}
	_, _, err := a.writeRow(s)
	if err != nil {
		k := s.keptForm()
		k.Void, k.Wait = true, 0
		if _, err := a.put(s, k); err != nil {
			a.Host.shelf.spoiled.Store(true)
		}
		a.Host.Obs.Log.Warn("session not kept", "jid", s.JID.String(), "err", err)
	}
	a.Host.Hooks.Parked.run(w.begin(a, nil, s))
}

// seal has what comes from now on written again.
func (o *Outbox) seal() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sealed = true
}

// keepAgain writes the session once more.
func (s *Session) keepAgain(w *Work) {
	s.Account.turns.Take(w, turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
		if s.state == detached {
			a.keepForGood(w, s)
		}
	}})
}
