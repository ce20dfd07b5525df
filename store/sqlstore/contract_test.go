package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"stonechat/store/sqlstore"
	"stonechat/store/storetest"
)

// opener opens stores whose tail holds so many rows.
func opener(o sqlstore.Options) storetest.Open {
	return func(t testing.TB, folder string, now func() time.Time) storetest.Store {
		t.Helper()
		o := o
		o.Now = now
		db, err := sqlstore.Open(context.Background(), folder, o)
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Store{Set: db.Set, Close: db.Close}
	}
}

func TestContract(t *testing.T) {
	// A short tail makes reads cross from the orders to the tail, in all proportions.
	for name, tail := range map[string]int{"LongTail": 0, "ShortTail": 16, "NoTail": 1} {
		t.Run(name, func(t *testing.T) { storetest.Run(t, opener(sqlstore.Options{Tail: tail})) })
	}
}

func TestMain(m *testing.M) {
	folder := storetest.CrashFolder()
	if folder == "" {
		os.Exit(m.Run())
	}
	db, err := sqlstore.Open(context.Background(), folder, sqlstore.Options{Tail: 500})
	if err == nil {
		err = storetest.CrashWriter(db.Set)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestCrash(t *testing.T) {
	storetest.Crash(t, opener(sqlstore.Options{Tail: 500}), 6)
}
