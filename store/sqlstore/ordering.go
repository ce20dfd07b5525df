package sqlstore

import (
	"database/sql/driver"

	"stonechat/store"
)

const (
	orderChunk  = 256 // rows that enter the orders with one commit, at least
	orderInsert = 64  // rows of one statement
)

// ordering moves a frozen segment into the orders, a chunk with each commit, sorted by owner. The horizon moves with the last chunk.
// What a crash leaves in the orders behind the horizon is never read, and moved once more after the start.
type ordering struct {
	rows    []tailRow
	next    int
	horizon store.Key
	begun   bool
	args    []driver.NamedValue
}

func newOrdering(s *segment) ordering {
	return ordering{rows: s.sorted(), horizon: s.last(), begun: len(s.rows) > 0}
}

// active: there is something to move.
func (o *ordering) active() bool { return o.begun }

// finished: the last chunk is durable.
func (o *ordering) finished() bool { return o.begun && o.next == len(o.rows) }

// done notes that n rows are durable.
func (o *ordering) done(n int) { o.next += n }

// chunk moves some rows within the open transaction: more when the batch beside it is larger, so that the tail cannot grow for ever.
func (o *ordering) chunk(w *writer, d *inserts, batch int) (int, error) {
	if !o.active() || o.finished() {
		return 0, nil
	}
	rows := o.rows[o.next:]
	rows = rows[:min(len(rows), max(orderChunk, batch+batch/4))]
	for i := 0; i < len(rows); {
		n := 1
		if len(rows)-i >= orderInsert {
			n = orderInsert
		}
		if err := o.insert(w, d, rows[i:i+n]); err != nil {
			return 0, err
		}
		i += n
	}
	if o.next+len(rows) == len(o.rows) {
		if _, err := w.exec("UPDATE archive_state SET indexed = $1 WHERE id = 1", int64(o.horizon)); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}

func (o *ordering) insert(w *writer, d *inserts, rows []tailRow) error {
	o.args = o.args[:0]
	for i := range rows {
		r := &rows[i]
		o.add(int64(r.owner), int64(r.key), r.origin, r.flags)
	}
	if _, err := w.execNamed(d.byOwner[len(rows)], o.args); err != nil {
		return err
	}
	o.args = o.args[:0]
	for i := range rows {
		r := &rows[i]
		o.add(int64(r.owner), r.peer, int64(r.key), r.resource)
	}
	_, err := w.execNamed(d.byPeer[len(rows)], o.args)
	return err
}

func (o *ordering) add(values ...driver.Value) {
	for _, v := range values {
		o.args = append(o.args, driver.NamedValue{Ordinal: len(o.args) + 1, Value: v})
	}
}

// inserts holds the generated statements by number of rows.
type inserts struct{ archive, byOwner, byPeer map[int]string }

func newInserts(d dialect) inserts {
	in := inserts{map[int]string{}, map[int]string{}, map[int]string{}}
	for _, n := range []int{1, insertSmall, insertLarge} {
		in.archive[n] = d.insertMany("archive (key, owner, peer, resource, flags, origin, stanza)", 7, n, "")
	}
	for _, n := range []int{1, orderInsert} {
		in.byOwner[n] = d.insertMany("archive_by_owner (owner, key, origin, flags)", 4, n, " ON CONFLICT DO NOTHING")
		in.byPeer[n] = d.insertMany("archive_by_peer (owner, peer, key, resource)", 4, n, " ON CONFLICT DO NOTHING")
	}
	return in
}
