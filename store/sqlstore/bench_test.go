package sqlstore_test

import (
	"context"
	"flag"
	"testing"
	"time"

	"stonechat/store/sqlstore"
	"stonechat/store/storetest"
)

var pageRows = flag.Int("archive-rows", 10_000, "rows of the archive that BenchmarkStore pages through; try 1000000")

func BenchmarkStore(b *testing.B) {
	storetest.Bench(b, func(t testing.TB, folder string, _ func() time.Time) storetest.Store {
		db, err := sqlstore.Open(context.Background(), folder, sqlstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Store{Set: db.Set, Close: func() error {
			s := db.Stats()
			t.Logf("commits %d, rows %d, ordered %d, mean commit %v, slowest %v, log pages %d", s.Commits, s.ArchiveRows, s.OrderRows,
				s.CommitTime/time.Duration(max(s.Commits, 1)), s.SlowestTime, s.WALPages)
			return db.Close()
		}}
	}, *pageRows)
}
