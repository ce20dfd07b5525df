package main

import (
	"context"
	"fmt"
	"strconv"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

// occupancy is a way to spread occupants over rooms: each of some sessions is
// in as many rooms, each with as many occupants.
type occupancy struct {
	id, title string
	sessions  int
	rooms     int // of each session
	size      int // occupants of each room
}

// venue is one of many rooms of the same sessions. Each of its rooms is made by
// another member of a group, since servers bound how many one account makes.
type venue struct {
	*hall
	shift int // the group's i-th session is member i+shift
}

// occupancies are a community of small rooms and one large room: a server that
// keeps something for each pair of occupants shows in the second.
func occupancies() []occupancy {
	return []occupancy{
		{id: "occupant", title: "occupant of a room of 20, memory", sessions: largestRoom, rooms: 10, size: 20},
		{id: "occupant-large", title: "occupant of a room of 500, memory", sessions: 500, rooms: 1, size: 500},
	}
}

func occupancyScenarios() []scenario {
	var list []scenario
	for _, o := range occupancies() {
		list = append(list, scenario{
			name: o.id, about: o.title, fresh: true, long: true,
			run: func(ctx context.Context, c *cell) error { return c.occupancy(ctx, o) },
		})
	}
	return list
}

func occupancyFigures() []figure {
	var rows []figure
	for _, o := range occupancies() {
		// No target: what a peer has free after the log-ins takes in part of it.
		rows = append(rows, figure{id: o.id, title: o.title, unit: "KB", digits: 2})
	}
	return rows
}

// occupancy reads the memory of a fresh server with all sessions online, and
// again with all of them in their rooms.
func (c *cell) occupancy(ctx context.Context, o occupancy) error {
	if c.server.Floor {
		return fmt.Errorf("%w: the floor knows no rooms", errSkip)
	}
	service, err := c.roomService(ctx)
	if err != nil {
		return err
	}
	wrong := c.watch()
	venues := make(map[string]*venue)
	groups := make([][]*venue, o.sessions/o.size)
	for group := range groups {
		for i := range o.rooms {
			name := "hall" + strconv.Itoa(group) + "-" + strconv.Itoa(i) + "@" + service
			venues[name] = &venue{hall: newHall(name, o.size, false, wrong), shift: i % o.size}
			groups[group] = append(groups[group], venues[name])
		}
	}
	see := func(i int, stanza []byte) {
		if v := venues[string(bare(wire.Attr(stanza, "from")))]; v != nil {
			v.see((i+v.shift)%o.size, stanza)
		}
	}
	people, err := c.gather(ctx, o.sessions, func(i int) string { return target.Name("u", i) }, wire.DirectTLS, false, see)
	if err != nil {
		return err
	}
	// The server is about to be stopped.
	defer people.drop()
	before, err := c.rested(ctx, c.bench.sizes.rest)
	if err != nil {
		return err
	}
	err = each(len(groups), func(group int) error {
		for _, v := range groups[group] {
			for k := range o.size {
				v.members = append(v.members, people.members[group*o.size+(k-v.shift+o.size)%o.size])
			}
			if err := v.open(ctx); err != nil {
				return err
			}
			if _, err := v.fill(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	after, err := c.rested(ctx, c.bench.sizes.rest)
	if err != nil {
		return err
	}
	if err := wrong.check(); err != nil {
		return err
	}
	c.record(o.id, float64(after-before)/1024/float64(o.sessions*o.rooms))
	return nil
}
