package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// crashEnv names the folder in which a child process writes.
const crashEnv = "STORETEST_CRASH_FOLDER"

const (
	crashProducers = 8
	crashOwner     = store.Owner(1 << 40) // the first of as many, who are no accounts
)

// CrashFolder is for TestMain: when it returns a folder, the process is a child of Crash and must call CrashWriter instead of the tests.
func CrashFolder() string { return os.Getenv(crashEnv) }

// CrashWriter keeps writing until it is killed, and says on standard output what was promised, one line for each ticket that succeeded:
// "row <owner> <id>", "contact <owner> <address>", and what crashJoining says.
func CrashWriter(s store.Set) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	errs := make(chan error, 2*crashProducers+1)
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := fmt.Printf(format, args...); err != nil {
			errs <- err
		}
	}
	if err := crashSession(context.Background(), s); err != nil {
		return err
	}
	wg.Go(func() { errs <- crashJoining(context.Background(), s, say) })
	for p := range crashProducers {
		owner := crashOwner + store.Owner(p)
		done, err := s.Archive.Page(context.Background(), owner, store.Query{})
		if err != nil {
			return err
		}
		wg.Go(func() {
			for i := done.Count; ; i++ {
				key, ticket := s.Archive.Append(store.Entry{Owner: owner, Peer: "bob@example.org", Stanza: []byte(crashStanza(i))})
				if i%5 != 0 {
					ticket.Done(func(err error) {
						if err == nil {
							say("row %d %s\n", owner, s.Archive.ID(owner, key))
						}
					})
					continue
				}
				if err := ticket.Wait(context.Background()); err != nil {
					errs <- err
					return
				}
				say("row %d %s\n", owner, s.Archive.ID(owner, key))
				if err := crashContact(s, owner, i, say); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	err := <-errs
	return err
}

// crashStanza is the i-th message of an owner.
func crashStanza(i int) string {
	return "<message xmlns='jabber:client'><body>crash " + strconv.Itoa(i) + "</body></message>"
}

func crashContact(s store.Set, owner store.Owner, i int, say func(string, ...any)) error {
	j, err := jid.Parse(fmt.Sprintf("c%d@example.org", i%40))
	if err != nil {
		return err
	}
	_, ticket := s.Rosters.Change(owner, store.RosterChange{Put: &store.Contact{JID: j}})
	ticket.Done(func(err error) {
		if err == nil {
			say("contact %d %s\n", owner, j)
		}
	})
	return nil
}

// Crash starts this test program again and again as a writer in one folder, kills it in the middle of things, and looks each time
// whether everything promised so far is there, and every archive without a hole.
func Crash(t *testing.T, open Open, cycles int) {
	folder := t.TempDir()
	promised := map[string]bool{}
	for cycle := range cycles {
		before := len(promised)
		writeAndDie(t, folder, 100+rand.IntN(1500), promised)
		s := open(t, folder, time.Now)
		checkPromised(t, s, promised)
		must(t, s.Close())
		guests := 0
		for line := range promised {
			if strings.HasPrefix(line, "guest ") {
				guests++
			}
		}
		t.Logf("cycle %d: %d promises, all kept, %d guests so far", cycle, len(promised)-before, guests)
	}
}

// writeAndDie runs a writer until it has made so many promises, kills it, and collects all it had said.
func writeAndDie(t *testing.T, folder string, lines int, promised map[string]bool) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), crashEnv+"="+folder)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	r := bufio.NewReader(out)
	for n := 0; ; n++ {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // what stands after the last line break was never said
		}
		must(t, err)
		promised[strings.TrimSuffix(line, "\n")] = true
		if n == lines {
			must(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the writer ended by itself: %v\n%s", err, stderr.String())
	}
}

func checkPromised(t *testing.T, s Store, promised map[string]bool) {
	t.Helper()
	ctx := context.Background()
	there := map[string]bool{}
	for p := range crashProducers {
		owner := crashOwner + store.Owner(p)
		r, err := s.Rosters.Load(ctx, owner)
		must(t, err)
		for _, c := range r.Contacts {
			there[fmt.Sprintf("contact %d %s", owner, c.JID)] = true
		}
		foundOnce(t, s, owner, noHoles(t, s, owner, there))
	}
	noHalves(t, s, there)
	noSessions(t, s)
	for line := range promised {
		if !there[line] {
			t.Errorf("lost: %s", line)
		}
	}
}

// foundOnce: a search finds each row, and none twice.
func foundOnce(t *testing.T, s Store, owner store.Owner, rows int) {
	t.Helper()
	f := &fixture{Store: s, ctx: t.Context()}
	if n := f.search(t, owner, store.SearchQuery{Phrases: about("crash").Phrases}).Count; n != min(rows, store.MaxFound) {
		t.Errorf("owner %d: %d of %d rows are found", owner, n, rows)
	}
}

// noHoles: what an owner's archive holds is the beginning of what was appended, in that order. It notes what is there, and returns how much that is.
func noHoles(t *testing.T, s Store, owner store.Owner, there map[string]bool) int {
	t.Helper()
	next := 0
	for q := (store.Query{Max: 500}); ; {
		res, err := s.Archive.Page(context.Background(), owner, q)
		must(t, err)
		for _, r := range res.Rows {
			if string(r.Stanza) != crashStanza(next) {
				t.Fatalf("owner %d: row %s where %d belongs", owner, r.Stanza, next)
			}
			next++
			there[fmt.Sprintf("row %d %s", owner, r.ID)] = true
			q.After = r.ID
		}
		if res.Complete {
			return next
		}
	}
}
