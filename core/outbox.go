package core

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const (
	writeSize = 64 << 10 // bytes encoded for one write, and what may be unsent before sources are pulled
	askAfter  = 8        // stanzas sent before the client is asked to acknowledge at once; fewer are asked about after askDelay
	askDelay  = time.Second
)

// Sink is where a session's bytes go: a socket or another node. One that is also Addressed tells where its client is.
type Sink interface {
	// Write takes all of p and never waits for the network. ready false asks the outbox to stop until Session.Writable is called.
	// p is reused afterwards.
	Write(p []byte) (ready bool, err error)
	// Close ends the connection, telling the client why unless reason is nil. It never waits.
	Close(reason *stanza.StreamError)
}

// Addressed has a network address, for people: what Binding.Address is for a new session, its sink tells when a session is resumed.
type Addressed interface{ Address() netip.AddrPort }

// Source is pulled as the client reads, so that a long answer needs no memory in the outbox. It is called
// with the lock of the outbox held: it must not wait, nor call anything of core.
type Source func() (st *stanza.Stanza, ok bool)

// item is one thing to send: a stanza with its address, raw XML that is not counted, a source, or what follows when all before it is written.
type item struct {
	st   *stanza.Stanza
	to   jid.JID
	raw  string
	src  Source
	then func(*Work)
	size int
	kept string // the archive's id, when the owner keeps it
	key  store.Key
	late int64 // when it was queued without a connection, microseconds; it says so itself
	once bool  // of no use to anybody else when the session ends
	many bool  // others were sent it as well
	from bool  // raw is <enabled/>: counting begins behind it

	trace *obs.Traced // somebody watches it
}

// Outbox holds what waits to be sent to one session and, with stream management, what was sent and is not acknowledged.
// Every method but the ones of one flush may be called from any goroutine.
type Outbox struct {
	session *Session

	mu       sync.Mutex
	sink     Sink
	queue    []item
	unacked  []item // sent, not acknowledged; only with stream management
	bytes    int    // of queue
	heldback int    // of unacked
	acked    uint32 // count of stanzas that the client has acknowledged
	exact    bool   // acked was said after everything that was sent
	managed  bool   // <enabled/> has gone out: what follows is counted
	enabled  bool   // stream management is on, or will be when <enabled/> has gone out
	asked    bool   // an <r/> is out
	askSoon  bool   // the next flush shall carry an <r/>
	timer    *time.Timer
	tell     bool // the next flush shall carry an <a/> with this count
	handled  uint32
	then     []func(*Work) // due when the bytes in hand are written
	dirty    bool          // some Work will flush
	flushing bool
	closing  func() // of a sink that is still written to
	blocked  bool   // the sink wants no more until Writable
	woken    bool   // Writable was called during a write, whose answer is older then
	full     bool
	held     heldBack // waits until somebody looks (XEP-0352)
	away     away     // what is on disk alone
	edits    int      // times that a queued item was replaced
	sealed   bool     // it is on disk for good: what comes now has to go there too
}

// push appends and has w write it.
func (o *Outbox) push(w *Work, it item) {
	if it.st != nil && o.session.Account.Host.Obs.Trace.On() {
		it.trace = o.session.follow(w, it.st)
	}
	became, sealed := o.take(w, it)
	if it.trace != nil {
		it.trace.Hop(obs.Span{Hop: 8, Name: "Outbox.push", Owner: o.session.JID.String(), Outcome: became.String()})
	}
	switch {
	case became == overflowed:
		o.session.lose(w, LostFull)
	case sealed:
		o.session.keepAgain(w)
	}
}

// queueing is what became of an item.
type queueing uint8

const (
	queued     queueing = iota
	heldUp              // the client reads nothing now, nobody looks, or there is no connection
	merged              // in place of an older one, or not at all: see merge
	dropped             // the session ends
	overflowed          // and ends because of this one
)

// String is the word for traces.
func (q queueing) String() string {
	return [...]string{"queued", "held", "merged", "dropped", "overflowed"}[q]
}

// take is push without what follows from it.
func (o *Outbox) take(w *Work, it item) (became queueing, sealed bool) {
	host := o.session.Account.Host
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.full {
		return dropped, false
	}
	if o.sink == nil && o.managed {
		it.delayed(host.Domain, host.now())
	}
	switch {
	case o.keepBack(it):
		became = heldUp
	case !o.add(it):
		became = merged
	case o.sink == nil || o.blocked:
		became = heldUp
	}
	o.full = o.bytes+o.heldback+o.held.bytes+o.away.bytes > host.Config.Limits.OutboxBytes
	o.mark(w)
	if o.full {
		became = overflowed
	}
	return became, o.sealed
}

// add queues it, unless it is merged with what is queued, when that is much. The lock is held.
func (o *Outbox) add(it item) bool {
	if o.bytes > o.session.Account.Host.Config.Limits.OutboxMerge && o.merge(it) {
		return false
	}
	o.queue = append(o.queue, it)
	o.bytes += it.size
	return true
}

// mark has w flush the outbox. The lock is held.
func (o *Outbox) mark(w *Work) {
	if !o.dirty && o.sink != nil && !o.blocked && !o.flushing {
		o.dirty = true
		w.dirty = append(w.dirty, o)
	}
}

// merge spares the queue of a client that does not keep up: only the newest presence of a sender counts, and a typing notice not at all.
func (o *Outbox) merge(it item) bool {
	if it.st == nil {
		return false
	}
	if isTyping(it.st) {
		return true
	}
	if !isBroadcast(it.st) {
		return false
	}
	for i := len(o.queue) - 1; i >= 0; i-- {
		q := &o.queue[i]
		if q.st != nil && q.st.From == it.st.From && q.to == it.to && isBroadcast(q.st) {
			o.bytes += it.size - q.size
			*q = it
			o.edits++
			return true
		}
	}
	return false
}

func isBroadcast(st *stanza.Stanza) bool {
	return st.Kind == stanza.Presence && (st.Type == "" || st.Type == stanza.Unavailable)
}

// isTyping: a message with nothing but a chat state (XEP-0085) and hints.
func isTyping(st *stanza.Stanza) bool {
	if st.Kind != stanza.Message {
		return false
	}
	states := 0
	for c := range st.Children() {
		switch {
		case c.Space == ns.ChatStates:
			states++
		case c.Space == ns.Hints || c.Local == "thread":
		default:
			return false
		}
	}
	return states > 0
}

// flush writes what is queued, 64 KB at a time, until the queue is empty or the sink wants no more.
func (o *Outbox) flush() {
	o.mu.Lock()
	o.dirty = false
	if o.flushing || o.blocked || o.sink == nil {
		o.mu.Unlock()
		return
	}
	o.flushing = true
	buffers := o.session.Account.Host.pool
	for {
		buf := buffers.buffer()
		var watched []*obs.Traced
		*buf = o.fill((*buf)[:0], &watched)
		then := o.then
		o.then = nil
		if len(*buf) == 0 && then == nil {
			buffers.giveBack(buf)
			break
		}
		sink := o.sink
		o.woken = false
		o.mu.Unlock()
		ready, err := true, error(nil)
		if len(*buf) > 0 {
			ready, err = sink.Write(*buf)
		}
		if watched != nil {
			o.flushed(watched, ready, err)
		}
		buffers.giveBack(buf)
		for _, f := range then {
			buffers.Do(f)
		}
		o.mu.Lock()
		if err != nil || o.sink != sink {
			break // the door hears of it too and detaches the session
		}
		if !ready && !o.woken {
			o.blocked = true
			break
		}
	}
	o.flushing = false
	closing := o.closing
	o.closing = nil
	again := !o.blocked && o.sink != nil && (len(o.queue) > 0 && !(o.queue[0].src != nil && o.ahead()) || o.tell)
	o.mu.Unlock()
	if closing != nil {
		closing()
	}
	if again {
		o.session.Account.Host.pool.Do(func(*Work) { o.flush() })
	}
}

// fill encodes up to writeSize bytes, and adds what somebody watches. The lock is held.
func (o *Outbox) fill(b []byte, watched *[]*obs.Traced) []byte {
	n := 0
	for n < len(o.queue) && len(b) < writeSize {
		it := &o.queue[n]
		if it.then != nil {
			o.then = append(o.then, it.then)
			n++
			continue
		}
		if it.src != nil {
			if o.ahead() {
				break
			}
			st, ok := it.src()
			if !ok {
				n++
				continue
			}
			b = o.encode(b, item{st: st, to: cmp.Or(it.to, st.To), once: true})
			continue
		}
		o.bytes -= it.size
		if it.trace != nil {
			*watched = append(*watched, it.trace)
		}
		b = o.encode(b, *it)
		n++
	}
	clear(o.queue[:n])
	if o.queue = o.queue[n:]; len(o.queue) == 0 {
		o.queue = nil
	}
	return o.manage(b)
}

// ahead tells that the client has acknowledged too little of what it was sent: no source is pulled then, so that an answer of any length never
// ends the session for what it is counted as. The lock is held.
func (o *Outbox) ahead() bool {
	return o.managed && o.heldback > o.session.Account.Host.Config.Limits.OutboxMerge
}

func (o *Outbox) encode(b []byte, it item) []byte {
	if it.st == nil {
		o.managed = o.managed || it.from
		return append(b, it.raw...)
	}
	before := len(b)
	b = it.st.AppendTo(b, it.to, "")
	if o.managed {
		it.size = len(b) - before
		o.unacked, o.exact = append(o.unacked, it), false
		o.heldback += it.size
	}
	return b
}

// writable goes on after the sink was blocked.
func (o *Outbox) writable(w *Work) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blocked, o.woken = false, true
	if len(o.queue) > 0 || o.tell {
		o.mark(w)
	}
}

// detach leaves the session without a sink; what is queued stays. It returns the old sink.
func (o *Outbox) detach() Sink {
	o.mu.Lock()
	defer o.mu.Unlock()
	old := o.sink
	o.sink, o.blocked, o.asked = nil, false, false
	return old
}

// cut is detach, and closes the sink: behind what is being written to it at this moment, or the client would be told the end and not the answer before it.
func (o *Outbox) cut(why *stanza.StreamError) {
	sink := o.detach()
	if sink == nil {
		return
	}
	o.mu.Lock()
	writing, before := o.flushing, o.closing
	if writing {
		o.closing = func() {
			if before != nil {
				before()
			}
			sink.Close(why)
		}
	}
	o.mu.Unlock()
	if !writing {
		sink.Close(why)
	}
}

// attach gives the session a new sink: first comes greeting, which tells the count handled, then everything that was sent and not
// acknowledged, then the rest.
func (o *Outbox) attach(w *Work, sink Sink, greeting string, handled uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tell, o.handled = false, handled // an answer from before would be an older count
	queue := make([]item, 0, 1+len(o.unacked)+len(o.queue))
	queue = append(queue, item{raw: greeting, size: len(greeting)})
	queue = append(queue, o.unacked...)
	queue = append(queue, o.queue...)
	o.queue, o.unacked = queue, nil
	o.bytes += o.heldback + len(greeting)
	o.heldback = 0
	o.sink, o.blocked, o.asked, o.full = sink, false, false, false
	o.mark(w)
}

// remains empties the outbox and returns what the client has not acknowledged and may never have seen. A client that closes its stream in
// good order should say its count first (XEP-0198 section 4); where it has not since the last stanza went out, it counts as having read what
// is kept anyway, and as having answered what it was asked.
func (o *Outbox) remains(orderly bool) []item {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.unacked
	if orderly && !o.exact {
		all = slices.DeleteFunc(all, func(it item) bool { return it.kept != "" || it.st.Kind == stanza.IQ })
	}
	all = append(append(all, o.queue...), o.held.take()...)
	if o.held.on {
		o.held.on = false
		o.session.Account.Host.metrics.inactive.Add(-1)
	}
	o.unacked, o.queue, o.bytes, o.heldback, o.away = nil, nil, 0, 0, away{}
	o.full = true // nothing more is taken
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	return all
}

// idle tells whether nothing waits to be written.
func (o *Outbox) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sink == nil || (len(o.queue) == 0 && !o.flushing)
}
