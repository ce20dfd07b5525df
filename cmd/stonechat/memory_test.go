package main

import (
	"context"
	"runtime"
	"testing"
	"time"
)

func TestAnnounce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	collected := make(chan struct{}, 1)
	announce(ctx, collected)
	for i := range 3 {
		runtime.GC()
		select {
		case <-collected:
		case <-time.After(time.Minute):
			t.Fatalf("collection %d was not announced", i)
		}
	}
	cancel()
	runtime.GC()
	runtime.GC()
	for len(collected) > 0 { // one may have been under way
		<-collected
	}
	runtime.GC()
	if len(collected) > 0 {
		t.Error("a collection was announced after the end")
	}
}

func TestPaceFollowsTheLiveHeap(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{1 << 20, mostGrow}, {8 << 20, mostGrow}, {12 << 20, 66}, {16 << 20, leastGrow}, {1 << 30, leastGrow}} {
		if got := percentFor(c.live); got != c.want {
			t.Errorf("%d MB live: %d %%, want %d %%", c.live>>20, got, c.want)
		}
	}
	runtime.GC()
	k := newKeeper()
	if k.read(); k.live() == 0 {
		t.Error("the runtime does not tell what is live")
	}
}
