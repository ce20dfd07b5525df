package core

import (
	"sync/atomic"

	"stonechat/config"
)

// What is left of a window while the budget of all is used up.
const (
	shrunkStanzas = 8
	shrunkBytes   = 8 // its bytes are divided by that
)

// budget bounds what all clients of a server together have sent and is not settled. One window is small, but a stalled disk fills all of
// them: when limits.window_total is reached every window shrinks, so that who has little in hand is still served and the rest waits. It
// has no lock: windows count here beside every stanza.
type budget struct {
	limits *config.Limits // of the hosts, which all have the same
	held   atomic.Int64   // bytes
	// again is closed when enough was settled that windows have their size again; nil when no door has asked.
	again  atomic.Pointer[chan struct{}]
	shrunk atomic.Int64 // doors that had to wait
}

// hold counts what a door has brought.
func (b *budget) hold(n int) { b.held.Add(int64(n)) }

// free counts what is settled or dropped. Doors that wait are let go when a quarter of the budget is free, not at each stanza below the
// limit: there may be thousands of them.
func (b *budget) free(n int) {
	if n == 0 {
		return
	}
	low := b.total() / 4 * 3
	if now := b.held.Add(-int64(n)); now < low && now+int64(n) >= low {
		if c := b.again.Swap(nil); c != nil {
			close(*c)
		}
	}
}

// tight returns nil while windows have their size, else a channel that is closed when they have it again.
func (b *budget) tight() <-chan struct{} {
	if b.held.Load() < b.total() {
		return nil
	}
	c := b.again.Load()
	for c == nil {
		fresh := make(chan struct{})
		if b.again.CompareAndSwap(nil, &fresh) {
			c = &fresh
		} else {
			c = b.again.Load()
		}
	}
	// Asked once more behind the channel's entry, so that whoever frees the budget from now on sees it.
	if b.held.Load() < b.total() {
		return nil
	}
	return *c
}

func (b *budget) total() int64 { return int64(b.limits.WindowTotal) }
