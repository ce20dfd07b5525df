package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"

	"stonechat/store"
)

// secrets implements store.Secrets.
type secrets struct{ db *DB }

// Get implements store.Secrets.
func (s secrets) Get(ctx context.Context, name string) ([]byte, error) {
	st, err := s.db.reads.stmt(ctx, "SELECT value FROM secrets WHERE name = $1")
	if err != nil {
		return nil, err
	}
	var value []byte
	err = st.QueryRowContext(ctx, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("secret %q: %w", name, store.ErrNotFound)
	}
	return value, err
}

// Put implements store.Secrets.
func (s secrets) Put(ctx context.Context, name string, value []byte) error {
	value = append([]byte{}, value...)
	return s.db.queueOf(nobody).change(len(value), func(w *writer) error {
		_, err := w.change(`INSERT INTO secrets (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		return err
	}).Wait(ctx)
}

// Ensure implements store.Secrets.
func (s secrets) Ensure(ctx context.Context, name string, fresh []byte) ([]byte, error) {
	fresh = append([]byte{}, fresh...)
	var value []byte
	err := s.db.queueOf(nobody).change(len(fresh), func(w *writer) error {
		return ensureSecret(w, name, fresh, &value)
	}).Wait(ctx)
	if err != nil {
		return nil, err
	}
	return value, nil
}

func ensureSecret(w *writer, name string, fresh []byte, value *[]byte) error {
	if _, err := w.change("INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, fresh); err != nil {
		return err
	}
	return w.query("SELECT value FROM secrets WHERE name = $1", func(v []driver.Value) error {
		b, ok := v[0].([]byte)
		if !ok {
			return fmt.Errorf("secret %q is no blob", name)
		}
		*value = slices.Clone(b)
		return nil
	}, name)
}
