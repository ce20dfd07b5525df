package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"stonechat/e2e/load/gauge"
	"stonechat/e2e/peers"
	"stonechat/store/sqlstore"
)

// Sizes of the judges; the defaults are for daily use.
var (
	serverFlag  = flag.String("server", "", "the server program; prosody for the stand-in; built from this tree when empty")
	seedFlag    = flag.Uint64("seed", 0, "seed of all random decisions; 0 takes the clock")
	cycles      = flag.Int("cycles", 3, "outages of the kill and power-cut judges")
	rate        = flag.Int("rate", 600, "messages per second, of all users together")
	acked       = flag.Int("acked", 1200, "messages to be acknowledged in all cycles together, at least")
	talkers     = flag.Int("talkers", 8, "users that talk; an even number")
	slowBytes   = flag.Int64("slow-bytes", 12<<20, "bytes sent to a client that does not read")
	halfOpen    = flag.Int("connections", 300, "half-open connections of each kind together")
	loginLimit  = flag.Duration("login-time", 4*time.Second, "time limit for log-in that the server is configured with")
	strangers   = flag.Int("strangers", 400, "connections of strangers from many addresses")
	loginWithin = flag.Duration("login-within", 0, "how long a user's log-in may take meanwhile; 0 only measures")
	guesses     = flag.Int("guesses", 16, "wrong passwords from one address, and from as many addresses")
	tries       = flag.Int("tries", 20, "attempts of each kind whose times are compared")
	mutateFor   = flag.Duration("mutate", 5*time.Second, "how long mutated sessions are thrown at the server")
	stallLimit  = flag.Duration("stall", 4*time.Second, "limits.stall that the server is configured with when a line falls silent")
	only        = flag.Int("only", -1, "replay only this mutated session of the seed")
)

// shared is the folder of what all tests of this run use together.
func shared() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("stonechat-chaos-%d", os.Getpid()))
}

// builtServer returns the program under test, built by the first caller.
func builtServer(t *testing.T) string {
	t.Helper()
	path := filepath.Join(shared(), "stonechat")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.MkdirAll(shared(), 0o700); err != nil {
		t.Fatal(err)
	}
	path, err := peers.Build(t.Context(), shared())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMain runs the tests, or plays the program under a power cut.
func TestMain(m *testing.M) {
	if mode, ok := os.LookupEnv(storeWriter); ok {
		err := writeStore(map[string]sqlstore.Sync{"full": sqlstore.SyncFull, "off": sqlstore.SyncOff}[mode], os.Args[1:])
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := postgres.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := os.RemoveAll(shared()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// random returns the source of a judge's decisions and says its seed, so that
// a run can be repeated as far as timing allows.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d; %s; load %.1f", seed, gauge.Machine(), gauge.Load())
	return rand.New(rand.NewPCG(seed, 0))
}

// newServer starts a server on an ordinary folder.
func newServer(t *testing.T, users int, options string) *peers.Server {
	t.Helper()
	return startServer(t, t.TempDir(), users, options)
}

// startServer starts the server under test in a folder. When the test ends it
// is killed and its log is searched for crashes.
func startServer(t *testing.T, folder string, users int, options string) *peers.Server {
	t.Helper()
	return serve(t, setupFor(t, folder, users, options))
}

// setupFor says how the server under test is set up.
func setupFor(t *testing.T, folder string, users int, options string) peers.Options {
	t.Helper()
	setup := peers.Options{Dir: folder, Users: Users(users), Extra: options}
	switch *serverFlag {
	case "":
		setup.Binary = builtServer(t)
	case "prosody":
		// The options are Stonechat's; direct TLS of Prosody wants its
		// certificate said once more.
		certificate := fmt.Sprintf("{ key = %q, certificate = %q }", filepath.Join(folder, "key.pem"), filepath.Join(folder, "cert.pem"))
		setup.Extra = "ssl = " + certificate + "\nc2s_direct_tls_ssl = " + certificate + "\n"
	default:
		path, err := filepath.Abs(*serverFlag)
		if err != nil {
			t.Fatal(err)
		}
		setup.Binary = path
	}
	return setup
}

// serve is startServer for any setup.
func serve(t *testing.T, setup peers.Options) *peers.Server {
	t.Helper()
	kind := peers.Stonechat
	if *serverFlag == "prosody" {
		kind = peers.Prosody
	}
	s, err := peers.Start(t.Context(), kind, setup)
	if errors.Is(err, exec.ErrNotFound) {
		t.Skipf("THIS MACHINE LACKS: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if lines, err := CrashLines(s); err != nil || len(lines) > 0 {
			t.Errorf("the server's log speaks of a crash: %v\n%s", err, strings.Join(lines, "\n"))
		}
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", s.LogTail(4000))
		}
	})
	return s
}

func start(t *testing.T, s *peers.Server) {
	t.Helper()
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// pause sleeps unless the test ends first.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(context.Cause(t.Context()))
	}
}

// table collects rows and prints them with the columns aligned.
type table struct {
	text strings.Builder
	tabs *tabwriter.Writer
}

func newTable(head ...any) *table {
	tb := &table{}
	tb.tabs = tabwriter.NewWriter(&tb.text, 0, 0, 2, ' ', tabwriter.AlignRight)
	tb.row(head...)
	return tb
}

func (tb *table) row(cells ...any) {
	for _, c := range cells {
		if d, ok := c.(time.Duration); ok {
			c = fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
		}
		fmt.Fprintf(tb.tabs, "%v\t", c)
	}
	fmt.Fprintln(tb.tabs)
}

func (tb *table) print(t *testing.T, title string) {
	t.Helper()
	tb.tabs.Flush()
	t.Logf("%s\n%s", title, tb.text.String())
}
