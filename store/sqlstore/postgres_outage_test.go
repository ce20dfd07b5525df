package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/store"
)

// proxy stands between a store and its server, and breaks connections when they commit.
type proxy struct {
	listener net.Listener
	server   string
	cut      atomic.Int32 // what to do with the next commits
	commits  atomic.Int64
	cuts     atomic.Int64
}

// What is done with a commit: it is passed on, lost on the way there, or done while its answer is lost.
const (
	passOn int32 = iota
	loseQuestion
	loseAnswer
)

func newProxy(t *testing.T) (*proxy, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "px")
	if err != nil {
		t.Fatal(err)
	}
	direct, err := url.Parse(PostgresForTests.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{server: filepath.Join(direct.Query().Get("host"), ".s.PGSQL.5432")}
	if p.listener, err = net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.listener.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	go func() {
		for {
			c, err := p.listener.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	direct.RawQuery = "host=" + url.QueryEscape(dir)
	return p, direct.String()
}

// serve copies both ways. A COMMIT is a message of its own, so it arrives alone.
func (p *proxy) serve(client net.Conn) {
	server, err := net.Dial("unix", p.server)
	if err != nil {
		client.Close()
		return
	}
	var mute atomic.Bool
	end := func() { client.Close(); server.Close() }
	go func() {
		defer end()
		b := make([]byte, 64<<10)
		for {
			n, err := server.Read(b)
			if err != nil || mute.Load() {
				return
			}
			if _, err := client.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	defer end()
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if bytes.Equal(b[:n], []byte("Q\x00\x00\x00\x0bCOMMIT\x00")) {
			p.commits.Add(1)
			switch p.cut.Load() {
			case loseQuestion:
				p.cuts.Add(1)
				return
			case loseAnswer:
				p.cuts.Add(1)
				mute.Store(true)
				if _, err := server.Write(b[:n]); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
				continue // the answer ends the connection
			}
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}

// TestCommitInDoubt: when a connection breaks while it commits, what was kept is kept once and promised, and what was not is done again.
func TestCommitInDoubt(t *testing.T) {
	for name, cut := range map[string]int32{"question": loseQuestion, "answer": loseAnswer} {
		t.Run(name, func(t *testing.T) {
			p, url := newProxy(t)
			db := openPostgresTest(t, Options{Postgres: url, Tail: 20})
			appended := map[store.Owner][]store.Key{}
			for i := range 40 {
				p.cut.Store(cut)
				var tickets []store.Ticket
				for owner := range store.Owner(3) {
					key, ticket := db.Archive.Append(message(owner+1, 10+i))
					appended[owner+1], tickets = append(appended[owner+1], key), append(tickets, ticket)
				}
				_, ticket := db.Rosters.Change(1, store.RosterChange{})
				for n := p.cuts.Load(); p.cuts.Load() == n; {
					time.Sleep(time.Millisecond)
				}
				p.cut.Store(passOn)
				for _, ticket := range append(tickets, ticket) {
					if err := ticket.Wait(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			for owner, want := range appended {
				var got []store.Key
				res, err := db.Archive.Page(t.Context(), owner, store.Query{Max: 100})
				for _, r := range res.Rows {
					got = append(got, r.Key)
				}
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("owner %d has %v, want %v, %v", owner, got, want, err)
				}
			}
			if p.cuts.Load() < 40 {
				t.Errorf("only %d commits were cut", p.cuts.Load())
			}
		})
	}
}

// TestServerDies: the database server is killed and comes back, again and again, under traffic. What was promised is there, what was refused
// is not, and every archive is whole.
func TestServerDies(t *testing.T) {
	server := PostgresForTests.Server(t)
	db := openPostgresTest(t, Options{Tail: 50})
	const owners = 6
	var kept, refused [owners][]store.Key
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for o := range owners {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				key, ticket := db.Archive.Append(message(store.Owner(o+1), 100))
				if err := ticket.Wait(context.Background()); err == nil {
					kept[o] = append(kept[o], key)
				} else if refused[o] = append(refused[o], key); !errors.Is(err, store.ErrFull) {
					t.Errorf("refused with %v", err)
				}
			}
		})
	}
	for i := range 4 {
		time.Sleep(150 * time.Millisecond)
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			time.Sleep(50 * time.Millisecond)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(200 * time.Millisecond)
	close(stop)
	wg.Wait()
	total := 0
	for o := range owners {
		total += len(kept[o])
		there := allKeys(t, db, store.Owner(o+1))
		for _, key := range refused[o] {
			if slices.Contains(there, key) {
				t.Errorf("owner %d: %d was refused and is there", o+1, key)
			}
		}
		if !slices.Equal(there, kept[o]) {
			t.Errorf("owner %d: %d rows are there, %d were promised", o+1, len(there), len(kept[o]))
		}
	}
	t.Logf("%d kept, %d refused", total, len(refused[0]))
	select {
	case <-db.Lost():
		t.Error("the database counts as lost")
	default:
	}
}

// allKeys reads an archive to its end, after whatever connections to a dead server the pool still holds.
func allKeys(t *testing.T, db *DB, owner store.Owner) []store.Key {
	t.Helper()
	var out []store.Key
	for q, tries := (store.Query{Max: 500}), 0; ; {
		res, err := db.Archive.Page(t.Context(), owner, q)
		if err != nil {
			if tries++; tries > 20 {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
			continue
		}
		for _, r := range res.Rows {
			out, q.After = append(out, r.Key), r.ID
		}
		if res.Complete {
			return out
		}
	}
}

// TestReadsBehindARestart: the pool holds connections to a server that has died, and nobody who reads hears of it.
func TestReadsBehindARestart(t *testing.T) {
	server := PostgresForTests.Server(t)
	db := openPostgresTest(t, Options{})
	together := func() {
		var wg sync.WaitGroup
		for range 4 * postgresReads {
			wg.Go(func() {
				// One that is not begun anew.
				if _, err := db.Accounts.Get(t.Context(), "example.org", "nobody"); !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	for range 3 {
		together()
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	together() // Those that are younger than a second the driver would use without a look.
	if db.reads.db.Stats().MaxIdleClosed == 0 {
		t.Error("connections to a server that died are kept")
	}
}

// TestReadsWhileTheServerDies: who reads just when the server goes waits until it is back.
func TestReadsWhileTheServerDies(t *testing.T) {
	server := PostgresForTests.Server(t)
	db := openPostgresTest(t, Options{})
	if err := db.Personal.SetVCard(1, []byte("card")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range postgresReads {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if card, err := db.Personal.VCard(t.Context(), 1); err != nil || string(card) != "card" {
					t.Errorf("read %q, %v", card, err)
					return
				}
				if err := db.reads.each(t.Context(), selectOccupied, func(*sql.Rows) error { return nil }, "rooms.example.org"); err != nil {
					t.Error(err)
					return
				}
				// What breaks within a snapshot is told; what breaks before is not.
				if err := db.reads.snapshot(t.Context(), func(*snapshot) error { return nil }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 3 {
		time.Sleep(100 * time.Millisecond)
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	close(stop)
	wg.Wait()
}

// TestServerStaysAway: what cannot be kept in time is refused by a name that callers know, and all is well when it comes back.
func TestServerStaysAway(t *testing.T) {
	server := PostgresForTests.Server(t)
	db := openPostgresTest(t, Options{Patience: 100 * time.Millisecond})
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	_, ticket := db.Archive.Append(message(1, 10))
	if err := ticket.Wait(t.Context()); !errors.Is(err, store.ErrFull) {
		t.Errorf("append without a server: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := db.Archive.Page(ctx, 1, store.Query{}); err == nil {
		t.Error("a read without a server")
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		_, ticket := db.Archive.Append(message(1, 10))
		if err := ticket.Wait(t.Context()); err == nil {
			break
		}
	}
	if keys := allKeys(t, db, 1); len(keys) != 1 {
		t.Errorf("%d rows", len(keys))
	}
}
