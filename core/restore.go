package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// shelf is what a host knows of the sessions on disk.
type shelf struct {
	mu      sync.Mutex
	resting map[jid.JID]struct{} // accounts whose sessions are on disk from before the start, and that nobody has touched since
	some    atomic.Bool          // there are any

	writing sync.WaitGroup // changes on their way to the disk
	spoiled atomic.Bool    // a change failed: what is on disk is not the truth
}

// watch has a change remembered until it is durable.
func (h *shelf) watch(t store.Ticket) store.Ticket {
	h.writing.Add(1)
	t.Done(func(err error) {
		if err != nil {
			h.spoiled.Store(true)
		}
		h.writing.Done()
	})
	return t
}

// rests tells whether the account has sessions that are on disk and not in memory.
func (h *shelf) rests(bare jid.JID) bool {
	if !h.some.Load() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.resting[bare]
	return ok
}

// touched: its sessions are in memory.
func (h *shelf) touched(bare jid.JID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.resting, bare)
	h.some.Store(len(h.resting) > 0)
}

// rest reads which accounts have sessions on disk. Whatever is brought to one of them, be it presence, brings these back first; and so does the
// end of their time.
func (h *Host) rest() error {
	if !h.keeps() {
		return nil
	}
	all, err := h.Sessions.Resting(h.ctx)
	if err != nil {
		return fmt.Errorf("host %s: sessions on disk: %w", h.Domain, err)
	}
	var due []store.Resting
	h.shelf.resting = make(map[jid.JID]struct{})
	for _, r := range all {
		if r.Domain != h.Domain.Domain() {
			continue
		}
		if bare, err := jid.New(r.Local, r.Domain, ""); err == nil {
			h.shelf.resting[bare] = struct{}{}
			due = append(due, r)
		}
	}
	h.shelf.some.Store(len(h.shelf.resting) > 0)
	if len(due) > 0 {
		h.wait.Go(func() { h.wake(due) })
	}
	return nil
}

// wakeAgain is when an account whose sessions could not be read is tried again.
const wakeAgain = 10 * time.Second

// wake brings sessions back whose time is over, so that they end as any other (RFC 6121 section 4.5), one account after the other.
func (h *Host) wake(due []store.Resting) {
	for len(due) > 0 {
		r := due[0]
		due = due[1:]
		timer := time.NewTimer(max(r.Ends.Sub(h.now()), 0))
		select {
		case <-timer.C:
		case <-h.ctx.Done():
			timer.Stop()
			return
		}
		bare, err := jid.New(r.Local, r.Domain, "")
		if err != nil || !h.shelf.rests(bare) {
			continue
		}
		// What is asked does not matter: it is loaded.
		_ = h.Ask(h.ctx, bare, func(*Work, *Account) error { return nil })
		if h.shelf.rests(bare) {
			r.Ends = h.now().Add(wakeAgain)
			due = append(due, r)
		}
	}
}

// restore brings back the sessions that an account had before the start. It is called when the account is loaded, before anything is brought
// to it. A row that cannot be read is left out. The rows are still there.
func (h *Host) restore(ctx context.Context, a *Account) error {
	if !h.shelf.rests(a.JID) {
		return nil
	}
	rows, err := h.Sessions.Of(ctx, a.ID)
	if err != nil {
		return err
	}
	for i := range rows {
		s, err := a.restoreOne(ctx, &rows[i])
		switch {
		case err == nil:
			a.sessions = append(a.sessions, s)
		case errors.Is(err, errKept):
			h.metrics.spoiled.Add(1)
			h.Obs.Log.Error("session on disk left out", "jid", a.JID.String(), "err", err)
		default:
			return err
		}
	}
	return nil
}

// restoreOne is the session of one row. Whatever stands there, it never does more harm than an error.
func (a *Account) restoreOne(ctx context.Context, row *store.KeptSession) (s *Session, err error) {
	defer func() {
		if r := recover(); r != nil {
			a.Host.metrics.panics.Inc()
			a.Host.logPanic(a.JID, nil, r)
			s, err = nil, errKept
		}
	}()
	return a.reread(ctx, row)
}

func (a *Account) reread(ctx context.Context, row *store.KeptSession) (*Session, error) {
	k, err := decodeKept(row.State)
	if err != nil {
		return nil, err
	}
	s, err := a.revive(row, k)
	if err != nil {
		return nil, err
	}
	if a.session(s.JID) != nil {
		return nil, fmt.Errorf("%w: a resource twice", errKept)
	}
	return s, a.refill(ctx, s, k)
}

// claim takes the rows of the restored sessions out, durably, and only then lets these live: nobody may ever bring them back once more, older
// than they are then. An account that fails has none; its rows stay, and it is tried again.
func (h *Host) claim(ctx context.Context, a *Account) error {
	if !h.shelf.rests(a.JID) {
		return nil
	}
	if err := h.Sessions.Remove(a.ID).Wait(ctx); err != nil {
		return err
	}
	h.shelf.touched(a.JID)
	n := int64(len(a.sessions))
	h.metrics.sessions.Add(n)
	h.metrics.detached.Add(n)
	h.metrics.restored.Add(n)
	for _, s := range a.sessions {
		if s.follows {
			a.followers.Add(1)
		}
		a.expire(s)
		a.parkLater(s)
	}
	return nil
}
