package sqlstore

import (
	"sync"
	"time"

	"stonechat/store"
)

// opOverhead is what an operation is taken to cost beside its payload, in bytes.
const opOverhead = 256

// op is one operation for the commit loop: a row for the archive, or a function when run is set. A function may run twice (the first
// time is then undone), so it must set its results only, never add to them.
type op struct {
	run     func(*writer) error
	row     row
	promise *store.Promise
	size    int
	flush   bool // the promise is fulfilled when the orders hold everything that was appended before
	idly    bool // it wakes no idle loop: see changeSoon
}

// idleTime is how long an operation that wakes nobody waits for company.
const idleTime = 200 * time.Millisecond

// keys deals out keys: no two of the store are the same, and they only grow.
type keys struct {
	now  func() store.Key
	mu   sync.Mutex
	last store.Key
}

func (k *keys) next() store.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = max(k.last+1, k.now())
	return k.last
}

// newest is the last key that was dealt out.
func (k *keys) newest() store.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last
}

// queue holds what its commit loop has not taken yet. Keys are dealt out under its lock, so that their order is the order of the queue.
type queue struct {
	limit int // bytes
	keys  *keys
	wake  chan struct{} // one token when an idle loop has work

	mu     sync.Mutex
	ops    []op
	head   int
	bytes  int       // queued or being committed
	taken  store.Key // the lowest key that is being committed; zero: none
	idle   bool
	alarm  bool // a timer runs for what wakes nobody
	closed bool
}

// put queues o and returns its ticket. With keyed it first deals out a key, tells o.row, and returns it.
func (q *queue) put(o op, keyed bool, setup func(*op, store.Key)) (store.Key, store.Ticket) {
	o.size += opOverhead
	o.promise = new(store.Promise)
	q.mu.Lock()
	var key store.Key
	if keyed {
		key = q.keys.next()
		o.row.key = key
		if setup != nil {
			setup(&o, key)
		}
	}
	if q.closed {
		q.mu.Unlock()
		return key, store.Settled(store.ErrClosed)
	}
	if q.bytes+o.size > q.limit {
		q.mu.Unlock()
		return key, store.Settled(store.ErrBusy)
	}
	q.bytes += o.size
	q.ops = append(q.ops, o)
	wake := q.idle && !o.idly
	if wake {
		q.idle = false
	} else if q.idle && !q.alarm {
		q.alarm = true
		time.AfterFunc(idleTime, q.rouse)
	}
	q.mu.Unlock()
	if wake {
		q.ring()
	}
	return key, o.promise.Ticket()
}

// rouse wakes an idle loop for what waits.
func (q *queue) rouse() {
	q.mu.Lock()
	q.alarm = false
	wake := q.idle && q.head < len(q.ops)
	if wake {
		q.idle = false
	}
	q.mu.Unlock()
	if wake {
		q.ring()
	}
}

// passed returns a key up to which nothing of this queue is to come any more; ok is false when something waits.
func (q *queue) passed() (key store.Key, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.keys.newest(), q.head == len(q.ops)
}

// take moves up to n operations to batch. When there are none it marks the loop idle: the next put, or close, sends a token to wake.
func (q *queue) take(batch []op, n int) (taken []op, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n = min(n, len(q.ops)-q.head); n == 0 {
		q.idle = !q.closed
		return batch[:0], q.closed
	}
	batch = append(batch[:0], q.ops[q.head:q.head+n]...)
	q.taken = lowestKey(batch)
	clear(q.ops[q.head : q.head+n])
	q.head += n
	switch {
	case q.head == len(q.ops):
		q.ops, q.head = q.ops[:0], 0
		if cap(q.ops) > 8*maxBatch {
			q.ops = nil // after a jam
		}
	case q.head > len(q.ops)/2 && q.head > maxBatch:
		left := copy(q.ops, q.ops[q.head:])
		clear(q.ops[left:])
		q.ops, q.head = q.ops[:left], 0
	}
	return batch, false
}

// length is how many operations wait.
func (q *queue) length() (ops, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops) - q.head, q.bytes
}

// release gives back the bytes of a settled batch.
func (q *queue) release(batch []op) {
	n := 0
	for i := range batch {
		n += batch[i].size
	}
	q.mu.Lock()
	q.bytes -= n
	q.taken = 0
	q.mu.Unlock()
}

// settled is a key up to which nothing of this queue waits or is being committed, nor will.
func (q *queue) settled() store.Key {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.taken != 0 {
		return q.taken - 1
	}
	if key := lowestKey(q.ops[q.head:]); key != 0 {
		return key - 1
	}
	return q.keys.newest()
}

// lowestKey is the first of the keys that operations have, which only grow; zero: none has one.
func lowestKey(ops []op) store.Key {
	for i := range ops {
		if ops[i].row.key != 0 {
			return ops[i].row.key
		}
	}
	return 0
}

// close refuses further operations; the loop ends when it has done those that wait.
func (q *queue) close() {
	q.mu.Lock()
	wake := q.idle
	q.closed, q.idle = true, false
	q.mu.Unlock()
	if wake {
		q.ring()
	}
}

// ring wakes the loop; a token that is still there does it as well.
func (q *queue) ring() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// changeSoon is change for what nobody waits for: it goes with the next commit, or makes its own after a moment.
func (q *queue) changeSoon(size int, f func(*writer) error) store.Ticket {
	_, t := q.put(op{run: f, size: size, idly: true}, false, nil)
	return t
}

// change queues a function that changes data.
func (q *queue) change(size int, f func(*writer) error) store.Ticket {
	_, t := q.put(op{run: f, size: size}, false, nil)
	return t
}
