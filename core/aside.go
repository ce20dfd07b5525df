package core

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	asidesAtOnce = 2                // of a host; the store has few connections for reading, and people wait for the others
	asideTime    = 30 * time.Second // for one
)

var errPanic = errors.New("core: a panic outside turns") // it was logged

// asides are what modules read outside turns without anybody waiting for it, such as what a client is told unasked. Few are done at once, in the order in which
// they came, so that a crowd that logs in together pays for it later.
type asides struct {
	ctx context.Context
	end context.CancelFunc // what still waits fails then

	mu      sync.Mutex
	waiting []func()
	running int
}

// Aside has read called outside turns, where it may wait until its context ends and may not touch account or session, and then, in a turn of the account, with
// the error; the account stays in memory meanwhile. What one read may take is as much as others may be asked to wait for. Only in a turn of a.
func (a *Account) Aside(read func(ctx context.Context) error, then func(w *Work, a *Account, err error)) {
	a.gates++
	a.Host.aside(func() {
		ctx, cancel := context.WithTimeout(a.Host.asides.ctx, asideTime)
		defer cancel()
		err := a.readAside(ctx, read)
		a.turns.TakeAsync(a.Host.pool, turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
			a.gates--
			then(w, a, err)
			if !a.Exists {
				a.turns.Take(w, turn{op: (*Account).leaveMemory})
			}
		}})
	})
}

// readAside is read with a recover of its own.
func (a *Account) readAside(ctx context.Context, read func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			a.Host.metrics.panics.Inc()
			a.Host.logPanic(a.JID, nil, r)
			err = errPanic
		}
	}()
	return read(ctx)
}

// aside does f when those before it are done.
func (h *Host) aside(f func()) {
	s := &h.asides
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, f)
	if s.running < asidesAtOnce {
		s.running++
		h.wait.Go(s.work)
	}
}

// work does what waits until nothing does.
func (s *asides) work() {
	for f := s.next(); f != nil; f = s.next() {
		f()
	}
}

// next is what is to be done; nil: the worker is done.
func (s *asides) next() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		s.waiting = nil
		s.running--
		return nil
	}
	f := s.waiting[0]
	s.waiting[0] = nil
	s.waiting = s.waiting[1:]
	return f
}
