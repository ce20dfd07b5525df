package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"stonechat/e2e/load/wire"
	"stonechat/e2e/peers"
)

// Traffic is a number of users that talk to each other across outages.
type Traffic struct {
	Ledger *Ledger
	Said   *Said  // nil without Rooms
	Facts  *Facts // likewise

	server   *peers.Server
	keys     *wire.Keys
	rate     int // messages per second, of all users together
	talkers  []*talker
	kept     map[int]Kept
	archives map[int]Archive // of the halls
	passer   *wire.Session
	passers  int

	mu      sync.Mutex
	down    bool // ends of connections are expected
	broken  []error
	readers sync.WaitGroup
	senders sync.WaitGroup
	stop    context.CancelFunc
}

// tick is how often a user sends what is due.
const tick = 20 * time.Millisecond

// settleTime bounds how long an answer may be missing when nothing is wrong any
// more.
const settleTime = 30 * time.Second

// contactEvery is how many messages a user sends per change of a contact.
const contactEvery = 40

// NewTraffic returns the traffic of the first users of a server. The bodies
// carry pad bytes of filler.
func NewTraffic(s *peers.Server, users, rate, pad int) *Traffic {
	t := &Traffic{Ledger: NewLedger(), server: s, keys: wire.NewKeys(), rate: rate, kept: make(map[int]Kept), archives: make(map[int]Archive)}
	filler := ""
	if pad > 0 {
		filler = " " + string(make([]byte, 0, pad))
		for len(filler) <= pad {
			filler += "lorem ipsum "
		}
	}
	for i := range users {
		// A partner, and a second peer so that every archive has several
		// senders in it.
		others := []int{i ^ 1, (i + 3) % users}
		t.talkers = append(t.talkers, &talker{server: s, user: i, others: others, pad: filler, ledger: t.Ledger})
	}
	return t
}

// Resume has sessions resumed behind an outage where the server lets them. It is called before Connect.
func (t *Traffic) Resume() {
	for _, talker := range t.talkers {
		talker.resume = true
	}
}

// Connect logs all users in and lets them send again what was left open.
func (t *Traffic) Connect(ctx context.Context) error {
	t.mu.Lock()
	t.down = false
	t.mu.Unlock()
	errs := make(chan error, len(t.talkers))
	for _, talker := range t.talkers {
		go func() { errs <- talker.connect(ctx, t.keys) }()
	}
	var failed error
	for range t.talkers {
		failed = errors.Join(failed, <-errs)
	}
	if failed != nil {
		return failed
	}
	for _, talker := range t.talkers {
		t.readers.Go(func() { t.ended(talker, talker.read()) })
	}
	if t.Said != nil {
		return t.entered(ctx)
	}
	return nil
}

// ended notes the end of a connection that nobody expected.
func (t *Traffic) ended(talker *talker, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.down {
		t.broken = append(t.broken, fmt.Errorf("%s: %w", User(talker.user), err))
	}
}

// Send starts sending new messages at the rate, until Pause or Expect.
func (t *Traffic) Send(ctx context.Context) {
	ctx, t.stop = context.WithCancel(ctx)
	perTick := float64(t.rate) * tick.Seconds() / float64(len(t.talkers))
	for i, talker := range t.talkers {
		t.senders.Go(func() {
			due := float64(i) / float64(len(t.talkers)) // not all in step
			messages := 0
			for clock := time.NewTicker(tick); ; {
				select {
				case <-ctx.Done():
					clock.Stop()
					return
				case <-clock.C:
				}
				due += perTick
				n := int(due)
				due -= float64(n)
				if n == 0 {
					continue
				}
				messages += n
				err := talker.send(n)
				if err == nil && messages >= contactEvery {
					messages = 0
					err = talker.changeContact()
				}
				if err != nil {
					clock.Stop()
					return // the reader says why
				}
			}
		})
	}
}

// Pause stops sending new messages; the sessions stay.
func (t *Traffic) Pause() {
	if t.stop != nil {
		t.stop()
	}
	t.senders.Wait()
}

// Expect says that the connections are about to break.
func (t *Traffic) Expect() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.down = true
}

// Drop breaks all connections and waits until nobody uses them.
func (t *Traffic) Drop() {
	t.Expect()
	for _, talker := range t.talkers {
		if talker.session != nil {
			_ = talker.session.Drop() // it may be broken already
		}
	}
	if t.passer != nil {
		_ = t.passer.Drop() // likewise
	}
	t.Pause()
	t.readers.Wait()
}

// Settle asks until every message is acknowledged or refused.
func (t *Traffic) Settle(ctx context.Context) error {
	for {
		open := 0
		for _, talker := range t.talkers {
			if n := talker.unsettled(); n > 0 {
				open += n
				if err := talker.session.RequestAck(); err != nil {
					return err
				}
			}
		}
		if open == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d messages stay without acknowledgement: %w", open, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Broken returns the ends of connections that nobody expected.
func (t *Traffic) Broken() []error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken
}

// LongestAck is the longest time that an acknowledgement took so far; it
// starts anew with each call.
func (t *Traffic) LongestAck() time.Duration {
	var longest time.Duration
	for _, talker := range t.talkers {
		talker.mu.Lock()
		longest = max(longest, talker.ackTime)
		talker.ackTime = 0
		talker.mu.Unlock()
	}
	return longest
}

// Verify compares what the server has kept with the ledger. It reads what
// came since the last call, or everything when anew is set. No traffic may
// run meanwhile.
func (t *Traffic) Verify(ctx context.Context, anew bool) (*Findings, error) {
	if anew {
		clear(t.kept)
		clear(t.archives)
	}
	readings := make(chan reading)
	for _, talker := range t.talkers {
		r := reading{user: talker.user, kept: t.kept[talker.user], archive: t.archives[talker.user]}
		go func() { readings <- t.read(ctx, r, anew) }()
	}
	var failed error
	var facts []Reading
	archives, sayings := make(map[int][]Message), make(map[int][]Saying)
	for range t.talkers {
		r := <-readings
		if r.err != nil {
			failed = errors.Join(failed, fmt.Errorf("what is kept of %s: %w", User(r.user), r.err))
		}
		t.kept[r.user], t.archives[r.user] = r.kept, r.archive
		archives[r.user], sayings[r.user] = r.kept.Messages, r.archive.Sayings
		facts = append(facts, r.facts...)
	}
	if failed != nil {
		return nil, failed
	}
	findings := t.Ledger.Compare(archives)
	for user, kept := range maps.All(t.kept) {
		t.Ledger.CompareContacts(findings, user, kept.Contacts)
	}
	if t.Said != nil {
		t.Said.Compare(findings, sayings)
		t.Facts.Compare(findings, facts)
	}
	return findings, nil
}

// reading is what a server has kept of one user, and of the hall that the user
// has made.
type reading struct {
	user    int
	kept    Kept
	archive Archive
	facts   []Reading
	err     error
}

// read adds to a reading what came since.
func (t *Traffic) read(ctx context.Context, r reading, anew bool) reading {
	r.kept, r.err = ReadKept(ctx, t.server, t.keys, r.user, r.kept)
	if t.Said == nil || r.err != nil {
		return r
	}
	if r.facts, r.err = t.readFacts(ctx, r.user, anew); r.err != nil || r.user >= halls {
		return r
	}
	r.archive, r.err = readHall(ctx, t.server, t.keys, r.user, r.archive)
	return r
}
