package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

// quietID returns the scenario in which nobody wants what is published.
func quietID(id string) string { return id + "-quiet" }

func eventingID(n int) (id, title string) {
	return "pep" + strconv.Itoa(n), strconv.Itoa(n) + " contacts"
}

func eventingScenarios() []scenario {
	var list []scenario
	for _, n := range starSizes() {
		id, title := eventingID(n)
		list = append(list,
			scenario{
				name: id, about: "personal events to " + title + " who want them", long: n > 500, most: 2,
				run: func(ctx context.Context, c *cell) error { return c.eventing(ctx, n, true) },
			},
			scenario{
				name: quietID(id), about: "personal events that none of " + title + " wants", long: n > 500, most: 2,
				run: func(ctx context.Context, c *cell) error { return c.eventing(ctx, n, false) },
			})
	}
	return list
}

func eventingFigures() []figure {
	var rows []figure
	for _, n := range starSizes() {
		id, title := eventingID(n)
		rows = append(rows,
			figure{id: id, title: "personal event, " + title + " with interest, CPU per notification", unit: "us", digits: 1, vsPeer: 0.2, vsBase: 3},
			figure{id: id + "-last", title: "personal event, " + title + ", publish to last, p50", unit: "ms", digits: 1, wall: true, vsPeer: 0.3, vsBase: 3},
			figure{id: id + "-last-p99", title: "personal event, " + title + ", publish to last, p99", unit: "ms", digits: 1, wall: true},
			figure{id: quietID(id), title: "personal event, " + title + " without interest, CPU per publish", unit: "us", digits: 1, vsPeer: 1},
			figure{id: quietID(id) + "-stanzas", title: "personal event, " + title + " without interest, stanzas per publish", unit: "", digits: 0})
	}
	return rows
}

// eventing brings the contacts of a star account online and has it publish.
func (c *cell) eventing(ctx context.Context, n int, interested bool) (err error) {
	if c.server.Floor && !interested {
		return fmt.Errorf("%w: the floor knows no interest", errSkip)
	}
	session, err := c.login(ctx, star(n), wire.DirectTLS, false)
	if err != nil {
		return err
	}
	a := newAudience(n, c.server.Floor, interested, c.watch())
	if err := c.offersEventing(session, a); err != nil {
		return errors.Join(err, session.Close())
	}
	c.bench.nextRun++
	a.run = c.bench.nextRun
	a.star = read(0, session, a.starSees)
	defer func() { err = errors.Join(err, a.star.leave()) }()
	if err := c.scout(ctx, a); err != nil {
		return fmt.Errorf("showing the server a client: %w", err)
	}
	contacts := &fleet{members: make([]*member, n)}
	defer func() { err = errors.Join(err, contacts.close()) }()
	err = each(n, func(i int) (err error) {
		contacts.members[i], err = c.fan(ctx, target.Name("c", i), i, &a.fans[i], a.hear)
		return err
	})
	if err != nil {
		return fmt.Errorf("bringing %d contacts online: %w", n, err)
	}
	if !a.floor {
		if err := a.star.Send([]byte(available)); err != nil {
			return err
		}
	}
	if err := c.calm(ctx); err != nil {
		return err
	}
	id, _ := eventingID(n)
	if interested {
		return c.heard(ctx, a, id)
	}
	return c.unheard(ctx, a, quietID(id))
}

// fan brings a contact online that tells what it can do.
func (c *cell) fan(ctx context.Context, user string, i int, f *fan, see handler) (*member, error) {
	session, err := c.login(ctx, user, wire.DirectTLS, false)
	if err != nil {
		return nil, err
	}
	if c.server.Floor {
		return read(i, session, see), nil
	}
	if _, err := session.IQ("roster", "get", "", "<query xmlns='jabber:iq:roster'/>"); err != nil {
		return nil, errors.Join(err, session.Drop())
	}
	m := f.read(i, session, see)
	return m, m.Send([]byte(f.presence()))
}

// scout shows the server a client of the contacts' kind, with no contacts of
// its own, so that the server knows what all of them can do before they come:
// that is how it stands with the clients that people use. Prosody besides
// notifies a local contact twice whom it had to ask.
func (c *cell) scout(ctx context.Context, a *audience) error {
	if a.floor {
		return nil
	}
	const asking = 2 * time.Second // a server that knows already does not ask
	asked := newTally(1)
	m, err := c.fan(ctx, target.Name("u", 0), 0, &a.fans[0], func(_ int, stanza []byte) {
		if wire.Named(stanza, "iq") {
			asked.add()
		}
	})
	if err != nil {
		return err
	}
	if err := asked.wait(ctx, asking, a.wrong, "questions"); err != nil && !late(err) {
		return errors.Join(err, m.leave())
	}
	return errors.Join(c.calm(ctx), m.leave())
}

// offersEventing tells whether accounts of the server publish (XEP-0163
// section 6.1).
func (c *cell) offersEventing(session *wire.Session, a *audience) error {
	if a.floor {
		return nil
	}
	if err := session.SetReadDeadline(time.Now().Add(loginWait)); err != nil {
		return err
	}
	if _, err := session.IQ("roster", "get", "", "<query xmlns='jabber:iq:roster'/>"); err != nil {
		return err
	}
	info, err := session.IQ("offered", "get", a.address, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	if err != nil && !errors.Is(err, wire.ErrRefused) {
		return err
	}
	if err != nil || !hasEventing(info) {
		return fmt.Errorf("%w: its accounts publish no personal events (XEP-0163)", errNotOffered)
	}
	return session.SetReadDeadline(time.Time{})
}

// hasEventing looks for the identity pubsub/pep.
func hasEventing(info []byte) bool {
	for {
		at := bytes.Index(info, []byte("<identity"))
		if at < 0 {
			return false
		}
		info = info[at:]
		if string(wire.Attr(info, "category")) == "pubsub" && string(wire.Attr(info, "type")) == "pep" {
			return true
		}
		info = info[1:]
	}
}

// heard measures notifications, each item when everybody has the one before.
func (c *cell) heard(ctx context.Context, a *audience, id string) error {
	if err := a.warm(ctx); err != nil {
		return err
	}
	if err := c.calm(ctx); err != nil {
		return err
	}
	last := make([]int64, c.bench.sizes.cycles*5)
	cpu, _, err := c.measure(func() error {
		for i := range last {
			took, err := a.publish(ctx, len(a.fans))
			if err != nil {
				return err
			}
			last[i] = int64(took)
		}
		return nil
	})
	if err != nil {
		return err
	}
	time.Sleep(settling) // for what comes twice
	if err := a.wrong.check(); err != nil {
		return err
	}
	c.record(id, micros(cpu, len(last)*len(a.fans)))
	c.record(id+"-last", quantile(last, 0.5)/1e6)
	c.record(id+"-last-p99", quantile(last, 0.99)/1e6)
	return nil
}

// unheard measures publishing to nobody. A presence behind it, which everybody
// gets, shows that nothing else is on its way.
func (c *cell) unheard(ctx context.Context, a *audience, id string) error {
	count := c.bench.sizes.cycles * 5
	a.strict.Store(1)
	before := a.stanzas.Load()
	cpu, _, err := c.measure(func() error {
		for range count {
			if _, err := a.publish(ctx, 0); err != nil {
				return err
			}
		}
		time.Sleep(settling)
		return nil
	})
	if err != nil {
		return err
	}
	extra, err := a.silence(ctx, before)
	if err != nil {
		return err
	}
	c.record(id, micros(cpu, count))
	c.record(id+"-stanzas", float64(extra)/float64(count))
	return nil
}
