package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// wave is one event that a number of receivers must see: a presence that goes
// to all contacts, a room message to all occupants.
type wave struct {
	sent    time.Time
	left    atomic.Int64
	last    atomic.Int64 // nanoseconds from sent to the latest arrival
	arrived chan struct{}
	mu      sync.Mutex
	seen    []bool // by receiver; one arrival each counts
}

// newWave expects one arrival from each of n receivers, plus extra arrivals
// that count without being told apart.
func newWave(n, extra int) *wave {
	w := &wave{arrived: make(chan struct{}), seen: make([]bool, n), sent: time.Now()}
	w.left.Store(int64(n + extra))
	return w
}

// arrive counts the first arrival at receiver i.
func (w *wave) arrive(i int) {
	w.mu.Lock()
	again := w.seen[i]
	w.seen[i] = true
	w.mu.Unlock()
	if again {
		return
	}
	w.last.Store(int64(time.Since(w.sent)))
	w.count()
}

// count counts one extra arrival.
func (w *wave) count() {
	if w.left.Add(-1) == 0 {
		close(w.arrived)
	}
}

// waveWait is how long a wave may take; the peers need a few seconds for the
// largest on a busy machine.
const waveWait = 60 * time.Second

// wait returns when all have arrived, or with what refused tells; a nil
// channel never does.
func (w *wave) wait(ctx context.Context, refused <-chan error) error {
	select {
	case err := <-refused:
		return err
	case <-w.arrived:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(waveWait):
		return fmt.Errorf("%d arrivals missing after %v", w.left.Load(), waveWait)
	}
}
