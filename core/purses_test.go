package core

import (
	"fmt"
	"testing"
	"time"
)

// TestPurses: who has spent more than there was waits until it has come back; what the clock does makes nobody rich or poor for long.
func TestPurses(t *testing.T) {
	var p Purses
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for i, c := range []struct {
		after time.Duration
		cost  int
		ok    bool
	}{
		{0, 50, true},  // 100 at most, 10 a second
		{0, 150, true}, // 50 are left, and one may pass them
		{0, 1, false},  // -100
		{9 * time.Second, 1, false},
		{2 * time.Second, 5, true}, // 10
		{-time.Hour, 4, true},      // 5 are left
		{time.Hour, 100, true},     // 100 again
		{time.Second, 1, true},     // 10
		{0, 100, true},             // 9, and -91
		{-24 * time.Hour, 1, false},
		{11 * time.Second, 1, true}, // it counts from there
	} {
		at = at.Add(c.after)
		if ok := p.Take(at, "juliet", c.cost, 10); ok != c.ok {
			t.Errorf("%d: %v", i, ok)
		}
	}
	for i := range 2 * maxPurses {
		p.Take(at, fmt.Sprint(i), 1, 10)
	}
	if len(p.of) > maxPurses {
		t.Errorf("%d are remembered", len(p.of))
	}
	if !p.Take(at, "x", 5, 0) {
		t.Error("no bound is a bound")
	}
}

func TestTally(t *testing.T) {
	var k Tally
	for want := 1; want < 3; want++ {
		if n := k.Begin("a"); n != want {
			t.Error(n)
		}
	}
	k.End("a")
	k.End("a")
	if n := k.Begin("a"); n != 1 || len(k.of) != 1 {
		t.Error(n, k.of)
	}
	k.End("a")
	if k.End("b"); len(k.of) != 0 {
		t.Error(k.of)
	}
}
