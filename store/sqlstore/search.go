package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"stonechat/store"
	"stonechat/xmpp/xmltok"
)

const (
	searchLag     = time.Second            // how long a kept row may wait for others before its words are noted, if nobody asks
	searchWait    = 500 * time.Millisecond // how long who asks waits for what was kept before
	searchRows    = 256                    // rows of one transaction of the index
	searchBytes   = 256 << 10              // and their size, about
	searchRetry   = time.Second            // pause after a failure; it doubles
	searchGiveUp  = time.Minute            // up to this
	searchRest    = 3                      // pause between transactions, in times of how long the last one took
	searchYield   = 100 * time.Millisecond // a look at whether the disk is less busy
	searchYields  = 20                     // so many before the next rows are noted all the same
	searchJam     = 16                     // changes in a queue that mean that it is busy
	searchReaders = 2                      // connections that search
	removeRows    = 1000                   // entries that one statement takes out
)

// searcher notes the words of what is archived, behind the commits: it reads the archive by a cursor that stands in the same transaction as
// the words, so that a crash neither loses nor doubles any. It alone changes the index. See docs/decisions/0028-search.md.
type searcher struct {
	db    *DB
	index *index

	w     *writer // nil when it has to be opened
	noted store.Key
	sc    *xmltok.Scanner

	soon  chan struct{} // something was committed
	now   chan struct{} // somebody waits
	tasks chan searchTask
	ctx   context.Context // ends when the store closes
	stop  context.CancelFunc
	ended sync.WaitGroup

	rows    atomic.Int64 // looked at
	reached atomic.Int64 // the cursor
	mu      sync.Mutex
	reads   *reads
	asked   uint64        // passes that somebody waits for
	passed  uint64        // those that are done
	to      store.Key     // up to where the last one was
	passing chan struct{} // closed at the end of each pass, well or not
	failure error
}

// searchTask is what others want done to the index; answer gets the outcome.
type searchTask struct {
	do     func() error
	answer chan error
}

func newSearcher(db *DB) *searcher {
	s := &searcher{
		db: db, index: db.newIndex(), sc: xmltok.NewScanner(xmltok.TreeLimits),
		soon: make(chan struct{}, 1), now: make(chan struct{}, 1), tasks: make(chan searchTask), passing: make(chan struct{}),
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.ended.Go(s.run)
	ring(s.soon) // for what an earlier process has left
	return s
}

// ring puts a token into a channel that holds one.
func ring(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// kept is called by the commit loops behind each commit, and never waits.
func (s *searcher) kept() {
	if s != nil {
		ring(s.soon)
	}
}

// close stops in the middle of things; the next start goes on there.
func (s *searcher) close() error {
	if s == nil {
		return nil
	}
	s.stop()
	s.ended.Wait()
	s.drop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads == nil || s.reads == s.db.reads {
		return nil
	}
	return s.reads.close()
}

func (s *searcher) run() {
	retry := searchRetry
	for s.await() {
		s.mu.Lock()
		asked := s.asked
		s.mu.Unlock()
		to := s.db.settled()
		err := s.pass(to)
		s.finish(asked, to, err)
		if err == nil {
			retry = searchRetry
			continue
		}
		if s.ctx.Err() != nil {
			return
		}
		s.drop()
		if !s.pause(retry) {
			return
		}
		retry = min(2*retry, searchGiveUp)
		ring(s.soon)
	}
}

// await returns when there is something to note; false when the store closes.
func (s *searcher) await() bool {
	var lag <-chan time.Time
	soon := s.soon
	for {
		select {
		case <-s.ctx.Done():
			return false
		case t := <-s.tasks:
			t.answer <- s.perform(t.do)
		case <-s.now:
			return true
		case <-soon:
			lag, soon = time.After(searchLag), nil
		case <-lag:
			return true
		}
	}
}

// pause waits after a failure, and does what is asked meanwhile.
func (s *searcher) pause(d time.Duration) bool {
	over := time.After(d)
	for {
		select {
		case <-s.ctx.Done():
			return false
		case t := <-s.tasks:
			t.answer <- s.perform(t.do)
		case <-over:
			return true
		}
	}
}

// finish tells those who wait.
func (s *searcher) finish(asked uint64, to store.Key, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.passed, s.to = asked, to
	}
	if err != nil && s.failure == nil && s.ctx.Err() == nil {
		s.db.options.logger().Error("words of messages cannot be noted, so searches do not find the newest", "err", err)
	}
	if err == nil && s.failure != nil {
		s.db.options.logger().Info("words of messages are noted again")
	}
	s.failure = err
	close(s.passing)
	s.passing = make(chan struct{})
}

// drop gives up the session.
func (s *searcher) drop() {
	if s.w == nil {
		return
	}
	if err := s.w.close(); err != nil {
		s.db.options.logger().Debug("closing the index of words", "err", err)
	}
	s.w = nil
}

// ensure opens the index if it is not open. A damaged one is made anew.
func (s *searcher) ensure() error {
	if s.w != nil {
		return nil
	}
	err := s.enter()
	if damaged(err) && s.index.wipe != nil {
		s.db.options.logger().Warn("the index of words is damaged and made anew", "err", err)
		s.drop()
		s.letGo()
		if err = s.index.wipe(); err == nil {
			err = s.enter()
		}
	}
	if err != nil {
		s.drop()
	}
	return err
}

func (s *searcher) enter() (err error) {
	if s.w, err = s.index.open(); err != nil {
		return err
	}
	if s.noted, err = s.index.ready(s.w, s.db.searchMark(), s.db.keys.newest()); err != nil {
		return err
	}
	s.reached.Store(int64(s.noted))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads == nil {
		s.reads, err = s.index.pool()
	}
	return err
}

// letGo gives up the connections that search.
func (s *searcher) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads != nil && s.reads != s.db.reads {
		if err := s.reads.close(); err != nil {
			s.db.options.logger().Debug("closing the index of words", "err", err)
		}
	}
	s.reads = nil
}

// perform runs a task with the index open. After an error the session is in doubt.
func (s *searcher) perform(do func() error) error {
	err := s.ensure()
	if err == nil {
		err = do()
	}
	if err != nil {
		s.drop()
	}
	return err
}

// ask has a task done between two transactions of the index, and waits for it.
func (s *searcher) ask(ctx context.Context, do func() error) error {
	t := searchTask{do, make(chan error, 1)}
	select {
	case s.tasks <- t:
	case <-s.ctx.Done():
		return store.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-t.answer:
		return err
	case <-s.ctx.Done():
		return store.ErrClosed
	}
}

// pass notes everything up to a key, and what was replaced since.
func (s *searcher) pass(to store.Key) error {
	if err := s.ensure(); err != nil {
		return err
	}
	for {
		n, err := s.replaced()
		if err != nil {
			return err
		}
		if n < searchRows {
			break
		}
	}
	for s.yield() {
		began := time.Now()
		if more, err := s.chunk(to); err != nil || !more {
			return err
		}
		// A long way back is gone slowly: messages come first.
		if !s.pause(searchRest * time.Since(began)) {
			return store.ErrClosed
		}
	}
	return store.ErrClosed
}

// yield waits while many changes wait for the disk, unless somebody searches; but not for ever. It returns false when the store closes.
func (s *searcher) yield() bool {
	for range searchYields {
		s.mu.Lock()
		awaited := s.asked > s.passed
		s.mu.Unlock()
		if awaited || !s.db.jammed() {
			return true
		}
		if !s.pause(searchYield) {
			return false
		}
	}
	return true
}

// within runs f as a transaction of the index.
func (s *searcher) within(f func(n *noter) error) error {
	n := &noter{x: s.index, w: s.w, db: s.db, sc: s.sc, look: s.look}
	err := s.w.within(func() error { return f(n) })
	if damaged(err) && s.index.wipe != nil {
		s.drop()
		s.letGo()
		err = errors.Join(err, s.index.wipe())
	}
	return err
}

const (
	selectSearchRows    = "SELECT key, owner, peer, resource, flags, stanza FROM archive WHERE key > $1 AND key <= $2 ORDER BY key LIMIT $3 + 0"
	selectSearchRow     = "SELECT key, owner, peer, resource, flags, stanza FROM archive WHERE key = $1 AND owner = $2"
	selectSearchChanges = "SELECT id, owner, key FROM search_changes ORDER BY id LIMIT $1 + 0"
	insertSearchChange  = "INSERT INTO search_changes (owner, key) VALUES ($1, $2)"
	deleteSearchChange  = "DELETE FROM search_changes WHERE id = $1"
)

// archived reads rows of the archive until each returns false.
func (s *searcher) archived(query string, each func(row) bool, args ...any) error {
	return s.read(query, func(rows *sql.Rows) error {
		var r row
		if err := rows.Scan(&r.key, &r.owner, &r.peer, &r.resource, &r.flags, &r.stanza); err != nil {
			return err
		}
		if !each(r) {
			return errPageFull
		}
		return nil
	}, args...)
}

// read runs a query of the archive. It is not among the reads that are counted: no client has asked for it.
func (s *searcher) read(query string, each func(*sql.Rows) error, args ...any) error {
	ctx, cancel := context.WithTimeout(s.ctx, searchGiveUp)
	defer cancel()
	st, err := s.db.reads.prepare(ctx, query)
	var found *sql.Rows
	if err == nil {
		found, err = st.QueryContext(ctx, args...)
	}
	if err == nil {
		err = scanEach(found, each)
	}
	if errors.Is(err, errPageFull) {
		return nil
	}
	return err
}

// look reads one row.
func (s *searcher) look(owner store.Owner, key store.Key) (r row, ok bool, err error) {
	err = s.archived(selectSearchRow, func(x row) bool {
		r, ok = x, true
		return true
	}, int64(key), int64(owner))
	return r, ok, err
}

// chunk notes the next rows, and tells whether there are more.
func (s *searcher) chunk(to store.Key) (more bool, err error) {
	// A task may have failed meanwhile.
	if err := s.ensure(); err != nil || s.noted >= to {
		return false, err
	}
	var rows []row
	bytes := 0
	err = s.archived(selectSearchRows, func(r row) bool {
		rows = append(rows, r)
		bytes += len(r.stanza)
		return bytes < searchBytes
	}, int64(s.noted), int64(to), searchRows)
	if err != nil || len(rows) == 0 {
		return false, err
	}
	noted := rows[len(rows)-1].key
	err = s.within(func(n *noter) error {
		for i := range rows {
			if err := n.note(&rows[i]); err != nil {
				return err
			}
		}
		_, err := n.w.exec(updateSearchState, int64(noted))
		return err
	})
	if err != nil {
		return false, err
	}
	s.noted = noted
	s.reached.Store(int64(noted))
	s.rows.Add(int64(len(rows)))
	return len(rows) == searchRows || bytes >= searchBytes, nil
}

// replaced notes what was replaced since, and returns how many rows that were.
func (s *searcher) replaced() (int, error) {
	type change struct {
		id    int64
		owner store.Owner
		key   store.Key
	}
	var list []change
	err := s.read(selectSearchChanges, func(rows *sql.Rows) error {
		var c change
		err := rows.Scan(&c.id, &c.owner, &c.key)
		list = append(list, c)
		return err
	}, searchRows)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	err = s.within(func(n *noter) error {
		for _, c := range list {
			// What the cursor has not reached is noted as it is now.
			if c.key > s.noted {
				continue
			}
			if err := n.again(c.owner, c.key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	// After a crash before this they are noted once more, which changes nothing.
	return len(list), s.db.queueOf(nobody).change(0, func(w *writer) error {
		for _, c := range list {
			if _, err := w.change(deleteSearchChange, c.id); err != nil {
				return err
			}
		}
		return nil
	}).Wait(s.ctx)
}

// forgetOwner takes out everything of an owner whose rows are gone.
func (s *searcher) forgetOwner(ctx context.Context, owner store.Owner) error {
	if s == nil {
		return nil
	}
	return s.takeOut(ctx, s.index.removeBy, s.index.condition(&terms{marks: []string{ownerMark(owner)}}))
}

// forgetBefore takes out everything before a key, where no rows are any more.
func (s *searcher) forgetBefore(ctx context.Context, key store.Key) error {
	if s == nil {
		return nil
	}
	return s.takeOut(ctx, s.index.removeOld, int64(key))
}

// takeOut repeats a statement until it finds nothing more.
func (s *searcher) takeOut(ctx context.Context, query string, what any) error {
	for {
		var n int64
		err := s.ask(ctx, func() error {
			return s.within(func(x *noter) error {
				var err error
				n, err = x.w.exec(query, what, int64(removeRows))
				return err
			})
		})
		if err != nil || n < removeRows {
			return err
		}
	}
}

// rebuild begins anew.
func (s *searcher) rebuild(ctx context.Context) error {
	err := s.ask(ctx, func() error {
		if err := s.within(func(n *noter) error { return s.index.empty(n.w, s.db.searchMark()) }); err != nil {
			return err
		}
		s.noted = 0
		s.reached.Store(0)
		return nil
	})
	ring(s.soon)
	return err
}

// caughtUp returns when everything that was kept before the call can be found; false when that takes too long.
func (s *searcher) caughtUp(ctx context.Context) bool {
	s.mu.Lock()
	s.asked++
	asked, until := s.asked, s.db.keys.newest()
	s.mu.Unlock()
	over := time.NewTimer(searchWait)
	defer over.Stop()
	for {
		s.mu.Lock()
		done, failed, passing := s.passed >= asked && s.to >= until, s.failure != nil, s.passing
		s.mu.Unlock()
		if done || failed {
			return done
		}
		ring(s.now)
		select {
		case <-passing:
		case <-over.C:
			return false
		case <-ctx.Done():
			return false
		case <-s.ctx.Done():
			return false
		}
	}
}

// settled is a key up to which no row of the archive is on its way to the disk any more.
func (db *DB) settled() store.Key {
	lowest := maxKey
	for _, l := range db.lanes {
		lowest = min(lowest, l.queue.settled())
	}
	return lowest
}

// jammed tells whether many changes wait for the disk.
func (db *DB) jammed() bool {
	for _, l := range db.lanes {
		if n, _ := l.queue.length(); n >= searchJam {
			return true
		}
	}
	return false
}

// newestRow is the largest key that readers may see.
func (db *DB) newestRow() store.Key {
	var newest store.Key
	for _, l := range db.lanes {
		newest = max(newest, l.tail.newest())
	}
	return newest
}
