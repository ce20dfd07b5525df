package sqlstore

import "stonechat/store"

// orderChunk is how many rows enter the orders with one commit, at least.
const orderChunk = 256

// ordering moves a frozen segment into the orders, a chunk with each commit, sorted by owner. The horizon moves with the last chunk.
// What a crash leaves in the orders behind the horizon is never read, and moved once more after the start.
type ordering struct {
	rows    []tailRow
	next    int
	horizon store.Key
	begun   bool
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
func (o *ordering) chunk(w *writer, in inserter, lane int64, batch int) (int, error) {
	if !o.active() || o.finished() {
		return 0, nil
	}
	rows := o.rows[o.next:]
	rows = rows[:min(len(rows), max(orderChunk, batch+batch/4))]
	if err := in.orders(w, rows); err != nil {
		return 0, err
	}
	if o.next+len(rows) == len(o.rows) {
		if _, err := w.exec("UPDATE archive_state SET indexed = $1 WHERE id = $2", int64(o.horizon), lane); err != nil {
			return 0, err
		}
	}
	return len(rows), nil
}
