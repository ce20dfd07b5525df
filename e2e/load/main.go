// Command load measures what Stonechat costs, beside Prosody, ejabberd and a
// program that does no XMPP at all, in the same run on the same machine. It
// prints one Markdown table: medians and best rounds, ratios to the better
// peer and to the floor, and which targets are met.
//
// Processor time and memory of the server are the figures to trust. Rates and
// delays depend on what else the machine does; the load average before each
// cell is printed so that a reader can tell.
//
// What is sent is accounted for: a message, presence or event that is lost,
// doubled or out of order fails its cell and the run. What a server does not
// offer is named above the table and in its rows.
//
// Prosody and ejabberd come from the system's packages, their services
// stopped; the tool starts its own, on loopback, in a temporary folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/load/target"
	"stonechat/e2e/load/wire"
)

func main() {
	// The servers end with the thread that starts them; see target.Start.
	runtime.LockOSThread()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	quick     bool
	list      bool
	keep      bool
	rounds    int
	sessions  int
	only      string
	servers   string
	stonechat string
	profile   string
	out       string
}

func parse() options {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "small amounts and one round: a smoke test of four to five minutes")
	flag.BoolVar(&o.list, "list", false, "list the scenarios and stop")
	flag.BoolVar(&o.keep, "keep", false, "keep the servers' folder, with their logs")
	flag.IntVar(&o.rounds, "rounds", 0, "rounds per scenario (default 3, 1 with -quick); memory is measured once")
	flag.IntVar(&o.sessions, "sessions", 0, "idle sessions per server (default 5000, 600 with -quick)")
	flag.StringVar(&o.only, "only", "", "comma-separated scenarios; a name ending in * is a prefix")
	flag.StringVar(&o.servers, "servers", strings.Join(target.Names(), ","), "comma-separated servers")
	flag.StringVar(&o.stonechat, "stonechat", "", "path of a stonechat program (default: build ./cmd/stonechat)")
	flag.StringVar(&o.profile, "profile", "", "folder for processor profiles of Stonechat, one per cell; they cost a little, so the figures do not count")
	flag.StringVar(&o.out, "out", "", "also write the table to this file")
	flag.Parse()
	return o
}

func run() error {
	o := parse()
	chosen, err := choose(scenarios(), o.only, o.quick)
	if err != nil {
		return err
	}
	if o.list {
		for _, s := range chosen {
			fmt.Printf("%-18s %s\n", s.name, s.about)
		}
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "stonechat-load-")
	if err != nil {
		return err
	}
	if o.keep {
		fmt.Fprintln(os.Stderr, "servers live in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	b := newBench(o, dir)
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return err
		}
	}
	start := time.Now()
	programs, err := build(ctx, o, dir)
	if err != nil {
		return err
	}
	if err := b.prepare(ctx, strings.Split(o.servers, ","), programs); err != nil {
		return err
	}
	failed := b.run(ctx, chosen)
	derive(b.results, b.names())
	text := report(b, chosen, time.Since(start))
	fmt.Print(text)
	if o.out != "" {
		failed = errors.Join(failed, os.WriteFile(o.out, []byte(text), 0o644))
	}
	for _, line := range lackLines(b, chosen) {
		fmt.Fprintln(os.Stderr, line)
	}
	if b.failed {
		failed = errors.Join(failed, errors.New("some cells failed; see the notes under the table"))
	}
	return failed
}

func newBench(o options, dir string) *bench {
	b := &bench{
		sizes: fullSizes(), rounds: 3, dir: dir, profiles: o.profile,
		results: newResults(), keys: wire.NewKeys(), filled: make(map[string]bool),
	}
	if o.quick {
		b.sizes, b.rounds = quickSizes(), 1
	}
	if o.rounds > 0 {
		b.rounds = o.rounds
	}
	if o.sessions > 0 {
		b.sizes.sessions = o.sessions
	}
	return b
}

// scenarios lists all there are, in the order in which they are run.
func scenarios() []scenario {
	var list []scenario
	for _, group := range [][]scenario{idleScenarios(), stormScenarios(), messageScenarios(), presenceScenarios(), roomScenarios(), eventingScenarios(), storageScenarios()} {
		list = append(list, group...)
	}
	return list
}

// choose returns the scenarios that only names, or all; the long ones are left
// out of a quick run that does not name them.
func choose(all []scenario, only string, quick bool) ([]scenario, error) {
	var chosen []scenario
	if only == "" {
		for _, s := range all {
			if !s.long || !quick {
				chosen = append(chosen, s)
			}
		}
		return chosen, nil
	}
	for _, pattern := range strings.Split(only, ",") {
		found := false
		for _, s := range all {
			prefix, open := strings.CutSuffix(pattern, "*")
			if s.name == pattern || open && strings.HasPrefix(s.name, prefix) {
				chosen, found = append(chosen, s), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no scenario is called %q; -list shows them", pattern)
		}
	}
	return chosen, nil
}

// build compiles the programs of this tree into the folder of the run.
func build(ctx context.Context, o options, dir string) (target.Options, error) {
	programs := target.Options{Dir: dir, Stonechat: o.stonechat, Floor: filepath.Join(dir, "floor-program"), Profile: o.profile != ""}
	if err := compile(ctx, programs.Floor, "stonechat/e2e/floor"); err != nil {
		return programs, err
	}
	if o.stonechat != "" {
		path, err := filepath.Abs(o.stonechat)
		programs.Stonechat = path
		return programs, err
	}
	if !strings.Contains(o.servers, "stonechat") {
		return programs, nil
	}
	programs.Stonechat = filepath.Join(dir, "stonechat-program")
	if err := compile(ctx, programs.Stonechat, "stonechat/cmd/stonechat"); err != nil {
		// The peers can be measured all the same; prepare says that
		// Stonechat is missing.
		fmt.Fprintln(os.Stderr, err)
	}
	return programs, nil
}

func compile(ctx context.Context, to, pkg string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", to, pkg).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// machine is the first line of the report.
func machine() string {
	return fmt.Sprintf("%s, %s", time.Now().UTC().Format("2006-01-02 15:04 MST"), gauge.Machine())
}
