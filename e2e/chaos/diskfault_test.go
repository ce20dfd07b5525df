package chaos

import (
	"context"
	"testing"
	"time"

	"stonechat/e2e/load/wire"
)

// question is something that a server must go on answering.
type question struct {
	name string
	ask  func(context.Context) (time.Duration, error)
}

func questions(p *Pair) []question {
	return []question{
		{"ping", p.Ping}, {"log-in", p.LogIn}, {"archive page", p.ReadArchive}, {"presence", p.Presence},
	}
}

// answered asks all questions n times and puts the times into the table. No
// answer at all is an error; a slow one is reported.
func answered(t *testing.T, rows *table, when string, questions []question, n int) {
	t.Helper()
	for _, q := range questions {
		var worst time.Duration
		failures := 0
		for range n {
			ctx, cancel := context.WithTimeout(t.Context(), answerTime)
			took, err := q.ask(ctx)
			cancel()
			if err != nil {
				failures++
				t.Errorf("%s: %s: %v", when, q.name, err)
				break
			}
			worst = max(worst, took)
		}
		rows.row(when, q.name, n, failures, worst)
	}
}

// TestDiskFull fills the disk under the server and gives the space back.
func TestDiskFull(t *testing.T) {
	random(t)
	s, c := newCutServer(t, *talkers+2, "")
	pair, err := NewPair(t.Context(), s, wire.NewKeys(), *talkers, *talkers+1)
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	traffic := NewTraffic(s, *talkers, 150, 400)
	if err := traffic.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer traffic.Drop()
	rows := newTable("disk", "question", "asked", "without answer", "slowest")
	traffic.Send(t.Context())
	pause(t, time.Second)
	answered(t, rows, "with space", questions(pair), 3)

	room := c.disk.Used() + 256<<10
	c.disk.SetCapacity(room)
	began := time.Now()
	for traffic.Ledger.Totals().Refused == 0 && time.Since(began) < 20*time.Second {
		pause(t, 20*time.Millisecond)
	}
	first := traffic.Ledger.Totals()
	if first.Refused == 0 {
		t.Errorf("no sender got an error although the disk is full (%d refusals by the disk)", c.disk.Stats().Refused)
	}
	pause(t, 500*time.Millisecond)
	answered(t, rows, "full", questions(pair), 3)
	traffic.Pause()
	settle(t, traffic)
	full := traffic.Ledger.Totals()

	c.disk.SetCapacity(0)
	back := recovery(t, pair)
	traffic.Send(t.Context())
	pause(t, time.Second)
	answered(t, rows, "space again", questions(pair), 3)
	traffic.Pause()
	settle(t, traffic)
	end := traffic.Ledger.Totals()
	for _, err := range traffic.Broken() {
		t.Errorf("a connection ended: %v", err)
	}
	traffic.Drop()
	rows.print(t, "a full disk")
	t.Logf("sent %d, acknowledged and stored %d, refused %d with %v; after the space came back %d more acknowledged, the first message passed after %v",
		end.Sent, end.Acked, end.Refused, traffic.Ledger.Conditions(), end.Acked-full.Acked, back.Round(time.Millisecond))
	if n := traffic.Ledger.Conditions()["resource-constraint"]; n < end.Refused {
		t.Errorf("%d of %d errors are not resource-constraint: %v", end.Refused-n, end.Refused, traffic.Ledger.Conditions())
	}
	checkKept(t, traffic)
	// What was stored before and after must also be there in a new process.
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	start(t, s)
	checkKept(t, traffic)
}

// recovery returns the time until a message passes again.
func recovery(t *testing.T, pair *Pair) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < answerTime {
		// A refused message is never answered, so each try is short.
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		_, err := pair.Message(ctx)
		cancel()
		if err == nil {
			return time.Since(began)
		}
	}
	t.Error("no message passes although there is space again")
	return time.Since(began)
}

func settle(t *testing.T, traffic *Traffic) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), settleTime)
	defer cancel()
	if err := traffic.Settle(ctx); err != nil {
		t.Error(err)
	}
}

func checkKept(t *testing.T, traffic *Traffic) {
	t.Helper()
	found, err := traffic.Verify(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	report(t, found)
}

// TestStalledDisk holds every sync for some seconds.
func TestStalledDisk(t *testing.T) {
	random(t)
	s, c := newCutServer(t, *talkers+2, "")
	pair, err := NewPair(t.Context(), s, wire.NewKeys(), *talkers, *talkers+1)
	if err != nil {
		t.Fatal(err)
	}
	defer pair.Close()
	traffic := NewTraffic(s, *talkers, 150, 0)
	if err := traffic.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer traffic.Drop()
	rows := newTable("syncs", "question", "asked", "without answer", "slowest")
	traffic.Send(t.Context())
	pause(t, time.Second)
	answered(t, rows, "done", questions(pair), 3)

	traffic.LongestAck()
	c.disk.HoldSync()
	defer c.disk.ReleaseSync() // a process that waits for the disk cannot be killed
	held := time.Now()
	// Acknowledgements of what was synced before the hold may still arrive.
	pause(t, 300*time.Millisecond)
	before := traffic.Ledger.Totals()
	answered(t, rows, "held", questions(pair), 5)
	if rest := 5*time.Second - time.Since(held); rest > 0 {
		pause(t, rest)
	}
	during := traffic.Ledger.Totals()
	c.disk.ReleaseSync()
	stalled := time.Since(held)
	if during.Acked > before.Acked {
		t.Errorf("%d messages were acknowledged while no sync returned", during.Acked-before.Acked)
	}
	if during.Seen > before.Seen {
		t.Errorf("%d messages were delivered while no sync returned", during.Seen-before.Seen)
	}
	pause(t, time.Second)
	answered(t, rows, "done again", questions(pair), 3)
	traffic.Pause()
	settle(t, traffic)
	for _, err := range traffic.Broken() {
		t.Errorf("a connection ended: %v", err)
	}
	traffic.Drop()
	end := traffic.Ledger.Totals()
	rows.print(t, "a disk that stands still")
	t.Logf("syncs held for %v; %d messages sent meanwhile, longest acknowledgement %v; in all %d sent, %d acknowledged, %d refused",
		stalled.Round(time.Millisecond), during.Sent-before.Sent, traffic.LongestAck().Round(time.Millisecond), end.Sent, end.Acked, end.Refused)
	if end.Refused > 0 {
		t.Errorf("%d messages were refused: a slow disk must delay, not refuse: %v", end.Refused, traffic.Ledger.Conditions())
	}
	checkKept(t, traffic)
}
