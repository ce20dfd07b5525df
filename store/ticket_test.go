package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

var errTest = errors.New("test")

func TestTicketDoneBeforeAndAfter(t *testing.T) {
	for _, want := range []error{nil, errTest} {
		p := new(Promise)
		var got []int
		call := func(n int) func(error) {
			return func(err error) {
				if err != want {
					t.Errorf("callback %d got %v, want %v", n, err, want)
				}
				got = append(got, n)
			}
		}
		for n := range 3 {
			p.Ticket().Done(call(n))
		}
		if done, _ := p.Ticket().Outcome(); done || len(got) != 0 {
			t.Errorf("open ticket: done %v, callbacks %v", done, got)
		}
		p.Settle(want)
		p.Settle(errors.New("too late"))
		p.Ticket().Done(call(3))
		if !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Errorf("callbacks ran as %v", got)
		}
		if done, err := p.Ticket().Outcome(); !done || err != want {
			t.Errorf("Outcome = %v, %v; want %v", done, err, want)
		}
		if err := p.Ticket().Wait(context.Background()); err != want {
			t.Errorf("Wait = %v, want %v", err, want)
		}
	}
}

func TestTicketSettled(t *testing.T) {
	if done, err := (Ticket{}).Outcome(); !done || err != nil || (Ticket{}).Wait(context.Background()) != nil {
		t.Errorf("zero ticket: %v, %v", done, err)
	}
	for _, want := range []error{nil, errTest} {
		got := errors.New("never called")
		Settled(want).Done(func(err error) { got = err })
		if got != want || Settled(want).Wait(context.Background()) != want {
			t.Errorf("Settled(%v) gave %v", want, got)
		}
	}
}

func TestTicketWaitEndsWithContext(t *testing.T) {
	p := new(Promise)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Ticket().Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v", err)
	}
}

func TestTicketRace(t *testing.T) {
	for range 500 {
		p := new(Promise)
		var ran atomic.Int32
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { p.Ticket().Done(func(error) { ran.Add(1) }) })
			wg.Go(func() {
				if err := p.Ticket().Wait(context.Background()); err != errTest {
					t.Errorf("Wait = %v", err)
				}
			})
		}
		wg.Go(func() { p.Settle(errTest) })
		wg.Wait()
		if ran.Load() != 2 {
			t.Fatalf("callbacks ran %d times", ran.Load())
		}
	}
}

func TestErrBusyIsFull(t *testing.T) {
	if !errors.Is(ErrBusy, ErrFull) || errors.Is(ErrFull, ErrBusy) {
		t.Error("ErrBusy must be an ErrFull and not the other way round")
	}
}

// All waits for every ticket, in whatever order they are done, unless one fails.
func TestAll(t *testing.T) {
	if done, err := All().Outcome(); !done || err != nil {
		t.Errorf("of none: %v, %v", done, err)
	}
	var a, b, c Promise
	all := All(a.Ticket(), b.Ticket(), Settled(nil), c.Ticket())
	for _, p := range []*Promise{&c, &a} {
		p.Settle(nil)
		if done, _ := all.Outcome(); done {
			t.Fatal("done before all are")
		}
	}
	b.Settle(nil)
	if done, err := all.Outcome(); !done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	var x, y Promise
	all = All(x.Ticket(), y.Ticket())
	x.Settle(errTest)
	if done, err := all.Outcome(); !done || !errors.Is(err, errTest) {
		t.Errorf("of a failure: %v, %v", done, err)
	}
	if _, err := All(Settled(nil), Settled(errTest)).Outcome(); !errors.Is(err, errTest) {
		t.Errorf("of a failure at the end: %v", err)
	}
}
