package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"stonechat/e2e/chaos/disk"
	"stonechat/e2e/peers"
)

// outage ends a server under traffic and makes its data ready for the next
// start. It returns a word for the table.
type outage func(t *testing.T, s *peers.Server, rng *rand.Rand) string

func kill(t *testing.T, s *peers.Server, _ *rand.Rand) string {
	t.Helper()
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	return "killed"
}

// plan is how much a run of outages has to show.
type plan struct {
	cycles    int
	acked     int  // acknowledged messages in all cycles together, at least
	untilLoss bool // end with the first loss
	resume    bool // sessions are resumed behind the outage, if the server lets them
	orderly   bool // the server lets them, nearly always, and nobody sees anything twice
	refusals  bool // changes may be refused, which is said: the database goes while the server stays, and a turn waits a moment at most
}

func flagPlan() plan { return plan{cycles: *cycles, acked: *acked} }

// survive runs cycles of traffic and outage and returns what was found in all
// of them, also in a last reading of everything. The caller decides whether
// findings are errors; broken connections and messages that never settle are
// errors here.
func survive(t *testing.T, s *peers.Server, rng *rand.Rand, p plan, strike outage) *Findings {
	t.Helper()
	traffic := NewTraffic(s, *talkers, *rate, 0)
	if p.resume {
		traffic.Resume()
	}
	if err := traffic.Rooms(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := newTable("cycle", "traffic", "sent", "acked", "rate/s", "resent", "seen live", "contacts", "heard", "changes", "end", "start", "lost", "double", "disorder")
	defer func() { rows.print(t, "outages under traffic") }()
	all := &Findings{}
	for cycle := 1; cycle <= p.cycles; cycle++ {
		before, heard := traffic.Ledger.Totals(), traffic.Said.Totals().Heard
		_, changes := traffic.Facts.Count()
		if err := traffic.Connect(t.Context()); err != nil {
			t.Fatalf("cycle %d: %v", cycle, err)
		}
		if err := traffic.PassBy(t.Context()); err != nil {
			t.Errorf("cycle %d: %v", cycle, err)
		}
		began := time.Now()
		traffic.Send(t.Context())
		untilStrike(t, traffic, p, before.Acked, rng)
		for _, err := range traffic.Broken() {
			t.Errorf("cycle %d: a connection ended before the outage: %v", cycle, err)
		}
		traffic.Expect()
		lasted := time.Since(began)
		how := strike(t, s, rng)
		traffic.Drop()
		took, found, err := recovered(t, s, traffic)
		if err != nil {
			rows.row(cycle, lasted, "", "", "", "", "", "", "", "", how, took, "unusable")
			return &Findings{Unusable: 1, Examples: []string{err.Error()}}
		}
		now := traffic.Ledger.Totals()
		_, confirmed := traffic.Facts.Count()
		rows.row(cycle, lasted, now.Sent-before.Sent, now.Acked-before.Acked,
			int(float64(now.Sent-before.Sent)/lasted.Seconds()), now.Resent-before.Resent, now.Seen-before.Seen,
			now.Contacts-before.Contacts, traffic.Said.Totals().Heard-heard, confirmed-changes, how, took, found.Lost(), found.Double, found.Disordered)
		all = worse(all, found)
		if p.untilLoss && found.Lost() > 0 {
			return all
		}
	}
	return worse(all, lastReading(t, traffic, p, rows))
}

// lastReading lets all messages settle and reads everything anew.
func lastReading(t *testing.T, traffic *Traffic, p plan, rows *table) *Findings {
	t.Helper()
	if err := traffic.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, traffic)
	if sum := traffic.Ledger.Totals(); p.orderly && sum.Resumed == sum.Returns {
		for _, missed := range first(traffic.Missed(t.Context()), 12) {
			t.Error(missed)
		}
	}
	traffic.Drop()
	found, err := traffic.Verify(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	judgeRooms(t, traffic, p)
	sum := traffic.Ledger.Totals()
	_, changes := traffic.Facts.Count()
	rows.row("all", "", sum.Sent, sum.Acked, "", sum.Resent, sum.Seen, sum.Contacts, traffic.Said.Totals().Heard, changes, "read anew", "", found.Lost(), found.Double, found.Disordered)
	t.Logf("live: %d messages seen again after an outage, %d in the wrong order", sum.Twice, sum.Inverted)
	if sum.Inverted > 0 {
		t.Errorf("%d messages were seen live in the wrong order", sum.Inverted)
	}
	if p.resume {
		t.Logf("%d of %d sessions were resumed", sum.Resumed, sum.Returns)
	}
	if p.orderly && (sum.Resumed*100 < sum.Returns*99 || sum.Returns == 0) {
		t.Errorf("only %d of %d sessions were resumed", sum.Resumed, sum.Returns)
	}
	if p.orderly && sum.Resumed == sum.Returns && (sum.Twice > 0 || sum.Seen != sum.Sent) {
		t.Errorf("of %d messages %d were seen, %d of them twice", sum.Sent, sum.Seen, sum.Twice)
	}
	if sum.Refused > 0 {
		t.Errorf("%d messages came back as errors: %v", sum.Refused, traffic.Ledger.Conditions())
	}
	if sum.Acked < p.acked {
		t.Errorf("only %d messages were acknowledged: the run proves less than the %d asked for", sum.Acked, p.acked)
	}
	return found
}

// judgeRooms says what is wrong in the rooms and the changes of a run beside
// what was lost.
func judgeRooms(t *testing.T, traffic *Traffic, p plan) {
	t.Helper()
	said := traffic.Said.Totals()
	t.Logf("rooms: of %d messages %d were acknowledged and %d heard, %d of them twice; %v", said.Sent, said.Acked, said.Heard, said.Twice, traffic.Facts)
	if said.Refused > 0 {
		t.Errorf("%d messages to rooms came back as errors: %v", said.Refused, traffic.Said.Conditions())
	}
	if conditions := traffic.Facts.Conditions(); len(conditions) > 0 && !p.refusals {
		t.Errorf("changes were refused: %v", conditions)
	} else if len(conditions) > 0 {
		t.Logf("refused while the database was away: %v", conditions)
	}
	if p.orderly && said.Twice > 0 {
		t.Errorf("%d messages were heard in rooms twice", said.Twice)
	}
	asked, confirmed := traffic.Facts.Count()
	if p.orderly && confirmed < asked {
		t.Errorf("%d changes were never answered", asked-confirmed)
	}
	if confirmed == 0 || said.Heard == 0 {
		t.Error("nothing was heard in rooms, or nothing was confirmed: the run proves nothing of them")
	}
}

// first are the first lines of a list, and how many there are.
func first(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(list[:n:n], fmt.Sprintf("and %d more", len(list)-n))
}

// recovered starts the server after an outage and compares what it has kept.
func recovered(t *testing.T, s *peers.Server, traffic *Traffic) (time.Duration, *Findings, error) {
	t.Helper()
	began := time.Now()
	if err := s.Restart(t.Context()); err != nil {
		return time.Since(began), nil, err
	}
	took := time.Since(began)
	found, err := traffic.Verify(t.Context(), false)
	return took, found, err
}

// untilStrike lets the traffic run for its share of the acknowledgements and
// a random time more.
func untilStrike(t *testing.T, traffic *Traffic, p plan, before int, rng *rand.Rand) {
	t.Helper()
	share := p.acked / p.cycles
	limit := time.Now().Add(5*time.Second + 4*time.Duration(share)*time.Second/time.Duration(*rate))
	for traffic.Ledger.Totals().Acked-before < share {
		if time.Now().After(limit) {
			t.Logf("the server acknowledges too slowly: %d of %d", traffic.Ledger.Totals().Acked-before, share)
			break
		}
		pause(t, 10*time.Millisecond)
	}
	pause(t, time.Duration(rng.IntN(700))*time.Millisecond)
}

// worse returns the figures of the reading that found more.
func worse(a, b *Findings) *Findings {
	sum := func(f *Findings) int { return f.Lost() + f.Double + f.Disordered + f.Unknown }
	if sum(b) >= sum(a) {
		return b
	}
	return a
}

func report(t *testing.T, f *Findings) {
	t.Helper()
	if !f.Bad() {
		return
	}
	t.Errorf("acknowledged and not in the archive: %d of senders, %d of receivers; seen and not in the archive: %d; of rooms: %d; contacts gone: %d; other changes gone: %d; double: %d; out of order: %d; never sent: %d; unusable: %d",
		f.LostSender, f.LostReceiver, f.LostSeen, f.LostSaid, f.Contacts, f.Facts, f.Double, f.Disordered, f.Unknown, f.Unusable)
	for _, e := range f.Examples {
		t.Log("  ", e)
	}
}

// TestKill kills the process with SIGKILL at random moments.
func TestKill(t *testing.T) {
	rng := random(t)
	s := newServer(t, *talkers, "")
	report(t, survive(t, s, rng, flagPlan(), kill))
}

// cutDisk is a server's data folder on a simulated disk.
type cutDisk struct {
	disk   *disk.Disk
	mount  *disk.Mounted
	folder string
}

// newCutServer starts a server on a simulated disk. What the set-up wrote is
// taken as kept.
func newCutServer(t *testing.T, users int, options string) (*peers.Server, *cutDisk) {
	t.Helper()
	if err := disk.Lacking(); err != nil {
		t.Skipf("THIS MACHINE LACKS: %v", err)
	}
	folder := t.TempDir()
	c := &cutDisk{disk: disk.New(), folder: filepath.Join(folder, "data")}
	if err := os.Mkdir(c.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	c.attach(t)
	t.Cleanup(func() {
		if err := c.mount.Unmount(); err != nil {
			t.Error(err)
		}
	})
	s := startServer(t, folder, users, options)
	c.disk.SyncAll()
	return s, c
}

func (c *cutDisk) attach(t *testing.T) {
	t.Helper()
	mount, err := disk.Mount(c.disk, c.folder)
	if err != nil {
		t.Fatal(err)
	}
	c.mount = mount
}

// strike cuts the power and puts the disk that comes out of it in place.
func (c *cutDisk) strike(t *testing.T, s *peers.Server, rng *rand.Rand) string {
	t.Helper()
	c.disk.CutPower()
	// The process may wait for the disk: it is gone only after Release.
	defer c.disk.Release()
	killed := make(chan error, 1)
	go func() { killed <- s.Kill() }()
	pause(t, 20*time.Millisecond)
	c.disk.Release()
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	if err := c.mount.Unmount(); err != nil {
		t.Fatal(err)
	}
	after, loss := c.disk.AfterCut(rng)
	c.disk = after
	c.disk.SetSyncDelay(syncTime(rng))
	c.attach(t)
	return "cut: " + loss.String()
}

// syncTime is how long a sync takes between two cuts: the longer, the more is
// on its way to the disk when the power goes.
func syncTime(rng *rand.Rand) time.Duration { return time.Duration(rng.IntN(8)) * time.Millisecond }

// TestPowerCut cuts the power at random moments.
func TestPowerCut(t *testing.T) {
	rng := random(t)
	s, c := newCutServer(t, *talkers, "")
	c.disk.SetSyncDelay(syncTime(rng))
	report(t, survive(t, s, rng, flagPlan(), c.strike))
}

// TestPowerCutFindsLosses proves that the judge can fail: without syncs the
// same server, traffic and disk must show losses. Any one cut may by chance
// leave everything in place, so several are allowed.
func TestPowerCutFindsLosses(t *testing.T) {
	rng := random(t)
	s, c := newCutServer(t, *talkers, "[store]\nsynchronous = \"off\"\n")
	found := survive(t, s, rng, plan{cycles: 15, acked: 15 * 300, untilLoss: true}, c.strike)
	if found.Lost() == 0 {
		t.Fatal("15 power cuts without a single sync lost nothing: the judge is blind")
	}
	t.Logf("found, as it must be: %d losses, such as %q", found.Lost(), found.Examples[:1])
}
