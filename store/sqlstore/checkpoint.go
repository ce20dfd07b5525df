package sqlstore

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"time"
)

const (
	walSoft      = 4000                   // pages of the write-ahead log after which it is copied into the database
	walHard      = 16000                  // pages after which the commit loop lets it begin anew
	walLook      = 100 * time.Millisecond // at most so often its length is looked at
	walIdleAfter = 5 * time.Second        // without work for so long, the log is emptied
)

// checkpointer moves the write-ahead log into the database, on a connection of its own, so that commits do not wait for it.
type checkpointer struct {
	db      *sql.DB
	note    func(pages int)
	nudge   chan struct{}
	stop    chan struct{}
	stopped sync.WaitGroup
	restart atomic.Bool // the commit loop is asked to let the log begin anew
}

func newCheckpointer(dsn string, note func(pages int)) (*checkpointer, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	c := &checkpointer{db: db, note: note, nudge: make(chan struct{}, 1), stop: make(chan struct{})}
	c.stopped.Go(c.run)
	return c, nil
}

// close ends the goroutine and its connection.
func (c *checkpointer) close() error {
	close(c.stop)
	c.stopped.Wait()
	return c.db.Close()
}

// wrote is called by the commit loop after each commit.
func (c *checkpointer) wrote(w *writer) {
	if c == nil {
		return
	}
	select {
	case c.nudge <- struct{}{}:
	default:
	}
	if w == nil || !c.restart.CompareAndSwap(true, false) {
		return
	}
	// Nearly all of the log was copied a moment ago. Readers are not waited for: the next look asks again.
	for _, pragma := range []string{"PRAGMA busy_timeout = 0", "PRAGMA wal_checkpoint(RESTART)", "PRAGMA busy_timeout = 5000"} {
		if _, err := w.exec(pragma); err != nil {
			continue
		}
	}
}

func (c *checkpointer) run() {
	for c.wait(nil, c.nudge) {
		pages := c.pragma("NOOP")
		if pages >= walSoft {
			pages = c.pragma("PASSIVE")
		}
		c.restart.Store(pages >= walHard)
		c.note(pages)
		pause := time.NewTimer(walLook)
		if !c.wait(pause, nil) {
			return
		}
		idle := time.NewTimer(walIdleAfter)
		select {
		case <-c.stop:
			idle.Stop()
			return
		case <-idle.C:
			c.note(c.pragma("TRUNCATE"))
		case <-c.nudge:
			idle.Stop()
			c.ring()
		}
	}
}

// ring puts the token back.
func (c *checkpointer) ring() {
	select {
	case c.nudge <- struct{}{}:
	default:
	}
}

// wait returns false when the store closes, true when the timer or the channel speaks; either may be nil.
func (c *checkpointer) wait(t *time.Timer, ch <-chan struct{}) bool {
	var alarm <-chan time.Time
	if t != nil {
		alarm = t.C
		defer t.Stop()
	}
	select {
	case <-c.stop:
		return false
	case <-alarm:
	case <-ch:
	}
	return true
}

// pragma runs a checkpoint of the given kind and returns the number of pages in the log, or -1. A failure, such as a full disk or a
// reader in the way, is healed by the next one.
func (c *checkpointer) pragma(kind string) int {
	var busy, pages, copied int
	err := c.db.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint("+kind+")").Scan(&busy, &pages, &copied)
	if err != nil {
		return -1
	}
	return pages
}
