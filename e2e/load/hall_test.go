package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"stonechat/e2e/load/target"
)

// visitHall does all that is measured in a room of five.
func visitHall(t *testing.T, f *fake) error {
	t.Helper()
	const n = 5
	h := newHall(fakeRoom, n, false, impatient())
	for i := range n {
		h.members = append(h.members, read(i, f.visitor(target.Name("u", i)), h.see))
	}
	ctx := t.Context()
	steps := []func() error{
		func() error { return h.open(ctx) },
		func() error { _, err := h.fill(ctx); return err },
		func() error { _, err := h.say(ctx); return err },
		func() error { _, err := h.say(ctx); return err },
		func() error { _, err := h.say(ctx); return err },
		func() error { return h.archived(ctx) },
		func() error { return h.exit(ctx, 2) },
		func() error { _, err := h.enter(ctx, 2); return err },
		func() error { _, err := h.say(ctx); return err },
		func() error { _, err := h.empty(ctx); return err },
		func() error { return h.shut(ctx) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return h.wrong.check()
}

// A room that does everything right passes; one stanza lost, doubled, out of
// order or spoilt anywhere is told.
func TestHallAccountsForEverything(t *testing.T) {
	tests := []struct {
		name  string
		twist func(to, stanza string) []string
		want  string
	}{
		{"right", nil, ""},
		{"a join unseen", once(4, kindOf("<presence from='room@rooms.bench.local/n2'/>"), lost), "missing"},
		{"a join seen twice", once(2, kindOf("<presence from='room@rooms.bench.local/n3'/>"), twice), "come twice"},
		{"no status 110", once(2, kindOf("code='110'"), changed("code='110'", "code='100'")), "own presence"},
		{"no own presence", once(3, kindOf("code='110'"), lost), "missing"},
		{"no subject", once(5, kindOf("<subject/>"), lost), "missing"},
		{"two subjects", once(5, kindOf("<subject/>"), twice), "subject twice"},
		{"a message lost in the middle", once(7, kindOf("<body>"), lost), "missing"},
		{"a message doubled", once(7, kindOf("<body>"), twice), "again"},
		{"a message skipped", once(2, kindOf("<body>000000000000000"), changed("<body>0000000000000001", "<body>0000000000000002")), "without message"},
		{"a foreign message", once(2, kindOf("<body>"), changed("<body>", "<body>more")), "nobody sent"},
		{"the archive forgets", once(1, kindOf("<forwarded>"), lost), "archive"},
		{"a leaver unseen", once(2, kindOf("unavailable", "/n2'"), lost), "missing"},
		{"a leaver seen twice", once(1, kindOf("unavailable", "/n2'"), twice), "not there"},
		{"somebody is thrown out", once(3, kindOf("<body>"), func(s string) []string {
			return []string{"<presence type='unavailable' from='" + fakeRoom + "/n1'/>", s}
		}), "has not left"},
		{"a stranger", once(1, kindOf("<body>"), changed("<message ", "<presence from='"+fakeRoom+"/n77'/><message ")), "stranger"},
		{"an odd type", once(1, kindOf("<body>"), changed("<message ", "<presence type='probe' from='"+fakeRoom+"/n1'/><message ")), "unknown type"},
		{"a join refused", once(3, kindOf("code='110'"), func(string) []string {
			return []string{"<presence type='error' from='" + fakeRoom + "/n2'/>"}
		}), "came back"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			check(t, visitHall(t, newFake(t, test.twist)), test.want)
		})
	}
}

func check(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("failed: %v", err)
	case want != "" && err == nil:
		t.Error("passed")
	case want != "" && (!strings.Contains(err.Error(), want) || errors.Is(err, errSlow)):
		t.Errorf("failed with %q, want %q", err, want)
	}
}

// Too slow is not the same as lost.
func TestTally(t *testing.T) {
	idle, busy := func() bool { return false }, func() bool { return true }
	growing := newTally(1 << 30)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				growing.add()
			}
		}
	}()
	defer close(stop)
	wrong := newWatch(time.Minute, idle)
	wrong.report("first %d", 1)
	wrong.report("second")
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name  string
		ctx   context.Context
		tally *tally
		limit time.Duration
		watch *watch
		want  error
	}{
		{"nothing to wait for", t.Context(), newTally(0), soon, newWatch(soon, idle), nil},
		{"things arrive slowly", t.Context(), growing, soon, newWatch(time.Minute, idle), errSlow},
		{"things arrive slowly, with little patience", t.Context(), growing, 2 * soon, newWatch(soon, idle), errSlow},
		{"nothing arrives, but the server works", t.Context(), newTally(1), soon, newWatch(soon/10, busy), errSlow},
		{"nothing arrives and the server does nothing", t.Context(), newTally(1), time.Minute, newWatch(soon/10, idle), errMissing},
		{"the same until the limit", t.Context(), newTally(1), soon / 10, newWatch(time.Minute, idle), errMissing},
		{"stopped", stopped, newTally(1), time.Minute, newWatch(time.Minute, idle), context.Canceled},
		{"a fault", t.Context(), newTally(1), time.Minute, wrong, wrong.check()},
		{"a fault although all have come", t.Context(), newTally(0), time.Minute, wrong, wrong.check()},
	} {
		if err := test.tally.wait(test.ctx, test.limit, test.watch, "things"); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if err := wrong.check(); err == nil || err.Error() != "first 1" {
		t.Errorf("a fault: %v", err)
	}
}

// What a peer does not hold is shown in all rows that are not measured yet, and
// does not make it the better peer.
func TestHoldsNot(t *testing.T) {
	b := newBench(options{}, "")
	c := &cell{bench: b, server: &target.Server{Name: "prosody"}}
	c.record("room100-fill", 50)
	size := roomSizes()[0]
	c.holdsNot(size)
	if got := b.results.of("room100-fill", "prosody"); len(got) != 1 || got[0] != 50 {
		t.Errorf("what was measured became %v", got)
	}
	names := []string{"stonechat", "prosody", "ejabberd"}
	for _, f := range size.figures() {
		b.results.add(f.id, "stonechat", 10)
		b.results.add(f.id, "ejabberd", 40)
		if text := rendered(f, b.results, "prosody"); f.id != "room100-fill" && text != "does not hold" {
			t.Errorf("%s is shown as %q", f.id, text)
		}
		if line := row(f, b.results, names); !strings.Contains(line, "| 0.25 |") {
			t.Errorf("not compared with ejabberd: %s", line)
		}
	}
}

// A room of n by hand: who joins sees all, and all see him.
func TestHallCounts(t *testing.T) {
	for n := 1; n < 6; n++ {
		come, gone := 0, 0
		for there := range n {
			come += 2*there + 1 // there others come to the joiner, he to them, and he to himself
		}
		for there := n; there > 1; there-- {
			gone += there
		}
		h := newHall(fakeRoom, n, false, nil)
		if h.presences() != come-1 || h.departures() != gone || h.receivers() != n {
			t.Errorf("room of %d: %d presences, %d departures, %d receivers; want %d, %d", n, h.presences(), h.departures(), h.receivers(), come-1, gone)
		}
	}
}
