package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

func stormScenarios() []scenario {
	return []scenario{
		{name: "storm", about: "everybody comes back after the server was killed and started again", fresh: true, run: func(ctx context.Context, c *cell) error {
			return c.storm(ctx)
		}},
		{name: "resume", about: "everybody resumes after an orderly restart, by token, in one round trip", fresh: true, run: func(ctx context.Context, c *cell) error {
			return c.resume(ctx)
		}},
	}
}

func stormFigures() []figure {
	return []figure{
		{id: "storm", title: "return of all after a restart, 20 contacts, CPU each", unit: "ms", digits: 2, vsPeer: 0.3},
		{id: "storm-all", title: "return of all after a restart, until the last", unit: "s", digits: 1, wall: true, vsPeer: 1},
		{id: "resume", title: "resumption of all after an orderly restart, by token, CPU each", unit: "ms", digits: 2},
		{id: "resume-all", title: "resumption of all after an orderly restart, until the last", unit: "s", digits: 1, wall: true},
		{id: "resume-down", title: "orderly restart with all of them online, stop to ready", unit: "s", digits: 2, wall: true},
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

// ticketed is a session that can come back.
type ticketed struct {
	*member
	ticket wire.Ticket
}

// resume brings everybody online, restarts the server in order, and measures
// the return by token and resumption. The peers of Debian have neither.
func (c *cell) resume(ctx context.Context) error {
	if c.server.Name != "stonechat" {
		return fmt.Errorf("%w: no tokens, or no sessions that outlive a restart", errSkip)
	}
	all := make([]ticketed, c.bench.sizes.sessions)
	defer func() {
		for _, t := range all {
			if t.member != nil {
				_ = t.Drop()
			}
		}
	}()
	err := each(len(all), func(i int) (err error) {
		all[i], err = c.ticketed(ctx, target.Name("r", i))
		return err
	})
	if err != nil {
		return err
	}
	if err := c.calm(ctx); err != nil {
		return err
	}
	down := time.Now()
	if err := errors.Join(c.server.Stop(), c.server.Start(ctx, c.scenario.archive)); err != nil {
		return err
	}
	c.record("resume-down", time.Since(down).Seconds())
	cpu, wall, err := c.measure(func() error {
		err := each(len(all), func(i int) error {
			<-all[i].done
			session, ticket, err := wire.Back(ctx, all[i].ticket, all[i].Handled())
			if err == nil {
				all[i] = ticketed{read(i, session, nil), ticket}
			}
			return err
		})
		return errors.Join(err, c.calm(ctx))
	})
	if err != nil {
		return err
	}
	c.record("resume", millis(cpu, len(all)))
	c.record("resume-all", wall.Seconds())
	return nil
}

// ticketed logs a user in as clients do, with a way back.
func (c *cell) ticketed(ctx context.Context, user string) (ticketed, error) {
	session, ticket, err := wire.DialTicket(ctx, wire.Login{
		Addr: c.server.Addr(wire.DirectTLS), Host: target.Host, User: user, Password: target.Password, Security: wire.DirectTLS, Keys: c.bench.keys,
	})
	if err != nil {
		return ticketed{}, err
	}
	if _, err = session.IQ("roster", "get", "", "<query xmlns='jabber:iq:roster'/>"); err == nil {
		err = session.Send([]byte(available))
	}
	if err != nil {
		return ticketed{}, errors.Join(err, session.Drop())
	}
	return ticketed{read(0, session, nil), ticket}, nil
}

// each does something with n users, as many at a time as log in at once, and
// returns the first error.
func each(n int, do func(i int) error) error {
	var wait sync.WaitGroup
	errs := make([]error, loginsAtOnce)
	var next atomic.Int64
	for worker := range errs {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[worker] == nil; i = int(next.Add(1)) - 1 {
				errs[worker] = do(i)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}
