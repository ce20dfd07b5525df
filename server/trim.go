package server

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	trimEvery = 5 * time.Second
	trimAbove = 4 << 20 // bytes that the heap holds and nobody uses, below which nothing is returned
	trimShare = 8       // and the part of the live heap that it must be: one in eight
)

// trim returns memory to the system when much of it is free: a wave of log-ins leaves several times of what their sessions need behind. It
// costs one collection, so it happens only when that pays, and not again while the heap is merely breathing.
func trim(ctx context.Context) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	var allocated, settled uint64
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(samples)
		objects, loose := samples[0].Value.Uint64(), samples[1].Value.Uint64()+samples[2].Value.Uint64()
		fresh := samples[3].Value.Uint64() - allocated
		allocated = samples[3].Value.Uint64()
		// Garbage that no collection has found yet counts as live: a quiet process with a heap well above its last floor is collected too.
		if fresh < trimAbove && (loose > max(trimAbove, objects/trimShare) || objects > settled+max(trimAbove, settled/trimShare)) {
			debug.FreeOSMemory()
			metrics.Read(samples)
			settled, allocated = samples[0].Value.Uint64(), samples[3].Value.Uint64()
		}
	}
}
