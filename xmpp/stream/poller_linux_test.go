package stream

import (
	"testing"
	"time"
)

// A connection that parks while the Poller looks for silent ones is looked for at its own time.
func TestExpectWhileLooking(t *testing.T) {
	p := poller(t)
	for i := range 200_000 { // working: a look takes a while and has nothing to do
		p.served[uint64(1_000_000+i)] = &Conn{}
	}
	for range 20 {
		c := &Conn{}
		p.mu.Lock()
		p.served[1] = c
		p.mu.Unlock()
		p.next.Store(p.now()) // the timer fires now
		done := make(chan struct{})
		go func() { p.look(); close(done) }()
		time.Sleep(time.Millisecond)
		due := p.now() + int64(time.Hour)
		c.due.Store(due)
		c.state.Store(parked)
		p.expect(due)
		<-done
		if p.next.Load() > due {
			t.Fatal("nobody looks for it any more")
		}
	}
	p.mu.Lock()
	clear(p.served)
	p.mu.Unlock()
}
