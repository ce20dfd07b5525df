package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

var errTest = errors.New("test")

func TestTicketDoneBeforeAndAfter(t *testing.T) {
	for _, want := range []error{nil, errTest} {
		for _, early := range []bool{true, false} {
			p := new(Promise)
			var got []error
			f := func(err error) { got = append(got, err) }
			if early {
				p.Ticket().Done(f)
				p.Ticket().Done(func(error) { t.Error("second callback ran") })
			}
			p.Settle(want)
			p.Settle(errors.New("too late"))
			if !early {
				p.Ticket().Done(f)
				p.Ticket().Done(func(error) { t.Error("second callback ran") })
			}
			if len(got) != 1 || got[0] != want {
				t.Errorf("early %v: callback got %v, want %v", early, got, want)
			}
			if err := p.Ticket().Wait(context.Background()); err != want {
				t.Errorf("Wait = %v, want %v", err, want)
			}
		}
	}
}

func TestTicketSettled(t *testing.T) {
	if err := (Ticket{}).Wait(context.Background()); err != nil {
		t.Errorf("zero ticket: %v", err)
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
		if ran.Load() != 1 {
			t.Fatalf("callbacks ran %d times", ran.Load())
		}
	}
}

func TestErrBusyIsFull(t *testing.T) {
	if !errors.Is(ErrBusy, ErrFull) || errors.Is(ErrFull, ErrBusy) {
		t.Error("ErrBusy must be an ErrFull and not the other way round")
	}
}
