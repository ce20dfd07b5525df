package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	memoryEvery = 5 * time.Second
	trimAbove   = 4 << 20 // bytes that the heap holds and nobody uses, below which nothing is returned
	trimShare   = 8       // and the part of the live heap that it must be: one in eight

	// The heap may grow by so much before it is collected, but by no less and no more than these shares of what is live: a small heap is not
	// collected for every few log-ins, and in a large one, which is mostly idle sessions, garbage does not weigh much.
	growth              = 8 << 20
	leastGrow, mostGrow = 50, 100 // percent
)

// keepMemory looks after the memory of the process until ctx ends. GOGC in the environment switches its choice of the collector's pace off.
func keepMemory(ctx context.Context) {
	k := newKeeper()
	collected := make(chan struct{}, 1)
	announce(ctx, collected)
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for {
		k.read()
		k.pace()
		select {
		case <-ctx.Done():
			return
		case <-collected: // what is live has just been counted: the next round must not run by the figures of seconds ago
		case <-tick.C:
			k.trim()
		}
	}
}

// announce sends to collected after each collection of garbage, until ctx ends.
func announce(ctx context.Context, collected chan<- struct{}) {
	type cycle struct{ _ [16]byte } // not tiny: tiny objects share a block and may live longer
	runtime.SetFinalizer(new(cycle), func(*cycle) {
		if ctx.Err() != nil {
			return
		}
		announce(ctx, collected)
		select {
		case collected <- struct{}{}:
		default:
		}
	})
}

// keeper is what is known from one look to the next.
type keeper struct {
	samples            []metrics.Sample
	paced              bool
	percent            int
	allocated, settled uint64
}

func newKeeper() *keeper {
	return &keeper{samples: []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}, paced: os.Getenv("GOGC") == ""}
}

func (k *keeper) read() { metrics.Read(k.samples) }

func (k *keeper) bytes(i int) uint64 { return k.samples[i].Value.Uint64() }

// live is what the last collection found in use.
func (k *keeper) live() uint64 { return k.bytes(4) }

// pace sets how far the heap may grow.
func (k *keeper) pace() {
	percent := percentFor(k.live())
	if k.paced && (percent > k.percent+10 || percent < k.percent-10) {
		k.percent = percent
		debug.SetGCPercent(percent)
	}
}

// percentFor is the collector's pace for a live heap of so many bytes.
func percentFor(live uint64) int {
	return min(max(int(growth*100/max(live, 1<<20)), leastGrow), mostGrow)
}

// trim returns memory to the system when much of it is free: a wave of log-ins leaves several times of what their sessions need behind. It
// costs one collection, so it happens only when that pays, and not again while the heap is merely breathing.
func (k *keeper) trim() {
	k.read()
	objects, loose := k.bytes(0), k.bytes(1)+k.bytes(2)
	fresh := k.bytes(3) - k.allocated
	k.allocated = k.bytes(3)
	// Garbage that no collection has found yet counts as live: a quiet process with a heap well above its last floor is collected too.
	if fresh < trimAbove && (loose > max(trimAbove, objects/trimShare) || objects > k.settled+max(trimAbove, k.settled/trimShare)) {
		debug.FreeOSMemory()
		k.read()
		k.settled, k.allocated = k.bytes(0), k.bytes(3)
	}
}
