package sqlstore_test

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/store/sqlstore"
)

var kindAccounts = flag.Int("kind-accounts", 20_000, "accounts of BenchmarkKinds; try 200000")

// BenchmarkKinds asks what is asked of all accounts while people log in. It costs what the kinds of them cost, not the accounts.
func BenchmarkKinds(b *testing.B) {
	benchKinds(b, sqlstore.Options{})
}

func BenchmarkKindsOnPostgres(b *testing.B) {
	url, err := syncing(b).Database()
	if err != nil {
		b.Fatal(err)
	}
	benchKinds(b, sqlstore.Options{Postgres: url})
}

func benchKinds(b *testing.B, o sqlstore.Options) {
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	mechanisms := []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	began := time.Now()
	_, err = db.Accounts.Import(ctx, func(yield func(store.NewAccount) bool) {
		for i := range *kindAccounts {
			n := store.NewAccount{Domain: "example.org", Local: fmt.Sprint("user", i)}
			for _, m := range mechanisms[:1+i%3] {
				n.Credentials = append(n.Credentials, store.Credential{
					Mechanism: m, Salt: []byte("0123456789abcdef"), Iterations: 4096 + 1000*(i%5), StoredKey: make([]byte, 32), ServerKey: make([]byte, 32),
				})
			}
			if !yield(n) {
				return
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%v for each account to be imported", time.Since(began)/time.Duration(max(*kindAccounts, 1)))
	b.Run("Shared", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := db.Credentials.Shared(ctx, "example.org"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Shapes", func(b *testing.B) {
		for b.Loop() {
			if list, err := db.Shapes.Shapes(ctx, "example.org", mechanisms, 64); err != nil || len(list) != 15 {
				b.Fatal(len(list), err)
			}
		}
	})
}
