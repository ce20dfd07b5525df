package chaos

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"stonechat/e2e/peers"
)

// stop ends the process in order.
func stop(t *testing.T, s *peers.Server, _ *rand.Rand) string {
	t.Helper()
	began := time.Now()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("stopped in %d ms", time.Since(began).Milliseconds())
}

// TestRestart stops the process in order, again and again, and starts it anew: clients go on where they were.
func TestRestart(t *testing.T) {
	rng := random(t)
	s := newServer(t, *talkers, "")
	p := flagPlan()
	p.resume, p.orderly = true, true
	report(t, survive(t, s, rng, p, stop))
}

// TestRestartKilled kills the process while it ends in order, or soon after it was started: whether sessions are resumed then or not, nothing is
// lost.
func TestRestartKilled(t *testing.T) {
	rng := random(t)
	s := newServer(t, *talkers, "")
	p := flagPlan()
	p.resume = true
	report(t, survive(t, s, rng, p, func(t *testing.T, s *peers.Server, rng *rand.Rand) string {
		t.Helper()
		if rng.IntN(3) == 0 { // what was on disk is found, and lost
			stop(t, s, rng)
			start(t, s)
			pause(t, time.Duration(rng.IntN(20))*time.Millisecond)
			return kill(t, s, rng) + " after a start"
		}
		if err := syscall.Kill(s.Pid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		wait := time.Duration(rng.IntN(60_000)) * time.Microsecond
		if rng.IntN(2) == 0 { // about when it says that all is on disk: clients that do not close are waited for until then
			wait += time.Second - 20*time.Millisecond
		}
		pause(t, wait)
		return kill(t, s, rng) + " while it ended"
	}))
}
