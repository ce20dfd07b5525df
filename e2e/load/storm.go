package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

func stormScenarios() []scenario {
	return []scenario{
		{name: "storm", about: "everybody comes back after the server was killed and started again", fresh: true, run: func(ctx context.Context, c *cell) error {
			return c.storm(ctx)
		}},
	}
}

func stormFigures() []figure {
	return []figure{
		{id: "storm", title: "return of all after a restart, 20 contacts, CPU each", unit: "ms", digits: 2, vsPeer: 0.3},
		{id: "storm-all", title: "return of all after a restart, until the last", unit: "s", digits: 1, wall: true, vsPeer: 1},
	}
}

// storm brings everybody online, takes the server away and gives it back, and
// measures the return: TLS, log-in, roster, presence to and from all contacts.
func (c *cell) storm(ctx context.Context) error {
	if c.server.Floor {
		return fmt.Errorf("%w: the floor knows no contacts", errSkip)
	}
	n := c.bench.sizes.sessions
	name := func(i int) string { return target.Name("r", i) }
	before, err := c.gather(ctx, n, name, wire.DirectTLS, false, nil)
	if err != nil {
		return err
	}
	err = c.server.Kill()
	before.drop()
	if err := errors.Join(err, c.server.Start(ctx, c.scenario.archive)); err != nil {
		return err
	}
	var f *fleet
	cpu, wall, err := c.measure(func() (err error) {
		if f, err = c.gather(ctx, n, name, wire.DirectTLS, false, nil); err != nil {
			return err
		}
		return c.calm(ctx)
	})
	if err != nil {
		return err
	}
	defer f.drop()
	c.record("storm", millis(cpu, n))
	c.record("storm-all", wall.Seconds())
	return nil
}

// calm waits until the server has no work left: its presences are still on
// their way when the last client is in.
func (c *cell) calm(ctx context.Context) error {
	const look = 50 * time.Millisecond
	tree := c.server.Tree()
	last, err := tree.CPU()
	for err == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(look):
		}
		var now time.Duration
		if now, err = tree.CPU(); now-last < look/10 {
			return err
		}
		last = now
	}
	return err
}
