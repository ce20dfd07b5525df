package sqlstore

import (
	"sync"
	"time"
)

// Stats are figures for people and metrics. Counters start at zero when the store is opened.
type Stats struct {
	Queued       int           // operations that wait now
	QueuedBytes  int           // and their size, with those being committed
	TailRows     int           // archive rows that are in memory and not in the orders yet
	WALPages     int           // length of the write-ahead log when last looked at
	Commits      int64         // successful commits
	Ops          int64         // operations that succeeded
	FailedOps    int64         // operations that failed
	Failures     int64         // commits that failed as a whole
	ArchiveRows  int64         // rows added to archives
	OtherRows    int64         // rows changed elsewhere (rosters, marks, accounts, erasing), without the orders of archives
	Reads        int64         // statements run that change nothing
	OrderRows    int64         // rows moved from the tail into the orders
	LastBatch    int           // operations of the last commit
	LargestBatch int           // operations of the largest commit
	CommitTime   time.Duration // sum over all commits, from begin to durable
	SlowestTime  time.Duration // slowest commit
	Unreadable   int64         // stored addresses that could not be read and were left out
}

// counters guards Stats.
type counters struct {
	mu sync.Mutex
	s  Stats
}

func (c *counters) update(f func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.s)
}

// Stats returns the figures of this moment.
func (db *DB) Stats() Stats {
	db.counters.mu.Lock()
	s := db.counters.s
	db.counters.mu.Unlock()
	s.Reads = db.reads.count.Load()
	for _, l := range db.lanes {
		ops, bytes := l.queue.length()
		frozen, active := l.tail.sizes()
		s.Queued, s.QueuedBytes, s.TailRows = s.Queued+ops, s.QueuedBytes+bytes, s.TailRows+frozen+active
	}
	return s
}
