package core

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"stonechat/obs"
)

// TestAsides: few are done at once, in order, and all are done; what still waits at the end fails.
func TestAsides(t *testing.T) {
	h := new(Host)
	h.asides.ctx, h.asides.end = context.WithCancel(t.Context())
	const many = 50
	began, open := make(chan int, many), make(chan struct{})
	for i := range many {
		h.aside(func() {
			began <- i
			<-open
		})
	}
	var first []int
	for range asidesAtOnce {
		first = append(first, <-began)
	}
	slices.Sort(first)
	if len(began) > 0 || first[0] != 0 || first[asidesAtOnce-1] != asidesAtOnce-1 {
		t.Errorf("%v and %d more began", first, len(began))
	}
	close(open)
	h.wait.Wait()
	if len(began) != many-asidesAtOnce || h.asides.running != 0 {
		t.Errorf("%d began, %d are running", len(began), h.asides.running)
	}
}

// TestAsideThatPanics: it costs an error, which what follows is told in a turn; and so does the end.
func TestAsideThatPanics(t *testing.T) {
	o := obs.Discard()
	h := &Host{Obs: o, metrics: NewMetrics(o), pool: NewPool(), Now: time.Now}
	defer h.pool.Close()
	h.asides.ctx, h.asides.end = context.WithCancel(t.Context())
	outcome := func(read func(context.Context) error) error {
		out := make(chan error)
		a := &Account{Host: h, Exists: true}
		a.turns.Do = a.handle
		a.turns.TakeAsync(h.pool, turn{op: (*Account).invoke, call: func(_ *Work, a *Account) {
			a.Aside(read, func(_ *Work, _ *Account, err error) { out <- err })
		}})
		return <-out
	}
	if err := outcome(func(context.Context) error { panic("read") }); !errors.Is(err, errPanic) {
		t.Errorf("after a panic: %v", err)
	}
	if err := outcome(func(ctx context.Context) error { return ctx.Err() }); err != nil {
		t.Errorf("before the end: %v", err)
	}
	h.asides.end()
	if err := outcome(func(ctx context.Context) error { return ctx.Err() }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
