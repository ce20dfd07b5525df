package store

import (
	"context"
	"sync"
)

// Ticket is a promise of the disk: it is done when what it stands for is durable or has failed. A failed ticket means that nothing is
// visible; only after a crash in that very moment it may still turn up. Tickets are small values; the zero Ticket is done without error.
type Ticket struct{ p *Promise }

// Promise is the store's side of a Ticket. Its zero value is open; it must not be copied.
type Promise struct {
	mu   sync.Mutex
	done bool
	err  error
	f    func(error)   // the first one registered
	more []func(error) // further ones
	wake chan struct{} // made by the first Wait
}

// Ticket returns the caller's side.
func (p *Promise) Ticket() Ticket { return Ticket{p} }

// Settle fulfils the promise, or breaks it with err, and runs the callback on this goroutine. Only the first call counts.
func (p *Promise) Settle(err error) {
	p.mu.Lock()
	if p.done {
		p.mu.Unlock()
		return
	}
	p.done, p.err = true, err
	f, more := p.f, p.more
	p.f, p.more = nil, nil
	if p.wake != nil {
		close(p.wake)
	}
	p.mu.Unlock()
	if f != nil {
		f(err)
	}
	for _, f := range more {
		f(err)
	}
}

// Settled returns a ticket that is done with err, which may be nil.
func Settled(err error) Ticket {
	if err == nil {
		return Ticket{}
	}
	return Ticket{&Promise{done: true, err: err}}
}

// All is a ticket that is done when all of these are, or the first of them that fails has failed, whose failure is the outcome.
func All(tickets ...Ticket) Ticket {
	if len(tickets) == 0 {
		return Ticket{}
	}
	p := new(Promise)
	tickets[0].Done(func(err error) {
		if err != nil {
			p.Settle(err)
			return
		}
		All(tickets[1:]...).Done(p.Settle)
	})
	return p.Ticket()
}

// Done has f called once with the outcome: at once if it is known already, else later on a goroutine of the store, where f delays
// everybody else's tickets. So f must be short and must not wait: it queues a turn. Several functions run in the order of the calls.
func (t Ticket) Done(f func(err error)) {
	if t.p == nil {
		f(nil)
		return
	}
	t.p.mu.Lock()
	if t.p.done {
		err := t.p.err
		t.p.mu.Unlock()
		f(err)
		return
	}
	if t.p.f == nil {
		t.p.f = f
	} else {
		t.p.more = append(t.p.more, f)
	}
	t.p.mu.Unlock()
}

// Outcome tells without waiting whether the ticket is done, and how.
func (t Ticket) Outcome() (done bool, err error) {
	if t.p == nil {
		return true, nil
	}
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return t.p.done, t.p.err
}

// Wait returns the outcome when it is known, or the context's error before. It is for doors and tests, never for turns. It may be called
// any number of times and beside Done.
func (t Ticket) Wait(ctx context.Context) error {
	if t.p == nil {
		return nil
	}
	t.p.mu.Lock()
	if t.p.done {
		defer t.p.mu.Unlock()
		return t.p.err
	}
	if t.p.wake == nil {
		t.p.wake = make(chan struct{})
	}
	wake := t.p.wake
	t.p.mu.Unlock()
	select {
	case <-wake:
		return t.p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
