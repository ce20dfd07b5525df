package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

// starSizes are the contact counts of the accounts whose comings and goings
// are measured.
func starSizes() []int { return []int{500, 1000} }

// starID returns the scenario's name and its words in the table.
func starID(n int) (id, title string) {
	return fmt.Sprintf("star%d", n), fmt.Sprintf("%d contacts online", n)
}

// settling lets a server finish what follows a wave before its time is read.
const settling = 50 * time.Millisecond

func presenceScenarios() []scenario {
	var list []scenario
	for _, n := range starSizes() {
		id, title := starID(n)
		list = append(list, scenario{
			name: id, about: "presence on and off, " + title, long: n > 500, most: 2,
			run: func(ctx context.Context, c *cell) error { return c.star(ctx, id, n, micros) },
		})
	}
	return append(list, scenario{
		name: "sparse", about: "presence on and off, 1 % of many contacts online",
		run: func(ctx context.Context, c *cell) error {
			if c.server.Floor {
				return fmt.Errorf("%w: the floor knows no contacts", errSkip)
			}
			return c.star(ctx, "sparse", c.bench.sizes.population().SparseOnline(), func(d time.Duration, _ int) float64 { return millis(d, 1) })
		},
	})
}

// sky is a star account and its contacts while they are measured.
type sky struct {
	cell     *cell
	star     *member
	contacts *fleet
	on       atomic.Pointer[wave] // counts available presence
	off      atomic.Pointer[wave] // counts unavailable presence
}

// star brings n contacts online, then their common contact online and offline
// again and again. per turns the processor time of one wave into the figure.
func (c *cell) star(ctx context.Context, user string, n int, per func(time.Duration, int) float64) (err error) {
	s := &sky{cell: c}
	s.contacts, err = c.gather(ctx, n, func(i int) string { return target.Name("c", i) }, wire.DirectTLS, false, s.contactSees)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.contacts.close()) }()
	session, err := c.login(ctx, user, wire.DirectTLS, false)
	if err != nil {
		return err
	}
	if !c.server.Floor {
		if _, err := session.IQ("roster", "get", "", "<query xmlns='jabber:iq:roster'/>"); err != nil {
			return errors.Join(err, session.Drop())
		}
	}
	s.star = read(0, session, s.starSees)
	defer func() { err = errors.Join(err, s.star.leave()) }()
	var on, off time.Duration
	var onLast, offLast []float64
	for i := range c.bench.sizes.cycles + 1 {
		cpu, last, err := s.comes(ctx, n)
		if err != nil {
			return fmt.Errorf("coming online: %w", err)
		}
		gone, lastGone, err := s.goes(ctx, n)
		if err != nil {
			return fmt.Errorf("going offline: %w", err)
		}
		if i == 0 {
			continue // the first wave warms up
		}
		on, off = on+cpu, off+gone
		onLast, offLast = append(onLast, last), append(offLast, lastGone)
	}
	cycles := c.bench.sizes.cycles
	c.record(user+"-on", per(on/time.Duration(cycles), n))
	c.record(user+"-off", per(off/time.Duration(cycles), n))
	c.record(user+"-on-last", median(onLast))
	c.record(user+"-off-last", median(offLast))
	return nil
}

// comes sends presence; every contact gets it, and the star gets every
// contact's (RFC 6121 section 4.2). The floor has no probes, so there the star
// sends twice, for the same number of deliveries.
func (s *sky) comes(ctx context.Context, n int) (time.Duration, float64, error) {
	if s.cell.server.Floor {
		first, _, err := s.goes(ctx, n)
		if err != nil {
			return 0, 0, err
		}
		second, last, err := s.goes(ctx, n)
		return first + second, last, err
	}
	return s.wave(ctx, &s.on, newWave(n, n), available)
}

func (s *sky) goes(ctx context.Context, n int) (time.Duration, float64, error) {
	text := "<presence type='unavailable'/>"
	if s.cell.server.Floor {
		text = "<presence to='*' from='star' type='unavailable'/>\n"
	}
	return s.wave(ctx, &s.off, newWave(n, 0), text)
}

func (s *sky) wave(ctx context.Context, place *atomic.Pointer[wave], w *wave, text string) (time.Duration, float64, error) {
	cpu, _, err := s.cell.measure(func() error {
		w.sent = time.Now()
		place.Store(w)
		defer place.Store(nil)
		if err := s.star.Send([]byte(text)); err != nil {
			return err
		}
		if err := w.wait(ctx, nil); err != nil {
			return err
		}
		time.Sleep(settling)
		return nil
	})
	return cpu, float64(w.last.Load()) / 1e6, err
}

// contactSees counts the star's presence.
func (s *sky) contactSees(i int, stanza []byte) {
	if !wire.Named(stanza, "presence") {
		return
	}
	from := wire.Attr(stanza, "from")
	if !bytes.HasPrefix(from, []byte("s")) {
		return // contacts c… do not know each other; only stars count
	}
	place := &s.on
	if bytes.Equal(wire.Attr(stanza, "type"), []byte("unavailable")) {
		place = &s.off
	}
	if w := place.Load(); w != nil {
		w.arrive(i)
	}
}

// starSees counts the presence of contacts.
func (s *sky) starSees(_ int, stanza []byte) {
	if !wire.Named(stanza, "presence") || wire.Attr(stanza, "type") != nil {
		return
	}
	if w := s.on.Load(); w != nil && bytes.HasPrefix(wire.Attr(stanza, "from"), []byte("c")) {
		w.count()
	}
}
