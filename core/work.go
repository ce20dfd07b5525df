package core

import (
	"context"
	"runtime"
	"sync"
	"time"

	"stonechat/obs"
	"stonechat/xmpp/stanza"
)

// handler is an owner's queue that wants to be worked.
type handler interface{ handle(w *Work) }

// Work is what one goroutine carries while it handles turns: the owners it still has to visit and the outboxes it has filled.
// Every door has its own; it is not safe for use by two goroutines.
type Work struct {
	pool  *Pool
	todo  []handler
	dirty []*Outbox
	event Event       // reused: hooks may not keep it
	trace *obs.Traced // of the turn that is handled, if somebody watches its stanza
}

// NewWork returns a Work whose overflow goes to p.
func NewWork(p *Pool) *Work { return &Work{pool: p} }

// Run handles everything that was brought with w, then writes what became ready to be sent. Work for more than 64 owners is shared with the pool.
func (w *Work) Run() {
	for i := 0; i < len(w.todo); i++ {
		if left := len(w.todo) - i; left > turnsPerVisit {
			w.pool.add(w.todo[i+turnsPerVisit:]...)
			clear(w.todo[i+turnsPerVisit:])
			w.todo = w.todo[:i+turnsPerVisit]
		}
		h := w.todo[i]
		w.todo[i] = nil
		h.handle(w)
	}
	w.todo = w.todo[:0]
	for i := 0; i < len(w.dirty); i++ {
		o := w.dirty[i]
		w.dirty[i] = nil
		o.flush()
	}
	w.dirty = w.dirty[:0]
	if cap(w.todo) > 4*turnsPerVisit {
		w.todo = nil
	}
	if cap(w.dirty) > 4*turnsPerVisit {
		w.dirty = nil
	}
}

// Pool are the goroutines that handle turns which no door has at hand: timers, tickets, the rest of a wide fan-out.
type Pool struct {
	mu     sync.Mutex
	ready  sync.Cond
	queue  []handler
	head   int
	busy   int // goroutines that handle something
	closed bool
	wait   sync.WaitGroup

	buffers sync.Pool // of *[]byte, for writes
}

// buffer lends an empty buffer for one write.
func (p *Pool) buffer() *[]byte {
	if b, ok := p.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 4096)
	return &b
}

func (p *Pool) giveBack(b *[]byte) {
	if cap(*b) <= 2*writeSize {
		p.buffers.Put(b)
	}
}

// NewPool starts one goroutine per processor.
func NewPool() *Pool {
	p := &Pool{}
	p.ready.L = &p.mu
	for range runtime.GOMAXPROCS(0) {
		p.wait.Go(p.run)
	}
	return p
}

func (p *Pool) add(hs ...handler) {
	p.mu.Lock()
	p.queue = append(p.queue, hs...)
	p.mu.Unlock()
	if len(hs) > 1 {
		p.ready.Broadcast()
	} else {
		p.ready.Signal()
	}
}

// Do has f called by one of the goroutines. f follows the rules of a turn.
func (p *Pool) Do(f func(w *Work)) { p.add(job(f)) }

type job func(w *Work)

func (j job) handle(w *Work) { j(w) }

func (p *Pool) run() {
	w := NewWork(p)
	for {
		p.mu.Lock()
		for p.head == len(p.queue) && !p.closed {
			p.ready.Wait()
		}
		if p.head == len(p.queue) {
			p.mu.Unlock()
			return
		}
		w.todo = p.pop(w.todo)
		p.busy++
		p.mu.Unlock()
		w.Run()
		p.mu.Lock()
		p.busy--
		p.mu.Unlock()
	}
}

// Rest waits until nothing is queued and nobody handles anything: what was brought, and what that has brought, is done.
func (p *Pool) Rest(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		p.mu.Lock()
		rests := p.busy == 0 && p.head == len(p.queue)
		p.mu.Unlock()
		if rests {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pop moves a share of the queue to todo: enough that outboxes are written once for many turns, little enough that others get work too.
func (p *Pool) pop(todo []handler) []handler {
	n := min(turnsPerVisit, (len(p.queue)-p.head+1)/2)
	todo = append(todo, p.queue[p.head:p.head+n]...)
	clear(p.queue[p.head : p.head+n])
	p.head += n
	if p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
		if cap(p.queue) > 4096 {
			p.queue = nil
		}
	}
	return todo
}

// Close waits until everything queued is handled and the goroutines have ended.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.ready.Broadcast()
	p.wait.Wait()
}

// begin prepares the Event of this Work for one stanza. What the last one held is gone.
func (w *Work) begin(a *Account, st *stanza.Stanza, s *Session) *Event {
	e := &w.event
	*e = Event{Host: a.Host, Work: w, Account: a, Session: s, Stanza: st, Targets: e.Targets[:0], trace: w.trace}
	return e
}
