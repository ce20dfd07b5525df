package c2s

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
)

// tried is an attempt on an account from an address.
func tried(account, address string, known bool) attempt {
	a := attempt{from: source(at(address)), network: around(at(address)), known: known}
	if account != "" {
		a.account = jid.MustParse(account + "@example.org")
	}
	return a
}

func newGuesses() *guesses {
	cfg := config.Default()
	return &guesses{limits: &cfg.Guessing}
}

// wrong makes a wrong guess and returns how long its answer waits.
func (g *guesses) wrongGuess(now time.Time, a attempt) time.Duration {
	defer g.refused(now, a)
	return g.wait(now, a)
}

// The first wrong passwords are answered at once, later ones wait: by address and by account each for itself, and not for ever.
func TestGuesses(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	growing := []time.Duration{0, 0, 0, 0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second}
	for name, at := range map[string]func(i int) attempt{
		"one address, one account": func(int) attempt { return tried("juliet", "192.0.2.1", false) },
		"one address":              func(i int) attempt { return tried(fmt.Sprint("user", i), "192.0.2.1", false) },
		"one address, no names":    func(int) attempt { return tried("", "192.0.2.1", false) },
		"one IPv6 network of 64":   func(i int) attempt { return tried("", fmt.Sprintf("2001:db8::%x", i), false) },
		"one account":              func(i int) attempt { return tried("juliet", fmt.Sprintf("10.0.%d.1", i), false) },
		"one account, known":       func(int) attempt { return tried("juliet", "192.0.2.1", true) },
	} {
		g := newGuesses()
		var waits []time.Duration
		for i := range growing {
			waits = append(waits, g.wrongGuess(now, at(i)))
		}
		if !slices.Equal(waits, growing) {
			t.Errorf("%s: waits %v, want %v", name, waits, growing)
		}
		if wait := g.wait(now.Add(5*time.Minute), at(0)); wait != 0 {
			t.Errorf("%s: five minutes later %v", name, wait)
		}
	}
}

// A network waits only when many of its addresses have guessed wrong.
func TestGuessesOfANetwork(t *testing.T) {
	now, g := time.Unix(1_000_000, 0), newGuesses()
	for i := range 41 {
		wait := g.wrongGuess(now, tried("", fmt.Sprintf("192.0.2.%d", i), false))
		if (wait > 0) != (i >= 40) {
			t.Errorf("address %d waits %v", i, wait)
		}
	}
	if g.wait(now, tried("", "192.0.3.1", false)) != 0 {
		t.Error("the network beside it waits, too")
	}
}

// What is tried elsewhere delays the user in new places only; what is tried in a known place counts for that place.
func TestGuessesElsewhere(t *testing.T) {
	now, g := time.Unix(1_000_000, 0), newGuesses()
	for i := range 20 {
		g.refused(now, tried("juliet", fmt.Sprintf("10.0.%d.1", i), false))
	}
	home, away := tried("juliet", "192.0.2.1", true), tried("juliet", "198.51.100.1", false)
	if wait := g.wait(now, home); wait != 0 {
		t.Errorf("at home she waits %v", wait)
	}
	if wait := g.wait(now, away); wait != 2*time.Second {
		t.Errorf("in a new place she waits %v, and is not locked out", wait)
	}
	for i := range 6 {
		g.refused(now, tried("juliet", fmt.Sprintf("192.0.2.%d", 100+i), true))
	}
	if wait := g.wait(now, home); wait != time.Second {
		t.Errorf("after six wrong passwords at home she waits %v", wait)
	}
	if wait := g.wait(now, tried("juliet", "203.0.113.1", true)); wait != 0 {
		t.Errorf("in another known place she waits %v", wait)
	}
	g.succeeded(home)
	if wait := g.wait(now, home); wait != 0 {
		t.Errorf("when she has got in she waits %v", wait)
	}
	g.succeeded(away)
	if wait := g.wait(now, away); wait != 2*time.Second {
		t.Errorf("a success washes away what others have tried: %v", wait)
	}
}

// Names without end do not wash away what was counted.
func TestGuessesAreBounded(t *testing.T) {
	now, g := time.Unix(1_000_000, 0), newGuesses()
	for range 8 {
		g.refused(now, tried("juliet", "192.0.2.1", false))
	}
	for i := range 3 * g.limits.Entries {
		g.refused(now, tried(fmt.Sprint("user", i), fmt.Sprintf("10.%d.%d.1", i>>8&255, i&255), false))
	}
	if len(g.wrong) > g.limits.Entries {
		t.Errorf("%d entries", len(g.wrong))
	}
	if wait := g.wait(now, tried("juliet", "192.0.2.1", false)); wait != 2*time.Second {
		t.Errorf("juliet waits %v", wait)
	}
}

// barredDoor is one that nobody comes through.
func barredDoor(cfg *config.Config) *Door {
	d := &Door{
		config: cfg, hosts: core.NewMetrics(obs.Discard()), guesses: guesses{limits: &cfg.Guessing},
		waiting: newRing(cfg.Guessing.Waiting, cfg.Guessing.WaitingPerSource),
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// Right and wrong wait alike, whoever is one too many gets no word, and the door's end ends waiting.
func TestWaitingRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config.Default()
		cfg.Guessing.Waiting, cfg.Guessing.WaitingPerSource = 3, 2
		d := barredDoor(&cfg)
		for range 8 {
			d.guesses.refused(time.Now(), tried("juliet", "192.0.2.1", false))
		}
		type result struct {
			err  error
			took time.Duration
		}
		results := make(chan result, 10)
		try := func(address string, right bool) {
			c := &conn{door: d, berth: berth{addr: at(address)}, from: source(at(address))}
			began := time.Now()
			a := tried("juliet", address, false)
			go func() {
				err := c.delay(t.Context(), a, right)
				results <- result{err, time.Since(began)}
			}()
			synctest.Wait()
		}
		try("192.0.2.1", false)
		try("192.0.2.1", true)
		try("192.0.2.1", true) // its source is full
		if r := <-results; !errors.Is(r.err, errCrowded) || r.took != 0 {
			t.Errorf("the third of a source: %+v", r)
		}
		try("198.51.100.1", true)
		try("203.0.113.1", true) // all is full: the oldest of the largest network goes
		if r := <-results; !errors.Is(r.err, errCrowded) || r.took != 0 {
			t.Errorf("the oldest: %+v", r)
		}
		for range 3 {
			if r := <-results; r.err != nil || r.took != 2*time.Second {
				t.Errorf("who waited: %+v", r)
			}
		}
		try("192.0.2.1", true)
		d.cancel()
		if r := <-results; r.err == nil || r.took != 0 {
			t.Errorf("at the door's end: %+v", r)
		}
		if d.waiting.size() != 0 {
			t.Errorf("%d still wait", d.waiting.size())
		}
	})
}
