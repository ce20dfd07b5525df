package chaos

import (
	"math/rand/v2"
	"testing"
	"time"

	"stonechat/e2e/peers"
	"stonechat/store/storetest/pgtest"
)

// postgres is the database server of all tests of this package.
var postgres pgtest.Shared

// newPostgresServer starts a server whose data is in a database of its own.
func newPostgresServer(t *testing.T, users int) *peers.Server {
	t.Helper()
	setup := setupFor(t, t.TempDir(), users, "")
	setup.Postgres = postgres.Database(t)
	return serve(t, setup)
}

// TestKillOnPostgres kills our process with SIGKILL at random moments.
func TestKillOnPostgres(t *testing.T) {
	rng := random(t)
	report(t, survive(t, newPostgresServer(t, *talkers), rng, flagPlan(), kill))
}

// TestKillPostgres kills the database server with SIGKILL at random moments and
// starts it again; now and then our process as well.
func TestKillPostgres(t *testing.T) {
	rng := random(t)
	database := postgres.Server(t)
	s := newPostgresServer(t, *talkers)
	strike := func(t *testing.T, s *peers.Server, rng *rand.Rand) string {
		t.Helper()
		how := "database killed"
		if err := database.Kill(); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(3) == 0 {
			how = "both killed"
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		pause(t, time.Duration(rng.IntN(300))*time.Millisecond)
		if err := database.Restart(); err != nil {
			t.Fatal(err)
		}
		return how
	}
	p := flagPlan()
	p.refusals = true
	report(t, survive(t, s, rng, p, strike))
}

// TestPostgresComesAndGoes kills the database server under one traffic that
// goes on: clients notice nothing but a pause.
func TestPostgresComesAndGoes(t *testing.T) {
	rng := random(t)
	database := postgres.Server(t)
	s := newPostgresServer(t, *talkers)
	traffic := NewTraffic(s, *talkers, *rate/2, 0)
	if err := traffic.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	traffic.Send(t.Context())
	for range *cycles {
		pause(t, time.Duration(300+rng.IntN(500))*time.Millisecond)
		if err := database.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := database.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	pause(t, 300*time.Millisecond)
	traffic.Pause()
	settle(t, traffic)
	for _, err := range traffic.Broken() {
		t.Errorf("a connection ended: %v", err)
	}
	traffic.Drop()
	found, err := traffic.Verify(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	report(t, found)
	sum := traffic.Ledger.Totals()
	if sum.Refused > 0 || sum.Acked != sum.Sent {
		t.Errorf("of %d messages %d were acknowledged and %d refused: %v", sum.Sent, sum.Acked, sum.Refused, traffic.Ledger.Conditions())
	}
	t.Logf("%d messages over %d restarts of the database", sum.Acked, *cycles)
}
