package core

import "sync"

// turnsPerVisit is how many turns of one owner a goroutine handles before it hands the owner on, so that no read loop is captive.
const turnsPerVisit = 64

// Turns gives an owner one thing at a time, in order of arrival. Whoever brings something to an idle owner handles its queue, as soon as
// the turn it is in has ended; everybody else only adds to it. The zero value needs only Do.
type Turns[T any] struct {
	// Do handles one turn; x is valid during the call only.
	Do func(w *Work, x *T)

	mu      sync.Mutex
	head    *node[T]
	tail    *node[T]
	spare   *node[T] // one node is reused, so that an owner with one thing at a time allocates nothing
	working bool     // somebody handles the queue, or will
	closed  bool     // the owner was forgotten
}

type node[T any] struct {
	x    T
	next *node[T]
}

// Take queues x and, if nobody handles the queue, has w do it. It never waits. It returns false when the owner was forgotten meanwhile.
func (t *Turns[T]) Take(w *Work, x T) bool {
	idle, ok := t.add(x)
	if idle {
		w.todo = append(w.todo, t)
	}
	return ok
}

// TakeAsync is Take for callers without a Work, such as timers and tickets: the pool handles the queue.
func (t *Turns[T]) TakeAsync(p *Pool, x T) bool {
	idle, ok := t.add(x)
	if idle {
		p.add(t)
	}
	return ok
}

func (t *Turns[T]) add(x T) (idle, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false, false
	}
	n := t.spare
	t.spare = nil
	if n == nil {
		n = new(node[T])
	}
	n.x = x
	if t.tail == nil {
		t.head = n
	} else {
		t.tail.next = n
	}
	t.tail = n
	idle = !t.working
	t.working = true
	return idle, true
}

// hold makes the owner look busy until release, so that turns queue while it is loaded.
func (t *Turns[T]) hold() { t.working = true }

// close forgets the owner if nothing is queued. It is called in a turn of the owner, whose queue is then looked at once more.
func (t *Turns[T]) close() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head != nil {
		return false
	}
	t.closed = true
	return true
}

// handle works the queue until it is empty or the visit is over; then the pool goes on.
func (t *Turns[T]) handle(w *Work) {
	var done *node[T]
	for range turnsPerVisit {
		t.mu.Lock()
		if t.spare == nil {
			t.spare = done
		}
		n := t.head
		if n == nil {
			t.working = false
			t.mu.Unlock()
			return
		}
		t.head = n.next
		if t.head == nil {
			t.tail = nil
		}
		t.mu.Unlock()
		t.Do(w, &n.x)
		*n = node[T]{}
		done = n
	}
	w.pool.add(t)
}
