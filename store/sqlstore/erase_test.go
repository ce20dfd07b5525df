package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/store/dump"
)

// TestErasedFromEveryTable holds for tables, too, that nobody thought of here: what belongs to an owner is gone, and what belongs to others stays.
func TestErasedFromEveryTable(t *testing.T) {
	for name, open := range map[string]func(testing.TB, Options) *DB{"sqlite": openTest, "postgres": openPostgresTest} {
		t.Run(name, func(t *testing.T) {
			db, ctx := open(t, Options{Sync: SyncOff}), context.Background()
			var owners []store.Owner
			for _, local := range []string{"left", "erased", "stays"} {
				a, err := db.Accounts.Create(ctx, store.NewAccount{Domain: "example.org", Local: local})
				if err != nil {
					t.Fatal(err)
				}
				owners = append(owners, a.ID)
			}
			var filled []string
			for _, o := range owners {
				filled = fillEveryTable(t, db, o)
			}
			if len(filled) < 27 || !slices.Contains(filled, "device_tokens.owner") || !slices.Contains(filled, "sessions.owner") || !slices.Contains(filled, "room_affiliations.owner") {
				t.Fatalf("only %q", filled)
			}
			if err := db.Leavers.Erase(ctx, owners[0], time.Now()); err != nil {
				t.Fatal(err)
			}
			if err := db.Accounts.Delete(ctx, owners[1]); err != nil {
				t.Fatal(err)
			}
			for _, at := range filled {
				table, column, _ := strings.Cut(at, ".")
				for i, want := range []int{0, 0, 1} {
					if n := count(t, db, fmt.Sprintf("%s WHERE %s = %d", table, column, owners[i])); n != want && table != "erasures" && (n > want || table != "search_changes") {
						t.Errorf("%s has %d rows of owner %d, want %d", table, n, i, want)
					}
				}
			}
		})
	}
}

// fillEveryTable puts a row of the owner into every table that has a column for one, and returns these columns.
func fillEveryTable(t *testing.T, db *DB, owner store.Owner) (filled []string) {
	t.Helper()
	err := db.queueOf(nobody).change(0, func(w *writer) error {
		filled = nil
		all := Tables{w: w, dialect: db.dialect}
		if err := all.describe(); err != nil {
			return err
		}
		for _, table := range all.List() {
			i := slices.IndexFunc(table.Columns, func(c dump.Column) bool { return c.Name == "owner" || c.Name == "account" })
			if i < 0 || table.Name == "erasures" {
				continue
			}
			filled = append(filled, table.Name+"."+table.Columns[i].Name)
			var names, places []string
			var values []any
			for n, c := range table.Columns {
				names, places = append(names, c.Name), append(places, fmt.Sprintf("$%d", n+1))
				switch c.Kind {
				case dump.Int:
					values = append(values, int64(owner))
				case dump.Text:
					values = append(values, fmt.Sprintf("row of %d", owner))
				default:
					values = append(values, []byte{byte(owner)})
				}
			}
			_, err := w.change("INSERT INTO "+table.Name+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(places, ", ")+")", values...)
			if err != nil {
				return fmt.Errorf("%s: %w", table.Name, err)
			}
		}
		return nil
	}).Wait(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return filled
}
