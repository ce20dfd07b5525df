package core

import (
	"sync"
	"sync/atomic"
	"testing"
)

// Turns of one owner come one at a time and in the order in which each bringer brought them.
func TestTurnsKeepOrderAndNeverOverlap(t *testing.T) {
	p := NewPool()
	const bringers, each = 8, 5000
	var inside atomic.Int32
	last := make([]int, bringers)
	handled := 0
	var turns Turns[[2]int]
	done := make(chan struct{})
	turns.Do = func(_ *Work, x *[2]int) {
		if inside.Add(1) != 1 {
			t.Error("two turns at once")
		}
		if x[1] != last[x[0]]+1 {
			t.Errorf("bringer %d: turn %d after %d", x[0], x[1], last[x[0]])
		}
		last[x[0]] = x[1]
		if handled++; handled == bringers*each {
			close(done)
		}
		inside.Add(-1)
	}
	var wait sync.WaitGroup
	for b := range bringers {
		wait.Go(func() {
			w := NewWork(p)
			for i := 1; i <= each; i++ {
				turns.Take(w, [2]int{b, i})
				if i%7 == 0 {
					w.Run()
				}
			}
			w.Run()
		})
	}
	wait.Wait()
	<-done
	p.Close()
}

// A turn that brings something to its own owner, or to one that brings back, neither deadlocks nor nests.
func TestTurnsBroughtInATurnComeLater(t *testing.T) {
	p := NewPool()
	defer p.Close()
	var a, b Turns[int]
	var order []int
	depth := 0
	a.Do = func(w *Work, x *int) {
		if depth++; depth > 1 {
			t.Error("nested")
		}
		order = append(order, *x)
		if *x < 5 {
			a.Take(w, *x+1)
			b.Take(w, *x)
		}
		depth--
	}
	b.Do = func(*Work, *int) {}
	w := NewWork(p)
	a.Take(w, 1)
	w.Run()
	if len(order) != 5 || order[4] != 5 {
		t.Errorf("order %v", order)
	}
}

// A reader handles a bounded number of turns that others keep bringing; then the pool goes on.
func TestVisitsAreBounded(t *testing.T) {
	p := NewPool()
	defer p.Close()
	var turns Turns[int]
	seen := make(chan int, 1000)
	turns.Do = func(w *Work, x *int) {
		if *x < 500 {
			turns.Take(w, *x+1) // there is always one more
		}
		seen <- *x
	}
	w := NewWork(p)
	turns.Take(w, 1)
	w.Run()
	for want := 1; want <= 500; want++ {
		if got := <-seen; got != want {
			t.Fatalf("turn %d, want %d", got, want)
		}
	}
}

func TestForgottenOwnersTakeNothing(t *testing.T) {
	var turns Turns[int]
	p := NewPool()
	defer p.Close()
	closed := false
	turns.Do = func(*Work, *int) { closed = turns.close() }
	w := NewWork(p)
	turns.Take(w, 1)
	turns.Take(w, 2) // the first close must not lose it
	w.Run()
	if !closed {
		t.Fatal("not closed")
	}
	if turns.Take(w, 3) {
		t.Error("a forgotten owner took a turn")
	}
}

func TestTurnsAllocateNothingOneAtATime(t *testing.T) {
	p := NewPool()
	defer p.Close()
	turns := Turns[turn]{Do: func(*Work, *turn) {}}
	w := NewWork(p)
	turns.Take(w, turn{})
	w.Run()
	if n := testing.AllocsPerRun(100, func() {
		turns.Take(w, turn{})
		w.Run()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
