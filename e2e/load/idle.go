package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

func idleScenarios() []scenario {
	return []scenario{
		{name: "idle-plain", about: "memory of idle sessions without TLS", fresh: true, long: true, run: func(ctx context.Context, c *cell) error {
			return c.idle(ctx, wire.Plain, "u")
		}},
		{name: "idle-tls", about: "memory of an empty process and of idle TLS sessions", fresh: true, run: func(ctx context.Context, c *cell) error {
			return c.idle(ctx, wire.DirectTLS, "u")
		}},
		{name: "idle-websocket", about: "memory of idle sessions over WebSocket with TLS", fresh: true, run: func(ctx context.Context, c *cell) error {
			return c.idle(ctx, wire.WebSocket, "u")
		}},
		{name: "idle-roster", about: "memory of idle TLS sessions with 20 contacts online", fresh: true, run: func(ctx context.Context, c *cell) error {
			return c.idle(ctx, wire.DirectTLS, "r")
		}},
		{name: "login", about: "full log-in and log-out, TLS from the first byte", run: func(ctx context.Context, c *cell) error {
			return c.logins(ctx, wire.DirectTLS)
		}},
		{name: "login-starttls", about: "full log-in and log-out, STARTTLS", most: 1, run: func(ctx context.Context, c *cell) error {
			if c.server.Floor {
				return fmt.Errorf("%w: the floor knows no STARTTLS", errSkip)
			}
			return c.logins(ctx, wire.StartTLS)
		}},
		{name: "import", about: "import of accounts", fresh: true, run: imports},
	}
}

// idle brings half of the sessions online, then the other half, and reads the
// memory of the server after a rest each time.
func (c *cell) idle(ctx context.Context, security wire.Security, family string) error {
	if !c.server.Offers(security) {
		return fmt.Errorf("%w: does not offer this kind of connection", errSkip)
	}
	if family == "r" && c.server.Floor {
		return fmt.Errorf("%w: the floor knows no contacts", errSkip)
	}
	empty, err := c.rested(ctx, c.bench.sizes.rest/4)
	if err != nil {
		return err
	}
	total := c.bench.sizes.sessions
	name := func(i int) string { return target.Name(family, i) }
	var f *fleet
	cpu, _, err := c.measure(func() (err error) {
		f, err = c.gather(ctx, total/2, name, security, false, nil)
		return err
	})
	if err != nil {
		return err
	}
	defer func() { f.drop() }()
	half, err := c.rested(ctx, c.bench.sizes.rest)
	if err != nil {
		return err
	}
	more, _, err := c.measure(func() error {
		f.members = append(f.members, make([]*member, total-total/2)...)
		return c.extend(ctx, f, total/2, name, security, false, nil)
	})
	if err != nil {
		return err
	}
	full, err := c.rested(ctx, c.bench.sizes.rest)
	if err != nil {
		return err
	}
	first := float64(half-empty) / float64(total/2) / 1024
	both := float64(full-empty) / float64(total) / 1024
	c.record(c.scenario.name, both)
	switch c.scenario.name {
	case "idle-tls":
		c.record("empty", float64(empty)/(1<<20))
		c.record("idle-tls-growth", both/first)
	case "idle-roster":
		c.record("idle-roster-growth", both/first)
		c.record("fill-roster", millis(cpu+more, total))
	}
	return nil
}

// rested waits and returns the server's memory.
func (c *cell) rested(ctx context.Context, rest time.Duration) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(rest):
	}
	return c.server.Tree().PSS()
}

// logins is a storm of complete log-ins, each followed by an orderly log-out.
func (c *cell) logins(ctx context.Context, security wire.Security) error {
	n := c.bench.sizes.logins
	storm := func(n int) error {
		var wait sync.WaitGroup
		errs := make(chan error, n)
		turns := make(chan int)
		for range loginsAtOnce / 2 {
			wait.Go(func() {
				for i := range turns {
					session, err := c.online(ctx, target.Name("u", i), security, false)
					if err == nil {
						err = session.Close()
					}
					errs <- err
				}
			})
		}
		for i := range n {
			turns <- i
		}
		close(turns)
		wait.Wait()
		for range n {
			if err := <-errs; err != nil {
				return err
			}
		}
		return nil
	}
	if err := storm(n / 10); err != nil {
		return err
	}
	cpu, _, err := c.measure(func() error { return storm(n) })
	if err != nil {
		return err
	}
	c.record(c.scenario.name, millis(cpu, n))
	return nil
}

// imports measures `stonechat ctl user import`; the peers have no command that
// does the same.
func imports(ctx context.Context, c *cell) error {
	if c.server.Name != "stonechat" {
		return fmt.Errorf("%w: no command of this kind", errSkip)
	}
	n := c.bench.sizes.imports
	path := filepath.Join(c.bench.dir, "import.jsonl")
	if err := target.WriteImport(path, "i", n); err != nil {
		return err
	}
	var own time.Duration
	cpu, wall, err := c.measure(func() (err error) {
		own, err = c.server.Import(ctx, path)
		return err
	})
	if err != nil {
		return err
	}
	c.record("import", wall.Seconds()*10000/float64(n))
	c.record("import-cpu", millis(cpu+own, n))
	return nil
}
