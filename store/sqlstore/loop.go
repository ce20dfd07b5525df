package sqlstore

import (
	"time"

	"stonechat/store"
)

const (
	maxBatch   = 1024                   // operations of one commit
	tailIdle   = 2 * time.Second        // after so long without work the tail enters the orders
	retryAfter = 250 * time.Millisecond // pause after a failure of the loop's own work
)

// loop is the commit loop of a lane. It alone uses its writer.
type loop struct {
	db       *DB
	lane     *lane
	w        *writer // nil when it has to be opened again
	in       inserter
	batch    []op
	errs     []error
	order    ordering
	flushes  []flush // who waits for the horizon
	began    time.Time
	closeErr error // of closing the writer; read when the loop has ended
	held     bool  // the last move into the orders failed: wait before the next
}

// flush is a promise to be fulfilled when the horizon reaches a key.
type flush struct {
	to      store.Key
	promise *store.Promise
}

// outcome is a promise with what became of it.
type outcome struct {
	promise *store.Promise
	err     error
}

// run works until the queue is closed and empty.
func (l *loop) run() {
	for {
		var closed bool
		l.batch, closed = l.lane.queue.take(l.batch, maxBatch)
		switch {
		case closed:
			l.end()
			return
		case len(l.batch) > 0:
			l.commit()
		case l.order.active() && !l.held:
			l.orderOnly()
		default:
			l.sleep()
		}
	}
}

// sleep waits for work. A lonely operation gets a moment's company: the other party's copy of a message comes some microseconds later.
func (l *loop) sleep() {
	_, waiting := l.lane.tail.sizes()
	after := tailIdle
	if l.held {
		after = retryAfter
	} else if waiting == 0 {
		after = l.db.options.follow
	}
	alarm := time.NewTimer(after)
	defer alarm.Stop()
	select {
	case <-l.lane.queue.wake:
	case <-alarm.C:
		switch {
		case l.held:
			l.held = false
		case waiting > 0:
			l.startOrdering()
		default:
			l.follow()
		}
		return
	}
	if n, _ := l.lane.queue.length(); n == 1 {
		pause()
	}
}

// orderOnly moves a chunk of the tail when nobody else wants anything.
func (l *loop) orderOnly() {
	if err := l.transaction(nil); err != nil {
		l.failed(err)
		l.held = true
		return
	}
	l.afterOrdering()
	l.db.checkpoint.wrote(l.w)
}

// ensure opens the writer if it was given up.
func (l *loop) ensure() error {
	if l.w != nil {
		return nil
	}
	w, err := l.db.base.lane(l.lane.id)
	if err != nil {
		return err
	}
	l.w = w
	return nil
}

// commit makes the batch durable and settles its promises.
func (l *loop) commit() {
	l.began = time.Now()
	l.errs = append(l.errs[:0], make([]error, len(l.batch))...)
	err := l.transaction(l.batch)
	if kind, _ := classify(err); err != nil && kind == failedOp {
		err = l.oneByOne()
	}
	if err != nil {
		named := l.failed(err)
		for i := range l.errs {
			l.errs[i] = named
		}
	}
	l.settle(err == nil)
}

// failed notes that a commit failed as a whole and returns the error under the name that callers know.
func (l *loop) failed(err error) error {
	kind, named := classify(err)
	l.db.counters.update(func(s *Stats) { s.Failures++ })
	if kind != failedDisk {
		l.drop()
	}
	return named
}

// transaction runs ops, and a chunk of the tail's way into the orders, as one transaction. After an error nothing of it remains.
func (l *loop) transaction(ops []op) error {
	var moved int
	err := l.transact(func() error {
		err := l.runAll(ops)
		if err == nil {
			moved, err = l.order.chunk(l.w, l.in, l.lane.id, len(ops))
		}
		return err
	})
	if err != nil {
		return err
	}
	l.order.done(moved)
	if moved > 0 {
		l.db.counters.update(func(s *Stats) { s.OrderRows += int64(moved) })
	}
	return nil
}

// runAll runs ops in order; neighbouring archive rows go into statements of many rows.
func (l *loop) runAll(ops []op) error {
	for i := 0; i < len(ops); {
		switch {
		case ops[i].flush:
			i++
		case ops[i].run != nil:
			if err := ops[i].run(l.w); err != nil {
				return err
			}
			i++
		default:
			n := 1
			for i+n < len(ops) && ops[i+n].run == nil && !ops[i+n].flush {
				n++
			}
			if err := l.in.archive(l.w, ops[i:i+n]); err != nil {
				return err
			}
			i += n
		}
	}
	return nil
}

// oneByOne runs the batch again after one of its operations failed, each under a savepoint, so that only the guilty ones fail. An error
// returned means that the whole commit failed.
func (l *loop) oneByOne() error {
	return l.transact(func() error {
		for i := range l.batch {
			err := l.underSavepoint(l.batch[i : i+1])
			kind, named := classify(err)
			if err != nil && kind != failedOp {
				return err
			}
			l.errs[i] = named
		}
		return nil
	})
}

func (l *loop) underSavepoint(one []op) error {
	if _, err := l.w.exec("SAVEPOINT op"); err != nil {
		return err
	}
	opErr := l.runAll(one)
	if opErr == nil {
		// PostgreSQL refuses this when the operation has overlooked an error of one of its statements.
		if _, opErr = l.w.exec("RELEASE op"); opErr == nil {
			return nil
		}
	}
	if kind, _ := classify(opErr); kind != failedOp {
		return opErr
	}
	for _, query := range [...]string{"ROLLBACK TO op", "RELEASE op"} {
		if _, err := l.w.exec(query); err != nil {
			return err
		}
	}
	return opErr
}

// settle shows the committed rows to readers and hands the promises to the completion goroutine.
func (l *loop) settle(committed bool) {
	out := <-l.db.freeOutcomes
	rows := l.showRows(committed)
	failed := 0
	for i := range l.batch {
		o := &l.batch[i]
		if l.errs[i] != nil {
			failed++
		} else if o.flush {
			l.flushes = append(l.flushes, flush{l.lane.tail.newest(), o.promise})
			continue
		}
		out = append(out, outcome{o.promise, l.errs[i]})
	}
	l.count(rows, failed, committed)
	l.lane.queue.release(l.batch)
	clear(l.batch)
	l.db.outcomes <- out
	l.db.searcher.kept()
	l.afterOrdering()
	l.db.checkpoint.wrote(l.w)
}

// showRows adds runs of successful archive rows to the tail and returns how many there were.
func (l *loop) showRows(committed bool) int {
	rows := 0
	for i := 0; committed && i < len(l.batch); {
		n := 0
		for i+n < len(l.batch) && l.batch[i+n].run == nil && !l.batch[i+n].flush && l.errs[i+n] == nil {
			n++
		}
		if n > 0 {
			l.lane.tail.add(l.batch[i : i+n])
		}
		rows += n
		i += n + 1
	}
	return rows
}

func (l *loop) count(rows, failed int, committed bool) {
	took := time.Since(l.began)
	var other int64
	if l.w != nil {
		other, l.w.rows = l.w.rows, 0
	}
	n := len(l.batch)
	l.db.counters.update(func(s *Stats) {
		s.FailedOps += int64(failed)
		if !committed {
			return
		}
		s.Commits++
		s.Ops += int64(n - failed)
		s.ArchiveRows += int64(rows)
		s.OtherRows += other
		s.LastBatch = n
		s.LargestBatch = max(s.LargestBatch, n)
		s.CommitTime += took
		s.SlowestTime = max(s.SlowestTime, took)
	})
}

// afterOrdering starts moving the tail when it is long enough or somebody waits for it, and fulfils promises that wait for the horizon.
func (l *loop) afterOrdering() {
	if l.order.finished() {
		l.lane.tail.thaw()
		l.order = ordering{}
	}
	if l.order.active() {
		return
	}
	_, waiting := l.lane.tail.sizes()
	kept := l.flushes[:0]
	for _, f := range l.flushes {
		if waiting == 0 || f.to <= l.lane.tail.reached() {
			f.promise.Settle(nil)
			continue
		}
		kept = append(kept, f)
	}
	l.flushes = kept
	if waiting >= l.db.options.Tail || len(l.flushes) > 0 {
		l.startOrdering()
	}
}

// follow moves the horizon of a lane that has nothing to do behind those of the others: a start reads all rows behind the lowest one.
func (l *loop) follow() {
	to, ok := l.lane.queue.passed()
	if !ok || l.order.active() || to <= l.lane.tail.reached() {
		return
	}
	err := l.transact(func() error {
		_, err := l.w.exec("UPDATE archive_state SET indexed = $1 WHERE id = $2", int64(to), l.lane.id)
		return err
	})
	if err != nil {
		l.failed(err)
		return
	}
	l.lane.tail.follow(to)
}

// startOrdering freezes the tail.
func (l *loop) startOrdering() {
	if !l.order.active() {
		l.order = newOrdering(l.lane.tail.freeze())
	}
}

// end breaks the promises that can no longer be kept and gives up the connection.
func (l *loop) end() {
	for _, f := range l.flushes {
		f.promise.Settle(store.ErrClosed)
	}
	if l.w != nil {
		l.closeErr = l.w.close()
	}
}

// complete runs callbacks, beside the loop, so that they do not hold up the next commit.
func (db *DB) complete() {
	for out := range db.outcomes {
		for i := range out {
			out[i].promise.Settle(out[i].err)
		}
		clear(out)
		db.freeOutcomes <- out[:0]
	}
}
