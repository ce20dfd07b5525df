package sqlstore_test

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/store/storetest"
	"stonechat/store/storetest/pgtest"
	"stonechat/xmpp/jid"
)

var pageRows = flag.Int("archive-rows", 10_000, "rows of the archive that BenchmarkStore pages through; try 1000000")

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, benched(sqlstore.Options{}), *pageRows)
}

// BenchmarkStoreOnPostgres does the same on a server that syncs. The processor time is that of this process alone.
func BenchmarkStoreOnPostgres(b *testing.B) {
	server := syncing(b)
	storetest.Bench(b, func(t testing.TB, folder string, now func() time.Time) storetest.Store {
		url, err := server.Database()
		if err != nil {
			t.Fatal(err)
		}
		return benched(sqlstore.Options{Postgres: url})(t, folder, now)
	}, *pageRows)
}

// syncing starts a server of PostgreSQL that syncs, for as long as the benchmark runs.
func syncing(b *testing.B) *pgtest.Server {
	b.Helper()
	server, err := pgtest.Start("fsync = on")
	if err != nil {
		b.Skipf("THIS MACHINE LACKS: postgresql: %v", err)
	}
	b.Cleanup(func() {
		if err := server.Close(); err != nil {
			b.Error(err)
		}
	})
	return server
}

// benched opens stores that say what they did when they are closed.
func benched(o sqlstore.Options) storetest.Open {
	return func(t testing.TB, folder string, _ func() time.Time) storetest.Store {
		db, err := sqlstore.Open(context.Background(), folder, o)
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Store{Set: db.Set, Close: func() error {
			s := db.Stats()
			t.Logf("commits %d, rows %d, ordered %d, mean commit %v, slowest %v, log pages %d", s.Commits, s.ArchiveRows, s.OrderRows,
				s.CommitTime/time.Duration(max(s.Commits, 1)), s.SlowestTime, s.WALPages)
			return db.Close()
		}}
	}
}

var searchRows = flag.Int("search-rows", 20_000, "messages among which BenchmarkSearch searches; try 1000000")

// BenchmarkSearch searches among many messages of 2,000 owners with words as frequent as those of a language.
func BenchmarkSearch(b *testing.B) {
	storetest.BenchSearch(b, benched(sqlstore.Options{Sync: sqlstore.SyncOff}), *searchRows)
}

// BenchmarkChats lists 1,000 chats, from the tail in memory and from the disk.
func BenchmarkChats(b *testing.B) {
	for name, tail := range map[string]int{"tail": 0, "orders": 16} {
		b.Run(name, func(b *testing.B) {
			storetest.BenchChats(b, benched(sqlstore.Options{Sync: sqlstore.SyncOff, Tail: tail}))
		})
	}
}

// BenchmarkRoster loads rosters of 100 contacts.
func BenchmarkRoster(b *testing.B) {
	db, err := sqlstore.Open(context.Background(), b.TempDir(), sqlstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	ctx := context.Background()
	_, err = db.Accounts.Import(ctx, func(yield func(store.NewAccount) bool) {
		for i := range 100 {
			n := store.NewAccount{Domain: "example.org", Local: fmt.Sprint("user", i)}
			for c := range 100 {
				j, err := jid.New(fmt.Sprint("contact", c), "example.org", "")
				if err != nil {
					b.Fatal(err)
				}
				n.Contacts = append(n.Contacts, store.Contact{JID: j, Groups: []string{"Friends"}})
			}
			if !yield(n) {
				return
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for i := range b.N {
		r, err := db.Rosters.Load(ctx, store.Owner(1+i%100))
		if err != nil || len(r.Contacts) != 100 {
			b.Fatalf("%d contacts, %v", len(r.Contacts), err)
		}
	}
}
