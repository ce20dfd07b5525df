package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"stonechat/store"
)

// archive implements store.Archive.
type archive struct{ db *DB }

// Append implements store.Archive.
func (a archive) Append(e store.Entry) (store.Key, store.Ticket) {
	var flags int64
	if e.Direction == store.Outgoing {
		flags |= flagOutgoing
	}
	if e.Offline {
		flags |= flagOffline
	}
	if e.Aside {
		flags |= flagAside
	}
	if e.Target != 0 {
		flags |= flagAimed
	}
	stanza := e.Stanza
	if stanza == nil {
		stanza = []byte{} // nil would be NULL
	}
	if e.Hidden {
		return a.hide(e, stanza)
	}
	o := op{
		row: row{
			owner: e.Owner, peer: e.Peer, resource: e.Resource, flags: flags, origin: int64(e.Origin), target: int64(e.Target), stanza: stanza,
		},
		size: len(stanza) + len(e.Peer) + len(e.Resource),
	}
	return a.db.queueOf(e.Owner).put(o, true, nil)
}

// hide keeps a message outside the archive, with a place among its rows.
func (a archive) hide(e store.Entry, stanza []byte) (store.Key, store.Ticket) {
	return a.db.queueOf(e.Owner).put(op{size: len(stanza)}, true, func(o *op, key store.Key) {
		o.run = func(w *writer) error {
			_, err := w.change("INSERT INTO offline_rows (owner, key, peer, resource, stanza) VALUES ($1, $2, $3, $4, $5)",
				int64(e.Owner), int64(key), e.Peer, e.Resource, stanza)
			return err
		}
	})
}

// ID implements store.Archive.
func (a archive) ID(owner store.Owner, key store.Key) string { return a.db.publicID(owner, key) }

// Find implements store.Archive.
func (a archive) Find(ctx context.Context, owner store.Owner, id string) (store.Key, error) {
	key, ok := a.db.keyOf(owner, id)
	if !ok {
		return 0, fmt.Errorf("archive id: %w", store.ErrNotFound)
	}
	s, err := a.db.reads.stmt(ctx, selectExists)
	if err != nil {
		return 0, err
	}
	var one int
	err = s.QueryRowContext(ctx, int64(key), int64(owner)).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("archive id: %w", store.ErrNotFound)
	}
	return key, err
}

// Replace implements store.Archive.
func (a archive) Replace(owner store.Owner, key store.Key, stanza []byte) store.Ticket {
	return a.db.queueOf(owner).change(len(stanza), func(w *writer) error {
		n, err := w.change("UPDATE archive SET stanza = $3 WHERE key = $1 AND owner = $2", int64(key), int64(owner), stanza)
		if err == nil && n == 0 {
			err = fmt.Errorf("archive row: %w", store.ErrNotFound)
		}
		if err == nil && a.db.searcher != nil {
			_, err = w.change(insertSearchChange, int64(owner), int64(key))
		}
		return err
	})
}

// Bounds implements store.Archive.
func (a archive) Bounds(ctx context.Context, owner store.Owner) (store.Bounds, error) {
	first, ok, err := a.edge(ctx, owner, false)
	if err != nil || !ok {
		return store.Bounds{}, err
	}
	last, ok, err := a.edge(ctx, owner, true)
	if err != nil || !ok {
		return store.Bounds{}, err
	}
	return store.Bounds{FirstID: a.ID(owner, first), LastID: a.ID(owner, last), First: first.Time(), Last: last.Time()}, nil
}

// edge returns the first or the last key of an owner.
func (a archive) edge(ctx context.Context, owner store.Owner, last bool) (store.Key, bool, error) {
	c := choice{owner: owner, lo: 0, hi: maxKey, newestFirst: last, limit: 1}
	seen, err := a.seen(ctx, &c)
	if err != nil || len(seen) == 0 {
		return 0, false, err
	}
	return seen[0].Key, true, nil
}

// Recent implements store.Archive.
func (a archive) Recent(ctx context.Context, owner store.Owner, since time.Time, limit int) ([]store.Seen, error) {
	c := choice{owner: owner, lo: store.KeyAt(since) - 1, hi: maxKey, withOrigin: true, newestFirst: true, limit: limit}
	seen, err := a.seen(ctx, &c)
	slices.Reverse(seen)
	return seen, err
}

// seen returns keys and origins in the wanted direction, from the order by owner and the tail alone.
func (a archive) seen(ctx context.Context, c *choice) ([]store.Seen, error) {
	tail := a.db.laneOf(c.owner).tail.view(c.owner)
	var fromTail []store.Seen
	for _, r := range tail.first(c, c.limit) {
		fromTail = append(fromTail, store.Seen{Key: r.key, Origin: uint64(r.origin)})
	}
	if c.newestFirst && len(fromTail) >= c.limit {
		return fromTail, nil
	}
	limit := c.limit
	if c.newestFirst {
		limit -= len(fromTail)
	}
	var fromOrder []store.Seen
	err := a.db.reads.each(ctx, seenQuery(c), func(rows *sql.Rows) error {
		var s store.Seen
		var origin int64
		if err := rows.Scan(&s.Key, &origin); err != nil {
			return err
		}
		s.Origin = uint64(origin)
		fromOrder = append(fromOrder, s)
		return nil
	}, int64(c.owner), int64(c.lo), int64(min(c.hi, tail.horizon+1)), limit)
	if err != nil {
		return nil, err
	}
	if c.newestFirst {
		return append(fromTail, fromOrder...), nil
	}
	all := append(fromOrder, fromTail...)
	return all[:min(len(all), c.limit)], nil
}

// each runs a prepared query and calls f with every row.
func (r *reads) each(ctx context.Context, query string, f func(*sql.Rows) error, args ...any) error {
	var rows *sql.Rows
	err := r.reach(ctx, func() error {
		s, err := r.stmt(ctx, query)
		if err == nil {
			rows, err = s.QueryContext(ctx, args...)
		}
		return err
	})
	if err != nil {
		return err
	}
	return scanEach(rows, f)
}

// scanEach calls f with every row.
func scanEach(rows *sql.Rows, f func(*sql.Rows) error) (err error) {
	for rows.Next() {
		if err = f(rows); err != nil {
			break
		}
	}
	return errors.Join(err, rows.Err(), rows.Close())
}

// readTails fills the tails with the rows behind their horizons.
func (db *DB) readTails(w *writer, from store.Key) error {
	const query = "SELECT key, owner, peer, resource, flags, origin, target FROM archive WHERE key > $1 ORDER BY key"
	return w.query(query, func(v []driver.Value) error {
		key, ok1 := v[0].(int64)
		owner, ok2 := v[1].(int64)
		peer, ok3 := v[2].(string)
		resource, ok4 := v[3].(string)
		flags, ok5 := v[4].(int64)
		origin, ok6 := v[5].(int64)
		target, ok7 := v[6].(int64)
		if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) {
			return errors.New("archive row of an unexpected type")
		}
		t := &db.laneOf(store.Owner(owner)).tail
		if store.Key(key) <= t.horizon {
			return nil
		}
		t.add([]op{{row: row{
			key: store.Key(key), owner: store.Owner(owner), peer: peer, resource: resource, flags: flags, origin: origin, target: target,
		}}})
		return nil
	}, int64(from))
}

// Delivered implements store.Offline.
func (o offline) Delivered(ctx context.Context, owner store.Owner) (store.Key, error) {
	s, err := o.db.reads.stmt(ctx, "SELECT delivered FROM offline_marks WHERE owner = $1")
	if err != nil {
		return 0, err
	}
	var key store.Key
	err = s.QueryRowContext(ctx, int64(owner)).Scan(&key)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return key, err
}

// offline implements store.Offline.
type offline struct{ db *DB }

// SetDelivered implements store.Offline.
func (o offline) SetDelivered(owner store.Owner, key store.Key) store.Ticket {
	return o.db.queueOf(owner).change(0, func(w *writer) error {
		_, err := w.change(`INSERT INTO offline_marks (owner, delivered) VALUES ($1, $2)
			ON CONFLICT (owner) DO UPDATE SET delivered = excluded.delivered WHERE excluded.delivered > offline_marks.delivered`,
			int64(owner), int64(key))
		if err == nil {
			_, err = w.change("DELETE FROM offline_rows WHERE owner = $1 AND key <= $2", int64(owner), int64(key))
		}
		return err
	})
}

const selectHidden = "SELECT key, peer, resource, stanza FROM offline_rows WHERE owner = $1 AND key > $2 ORDER BY key LIMIT $3 + 0"

// After implements store.Offline.
func (o offline) After(ctx context.Context, owner store.Owner, key store.Key, limit int) ([]store.Row, error) {
	if limit < 1 || limit > store.MaxPage {
		return nil, fmt.Errorf("limit %d: %w", limit, store.ErrInvalid)
	}
	p, err := o.db.rows(ctx, &choice{owner: owner, lo: key, hi: maxKey, flags: flagOffline, limit: limit})
	if err != nil {
		return nil, err
	}
	rows, whole := p.out, p.whole()
	known := len(rows)
	err = o.db.reads.each(ctx, selectHidden, func(r *sql.Rows) error {
		h := store.Row{Direction: store.Incoming, Hidden: true}
		err := r.Scan(&h.Key, &h.Peer, &h.Resource, &h.Stanza)
		// Behind a page that its size has ended there may be more rows of the archive.
		if whole && known < limit || known > 0 && h.Key < rows[known-1].Key {
			rows = append(rows, h)
		}
		return err
	}, int64(owner), int64(key), limit)
	slices.SortFunc(rows, func(a, b store.Row) int { return cmp.Compare(a.Key, b.Key) })
	return rows[:min(len(rows), limit)], err
}
