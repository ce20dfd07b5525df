package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

// scenario is one measurement, done on one server at a time.
type scenario struct {
	name    string
	about   string
	archive bool // the server keeps archives for everybody
	fresh   bool // needs a process that has served nobody yet, and is run once
	long    bool // left out of -quick unless named by -only
	most    int  // rounds at most; 0 is as many as asked for
	run     func(context.Context, *cell) error
}

// errSkip reports that a server cannot be measured in a scenario; its text
// goes under the table.
var errSkip = errors.New("skipped")

// errNotOffered reports that a server has not got what a scenario measures.
// The table says so in every row of the scenario, and above all rows.
var errNotOffered = errors.New("NOT OFFERED")

// sizes are the amounts of a run.
type sizes struct {
	sessions int           // idle sessions at the second measurement; half at the first
	rest     time.Duration // before memory is read
	logins   int
	burst    time.Duration // a closed loop
	offer    time.Duration // an offered rate
	cycles   int           // presence waves; five times as many personal events
	speeches int           // messages in a room
	sparse   int           // contacts of whom one in a hundred is online
	absent   int           // messages for an absent user
	pages    int           // archive pages read
	clones   int           // the large archive is this many times the small one
	imports  int
}

func fullSizes() sizes {
	return sizes{
		sessions: 5000, rest: 20 * time.Second, logins: 300, burst: 3 * time.Second, offer: 4 * time.Second,
		cycles: 8, speeches: 200, sparse: 5000, absent: 1000, pages: 100, clones: 100, imports: 10000,
	}
}

func quickSizes() sizes {
	return sizes{
		sessions: 600, rest: 3 * time.Second, logins: 100, burst: time.Second, offer: 2 * time.Second,
		cycles: 4, speeches: 20, sparse: 600, absent: 200, pages: 20, clones: 20, imports: 1000,
	}
}

func (z sizes) population() target.Population {
	return target.Population{Idle: max(z.sessions, z.logins, largestRoom), Grouped: z.sessions, Stars: starSizes(), Sparse: z.sparse, Others: others}
}

// bench is one run over several servers.
type bench struct {
	sizes    sizes
	rounds   int
	profiles string // folder for profiles of Stonechat; none when empty
	servers  []*target.Server
	results  *results
	keys     *wire.Keys
	failed   bool
	dir      string          // for files of the run
	filled   map[string]bool // servers whose archives are filled
	nextRun  int64           // marks the messages of one measurement
}

// cell is one scenario on one server in one round.
type cell struct {
	bench    *bench
	server   *target.Server
	scenario scenario
	round    int
}

// record keeps a value of this round.
func (c *cell) record(id string, value float64) {
	c.bench.results.add(id, c.server.Name, value)
}

// measure runs work and returns the processor time that the server spent
// meanwhile and how long it took. The tool's own time is kept for the notes.
func (c *cell) measure(work func() error) (cpu, wall time.Duration, err error) {
	tree := c.server.Tree()
	before, err := tree.CPU()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := work(); err != nil {
		return 0, 0, err
	}
	wall = time.Since(start)
	after, err := tree.CPU()
	return after - before, wall, err
}

// run measures the chosen scenarios on all servers: those that need a fresh
// process first, then those without archives, then those with.
func (b *bench) run(ctx context.Context, chosen []scenario) error {
	for _, s := range chosen {
		if s.fresh {
			if err := b.runFresh(ctx, s); err != nil {
				return err
			}
		}
	}
	for _, archive := range []bool{false, true} {
		var phase []scenario
		for _, s := range chosen {
			if !s.fresh && s.archive == archive {
				phase = append(phase, s)
			}
		}
		if len(phase) == 0 {
			continue
		}
		if err := b.runPhase(ctx, phase, archive); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) runFresh(ctx context.Context, s scenario) error {
	for _, server := range b.servers {
		if err := ctx.Err(); err != nil {
			return err
		}
		server.Parked = true
		err := server.Start(ctx, s.archive)
		if err == nil {
			b.cell(ctx, server, s, 0)
			// With thousands of sessions an orderly end takes a peer minutes.
			err = server.Kill()
		}
		server.Parked = false
		if err != nil {
			return err
		}
	}
	return nil
}

// runPhase keeps all servers running and takes turns between them within each
// scenario, so that a change of the machine's load hits all alike.
func (b *bench) runPhase(ctx context.Context, phase []scenario, archive bool) (err error) {
	defer func() {
		for _, server := range b.servers {
			stop := server.Stop()
			if errors.Is(stop, target.ErrForced) {
				b.results.note(fmt.Sprintf("%s: %v", server.Name, stop))
				continue
			}
			err = errors.Join(err, stop)
		}
	}()
	for _, server := range b.servers {
		if err := server.Start(ctx, archive); err != nil {
			return err
		}
	}
	for round := range b.rounds {
		for _, s := range phase {
			if s.most > 0 && round >= s.most {
				continue
			}
			for i := range b.servers {
				if err := ctx.Err(); err != nil {
					return err
				}
				b.cell(ctx, b.servers[(i+round)%len(b.servers)], s, round)
			}
		}
	}
	return nil
}

// cell measures one cell; a failure is noted and the run goes on.
func (b *bench) cell(ctx context.Context, server *target.Server, s scenario, round int) {
	load := gauge.Load()
	b.results.loads[s.name] = append(b.results.loads[s.name], load)
	start := time.Now()
	c := &cell{bench: b, server: server, scenario: s, round: round}
	done := c.profile(ctx)
	err := s.run(ctx, c)
	done()
	if ended := server.Ended(); ended != nil {
		err = errors.Join(err, ended)
	}
	verdict := "ok"
	switch {
	case errors.Is(err, errNotOffered):
		verdict = err.Error()
		b.results.lack(s.name, server.Name)
		b.results.note(fmt.Sprintf("%s, %s: %v", s.name, server.Name, err))
	case errors.Is(err, errSlow):
		verdict = "DOES NOT HOLD: " + err.Error()
		b.results.note(fmt.Sprintf("%s, %s, round %d: %v", s.name, server.Name, round+1, err))
	case errors.Is(err, errSkip):
		verdict = err.Error()
		b.results.note(fmt.Sprintf("%s, %s: %v", s.name, server.Name, err))
	case err != nil:
		verdict = "FAILED: " + err.Error()
		b.failed = true
		b.results.note(fmt.Sprintf("%s, %s, round %d FAILED: %v", s.name, server.Name, round+1, err))
	}
	fmt.Fprintf(os.Stderr, "%s round %d %-18s %-10s load %4.1f  %5.1f s  %s\n", time.Now().Format(time.TimeOnly),
		round+1, s.name, server.Name, load, time.Since(start).Seconds(), verdict)
}

// profile takes a profile of Stonechat beside the cell when one is wanted; the
// function returned waits for it.
func (c *cell) profile(ctx context.Context) func() {
	if c.bench.profiles == "" || c.server.Name != "stonechat" {
		return func() {}
	}
	done := make(chan struct{})
	path := filepath.Join(c.bench.profiles, fmt.Sprintf("%s-%d.pprof", c.scenario.name, c.round+1))
	go func() {
		defer close(done)
		if err := c.server.Profile(ctx, c.bench.sizes.burst, path); err != nil {
			c.bench.results.note(fmt.Sprintf("no profile of %s: %v", c.scenario.name, err))
		}
	}()
	return func() { <-done }
}

// prepare fills the servers; one whose program is missing is left out, loudly.
func (b *bench) prepare(ctx context.Context, names []string, options target.Options) error {
	for _, name := range names {
		start := time.Now()
		server, err := target.New(ctx, name, options, b.sizes.population())
		if errors.Is(err, exec.ErrNotFound) {
			fmt.Fprintf(os.Stderr, "NOT MEASURED: %s: %v\n", name, err)
			b.results.note(fmt.Sprintf("%s was NOT MEASURED: its program is missing", name))
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s filled in %.1f s\n", name, time.Since(start).Seconds())
		b.servers = append(b.servers, server)
	}
	if len(b.servers) == 0 {
		return errors.New("no server to measure")
	}
	return nil
}

// names lists the servers that are measured.
func (b *bench) names() []string {
	var names []string
	for _, server := range b.servers {
		names = append(names, server.Name)
	}
	return names
}

// micros is a duration per item in microseconds.
func micros(d time.Duration, items int) float64 {
	return float64(d.Nanoseconds()) / 1e3 / float64(items)
}

// millis is a duration per item in milliseconds.
func millis(d time.Duration, items int) float64 { return micros(d, items) / 1e3 }
