package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

// roomSize is one room that is measured.
type roomSize struct {
	id      string
	n       int // occupants, largestRoom at most
	title   string
	archive bool
}

// largestRoom is how many accounts rooms need.
const largestRoom = 1000

// roomSizes are the rooms that are measured. Joining is quadratic by protocol:
// a peer that fills a room of 1,000 at all needs minutes for it.
func roomSizes() []roomSize {
	return []roomSize{
		{id: "room100", n: 100, title: "room of 100"},
		{id: "room500", n: 500, title: "room of 500"},
		{id: "room1000", n: largestRoom, title: "room of 1,000"},
		{id: "kept-room100", n: 100, title: "room of 100, archive on", archive: true},
		{id: "kept-room500", n: 500, title: "room of 500, archive on", archive: true},
	}
}

func roomScenarios() []scenario {
	var list []scenario
	for _, size := range roomSizes() {
		s := scenario{
			name: size.id, about: size.title + ": joining, messages, leaving", archive: size.archive, long: size.n > 100,
			run: func(ctx context.Context, c *cell) error { return c.room(ctx, size) },
		}
		switch {
		case size.n >= largestRoom:
			s.most = 1
		case size.n >= 500:
			s.most = 2
		}
		list = append(list, s)
	}
	return append(list, occupancyScenarios()...)
}

func roomFigures() []figure {
	var rows []figure
	for _, size := range roomSizes() {
		rows = append(rows, size.figures()...)
	}
	rows = append(rows,
		figure{id: "room500-growth", title: "room delivery, cost from 100 to 500 occupants", unit: "x", digits: 2, bound: 1.1},
		figure{id: "room1000-growth", title: "room delivery, cost from 500 to 1,000 occupants", unit: "x", digits: 2, bound: 1.1})
	return append(rows, occupancyFigures()...)
}

// figures lists what is measured in a room: with the archive on only messages,
// since nothing else is kept. The floor keeps nothing; its broadcast is the
// measure all the same.
func (r roomSize) figures() []figure {
	id, title, floor := r.id, r.title, "room"+strconv.Itoa(r.n)
	rows := []figure{
		{id: id, title: title + ", delivery, CPU", unit: "us", digits: 1, vsPeer: 0.2, vsBase: 3, bound: 8, floor: floor},
		{id: id + "-rate", title: title + ", deliveries", unit: "1/s", higher: true, wall: true, floor: floor + "-rate"},
		{id: id + "-last", title: title + ", send to last, p50", unit: "ms", digits: 1, wall: true, vsPeer: 0.3, vsBase: 3, floor: floor + "-last"},
		{id: id + "-last-p99", title: title + ", send to last, p99", unit: "ms", digits: 1, wall: true, floor: floor + "-last-p99"},
	}
	if r.archive {
		return rows
	}
	return append(rows,
		figure{id: id + "-fill", title: title + ", all join at once, CPU per presence", unit: "us", digits: 1, vsPeer: 0.25, vsBase: 3, bound: 8},
		figure{id: id + "-join", title: title + ", all join at once, CPU per join", unit: "ms", digits: 2, vsPeer: 0.25, vsBase: 3},
		figure{id: id + "-self", title: title + ", all join at once, until the last sees itself", unit: "s", digits: 2, wall: true, vsPeer: 1},
		figure{id: id + "-all", title: title + ", all join at once, until all see all", unit: "s", digits: 2, wall: true, vsPeer: 1},
		figure{id: id + "-enter", title: title + ", one joins, until it sees itself, p50", unit: "ms", digits: 1, wall: true, vsPeer: 1, bound: 300},
		figure{id: id + "-enter-cpu", title: title + ", one joins, CPU per presence", unit: "us", digits: 1},
		figure{id: id + "-leave", title: title + ", all leave at once, CPU per presence", unit: "us", digits: 1, vsPeer: 0.25, vsBase: 3, floor: id + "-fill"},
		figure{id: id + "-leave-all", title: title + ", all leave at once, until the last is out", unit: "s", digits: 2, wall: true, vsPeer: 1})
}

// room fills a room, sends messages in it, each when everybody has the one
// before, and empties it. A server that fails or does not hold is started anew,
// since it would work on into the next figures.
func (c *cell) room(ctx context.Context, size roomSize) (err error) {
	if err := c.unkept(); err != nil {
		return err
	}
	service, err := c.roomService(ctx)
	if err != nil {
		return err
	}
	c.bench.nextRun++
	h := newHall("room"+strconv.FormatInt(c.bench.nextRun, 10)+"@"+service, size.n, c.server.Floor, c.watch())
	people, err := c.gather(ctx, size.n, func(i int) string { return target.Name("u", i) }, wire.DirectTLS, false, h.see)
	if err != nil {
		return err
	}
	h.members = people.members
	if err = c.visit(ctx, h, size); err == nil {
		return people.close()
	}
	if errors.Is(err, errSlow) {
		c.holdsNot(size)
	}
	err = errors.Join(err, c.server.Ended(), c.server.Kill())
	people.drop()
	return errors.Join(err, c.server.Start(ctx, size.archive))
}

// holdsNot records the worst of values for what this round has not measured.
func (c *cell) holdsNot(size roomSize) {
	for _, f := range size.figures() {
		if len(c.bench.results.of(f.id, c.server.Name)) > c.round {
			continue
		}
		worst := math.Inf(1)
		if f.higher {
			worst = math.Inf(-1)
		}
		c.record(f.id, worst)
	}
}

// visit is all that happens in the room.
func (c *cell) visit(ctx context.Context, h *hall, size roomSize) error {
	if err := h.open(ctx); err != nil {
		return err
	}
	if err := c.fill(ctx, h, size); err != nil {
		return fmt.Errorf("filling the room: %w", err)
	}
	if err := c.speeches(ctx, h, size); err != nil {
		return fmt.Errorf("speaking in the room: %w", err)
	}
	if c.server.Floor {
		return nil
	}
	if size.archive {
		if err := h.archived(ctx); err != nil {
			return err
		}
	} else if err := c.enter(ctx, h, size); err != nil {
		return fmt.Errorf("joining the full room: %w", err)
	}
	if err := c.empty(ctx, h, size); err != nil {
		return fmt.Errorf("emptying the room: %w", err)
	}
	return h.shut(ctx)
}

func (c *cell) fill(ctx context.Context, h *hall, size roomSize) error {
	var s *stage
	cpu, _, err := c.measure(func() (err error) {
		s, err = h.fill(ctx)
		return err
	})
	if err != nil || size.archive {
		return err
	}
	c.record(size.id+"-fill", micros(cpu, h.presences()))
	c.record(size.id+"-join", millis(cpu, h.size()-1))
	if s.self != nil {
		c.record(size.id+"-self", s.self.took.Seconds())
	}
	c.record(size.id+"-all", s.come.took.Seconds())
	return nil
}

func (c *cell) speeches(ctx context.Context, h *hall, size roomSize) error {
	// Everybody's first message is a little slower, so a few go ahead.
	for range 3 {
		if _, err := h.say(ctx); err != nil {
			return err
		}
	}
	count := c.bench.sizes.speeches
	last := make([]int64, count)
	own := gauge.Own()
	cpu, wall, err := c.measure(func() error {
		for i := range last {
			took, err := h.say(ctx)
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
	deliveries := count * h.receivers()
	c.record(size.id, micros(cpu, deliveries))
	c.record(size.id+"-rate", float64(deliveries)/wall.Seconds())
	c.record(size.id+"-last", quantile(last, 0.5)/1e6)
	c.record(size.id+"-last-p99", quantile(last, 0.99)/1e6)
	c.bench.results.add("tool:"+size.id, c.server.Name, micros(gauge.Own()-own, deliveries))
	return nil
}

// enter has one member after the other leave the full room and join it again.
func (c *cell) enter(ctx context.Context, h *hall, size roomSize) error {
	count := c.bench.sizes.cycles
	var took []float64
	var spent time.Duration
	for i := 1; i <= count; i++ {
		who := i % h.size()
		if err := h.exit(ctx, who); err != nil {
			return err
		}
		var s *stage
		cpu, _, err := c.measure(func() (err error) {
			s, err = h.enter(ctx, who)
			return err
		})
		if err != nil {
			return err
		}
		spent, took = spent+cpu, append(took, s.self.took.Seconds()*1e3)
	}
	c.record(size.id+"-enter", median(took))
	c.record(size.id+"-enter-cpu", micros(spent, count*(2*h.size()-1)))
	return nil
}

func (c *cell) empty(ctx context.Context, h *hall, size roomSize) error {
	var s *stage
	cpu, _, err := c.measure(func() (err error) {
		s, err = h.empty(ctx)
		return err
	})
	if err != nil || size.archive {
		return err
	}
	c.record(size.id+"-leave", micros(cpu, h.departures()))
	c.record(size.id+"-leave-all", max(s.gone.took, s.out.took).Seconds())
	return nil
}

// roomService asks the server which of its services has rooms: the domain lists
// its services, and the one that is meant says so (XEP-0045 sections 6.1 and
// 6.2). A server without any cannot be measured.
func (c *cell) roomService(ctx context.Context) (service string, err error) {
	if c.server.Floor {
		return target.Rooms, nil
	}
	session, err := c.login(ctx, target.Name("u", 0), wire.DirectTLS, false)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	if err := session.SetReadDeadline(time.Now().Add(loginWait)); err != nil {
		return "", err
	}
	answer, err := session.IQ("services", "get", target.Host, "<query xmlns='http://jabber.org/protocol/disco#items'/>")
	if err != nil && !errors.Is(err, wire.ErrRefused) {
		return "", err
	}
	for _, item := range itemAddresses(answer) {
		answer, err := session.IQ("service", "get", item, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
		switch {
		case errors.Is(err, wire.ErrRefused):
		case err != nil:
			return "", err
		case hasRooms(answer):
			return item, nil
		}
	}
	return "", fmt.Errorf("%w: none of its services has rooms (XEP-0045)", errNotOffered)
}

// itemAddresses lists who is named in an answer about items (XEP-0030 section
// 4.1).
func itemAddresses(answer []byte) []string {
	var list []string
	for {
		at := bytes.Index(answer, []byte("<item "))
		if at < 0 {
			return list
		}
		answer = answer[at:]
		if jid := wire.Attr(answer, "jid"); jid != nil {
			list = append(list, string(jid))
		}
		answer = answer[1:]
	}
}

// hasRooms tells whether an answer about features names those of XEP-0045.
func hasRooms(answer []byte) bool {
	for _, quote := range []string{"'", `"`} {
		if bytes.Contains(answer, []byte("var="+quote+"http://jabber.org/protocol/muc"+quote)) {
			return true
		}
	}
	return false
}
