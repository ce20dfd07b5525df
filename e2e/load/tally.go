package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// errSlow says that a server went on working past the limit of a measurement.
// That is a result, not a failure: nothing is known to be lost.
var errSlow = errors.New("does not hold")

// errMissing says that something has not come and that nothing suggests it will.
var errMissing = errors.New("missing")

// patience is how long nothing at all may arrive before what is missing counts
// as lost. The peers pause for many seconds in the middle of large fan-outs.
const patience = 60 * time.Second

// tally expects an exact number of arrivals, whoever receives them. That none
// of them comes twice is for whoever counts; see hall and audience.
type tally struct {
	want  int64
	got   atomic.Int64
	start time.Time
	took  time.Duration // from start to the last arrival; valid once full is closed
	full  chan struct{}
}

func newTally(want int) *tally {
	t := &tally{want: int64(want), start: time.Now(), full: make(chan struct{})}
	if want == 0 {
		close(t.full)
	}
	return t
}

func (t *tally) add() {
	if t.got.Add(1) == t.want {
		t.took = time.Since(t.start)
		close(t.full)
	}
}

// wait returns when all have arrived. After limit it returns errSlow if the
// others were still arriving and errMissing if not; that it also returns when
// none came for the whole of quiet.
func (t *tally) wait(ctx context.Context, limit, quiet time.Duration, watch *faults, what string) error {
	end := time.After(limit)
	look := time.NewTicker(max(min(quiet, limit)/20, time.Millisecond))
	defer look.Stop()
	last, moved := t.got.Load(), time.Now()
	missing := func() error {
		return fmt.Errorf("%w: %d of %d %s; none came for %v", errMissing, t.want-t.got.Load(), t.want, what, time.Since(moved).Round(time.Millisecond))
	}
	for {
		select {
		case <-t.full:
			return watch.check()
		case <-watch.seen:
			return watch.check()
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			if t.got.Load() == last && time.Since(moved) > limit/2 {
				return missing()
			}
			return fmt.Errorf("%w: %d of %d %s came within %v", errSlow, t.got.Load(), t.want, what, limit)
		case <-look.C:
			if now := t.got.Load(); now != last {
				last, moved = now, time.Now()
			} else if time.Since(moved) > quiet {
				return missing()
			}
		}
	}
}

// late tells whether a wait ended because not all had come.
func late(err error) bool { return errors.Is(err, errSlow) || errors.Is(err, errMissing) }

// faults keeps the first thing that many receivers found wrong.
type faults struct {
	first atomic.Pointer[error]
	seen  chan struct{}
}

func newFaults() *faults { return &faults{seen: make(chan struct{})} }

func (f *faults) report(format string, arguments ...any) {
	err := fmt.Errorf(format, arguments...)
	if f.first.CompareAndSwap(nil, &err) {
		close(f.seen)
	}
}

func (f *faults) check() error {
	if err := f.first.Load(); err != nil {
		return *err
	}
	return nil
}
