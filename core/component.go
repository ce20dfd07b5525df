package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// What one connection of a component may have in hand: it speaks for many people, so it gets the windows of many clients.
const (
	linkStanzas = 512
	linkWindows = 16 // times limits.window_bytes
)

// ErrConnected: the component has a connection already.
var ErrConnected = errors.New("the component is connected already")

// Component is a domain of this server at which another program answers everything (XEP-0114). It is no owner: what is sent there waits, within a bound, until
// the connection of that program takes it, and comes back as an error when there is none. It belongs to its node: in a cluster every node has
// connections of its own.
type Component struct {
	Host   *Host
	Domain jid.JID

	most int // bytes that may wait
	may  Privileges
	link atomic.Pointer[Link]
}

// Link is one connection of a component. Its methods may be called from any goroutine, but Receive and Room from the one that reads.
type Link struct {
	component *Component
	sink      Sink
	in        intake

	mu      sync.Mutex
	queue   []passing
	sent    []passing // given to the sink, which has not taken all of it
	bytes   int       // of both
	working bool      // somebody writes, or will
	blocked bool      // the sink wants no more until Writable
	woken   bool      // Writable was called during a write, whose answer is older then
	ended   bool
}

// passing is one stanza on its way to a component. It is settled when the network has taken it, so that what we have acknowledged outlives us; behind a component
// that does not keep up at once, since senders never wait for others.
type passing struct {
	st   *stanza.Stanza
	to   jid.JID
	from origin
	size int
}

// ServeComponent makes the host serve a domain for another program. most is how many bytes may wait for it. Call it from Install; what is wrong is reported
// when the host starts.
func (h *Host) ServeComponent(domain jid.JID, most int, may Privileges) {
	switch name := domain.Domain(); {
	case !domain.IsDomain() || most <= 0:
		h.wrong = append(h.wrong, fmt.Errorf("core: the component %s is incomplete", domain))
	case h.Router.Serves(name):
		h.wrong = append(h.wrong, fmt.Errorf("core: there cannot be a component at %s: it is taken", name))
	default:
		if may.Presence && !h.watched() {
			h.watchPresence()
		}
		h.Router.components[name] = &Component{Host: h, Domain: domain, most: most, may: may}
	}
}

// Component that a domain belongs to, or nil.
func (r *Router) Component(domain string) *Component { return r.components[domain] }

// outside tells whether what goes to an address leaves the owners of this node, so that it waits in its sender's line: nobody there can wait for our tickets.
func (r *Router) outside(to jid.JID) bool {
	if r.components[to.Domain()] != nil {
		return true
	}
	_, far := r.elsewhere(to)
	return far
}

// Connect makes sink the connection of the component. The first one stays: ErrConnected. Nothing is written before Writable is called; what a privileged
// component is told at once (XEP-0356) is the first of it.
func (c *Component) Connect(w *Work, sink Sink) (*Link, error) {
	l := &Link{component: c, sink: sink, blocked: true}
	l.in.total = &c.Host.metrics.windows
	if !c.link.CompareAndSwap(nil, l) {
		return nil, ErrConnected
	}
	c.advertise(w)
	return l, nil
}

// Connected tells whether there is a connection.
func (c *Component) Connected() bool { return c.link.Load() != nil }

// disconnected is what the sender hears of a component that is not there.
func disconnected() *stanza.Error {
	return &stanza.Error{Type: stanza.Wait, Condition: stanza.ServiceUnavailable, Text: "this component is not connected"}
}

// take has the component's connection write st, as addressed to somebody; false when there is none. What it cannot take comes back.
func (c *Component) take(w *Work, st *stanza.Stanza, to jid.JID, from origin) bool {
	l := c.link.Load()
	err := disconnected()
	if l != nil {
		if err = l.push(w, passing{st, to, from, size(st)}); err == nil {
			return true
		}
	}
	// What is broadcast was asked of nobody, so nobody is told that it did not arrive.
	if st.HasTo && (st.Kind != stanza.Presence || st.Type == stanza.Available || st.Type == stanza.Subscribe) {
		c.Host.Router.bounce(w, st, err)
	}
	return l != nil
}

// bring takes presence, or a probe, for an address of the component; false when nobody is there.
func (c *Component) bring(w *Work, x turn) bool {
	there := c.Connected()
	if x.st != nil {
		c.take(w, x.st, x.to, origin{trace: x.from.trace})
	}
	if x.asker != nil && there {
		probe, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Probe, From: *x.asker, To: x.to.Bare()}, "")
		if err == nil {
			c.take(w, probe.Seal(), x.to.Bare(), origin{trace: x.from.trace})
		}
	}
	return there
}

func (l *Link) push(w *Work, p passing) *stanza.Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended:
		return disconnected()
	case l.bytes+p.size > l.component.most:
		l.component.Host.metrics.Refused("component_queue")
		return stanza.NewError(stanza.ResourceConstraint, "too much is waiting for this component")
	}
	if l.blocked {
		p.from = origin{trace: p.from.trace}
	} else {
		p.from.more()
	}
	l.queue = append(l.queue, p)
	l.bytes += p.size
	l.start(w)
	return nil
}

// start has w write what waits. The lock is held.
func (l *Link) start(w *Work) {
	if !l.working && !l.blocked && !l.ended && len(l.queue) > 0 {
		l.working = true
		w.todo = append(w.todo, l)
	}
}

// handle writes what waits, 64 KB at a time, until nothing does or the sink wants no more.
func (l *Link) handle(w *Work) {
	for {
		buf := w.pool.buffer()
		*buf = l.fill((*buf)[:0])
		if len(*buf) == 0 {
			w.pool.giveBack(buf)
			return
		}
		ready, err := l.sink.Write(*buf)
		w.pool.giveBack(buf)
		if err != nil {
			l.End(w) // the door may be about to hear of it, or not read any more
			return
		}
		done, more := l.written(ready)
		settleAll(w, done)
		if !more {
			return
		}
	}
}

// fill encodes what waits; nothing, when there is nothing to be written any more.
func (l *Link) fill(b []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for ; n < len(l.queue) && len(b) < writeSize && !l.ended; n++ {
		b = l.queue[n].st.AppendTo(b, l.queue[n].to, "")
	}
	l.sent = append(l.sent, l.queue[:n]...)
	clear(l.queue[:n])
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
	l.working, l.woken = n > 0, false
	return b
}

func settleAll(w *Work, all []origin) {
	for _, o := range all {
		o.settle(w)
	}
}

// written notes the sink's answer, and returns what is settled.
func (l *Link) written(ready bool) (done []origin, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil, false
	}
	if !ready && !l.woken {
		l.blocked, l.working = true, false
		return append(release(l.sent), release(l.queue)...), false
	}
	return l.took(), true
}

// took empties sent, and returns what is settled by that. The lock is held.
func (l *Link) took() []origin {
	for _, p := range l.sent {
		l.bytes -= p.size
	}
	done := release(l.sent)
	l.sent = nil
	return done
}

// release takes out of stanzas who waits for them.
func release(of []passing) []origin {
	done := make([]origin, len(of))
	for i := range of {
		done[i], of[i].from = of[i].from, origin{trace: of[i].from.trace}
	}
	return done
}

// Writable tells that the sink takes more again.
func (l *Link) Writable(w *Work) {
	l.mu.Lock()
	var done []origin
	l.woken = true
	if l.blocked {
		l.blocked = false
		done = l.took()
	}
	l.start(w)
	l.mu.Unlock()
	settleAll(w, done)
}

// End tells that the connection is gone; more than once is no harm. Of what it has not taken the senders are told.
func (l *Link) End(w *Work) {
	l.mu.Lock()
	left := append(l.sent, l.queue...)
	l.sent, l.queue, l.bytes, l.ended = nil, nil, 0, true
	l.mu.Unlock()
	l.component.link.CompareAndSwap(l, nil)
	for _, p := range left {
		if p.st.HasTo && p.st.Kind != stanza.Presence {
			l.component.Host.Router.bounce(w, p.st, disconnected())
		}
		p.from.settle(w)
	}
}

// busy tells whether anything that came from the component is not settled, or anything for it not taken; what waits for one that does not read is nobody's hurry.
func (l *Link) busy() bool {
	l.mu.Lock()
	waits := len(l.queue)+len(l.sent) > 0 && !l.blocked
	l.mu.Unlock()
	return waits || l.in.room(1, 1) != nil
}

// Room waits until what the component has sent is settled far enough that it may send more, or ctx ends. Only a door may call it, after Work.Run.
func (l *Link) Room(ctx context.Context) error {
	stanzas, bytes := linkStanzas, linkWindows*l.component.Host.Config.Limits.WindowBytes
	for full := l.in.room(stanzas, bytes); full != nil; full = l.in.room(stanzas, bytes) {
		select {
		case <-full:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// intake counts what a component has sent and is not settled.
type intake struct {
	total   *budget
	mu      sync.Mutex
	stanzas int
	bytes   int
	waiting chan struct{} // closed when something is settled; nil when nobody waits
}

// open counts a stanza, and returns what ends the counting.
func (i *intake) open(size int) (settled func()) {
	i.mu.Lock()
	i.stanzas++
	i.bytes += size
	i.mu.Unlock()
	i.total.hold(size)
	return func() {
		i.mu.Lock()
		i.stanzas--
		i.bytes -= size
		wake := i.waiting
		i.waiting = nil
		i.mu.Unlock()
		i.total.free(size)
		if wake != nil {
			close(wake)
		}
	}
}

// room returns nil when more may come, else a channel that is closed when that may have changed.
func (i *intake) room(stanzas, bytes int) <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stanzas < stanzas && i.bytes < bytes {
		return nil
	}
	if i.waiting == nil {
		i.waiting = make(chan struct{})
	}
	return i.waiting
}

// Receive brings one stanza of the component on its way. The returned error ends the stream.
func (l *Link) Receive(w *Work, st *stanza.Stanza) *stanza.StreamError {
	c := l.component
	r := c.Host.Router
	switch {
	case st.Kind == stanza.Nonza:
		return &stanza.StreamError{Condition: stanza.StreamUnsupportedStanzaType}
	case st.HasFrom && (st.FromErr != nil || st.From.Domain() != c.Domain.Domain()):
		return &stanza.StreamError{Condition: stanza.StreamInvalidFrom} // XEP-0114 section 3, the last paragraph
	}
	sender := c.Domain // of what names nobody: there is no other address that it could be meant to be from
	if st.HasFrom {
		sender = st.From
	}
	if st.Kind == stanza.Presence && isSubscription(st.Type) {
		sender = sender.Bare() // RFC 6121 section 3.1.2
	}
	st.Stamp(sender)
	d := newDelivery(l.in.open(size(st)))
	// It may do what every program with an account may.
	d.role = store.RoleBot
	from := origin{far: d}
	if tracing := c.Host.Obs.Trace; tracing.On() {
		from.trace = tracing.Begin(st.From, st.To)
	}
	if err := malformed(st); err != nil {
		r.bounce(w, st, err)
		from.settle(w)
		return nil
	}
	c.dispatch(w, st, from)
	return nil
}

// malformed is what nobody is to be bothered with.
func malformed(st *stanza.Stanza) *stanza.Error {
	switch {
	case !st.HasTo:
		return stanza.NewError(stanza.BadRequest, "a component's stanza needs an address") // XEP-0114 section 3
	case st.ToErr != nil:
		return stanza.NewError(stanza.JIDMalformed, "")
	case st.Kind == stanza.IQ:
		return checkIQ(st)
	case st.Kind == stanza.Presence && !isSubscription(st.Type) && st.Type != stanza.Available && st.Type != stanza.Unavailable && st.Type != stanza.Probe && st.Type != stanza.TypeError:
		return stanza.NewError(stanza.BadRequest, "no such type of presence")
	}
	return nil
}

// dispatch brings a good stanza of the component to whom it is for.
func (c *Component) dispatch(w *Work, st *stanza.Stanza, from origin) {
	r := c.Host.Router
	host := r.hosts[st.To.Domain()]
	if s := r.services[st.To.Domain()]; s != nil {
		host = s.host
	}
	_, part := r.find(st)
	switch {
	case c.usesPrivilege(w, st, from):
	case st.Kind == stanza.Presence && st.Type == stanza.Probe:
		// RFC 6121 section 4.3.2: who is not in memory is offline, of which the answer may be nothing.
		asker := st.From
		r.bringPresence(w, st.To.Bare(), turn{op: (*Account).deliverPresence, to: st.To.Bare(), asker: &asker, told: true})
		from.settle(w)
	case host != nil && st.To.IsDomain() && st.Kind == stanza.IQ && !part:
		// It is answered in a turn of its sender, as a client's request is. That is an account that does not exist.
		host.accounts.take(w, st.From.Bare(), turn{op: (*Account).ask, st: st, from: from})
	default:
		if isSubscription(st.Type) && st.Kind == stanza.Presence {
			st = st.WithTo(st.To.Bare()).Seal() // RFC 6121 section 3.1.1
		}
		r.route(w, st, from, store.Ticket{})
	}
}

// ask is the turn of a request of a component to a host, or to a domain that it serves.
func (a *Account) ask(w *Work, t *turn) {
	st := t.st
	if st.Type == stanza.TypeResult || st.Type == stanza.TypeError {
		a.Host.answered(w, st)
		t.from.settle(w)
		return
	}
	to := ToHost
	switch s := a.Host.Router.services[st.To.Domain()]; {
	case s == nil:
	case s.Find == nil:
		to = ToRooms
	default:
		to = ToService
	}
	a.answerIQ(w, st, nil, to, t.from)
}

// componentsBusy tells whether anything of the host's components is on its way.
func (r *Router) componentsBusy(h *Host) bool {
	for _, c := range r.components {
		if l := c.link.Load(); c.Host == h && l != nil && l.busy() {
			return true
		}
	}
	return false
}
