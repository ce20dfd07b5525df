package sqlstore

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"stonechat/store"
)

// openPostgresTest opens a store in a database of its own, or in the one of the options.
func openPostgresTest(t testing.TB, o Options) *DB {
	t.Helper()
	if o.Postgres == "" {
		o.Postgres = PostgresForTests.Database(t)
	}
	return openTest(t, o)
}

// sqlOn runs a statement beside the store.
func sqlOn(t testing.TB, url, query string, args ...any) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err == nil {
		_, err = conn.Exec(ctx, query, args...)
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPostgresURL: nothing goes through a network in the clear, and no error shows the password.
func TestPostgresURL(t *testing.T) {
	for url, fine := range map[string]bool{
		"postgres://u:hunter2@/db?host=/run/postgresql":                   true,
		"postgres://u:hunter2@localhost/db":                               true,
		"postgres://u:hunter2@127.0.0.1:5433/db?sslmode=disable":          true,
		"postgresql://u:hunter2@[::1]/db":                                 true,
		"postgres://u:hunter2@db.example.org/db?sslmode=verify-full":      true,
		"postgres://u:hunter2@db.example.org/db?sslmode=require":          true,
		"postgres://u:hunter2@db.example.org/db":                          false,
		"postgres://u:hunter2@db.example.org/db?sslmode=prefer":           false,
		"postgres://u:hunter2@db.example.org/db?sslmode=allow":            false,
		"postgres://u:hunter2@db.example.org/db?sslmode=disable":          false,
		"postgres://u:hunter2@localhost,db.example.org/db?sslmode=prefer": false,
		"postgres://u:hunter2@192.168.1.7/db":                             false,
		"postgres://u:hunter2@localhost.example.org/db":                   false,
		"postgres://u:hunter2@@@/db?x":                                    false,
		"postgres://u:hunter2@h:port/db":                                  false,
		"host=localhost password=hunter2":                                 false,
		"mysql://u:hunter2@localhost/db":                                  false,
		"":                                                                false,
	} {
		err := PostgresURL(url)
		if (err == nil) != fine {
			t.Errorf("%s: %v", url, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is shown: %v", err)
		}
	}
	if c, err := parsePostgres("postgres://u@db.example.org/db?sslmode=require"); err != nil || !unverified(c) {
		t.Errorf("sslmode=require passes without a warning: %v", err)
	}
	if c, err := parsePostgres("postgres://u@db.example.org/db?sslmode=verify-full"); err != nil || unverified(c) {
		t.Errorf("sslmode=verify-full with a warning: %v", err)
	}
}

// TestDurabilityIsEnforced: what the database is configured with does not weaken what is promised.
func TestDurabilityIsEnforced(t *testing.T) {
	for configured, want := range map[string]string{"off": "on", "local": "on", "remote_write": "on", "on": "on", "remote_apply": "remote_apply"} {
		url := PostgresForTests.Database(t)
		name := url[strings.LastIndex(strings.Split(url, "?")[0], "/")+1 : strings.Index(url, "?")]
		sqlOn(t, url, "ALTER DATABASE "+name+" SET synchronous_commit = "+configured)
		db := openPostgresTest(t, Options{Postgres: url})
		var got string
		err := db.queueOf(nobody).change(0, func(w *writer) error {
			return w.query("SELECT current_setting('synchronous_commit')", textInto(&got))
		}).Wait(t.Context())
		if err != nil || got != want {
			t.Errorf("configured %s: commits with %s, %v", configured, got, err)
		}
		if warned := strings.Contains(strings.Join(db.Warnings(), "\n"), "synchronous_commit"); warned != (configured != want) {
			t.Errorf("configured %s: warnings %q", configured, db.Warnings())
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = Open(t.Context(), t.TempDir(), Options{Postgres: url + "&synchronous_commit=off"})
		if err == nil || !strings.Contains(err.Error(), "synchronous_commit=off") {
			t.Errorf("off in the URL: %v", err)
		}
	}
}

func textInto(to *string) func([]driver.Value) error {
	return func(v []driver.Value) error {
		s, ok := v[0].(string)
		*to = s
		return errorUnless(ok, "no text")
	}
}

// TestSecondProcessOnOneDatabase is refused while the first one lives.
func TestSecondProcessOnOneDatabase(t *testing.T) {
	t.Parallel()
	db := openPostgresTest(t, Options{})
	_, err := Open(t.Context(), t.TempDir(), db.options)
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second open: %v", err)
	}
	if _, ticket := db.Archive.Append(message(1, 10)); ticket.Wait(t.Context()) != nil {
		t.Error("the first one is disturbed")
	}
}

// TestTakenOver: a process whose lock broke without its notice, while another one took the database, keeps nothing any more and shows
// nothing.
func TestTakenOver(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	first := openPostgresTest(t, Options{})
	_, before := first.Archive.Append(message(1, 10))
	if err := before.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	base, ok := first.base.(*postgres)
	if !ok {
		t.Fatal("no PostgreSQL")
	}
	// The line to the server is cut, and nobody notices.
	base.owner.stop()
	base.owner.running.Wait()
	if err := base.owner.conn.Close(ctx); err != nil {
		t.Fatal(err)
	}
	second := openPostgresTest(t, first.options)
	for owner := range store.Owner(8) {
		if _, ticket := first.Archive.Append(message(owner+1, 10)); !errors.Is(ticket.Wait(ctx), store.ErrClosed) {
			t.Errorf("a commit of owner %d after the database was taken over", owner+1)
		}
	}
	select {
	case <-first.Lost():
	default:
		t.Error("the first one does not know that it has lost")
	}
	if _, err := first.Archive.Page(ctx, 1, store.Query{Max: 5}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a read after the database was taken over: %v", err)
	}
	if _, err := first.Rosters.Load(ctx, 1); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a roster after the database was taken over: %v", err)
	}
	for owner := range store.Owner(8) {
		res, err := second.Archive.Page(ctx, owner+1, store.Query{})
		if want := map[store.Owner]int{1: 1}[owner+1]; err != nil || res.Count != want {
			t.Errorf("owner %d has %d rows, %v", owner+1, res.Count, err)
		}
	}
	if _, ticket := second.Archive.Append(message(1, 10)); ticket.Wait(ctx) != nil {
		t.Error("the second one does not write")
	}
}

// TestTakeOverWaits: what the process before us was committing has ended when we begin to read.
func TestTakeOverWaits(t *testing.T) {
	t.Parallel()
	url := PostgresForTests.Database(t)
	first := openPostgresTest(t, Options{Postgres: url})
	base, ok := first.base.(*postgres)
	if !ok {
		t.Fatal("no PostgreSQL")
	}
	release := stall(t, first) // lane 1 is in a transaction
	base.owner.stop()
	base.owner.running.Wait()
	if err := base.owner.conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened := make(chan *DB)
	go func() {
		db, err := Open(context.Background(), t.TempDir(), Options{Postgres: url})
		if err != nil {
			t.Error(err)
		}
		opened <- db
	}()
	select {
	case <-opened:
		t.Error("took over in the middle of a commit")
	case <-time.After(300 * time.Millisecond):
	}
	release()
	if db := <-opened; db != nil {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLockComesBack: a broken connection of the lock is replaced, and reads wait for that.
func TestLockComesBack(t *testing.T) {
	db := openPostgresTest(t, Options{})
	for range 5 {
		sqlOn(t, db.options.Postgres, `SELECT pg_terminate_backend(pid) FROM pg_locks
			WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
		if _, err := db.Accounts.List(t.Context(), "example.org", "", 1); err != nil {
			t.Error(err)
		}
		if _, ticket := db.Archive.Append(message(1, 10)); ticket.Wait(t.Context()) != nil {
			t.Error("append while the lock is taken again")
		}
	}
}

// TestOlderCopyIsNoticed: a database that has lost what was durable, such as a standby that lagged behind, is not written to.
func TestOlderCopyIsNoticed(t *testing.T) {
	db := openPostgresTest(t, Options{})
	for range 3 {
		if _, ticket := db.Archive.Append(message(1, 10)); ticket.Wait(t.Context()) != nil {
			t.Fatal("append")
		}
	}
	sqlOn(t, db.options.Postgres, "UPDATE writers SET seq = seq - 1 WHERE seq > 1")
	sqlOn(t, db.options.Postgres, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	if _, ticket := db.Archive.Append(message(1, 10)); !errors.Is(ticket.Wait(t.Context()), errLost) {
		t.Error("written to an older copy")
	}
}

// raise makes the database answer inserts into the archive with an error, as long as the sequence of tries is below a number.
func raise(t *testing.T, db *DB, code string, tries int) {
	t.Helper()
	sqlOn(t, db.options.Postgres, "CREATE SEQUENCE tries")
	sqlOn(t, db.options.Postgres, fmt.Sprintf(`CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN IF nextval('tries') <= %d THEN RAISE EXCEPTION 'made for a test' USING ERRCODE = '%s'; END IF; RETURN NULL; END $$`, tries, code))
	sqlOn(t, db.options.Postgres, "CREATE TRIGGER complain AFTER INSERT ON archive FOR EACH STATEMENT EXECUTE FUNCTION complain()")
}

func TestPostgresFull(t *testing.T) {
	db := openPostgresTest(t, Options{})
	raise(t, db, "53100", 1)
	_, ticket := db.Archive.Append(message(1, 10))
	if err := ticket.Wait(t.Context()); !errors.Is(err, store.ErrFull) {
		t.Errorf("append to a full disk: %v", err)
	}
	if _, ticket = db.Archive.Append(message(1, 10)); ticket.Wait(t.Context()) != nil {
		t.Error("append when there is room again")
	}
	if keys := allKeys(t, db, 1); len(keys) != 1 {
		t.Errorf("%d rows", len(keys))
	}
}

func TestPostgresRaces(t *testing.T) {
	for _, code := range []string{"40001", "40P01"} {
		db := openPostgresTest(t, Options{})
		raise(t, db, code, 3)
		if _, ticket := db.Archive.Append(message(1, 10)); ticket.Wait(t.Context()) != nil {
			t.Errorf("%s is not tried again", code)
		}
		if keys := allKeys(t, db, 1); len(keys) != 1 {
			t.Errorf("%d rows", len(keys))
		}
	}
}

// TestPostgresFailsAlone is TestFailingOperationFailsAlone, and an operation that overlooks an error of the database.
func TestPostgresFailsAlone(t *testing.T) {
	db := openPostgresTest(t, Options{Writers: 1})
	release := stall(t, db)
	_, first := db.Archive.Append(message(1, 10))
	broken := db.queueOf(1).change(0, func(w *writer) error {
		_, err := w.change("INSERT INTO archive_state (id, indexed) VALUES (1, 0)")
		return err
	})
	careless := db.queueOf(1).change(0, func(w *writer) error {
		if _, err := w.change("INSERT INTO archive_state (id, indexed) VALUES (1, 0)"); err != nil {
			return nil
		}
		return nil
	})
	nul := db.queueOf(1).change(0, func(w *writer) error {
		_, err := w.change("INSERT INTO owners (kind) VALUES ($1)", "a\x00b")
		return err
	})
	conflict := db.queueOf(1).change(0, func(w *writer) error {
		if _, err := w.change("INSERT INTO secrets (name, value) VALUES ('half', $1)", []byte{1}); err != nil {
			return err
		}
		return store.ErrConflict
	})
	_, second := db.Archive.Append(message(1, 10))
	release()
	ctx := t.Context()
	if err := errors.Join(first.Wait(ctx), second.Wait(ctx)); err != nil {
		t.Errorf("the others failed too: %v", err)
	}
	if err := conflict.Wait(ctx); !errors.Is(err, store.ErrConflict) {
		t.Errorf("half an operation: %v", err)
	}
	for name, ticket := range map[string]store.Ticket{"a broken constraint": broken, "an overlooked error": careless, "a NUL in a text": nul} {
		if ticket.Wait(ctx) == nil {
			t.Errorf("%s went unnoticed", name)
		}
	}
	if _, err := db.Secrets.Get(ctx, "half"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("half an operation was kept: %v", err)
	}
	if keys := allKeys(t, db, 1); len(keys) != 2 {
		t.Errorf("%d rows", len(keys))
	}
}

// TestAnyBytes: a stanza's bytes are kept as they are.
func TestAnyBytes(t *testing.T) {
	db := openPostgresTest(t, Options{})
	e := message(1, 0)
	for b := range 256 {
		e.Stanza = append(e.Stanza, byte(b))
	}
	if _, ticket := db.Archive.Append(e); ticket.Wait(t.Context()) != nil {
		t.Fatal("append")
	}
	res, err := db.Archive.Page(t.Context(), 1, store.Query{Max: 1})
	if err != nil || len(res.Rows) != 1 || !bytes.Equal(res.Rows[0].Stanza, e.Stanza) {
		t.Errorf("read %v, %v", res.Rows, err)
	}
}

// beside is a connection to the database of a store, past the store.
func beside(t *testing.T, db *DB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.options.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// TestNoKeyBeforeItsElder: whoever looks into the database while messages arrive sees, of each owner, the beginning of what was appended.
func TestNoKeyBeforeItsElder(t *testing.T) {
	db := openPostgresTest(t, Options{})
	const owners, rows = 7, 3000
	appended := make([][]store.Key, owners)
	conn := beside(t, db)
	var last []store.Ticket
	var looks [][]store.Key
	var of []int
	for i := range rows {
		for o := range owners {
			key, ticket := db.Archive.Append(message(store.Owner(o+1), 20))
			appended[o], last = append(appended[o], key), append(last, ticket)
		}
		if i%20 == 0 {
			o := i / 20 % owners
			r, err := conn.Query(t.Context(), "SELECT key FROM archive WHERE owner = $1 ORDER BY key", o+1)
			if err != nil {
				t.Fatal(err)
			}
			keys, err := pgx.CollectRows(r, pgx.RowTo[store.Key])
			if err != nil {
				t.Fatal(err)
			}
			looks, of = append(looks, keys), append(of, o)
		}
	}
	for _, ticket := range last {
		if err := ticket.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	partly := 0
	for i, keys := range looks {
		if !slices.Equal(keys, appended[of[i]][:len(keys)]) {
			t.Fatalf("look %d at owner %d: %d rows that are not the first ones", i, of[i]+1, len(keys))
		}
		if len(keys) > 0 && len(keys) < rows {
			partly++
		}
	}
	if partly < 10 {
		t.Errorf("only %d looks saw a part", partly)
	}
}

// TestIdleLanesFollow: a lane whose owners say nothing does not make starts read what the others have kept meanwhile.
func TestIdleLanesFollow(t *testing.T) {
	url := PostgresForTests.Database(t)
	o := Options{Postgres: url, Tail: 10, follow: 5 * time.Millisecond}
	db := openPostgresTest(t, o)
	var last store.Ticket
	var keys []store.Key
	for range 200 {
		var key store.Key
		key, last = db.Archive.Append(message(1, 10))
		keys = append(keys, key)
	}
	if err := errors.Join(last.Wait(t.Context()), db.flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; {
		lowest := maxKey
		for _, l := range db.lanes {
			lowest = min(lowest, l.tail.reached())
		}
		if lowest >= keys[len(keys)-1] {
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("a horizon stays behind")
		}
		time.Sleep(time.Millisecond)
	}
	// What an idle lane gets afterwards is behind its horizon, and seen.
	for owner := range store.Owner(8) {
		if _, ticket := db.Archive.Append(message(owner+1, 10)); ticket.Wait(t.Context()) != nil {
			t.Fatal("append")
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openPostgresTest(t, o)
	for owner := range store.Owner(8) {
		if n := len(allKeys(t, db, owner+1)); n != map[bool]int{true: 201, false: 1}[owner == 0] {
			t.Errorf("owner %d has %d rows", owner+1, n)
		}
	}
}

// TestNumberOfWritersChanges: nothing is lost or seen twice, and no key is given again, with more or fewer of them at the next start.
func TestNumberOfWritersChanges(t *testing.T) {
	url := PostgresForTests.Database(t)
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var appended [5][]store.Key
	for _, writers := range []int{4, 1, 3, 2} {
		db := openPostgresTest(t, Options{Postgres: url, Writers: writers, Tail: 30, Now: func() time.Time { return clock }})
		var last []store.Ticket
		for i := range 200 {
			o := i % len(appended)
			key, ticket := db.Archive.Append(message(store.Owner(o+1), 10))
			appended[o], last = append(appended[o], key), append(last, ticket)
		}
		for _, ticket := range last {
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for o, want := range appended {
			if got := allKeys(t, db, store.Owner(o+1)); !slices.Equal(got, want) {
				t.Fatalf("%d writers, owner %d: %d rows, want %d", writers, o+1, len(got), len(want))
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		clock = clock.Add(-time.Hour) // a clock that was wrong
	}
}

// TestPasswordsStayHidden: what is said of a database that cannot be reached does not show how it would be.
func TestPasswordsStayHidden(t *testing.T) {
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, url := range []string{"postgres://u:hunter2@127.0.0.1:1/db", "postgres://u:hunter2@/db?host=/nowhere", "postgres://u:hunter2@127.0.0.1:1/db?password=hunter2"} {
		_, err := Open(t.Context(), t.TempDir(), Options{Postgres: url, Log: log})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
		if _, err := OpenSnapshot(t.Context(), "", Options{Postgres: url, Log: log}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
	direct, err := url.Parse(PostgresForTests.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	direct.User = url.UserPassword("stonechat", "hunter2")
	db := openPostgresTest(t, Options{Postgres: direct.String(), Log: log})
	sqlOn(t, direct.String(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	if _, ticket := db.Archive.Append(message(1, 10)); ticket.Wait(t.Context()) != nil {
		t.Error("append")
	}
	if text := said.String() + db.About() + strings.Join(db.Warnings(), ""); strings.Contains(text, "hunter2") {
		t.Errorf("shown: %s", text)
	}
}
