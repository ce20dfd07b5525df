package c2s

import "time"

// bucket is a token bucket in two words. It belongs to one read loop.
type bucket struct {
	tokens int64 // may be negative: a debt
	last   int64 // nanoseconds
}

// take pays n tokens from a bucket of size burst that fills with rate per second, and returns how long to wait before reading on.
func (b *bucket) take(n, rate, burst int, now time.Time) time.Duration {
	t := now.UnixNano()
	if b.last == 0 {
		b.tokens = int64(burst)
	} else if gained := (t - b.last) * int64(rate) / int64(time.Second); gained > 0 {
		b.tokens = min(int64(burst), b.tokens+gained)
	} else {
		t = b.last // less than one token: count from there on
	}
	b.last = t
	b.tokens -= int64(n)
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens * int64(time.Second) / int64(rate))
}
