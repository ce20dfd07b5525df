package core

import (
	"sync"
	"time"
)

// maxQuotaKeys bounds what a Quota remembers; above that the oldest knowledge is given up.
const maxQuotaKeys = 20_000

// Quota counts what happens within a span, by key: a source, or "" for all. Safe from any goroutine; its zero value counts.
type Quota struct {
	mu    sync.Mutex
	spent map[string]spending
}

type spending struct {
	n     int
	since time.Time
}

// over tells whether the span has passed, or the clock was put back behind its beginning: else nobody could do anything until it is there again.
func (s spending) over(now time.Time, span time.Duration) bool {
	return now.Sub(s.since) >= span || now.Before(s.since)
}

// Take counts one more of the key, and tells whether that is within limit for each span of time. What is refused does not count.
func (q *Quota) Take(now time.Time, key string, limit int, span time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.spent[key]
	if s.over(now, span) {
		s = spending{since: now}
	}
	if s.n >= limit {
		return false
	}
	s.n++
	if q.spent == nil {
		q.spent = make(map[string]spending)
	}
	if len(q.spent) >= maxQuotaKeys {
		q.forget(now, span)
	}
	q.spent[key] = s
	return true
}

// Give takes back what Take has counted.
func (q *Quota) Give(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s, ok := q.spent[key]; ok && s.n > 0 {
		s.n--
		q.spent[key] = s
	}
}

// forget makes room: of what is over, or else of everything.
func (q *Quota) forget(now time.Time, span time.Duration) {
	for key, s := range q.spent {
		if s.over(now, span) {
			delete(q.spent, key)
		}
	}
	if len(q.spent) >= maxQuotaKeys {
		clear(q.spent)
	}
}
