package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"stonechat/store"
)

// sessions implements store.Sessions.
type sessions struct{ db *DB }

const (
	// CROSS JOIN: SQLite would come by all accounts to find those of sessions.
	selectResting = "SELECT a.domain, a.local, MIN(s.ends) FROM sessions AS s CROSS JOIN accounts AS a WHERE a.id = s.owner " +
		"GROUP BY a.domain, a.local ORDER BY 3"
	selectKept    = "SELECT id, resource, ends, state FROM sessions WHERE owner = $1"
	selectOneKept = selectKept + " AND id = $2"
	deleteKept    = "DELETE FROM sessions WHERE owner = $1 AND id = $2"
	deleteAllKept = "DELETE FROM sessions WHERE owner = $1"
	upsertKept    = `INSERT INTO sessions (owner, id, resource, ends, state) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (owner, id) DO UPDATE SET resource = excluded.resource, ends = excluded.ends, state = excluded.state`
)

// Begin implements store.Sessions.
func (s sessions) Begin(ctx context.Context) (voided int64, err error) {
	err = s.db.queueOf(nobody).change(0, func(w *writer) error {
		voided = 0
		orderly, _, err := w.number("SELECT orderly FROM sessions_state WHERE id = 1")
		if err == nil && orderly == 0 {
			voided, err = w.change("DELETE FROM sessions")
		}
		if err == nil {
			_, err = w.change("UPDATE sessions_state SET orderly = 0 WHERE id = 1")
		}
		return err
	}).Wait(ctx)
	if err != nil {
		return 0, err // voided may still be written to when only the context ended
	}
	return voided, nil
}

// End implements store.Sessions.
func (s sessions) End() store.Ticket {
	// What is on disk of sessions names rows of all archives.
	return s.db.behind(s.db.lanes, op{run: func(w *writer) error {
		_, err := w.change("UPDATE sessions_state SET orderly = 1 WHERE id = 1")
		return err
	}}, false, nil)
}

// Resting implements store.Sessions.
func (s sessions) Resting(ctx context.Context) ([]store.Resting, error) {
	var out []store.Resting
	err := s.db.reads.each(ctx, selectResting, func(rows *sql.Rows) error {
		var r store.Resting
		var ends int64
		err := rows.Scan(&r.Domain, &r.Local, &ends)
		r.Ends = time.UnixMicro(ends).UTC()
		out = append(out, r)
		return err
	})
	return out, err
}

// Of implements store.Sessions.
func (s sessions) Of(ctx context.Context, owner store.Owner) ([]store.KeptSession, error) {
	return s.read(ctx, owner, selectKept, int64(owner))
}

func (s sessions) read(ctx context.Context, owner store.Owner, query string, args ...any) ([]store.KeptSession, error) {
	var out []store.KeptSession
	err := s.db.reads.each(ctx, query, func(rows *sql.Rows) error {
		k := store.KeptSession{Owner: owner}
		var ends int64
		err := rows.Scan(&k.ID, &k.Resource, &ends, &k.State)
		k.Ends = time.UnixMicro(ends).UTC()
		out = append(out, k)
		return err
	}, args...)
	return out, err
}

// Get implements store.Sessions.
func (s sessions) Get(ctx context.Context, owner store.Owner, id []byte) (store.KeptSession, error) {
	found, err := s.read(ctx, owner, selectOneKept, int64(owner), id)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("session: %w", store.ErrNotFound)
	}
	if err != nil {
		return store.KeptSession{}, err
	}
	return found[0], nil
}

// Put implements store.Sessions.
func (s sessions) Put(k store.KeptSession) store.Ticket {
	if k.Owner == 0 || len(k.ID) == 0 {
		return store.Settled(errors.New("store: a session has an owner and an id"))
	}
	// Its size does not count: all come at once when the process ends, what one holds was in memory before, and one that is refused makes all void.
	return s.db.queueOf(k.Owner).change(0, func(w *writer) error {
		// The account may be deleted meanwhile; a session without one would never be erased.
		if _, exists, err := w.number("SELECT id FROM accounts WHERE id = $1", int64(k.Owner)); err != nil || !exists {
			return err
		}
		_, err := w.change(upsertKept, int64(k.Owner), k.ID, k.Resource, k.Ends.UnixMicro(), k.State)
		return err
	})
}

// Remove implements store.Sessions.
func (s sessions) Remove(owner store.Owner, ids ...[]byte) store.Ticket {
	return s.db.queueOf(owner).change(0, func(w *writer) error {
		if len(ids) == 0 {
			_, err := w.change(deleteAllKept, int64(owner))
			return err
		}
		for _, id := range ids {
			if _, err := w.change(deleteKept, int64(owner), id); err != nil {
				return err
			}
		}
		return nil
	})
}

// Messages implements store.Sessions.
func (s sessions) Messages(ctx context.Context, owner store.Owner, keys []store.Key) (map[store.Key]store.Row, error) {
	wanted := slices.Compact(slices.Sorted(slices.Values(keys)))
	out := make(map[store.Key]store.Row, len(wanted))
	size := fetchSizes[len(fetchSizes)-1]
	for part := range slices.Chunk(wanted, size) {
		rows := make([]row, len(part))
		for i, k := range part {
			rows[i].key = k
		}
		found, err := s.db.fetch(ctx, owner, rows, size)
		if err != nil {
			return nil, err
		}
		for k, r := range found {
			r.ID = archive(s).ID(owner, k)
			out[k] = r
		}
	}
	return out, nil
}
