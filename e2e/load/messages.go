package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

const (
	pairs = 100
	grace = 500 * time.Millisecond
)

func messageScenarios() []scenario {
	list := []scenario{
		{name: "chat", about: "closed loop of 100 pairs, no archive", run: chat},
		{name: "stream", about: "one pair, 50 in flight, no archive", run: stream},
		{name: "kept", about: "closed loop of 100 pairs, archive on", archive: true, run: chat},
		{name: "kept-stream", about: "one pair, 50 in flight, archive on", archive: true, run: stream},
	}
	for _, rate := range offeredRates() {
		list = append(list, scenario{
			name: rate.id, about: rate.title, archive: rate.archive,
			run: func(ctx context.Context, c *cell) error { return c.offered(ctx, rate) },
		})
	}
	return list
}

// unkept skips the floor where messages are to be kept: it keeps nothing, so
// its figure is that of the scenario without archive.
func (c *cell) unkept() error {
	if c.server.Floor && c.scenario.archive {
		return fmt.Errorf("%w: the floor keeps nothing; compare with the figure without archive", errSkip)
	}
	return nil
}

func chat(ctx context.Context, c *cell) error { return c.loop(ctx, pairs, 1) }

func stream(ctx context.Context, c *cell) error { return c.loop(ctx, 1, 50) }

// loop measures a closed loop after a short one to warm up.
func (c *cell) loop(ctx context.Context, n, inFlight int) (err error) {
	if err := c.unkept(); err != nil {
		return err
	}
	t, err := c.newTraffic(ctx, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.fleet.close()) }()
	if _, err := t.closed(ctx, inFlight, c.bench.sizes.burst/6); err != nil {
		return err
	}
	got, err := t.closed(ctx, inFlight, c.bench.sizes.burst)
	if err != nil {
		return err
	}
	if err := t.kept(ctx); err != nil {
		return err
	}
	name := c.scenario.name
	c.record(name, got.cpu)
	c.record(name+"-rate", got.rate)
	c.record(name+"-p50", got.p50)
	c.record(name+"-p99", got.p99)
	c.bench.results.add("tool:"+name, c.server.Name, got.toolMicro)
	return nil
}

// offered sends at a fixed rate over 100 pairs, whatever the server does, and
// measures delays from the moment each message was due.
func (c *cell) offered(ctx context.Context, rate offered) (err error) {
	if c.server.Floor && rate.archive {
		return c.unkept()
	}
	t, err := c.newTraffic(ctx, pairs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.fleet.close()) }()
	got, holds, err := t.offered(ctx, rate.rate, c.bench.sizes.offer)
	if err != nil {
		return err
	}
	if err := t.kept(ctx); err != nil {
		return err
	}
	if !holds {
		got = failing()
	}
	c.record(rate.id, got.cpu)
	c.record(rate.id+"-p50", got.p50)
	c.record(rate.id+"-p99", got.p99)
	c.bench.results.add("tool:"+rate.id, c.server.Name, got.toolMicro)
	return nil
}

// offered returns false when the server does not hold the rate: the backlog
// passes two seconds' worth, and then sending stops, or what was sent takes a
// fifth longer to arrive than to send. The grace is for a machine that stalls.
func (t *traffic) offered(ctx context.Context, rate int, length time.Duration) (outcome, bool, error) {
	holds := true
	own := gauge.Own()
	cpu, wall, err := t.cell.measure(func() error {
		run := t.begin(nil)
		sent, err := t.pace(run, rate, length, func(sent int64) bool {
			holds = sent-t.arrived.Load() <= int64(2*rate)
			return holds && ctx.Err() == nil
		})
		if err != nil {
			return err
		}
		return t.drain(ctx, sent)
	})
	if err != nil {
		return outcome{}, false, err
	}
	own = gauge.Own() - own
	holds = holds && wall < length*6/5+grace
	return t.outcome(cpu, wall, own), holds, nil
}

// pace sends message k at k/rate seconds, as long as more agrees. It sleeps in
// the kernel: the runtime's timers have a grain of a millisecond.
func (t *traffic) pace(run int64, rate int, length time.Duration, more func(int64) bool) (int64, error) {
	runtime.LockOSThread() // counted, so an outer lock stays
	defer runtime.UnlockOSThread()
	begin := time.Now()
	total := int64(length.Seconds() * float64(rate))
	for k := range total {
		due := time.Duration(k) * time.Second / time.Duration(rate)
		if early := due - time.Since(begin); early > 0 {
			pause := unix.NsecToTimespec(int64(early))
			// A signal may cut the sleep short; the message is then early by
			// less than the signal's distance.
			_ = unix.Nanosleep(&pause, nil)
		}
		if !more(k) {
			return k, nil
		}
		if err := t.pairs[int(k)%len(t.pairs)].send(run, begin.Add(due).Sub(t.start)); err != nil {
			return k, err
		}
	}
	return total, nil
}

// drain waits for the messages under way.
func (t *traffic) drain(ctx context.Context, sent int64) error {
	limit := time.Now().Add(lateLimit)
	for t.arrived.Load() < sent {
		if time.Now().After(limit) {
			return fmt.Errorf("%d of %d messages had not arrived %v after the last was sent", sent-t.arrived.Load(), sent, lateLimit)
		}
		select {
		case err := <-t.refused:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// kept makes sure that a server which is to keep archives has kept the
// messages of the measurement just done; a server that forgets is fast.
func (t *traffic) kept(ctx context.Context) error {
	if !t.cell.scenario.archive {
		return nil
	}
	// Another resource, or it would replace the session that is there.
	session, err := t.cell.dial(ctx, target.Name("u", 1), "check", wire.DirectTLS, false)
	if err != nil {
		return err
	}
	mark := fmt.Sprintf("<body>%0*d.", runDigits, t.cell.bench.nextRun)
	found := false
	_, err = session.Query("kept", "set", "", "<query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set></query>",
		func(stanza []byte) { found = found || bytes.Contains(stanza, []byte(mark)) })
	if err == nil && !found {
		err = errors.New("the messages are not in the archive")
	}
	return errors.Join(err, session.Close())
}
