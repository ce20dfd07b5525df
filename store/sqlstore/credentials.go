package sqlstore

import (
	"context"
	"database/sql/driver"
	"maps"
	"slices"

	"stonechat/store"
)

// credentials implements store.Credentials.
type credentials struct{ db *DB }

// Shared implements store.Credentials.
func (c credentials) Shared(ctx context.Context, domain string) (all, some []string, err error) {
	kinds, err := c.db.kindsOf(ctx, domain)
	if err != nil {
		return nil, nil, err
	}
	by, n := map[string]int{}, 0
	for _, k := range kinds {
		if !k.active || len(k.example) == 0 {
			continue
		}
		n++
		for _, x := range k.example {
			by[x.Mechanism]++
		}
	}
	for _, mechanism := range slices.Sorted(maps.Keys(by)) {
		some = append(some, mechanism)
		if by[mechanism] == n {
			all = append(all, mechanism)
		}
	}
	return all, some, nil
}

// Add implements store.Credentials.
func (c credentials) Add(ctx context.Context, id store.Owner, n store.Credential, under []byte) error {
	return c.db.queueOf(nobody).change(256, func(w *writer) error {
		if err := stillStored(w, id, under); err != nil {
			return err
		}
		if _, err := w.change("DELETE FROM credentials WHERE account = $1 AND mechanism = $2", int64(id), n.Mechanism); err != nil {
			return err
		}
		if err := putCredentials(w, id, []store.Credential{n}); err != nil {
			return err
		}
		list, err := visible(w, id)
		if err != nil {
			return err
		}
		return setKind(w, id, list)
	}).Wait(ctx)
}

// visible reads what of an account's credentials decides on its kind. Salts are zeros.
func visible(w *writer, id store.Owner) ([]store.Credential, error) {
	var out []store.Credential
	err := w.query("SELECT mechanism, iterations, LENGTH(salt) FROM credentials WHERE account = $1", func(row []driver.Value) error {
		mechanism, ok1 := row[0].(string)
		iterations, ok2 := row[1].(int64)
		salt, ok3 := row[2].(int64)
		out = append(out, store.Credential{Mechanism: mechanism, Iterations: int(iterations), Salt: make([]byte, max(salt, 0))})
		return errorUnless(ok1 && ok2 && ok3, "credentials of an unexpected type")
	}, int64(id))
	return out, err
}
