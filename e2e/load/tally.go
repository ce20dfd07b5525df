package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// errSlow says that a server went on working past the limit of a measurement.
// That is a result, not a failure: nothing is known to be lost.
var errSlow = errors.New("does not hold")

// errMissing says that something has not come and that nothing suggests it will.
var errMissing = errors.New("missing")

// patience is how long nothing may arrive and the server do nothing before what
// is missing counts as lost. The peers pause for a minute in the middle of
// large fan-outs, but they work meanwhile.
const patience = 30 * time.Second

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

// wait returns when all have arrived. After limit it returns errSlow if others
// were still arriving or the server at work, and errMissing if not; that it also
// returns when neither was so for the whole of quiet.
func (t *tally) wait(ctx context.Context, limit time.Duration, watch *watch, what string) error {
	end := time.After(limit)
	look := time.NewTicker(max(min(watch.quiet, limit)/20, time.Millisecond))
	defer look.Stop()
	last, moved := t.got.Load(), time.Now()
	sampled := false // the first sample reaches back before this wait
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
			if now, working := t.got.Load(), watch.working() && sampled; now != last || working {
				last, moved = now, time.Now()
			} else if time.Since(moved) > watch.quiet {
				return missing()
			}
			sampled = true
		}
	}
}

// late tells whether a wait ended because not all had come.
func late(err error) bool { return errors.Is(err, errSlow) || errors.Is(err, errMissing) }

// watch keeps the first thing that many receivers found wrong, and an eye on
// the server.
type watch struct {
	quiet time.Duration
	// working tells whether the server has worked since the call before.
	working func() bool
	first   atomic.Pointer[error]
	seen    chan struct{}
}

func newWatch(quiet time.Duration, working func() bool) *watch {
	return &watch{quiet: quiet, working: working, seen: make(chan struct{})}
}

// watch returns a watch on the cell's server.
func (c *cell) watch() *watch {
	var mu sync.Mutex
	var used time.Duration
	var at time.Time
	return newWatch(patience, func() bool {
		mu.Lock()
		defer mu.Unlock()
		// A server that has ended does nothing; bench.cell says that it has.
		now, _ := c.server.Tree().CPU()
		working := now-used > time.Since(at)/50
		used, at = now, time.Now()
		return working
	})
}

func (w *watch) report(format string, arguments ...any) {
	err := fmt.Errorf(format, arguments...)
	if w.first.CompareAndSwap(nil, &err) {
		close(w.seen)
	}
}

func (w *watch) check() error {
	if err := w.first.Load(); err != nil {
		return *err
	}
	return nil
}
