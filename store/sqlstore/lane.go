package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"

	"stonechat/store"
)

// nobody is the owner of what belongs to no account: its changes go through the first lane.
const nobody store.Owner = 0

// lane is one way to the disk: what waits, and what its commit loop keeps in memory. SQLite, which has one writer, has one lane;
// PostgreSQL gains from several. Every owner has the same lane for the life of the process. So an owner's changes become visible in the
// order of the calls, and no reader of an archive sees a row while one with a smaller key is still on its way.
type lane struct {
	id    int64 // its row of archive_state, from 1
	queue queue
	tail  tail
}

// laneOf is the lane of an owner.
func (db *DB) laneOf(owner store.Owner) *lane {
	return db.lanes[uint64(owner)%uint64(len(db.lanes))]
}

// queueOf is where changes of an owner are queued; of nobody those of the server as a whole.
func (db *DB) queueOf(owner store.Owner) *queue { return &db.laneOf(owner).queue }

// behind queues o, as a change of nobody, when everything that was called before for these lanes has ended, well or not: it changes or
// vouches for what belongs to them. With one lane the queue is order enough.
func (db *DB) behind(lanes []*lane, o op, keyed bool, setup func(*op, store.Key)) store.Ticket {
	own := db.laneOf(nobody)
	p := new(store.Promise)
	next := func() {
		_, ticket := own.queue.put(o, keyed, setup)
		ticket.Done(p.Settle)
	}
	for _, l := range lanes {
		if l == own {
			continue
		}
		then := next
		next = func() {
			l.queue.change(0, func(*writer) error { return nil }).Done(func(err error) {
				if err != nil {
					p.Settle(err)
					return
				}
				then()
			})
		}
	}
	next()
	return p.Ticket()
}

// flush waits until the orders hold everything that was appended to this lane before the call.
func (l *lane) flush(ctx context.Context) error {
	_, ticket := l.queue.put(op{flush: true}, false, nil)
	return ticket.Wait(ctx)
}

// newLanes makes n lanes that share what may wait.
func (db *DB) newLanes(n int) {
	db.keys.now = func() store.Key { return store.KeyAt(db.options.Now()) }
	for i := range n {
		l := &lane{id: int64(i + 1), tail: tail{active: newSegment()}}
		l.queue.limit, l.queue.keys, l.queue.wake = db.options.QueueBytes/n, &db.keys, make(chan struct{}, 1)
		db.lanes = append(db.lanes, l)
	}
}

// loadLanes reads horizons, the rows behind them, and the last key dealt out. When the number of lanes has changed since they were
// written, what is behind the lowest horizon is brought into the orders first, so that all lanes begin with whole ones.
func (db *DB) loadLanes(w *writer) error {
	for _, query := range keyQueries {
		n, _, err := w.number(query)
		if err != nil {
			return err
		}
		db.keys.last = max(db.keys.last, store.Key(n))
	}
	horizons, err := readHorizons(w)
	if err != nil {
		return err
	}
	lowest := maxKey
	for _, h := range horizons {
		lowest = min(lowest, h)
		// Horizons stay when rows are erased, so no key is given twice.
		db.keys.last = max(db.keys.last, h)
	}
	if !sameLanes(horizons, len(db.lanes)) {
		if horizons, err = db.levelHorizons(w, lowest); err != nil {
			return err
		}
		lowest = db.keys.last
	}
	for _, l := range db.lanes {
		l.tail.horizon = horizons[l.id]
	}
	if err := db.readTails(w, lowest); err != nil || len(db.lanes) == 1 {
		return err
	}
	return db.followAll(w)
}

// followAll moves the horizons of lanes with nothing behind them to the last key, so that the next start has less to read.
func (db *DB) followAll(w *writer) error {
	return w.within(func() error {
		for _, l := range db.lanes {
			if len(l.tail.active.rows) > 0 {
				continue
			}
			if _, err := w.exec("UPDATE archive_state SET indexed = $1 WHERE id = $2", int64(db.keys.last), l.id); err != nil {
				return err
			}
			l.tail.follow(db.keys.last)
		}
		return nil
	})
}

// keyQueries are where keys are kept.
var keyQueries = [...]string{
	"SELECT MAX(key) FROM archive",
	"SELECT MAX(version) FROM rosters",
	"SELECT MAX(key) FROM offline_rows",
	"SELECT MAX(key) FROM stranger_messages",
	"SELECT MAX(id) FROM reports",
}

// readHorizons reads up to where the orders of each lane are whole.
func readHorizons(w *writer) (map[int64]store.Key, error) {
	out := map[int64]store.Key{}
	err := w.query("SELECT id, indexed FROM archive_state", func(v []driver.Value) error {
		id, ok1 := v[0].(int64)
		indexed, ok2 := v[1].(int64)
		if !ok1 || !ok2 {
			return errors.New("archive_state of an unexpected type")
		}
		out[id] = store.Key(indexed)
		return nil
	})
	if err == nil && len(out) == 0 {
		err = errors.New("archive_state is empty")
	}
	return out, err
}

// sameLanes tells whether the horizons are those of n lanes.
func sameLanes(horizons map[int64]store.Key, n int) bool {
	for id := range horizons {
		if id < 1 || id > int64(n) {
			return false
		}
	}
	return len(horizons) == n
}

// levelHorizons makes the orders whole and gives every lane the same horizon: the last key of all.
func (db *DB) levelHorizons(w *writer, from store.Key) (map[int64]store.Key, error) {
	out := map[int64]store.Key{}
	return out, w.within(func() error {
		for _, query := range [...]string{
			"INSERT INTO archive_by_owner (owner, key, origin, flags) SELECT owner, key, origin, flags FROM archive WHERE key > $1 ON CONFLICT DO NOTHING",
			"INSERT INTO archive_by_peer (owner, peer, key, resource, flags) SELECT owner, peer, key, resource, flags FROM archive WHERE key > $1 ON CONFLICT DO NOTHING",
			"INSERT INTO archive_by_target (owner, target, key) SELECT owner, target, key FROM archive WHERE key > $1 AND target <> 0 ON CONFLICT DO NOTHING",
		} {
			if _, err := w.exec(query, int64(from)); err != nil {
				return err
			}
		}
		if _, err := w.exec("DELETE FROM archive_state"); err != nil {
			return err
		}
		for _, l := range db.lanes {
			if _, err := w.exec("INSERT INTO archive_state (id, indexed) VALUES ($1, $2)", l.id, int64(db.keys.last)); err != nil {
				return err
			}
			out[l.id] = db.keys.last
		}
		return nil
	})
}
