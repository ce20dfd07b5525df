package sqlstore

import (
	"context"
	"database/sql/driver"
	"sync"
	"time"

	"stonechat/store"
)

const (
	chunkTime  = 5 * time.Millisecond // how long a chunk of erasing or importing may hold up the commit loop
	eraseRows  = 100                  // rows of the first chunk
	eraseRetry = time.Second          // pause after a failure, such as a full disk
)

// pace finds out how much fits into chunkTime. The commit loop measures, the caller reads n between chunks.
type pace struct{ n int }

func newPace(n int) pace { return pace{n} }

// measure runs one chunk and adapts n for the next.
func (p *pace) measure(f func() error) error {
	began := time.Now()
	err := f()
	switch took := time.Since(began); {
	case took > chunkTime:
		p.n = max(p.n/2, 1)
	case took < chunkTime/3:
		p.n = min(2*p.n, 1<<14)
	}
	return err
}

// eraser removes what deleted accounts leave behind, one after the other.
type eraser struct {
	db      *DB
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	ongoing map[store.Owner]*store.Promise
}

func newEraser(db *DB) *eraser {
	ctx, cancel := context.WithCancel(context.Background())
	return &eraser{db: db, ctx: ctx, cancel: cancel, ongoing: map[store.Owner]*store.Promise{}}
}

// close ends erasing; the next start resumes it.
func (e *eraser) close() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	e.running.Wait()
}

// resume goes on with what an earlier process did not finish.
func (e *eraser) resume() {
	e.db.queueOf(nobody).change(0, func(w *writer) error {
		return w.query("SELECT owner FROM erasures", func(v []driver.Value) error {
			if id, ok := v[0].(int64); ok {
				e.begin(store.Owner(id))
			}
			return nil
		})
	})
}

// erase removes everything of an owner, whose account is gone already, and waits for it.
func (e *eraser) erase(ctx context.Context, owner store.Owner) error {
	return e.begin(owner).Wait(ctx)
}

func (e *eraser) begin(owner store.Owner) store.Ticket {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return store.Settled(store.ErrClosed)
	}
	if p, ok := e.ongoing[owner]; ok {
		return p.Ticket()
	}
	p := new(store.Promise)
	e.ongoing[owner] = p
	e.running.Go(func() {
		p.Settle(e.untilDone(owner))
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.ongoing, owner)
	})
	return p.Ticket()
}

// untilDone tries again until everything is gone or the store closes.
func (e *eraser) untilDone(owner store.Owner) error {
	for {
		err := e.everything(owner)
		if err == nil {
			return nil
		}
		select {
		case <-e.ctx.Done():
			return store.ErrClosed
		case <-time.After(eraseRetry):
		}
	}
}

// The steps of erasing an owner's archive; each is repeated until it changes nothing. $2 is a number of rows.
var eraseSteps = [...]string{
	"DELETE FROM archive_by_target WHERE (owner, target, key) IN (SELECT owner, target, key FROM archive_by_target WHERE owner = $1 ORDER BY target, key LIMIT $2 + 0)",
	"DELETE FROM archive WHERE key IN (SELECT key FROM archive_by_peer WHERE owner = $1 ORDER BY peer, key LIMIT $2 + 0)",
	"DELETE FROM archive_by_owner WHERE owner = $1 AND key IN (SELECT key FROM archive_by_peer WHERE owner = $1 ORDER BY peer, key LIMIT $2 + 0)",
	"DELETE FROM archive_by_peer WHERE (owner, peer, key) IN (SELECT owner, peer, key FROM archive_by_peer WHERE owner = $1 ORDER BY peer, key LIMIT $2 + 0)",
}

// eraseRest are tables with few rows per owner, and at last the note that there is something to erase.
var eraseRest = [...]string{
	"DELETE FROM rosters WHERE owner = $1",
	"DELETE FROM roster_items WHERE owner = $1",
	"DELETE FROM roster_gone WHERE owner = $1",
	"DELETE FROM roster_pending WHERE owner = $1",
	"DELETE FROM archive_prefs WHERE owner = $1",
	"DELETE FROM offline_rows WHERE owner = $1",
	"DELETE FROM offline_marks WHERE owner = $1",
	"DELETE FROM blocks WHERE owner = $1",
	"DELETE FROM reports WHERE owner = $1",
	"DELETE FROM stranger_prefs WHERE owner = $1",
	"DELETE FROM acquaintances WHERE owner = $1",
	"DELETE FROM stranger_messages WHERE owner = $1",
	"DELETE FROM private_xml WHERE owner = $1",
	"DELETE FROM vcards WHERE owner = $1",
	deleteAllKept,
	"DELETE FROM last_seen WHERE owner = $1",
	"DELETE FROM invites WHERE owner = $1",
	"DELETE FROM leavers WHERE owner = $1",
	"DELETE FROM circle_members WHERE owner = $1",
	"DELETE FROM ties WHERE owner = $1",
	"DELETE FROM places WHERE owner = $1",
	"DELETE FROM devices WHERE owner = $1",
	"DELETE FROM device_tokens WHERE owner = $1",
	"DELETE FROM rooms WHERE owner = $1",
	"DELETE FROM room_affiliations WHERE owner = $1",
	"DELETE FROM room_occupants WHERE owner = $1",
	"DELETE FROM node_items WHERE owner = $1",
	"DELETE FROM node_affiliations WHERE owner = $1",
	"DELETE FROM node_subscriptions WHERE owner = $1",
	"DELETE FROM nodes WHERE owner = $1",
	"DELETE FROM files WHERE owner = $1",
	"DELETE FROM push_jobs WHERE owner = $1",
	"DELETE FROM push_targets WHERE owner = $1",
	"DELETE FROM search_changes WHERE owner = $1",
	"DELETE FROM erasures WHERE owner = $1",
}

func (e *eraser) everything(owner store.Owner) error {
	// The orders are the way to the rows, so they must be whole.
	if err := e.db.laneOf(owner).flush(e.ctx); err != nil {
		return err
	}
	p := newPace(eraseRows)
	for {
		n, err := e.db.eraseChunk(e.ctx, owner, &p, eraseSteps[:], func(rows int) []any { return []any{int64(owner), int64(rows)} })
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	if err := e.db.searcher.forgetOwner(e.ctx, owner); err != nil {
		return err
	}
	return e.db.queueOf(owner).change(0, func(w *writer) error {
		for _, query := range eraseRest {
			if _, err := w.change(query, int64(owner)); err != nil {
				return err
			}
		}
		return nil
	}).Wait(e.ctx)
}

// eraseChunk runs the steps once in one transaction and returns how many rows the last one changed.
func (db *DB) eraseChunk(ctx context.Context, owner store.Owner, p *pace, steps []string, args func(rows int) []any) (int64, error) {
	var n int64
	err := db.queueOf(owner).change(0, func(w *writer) error {
		a := args(p.n)
		return p.measure(func() error {
			for _, query := range steps {
				var err error
				if n, err = w.change(query, a...); err != nil {
					return err
				}
			}
			return nil
		})
	}).Wait(ctx)
	if err != nil {
		return 0, err // n may still be written to when only the context ended
	}
	return n, nil
}

// flush waits until the orders hold everything that was appended before the call.
func (db *DB) flush(ctx context.Context) error {
	for _, l := range db.lanes {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// The steps of erasing what is old. $1 is a key that is kept; a subquery finds how far $2 rows reach.
const upTo = "(SELECT key FROM archive WHERE key < $1 ORDER BY key LIMIT $2 + 0)"

var expireSteps = [...]string{
	"DELETE FROM archive_by_target WHERE (owner, target, key) IN (SELECT owner, target, key FROM archive WHERE key IN " + upTo + ")",
	"DELETE FROM archive_by_owner WHERE (owner, key) IN (SELECT owner, key FROM archive WHERE key IN " + upTo + ")",
	"DELETE FROM archive_by_peer WHERE (owner, peer, key) IN (SELECT owner, peer, key FROM archive WHERE key IN " + upTo + ")",
	"DELETE FROM archive WHERE key IN " + upTo,
}

// Expire implements store.Archive.
func (a archive) Expire(ctx context.Context, before time.Time) (int64, error) {
	// Rows that come from now on may not be in the orders, so they stay, even when before lies in the future.
	kept := min(store.KeyAt(before), a.db.keys.newest()+1)
	if err := a.db.flush(ctx); err != nil {
		return 0, err
	}
	p := newPace(eraseRows)
	var total int64
	for {
		n, err := a.db.eraseChunk(ctx, nobody, &p, expireSteps[:], func(rows int) []any { return []any{int64(kept), int64(rows)} })
		total += n
		if err != nil {
			return total, err
		}
		if n == 0 {
			return total, a.db.searcher.forgetBefore(ctx, kept)
		}
	}
}
