package sqlstore

import (
	"errors"
	"time"
)

const (
	maxTries     = 8                     // of a transaction that stood in the way of another one
	firstBackoff = 10 * time.Millisecond // pause before a lost database is looked for again; it doubles
	lastBackoff  = time.Second
)

// errInDoubt: the connection broke while it committed, so the transaction may be durable or not.
var errInDoubt = errors.New("the outcome of a commit is not known yet")

// transact runs f as one transaction of the writer. What f changes besides must bear being done again: it runs once more when the
// database says that this will help, or is gone and comes back in time. After an error nothing of it remains.
func (l *loop) transact(f func() error) error {
	until := time.Now().Add(l.db.options.Patience)
	wait := firstBackoff
	for try := 1; ; try++ {
		err := l.ensure()
		if err == nil {
			l.w.rows = 0
			err = l.w.within(f)
		}
		if errors.Is(err, errInDoubt) {
			var kept bool
			if kept, err = l.askOutcome(); err != nil || kept {
				return err
			}
			continue
		}
		if err == nil {
			return nil
		}
		switch kind, _ := classify(err); {
		case kind == failedRace && try < maxTries:
		case kind == failedConn && !errors.Is(err, errLost) && time.Now().Before(until) && l.db.sleep(wait):
			l.drop()
			wait = min(2*wait, lastBackoff)
		default:
			return err
		}
	}
}

// askOutcome finds out what became of the transaction in doubt. It takes as long as the database is away: until then its promises are
// open, because neither answer would be true.
func (l *loop) askOutcome() (kept bool, err error) {
	rows := l.w.rows
	l.drop()
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		err := l.ensure()
		if err == nil {
			kept, l.w.rows = l.w.kept, rows
			return kept, nil
		}
		if errors.Is(err, errLost) || !l.db.sleep(wait) {
			return false, err
		}
	}
}

// drop gives up the connection, which may be broken already.
func (l *loop) drop() {
	if l.w == nil {
		return
	}
	if err := l.w.close(); err != nil {
		l.db.options.logger().Debug("closing a connection to the database", "err", err)
	}
	l.w = nil
}

// sleep returns false when the store closes meanwhile.
func (db *DB) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-db.closing:
		return false
	}
}
