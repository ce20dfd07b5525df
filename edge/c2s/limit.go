package c2s

import (
	"net/netip"
	"sync"
	"time"
)

// crowd counts connections and handshakes, in all and by source. IPv6 sources are networks of 64 bits.
type crowd struct {
	all, perSource int

	mu      sync.Mutex
	total   int
	sources map[netip.Prefix]int
}

func newCrowd(all, perSource int) *crowd {
	return &crowd{all: all, perSource: perSource, sources: make(map[netip.Prefix]int)}
}

// enter counts one from the address, unless there are too many. off lets the limit per source pass.
func (c *crowd) enter(from netip.Prefix, off bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total >= c.all || (!off && c.sources[from] >= c.perSource) {
		return false
	}
	c.total++
	c.sources[from]++
	return true
}

func (c *crowd) leave(from netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.sources[from]--; c.sources[from] <= 0 {
		delete(c.sources, from)
	}
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// source is what limits are counted by.
func source(a netip.AddrPort) netip.Prefix {
	ip := a.Addr().Unmap()
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

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
