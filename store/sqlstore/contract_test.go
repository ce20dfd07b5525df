package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"stonechat/store/sqlstore"
	"stonechat/store/storetest"
)

// postgres is the server of all tests of this package.
var postgres = &sqlstore.PostgresForTests

// crashPostgres names the database of a child process that writes until it is killed.
const crashPostgres = "STORETEST_CRASH_POSTGRES"

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
		// At its first end each database of the contract is also looked at from inside.
		check := sync.OnceValue(func() error { return sqlstore.KindsAreTrue(db) })
		return storetest.Store{Set: db.Set, Close: func() error { return errors.Join(check(), db.Close()) }}
	}
}

// onPostgres opens stores in a database for each folder.
func onPostgres(o sqlstore.Options) storetest.Open {
	var mu sync.Mutex
	urls := map[string]string{}
	return func(t testing.TB, folder string, now func() time.Time) storetest.Store {
		t.Helper()
		mu.Lock()
		if urls[folder] == "" {
			urls[folder] = postgres.Database(t)
		}
		o := o
		o.Postgres = urls[folder]
		mu.Unlock()
		return opener(o)(t, folder, now)
	}
}

func TestContract(t *testing.T) {
	// A short tail makes reads cross from the orders to the tail, in all proportions.
	for name, tail := range map[string]int{"LongTail": 0, "ShortTail": 16, "NoTail": 1} {
		t.Run(name, func(t *testing.T) { storetest.Run(t, opener(sqlstore.Options{Tail: tail})) })
	}
}

func TestContractOnPostgres(t *testing.T) {
	postgres.Server(t)
	for name, o := range map[string]sqlstore.Options{"LongTail": {}, "ShortTail": {Tail: 16}, "NoTail": {Tail: 1, Writers: 1}} {
		t.Run(name, func(t *testing.T) { storetest.Run(t, onPostgres(o)) })
	}
}

func TestMain(m *testing.M) {
	folder := storetest.CrashFolder()
	if folder == "" {
		code := m.Run()
		if err := postgres.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}
	db, err := sqlstore.Open(context.Background(), folder, sqlstore.Options{Tail: 500, Postgres: os.Getenv(crashPostgres)})
	if err == nil {
		err = errors.Join(storetest.CrashWriter(db.Set), db.Close())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestCrash(t *testing.T) {
	storetest.Crash(t, opener(sqlstore.Options{Tail: 500}), 6)
}

func TestCrashOnPostgres(t *testing.T) {
	url := postgres.Database(t)
	t.Setenv(crashPostgres, url)
	storetest.Crash(t, opener(sqlstore.Options{Tail: 500, Postgres: url}), 6)
}
