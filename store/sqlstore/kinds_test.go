package sqlstore

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"stonechat/store"
	"stonechat/store/dump"
)

// someCredentials are of one of a few kinds, with no credential at all among them.
func someCredentials(r *rand.Rand) []store.Credential {
	var out []store.Credential
	for _, m := range []string{"SCRAM-SHA-512", "SCRAM-SHA-1", "X"} {
		if r.IntN(2) == 0 {
			out = append(out, store.Credential{
				Mechanism: m, Salt: make([]byte, 8*r.IntN(2)), Iterations: 1000 + r.IntN(2), StoredKey: []byte("key"), ServerKey: []byte("key"),
			})
		}
	}
	return out
}

// TestKindsStayTrue: whatever happens to accounts, at once and in batches of which some fail.
func TestKindsStayTrue(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { kindsStayTrue(t, openTest(t, Options{})) })
	t.Run("Postgres", func(t *testing.T) { kindsStayTrue(t, openPostgresTest(t, Options{})) })
}

func kindsStayTrue(t *testing.T, db *DB) {
	var all sync.WaitGroup
	for user := range 8 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(user), 7))
			for range 60 {
				if err := live(t.Context(), db, r); err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := KindsAreTrue(db); err != nil {
		t.Error(err)
	}
	for _, domain := range []string{"example.org", "example.net"} {
		list, err := db.Accounts.List(t.Context(), domain, "", 99)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			if err := db.Accounts.Delete(t.Context(), a.ID); err != nil {
				t.Error(err)
			}
		}
	}
	kinds, err := db.kindsOf(t.Context(), "example.org")
	if err = errors.Join(err, KindsAreTrue(db)); err != nil || len(kinds) > 0 {
		t.Errorf("kinds of no accounts: %+v, %v", kinds, err)
	}
}

// live does one thing to one of a few accounts, which may not be there.
func live(ctx context.Context, db *DB, r *rand.Rand) error {
	n := store.NewAccount{Domain: []string{"example.org", "example.net"}[r.IntN(2)], Local: fmt.Sprint("u", r.IntN(12)), Credentials: someCredentials(r)}
	a, err := db.Accounts.Get(ctx, n.Domain, n.Local)
	if errors.Is(err, store.ErrNotFound) {
		a, err = store.Account{ID: store.Owner(1_000_000)}, nil
	}
	if err != nil {
		return err
	}
	switch r.IntN(10) {
	case 0:
		_, err = db.Accounts.Create(ctx, n)
	case 1:
		other := n
		other.Local, other.Credentials = "u0", someCredentials(r)
		_, err = db.Accounts.Import(ctx, slices.Values([]store.NewAccount{n, other, n}))
	case 2:
		_, err = db.Invites.Register(ctx, store.Registration{NewAccount: n, Waiting: r.IntN(2) == 0})
	case 3, 4:
		err = db.Accounts.SetCredentials(ctx, a.ID, n.Credentials)
	case 5, 6:
		for i, c := range n.Credentials {
			if len(a.Credentials) > 0 {
				err = errors.Join(err, db.Credentials.Add(ctx, a.ID, c, a.Credentials[i%len(a.Credentials)].StoredKey))
			}
		}
	case 7:
		err = db.Accounts.SetDisabled(ctx, a.ID, r.IntN(2) == 0)
	case 8:
		if err = db.Leavers.Leave(a.ID, time.Now()).Wait(ctx); err == nil && r.IntN(2) == 0 {
			err = db.Leavers.Return(ctx, a.ID)
		}
	default:
		err = db.Accounts.Delete(ctx, a.ID)
	}
	return err
}

// TestKindsOfEarlierAccounts: those that were there before kinds were kept have theirs.
func TestKindsOfEarlierAccounts(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { earlierAccounts(t, Options{}) })
	t.Run("Postgres", func(t *testing.T) { earlierAccounts(t, Options{Postgres: PostgresForTests.Database(t)}) })
}

func earlierAccounts(t *testing.T, o Options) {
	const before = 6 // the last version without kinds
	folder, r := t.TempDir(), rand.New(rand.NewPCG(1, 7))
	l, err := NewLoader(t.Context(), folder, o, before)
	if err != nil {
		t.Fatal(err)
	}
	row := func(table *dump.Table, values map[string]driver.Value) []driver.Value {
		out := make([]driver.Value, len(table.Columns))
		for i, c := range table.Columns {
			out[i] = values[c.Name]
		}
		return out
	}
	tables := map[string]*dump.Table{}
	for i := range l.List() {
		tables[l.List()[i].Name] = &l.List()[i]
	}
	state := [][]driver.Value{row(tables["archive_state"], map[string]driver.Value{"id": int64(1), "indexed": int64(0)})}
	var accounts, keys [][]driver.Value
	for id := range int64(200) {
		accounts = append(accounts, row(tables["accounts"], map[string]driver.Value{
			"id": id + 1, "domain": fmt.Sprint("d", id%3), "local": fmt.Sprint(id), "role": "member", "disabled": id % 2, "created": int64(1),
		}))
		for _, c := range someCredentials(r) {
			keys = append(keys, row(tables["credentials"], map[string]driver.Value{
				"account": id + 1, "mechanism": c.Mechanism, "salt": c.Salt, "iterations": int64(c.Iterations), "stored_key": c.StoredKey, "server_key": c.ServerKey,
			}))
		}
	}
	for name, rows := range map[string][][]driver.Value{"archive_state": state, "accounts": accounts, "credentials": keys} {
		if err := l.Add(t.Context(), tables[name], rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.SetCounters(map[string]int64{"owners": 200}), l.Finish()); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), folder, o)
	if err != nil {
		t.Fatal(err)
	}
	shapes, err := db.Shapes.Shapes(t.Context(), "d1", []string{"SCRAM-SHA-1", "SCRAM-SHA-512"}, 99)
	if len(shapes) < 15 {
		t.Errorf("%d shapes", len(shapes))
	}
	// A new account finds the kind that an old one has.
	for range 50 {
		if err == nil {
			_, err = db.Accounts.Create(t.Context(), store.NewAccount{Domain: "d1", Local: fmt.Sprint("n", r.Uint64()), Credentials: someCredentials(r)})
		}
	}
	if err := errors.Join(err, KindsAreTrue(db), db.Close()); err != nil {
		t.Error(err)
	}
}

// importKinds adds accounts of the same few kinds, however many accounts there are. The one account of the last kind came behind all others.
func importKinds(t testing.TB, db *DB, accounts int) {
	t.Helper()
	_, err := db.Accounts.Import(t.Context(), func(yield func(store.NewAccount) bool) {
		for i := range accounts {
			c := store.Credential{Mechanism: "SCRAM-SHA-1", Salt: make([]byte, 16), Iterations: 4096 + i%4, StoredKey: []byte("key"), ServerKey: []byte("key")}
			if i == accounts-1 {
				c.Mechanism = "SCRAM-SHA-256"
			}
			if !yield(store.NewAccount{Domain: "example.org", Local: fmt.Sprint("user", i), Credentials: []store.Credential{c}}) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestKindsCostNoAccounts: however many accounts there are, no more of them are read than there are kinds.
func TestKindsCostNoAccounts(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		want := []string{
			"SEARCH k USING INDEX credential_kinds_shape (domain=?)",
			"SEARCH a USING INTEGER PRIMARY KEY (rowid=?)",
			"CORRELATED SCALAR SUBQUERY 1",
			"SEARCH x USING COVERING INDEX accounts_kind (kind=?)", // in its order, up to the first
			"SEARCH c USING PRIMARY KEY (account=?) LEFT-JOIN",
		}
		if got := plan(t, openTest(t, Options{}), selectKinds); !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
	t.Run("Postgres", func(t *testing.T) {
		db := openPostgresTest(t, Options{})
		importKinds(t, db, 20_000)
		conn := beside(t, db)
		for _, known := range []string{"", "ANALYZE; "} { // also before the planner knows what is there
			for _, mode := range []string{anyArguments, theseArguments} {
				fewRows(t, conn, known+"SET plan_cache_mode = "+mode, selectKinds, "'example.org'")
			}
		}
	})
}

// fewRows runs a query and counts how many rows its steps read, all together.
func fewRows(t *testing.T, conn *pgx.Conn, before, query, args string) {
	t.Helper()
	results, err := conn.PgConn().Exec(t.Context(), before+"; DEALLOCATE ALL; PREPARE p AS "+query+
		"; EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE p ("+args+")").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, row := range results[len(results)-1].Rows {
		text.Write(row[0])
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal([]byte(text.String()), &plans); err != nil || len(plans) != 1 {
		t.Fatalf("%v: %s", err, text.String())
	}
	n := plans[0].Plan.rows()
	if n < 6 || n > 100 {
		t.Errorf("%s: %v rows read: %s", before, n, text.String())
	}
}

// planNode is a step of PostgreSQL's plan after it was run. Rows are for each time that it was.
type planNode struct {
	Rows    float64 `json:"Actual Rows"`
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Joined  float64 `json:"Rows Removed by Join Filter"`
	Plans   []planNode
}

func (p *planNode) rows() float64 {
	n := (p.Rows + p.Removed + p.Joined) * p.Loops
	for i := range p.Plans {
		n += p.Plans[i].rows()
	}
	return n
}
