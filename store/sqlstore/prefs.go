package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"stonechat/store"
)

// prefs implements store.Prefs.
type prefs struct{ db *DB }

// ArchivePrefs implements store.Prefs.
func (p prefs) ArchivePrefs(ctx context.Context, owner store.Owner) (store.ArchivePrefs, error) {
	s, err := p.db.reads.stmt(ctx, "SELECT standard, always_json, never_json FROM archive_prefs WHERE owner = $1")
	if err != nil {
		return store.ArchivePrefs{}, err
	}
	var out store.ArchivePrefs
	var always, never string
	err = s.QueryRowContext(ctx, int64(owner)).Scan(&out.Default, &always, &never)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ArchivePrefs{}, nil
	}
	if err != nil {
		return store.ArchivePrefs{}, err
	}
	return out, errors.Join(json.Unmarshal([]byte(always), &out.Always), json.Unmarshal([]byte(never), &out.Never))
}

// SetArchivePrefs implements store.Prefs.
func (p prefs) SetArchivePrefs(owner store.Owner, c store.ArchivePrefs) store.Ticket {
	always, err1 := json.Marshal(c.Always)
	never, err2 := json.Marshal(c.Never)
	if err := errors.Join(err1, err2); err != nil {
		return store.Settled(err)
	}
	return p.db.queueOf(owner).change(len(always)+len(never), func(w *writer) error {
		_, err := w.change(`INSERT INTO archive_prefs (owner, standard, always_json, never_json) VALUES ($1, $2, $3, $4)
			ON CONFLICT (owner) DO UPDATE SET standard = excluded.standard, always_json = excluded.always_json, never_json = excluded.never_json`,
			int64(owner), string(c.Default), string(always), string(never))
		return err
	})
}
