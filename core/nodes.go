package core

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"stonechat/cluster"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// The errors of a server with several nodes.
var (
	// ErrElsewhere: another node owns the account, and what was asked for can be done there only.
	ErrElsewhere = errors.New("another node owns the account")
	// ErrUnreachable: the node that owns the account cannot be reached. A *stanza.StreamError for the client is wrapped with it.
	ErrUnreachable = errors.New("the node that owns the account cannot be reached")
)

const (
	ackTime   = time.Minute      // a delivery that is not answered for so long has failed
	answerMax = 15 * time.Second // for a resumption that another node asks for
	farBytes  = 64 << 10         // written to a socket at another node before it must say that it takes more
)

// nodes is what core knows of the other nodes; no other file knows frames. A stanza leaves for another node when its sender's ticket is done,
// and its origin stays open until that node has settled it. A session whose socket sits elsewhere differs from others in its sink alone.
type nodes struct {
	router  *Router
	cluster cluster.Cluster
	pool    *Pool
	opening sync.Once
	readers sync.Pool // of *reader

	mu      sync.Mutex // a leaf: nothing is called while it is held
	last    uint64
	sent    map[uint64]*sending  // delivered elsewhere and not settled
	doors   map[uint64]*far      // sockets here, sessions elsewhere
	sockets map[socketID]*socket // sockets elsewhere, sessions here
}

// reader is what one frame is handled with.
type reader struct {
	work *Work
	scan *xmltok.Scanner
}

// sending is a stanza on its way to the node that owns its address.
type sending struct {
	st    *stanza.Stanza
	from  origin
	since time.Time
}

// delivery is a stanza that another node has brought and wants to hear of when it is settled.
type delivery struct {
	nodes *nodes
	node  cluster.Node
	ref   uint64
	role  store.Role // of the sender
	open  atomic.Int32
}

// join makes the router one node of several.
func (r *Router) join(c cluster.Cluster, p *Pool) {
	if _, alone := c.(cluster.Single); c == nil || alone || r.nodes != nil {
		return
	}
	r.nodes = &nodes{
		router: r, cluster: c, pool: p,
		sent: make(map[uint64]*sending), doors: make(map[uint64]*far), sockets: make(map[socketID]*socket),
	}
	r.nodes.readers.New = func() any { return &reader{NewWork(p), xmltok.NewScanner(xmltok.TreeLimits)} }
}

// open lets frames come in. h ends what runs beside them.
func (n *nodes) open(h *Host) {
	n.opening.Do(func() {
		h.wait.Go(func() { n.sweep(h.ctx) })
		n.cluster.Receive(n.receive)
	})
}

// send is for what nobody waits for.
func (n *nodes) send(to cluster.Node, f cluster.Frame) error { return n.cluster.Send(to, f) }

// receive handles one frame. It is a door: one goroutine for each node that sends.
func (n *nodes) receive(from cluster.Node, f cluster.Frame) {
	r := n.readers.Get().(*reader)
	defer n.readers.Put(r)
	switch f.Kind() {
	case cluster.Ack:
		n.acked(r.work, from, &f)
	case cluster.Attach:
		if f.Op == cluster.AttachAnswer {
			n.door(from, f.Ref).answered(&f)
		} else {
			n.attach(r.work, from, &f)
		}
	case cluster.Inbound:
		n.socket(from, f.Ref).heard(r, &f)
	case cluster.Outbound:
		n.door(from, f.Ref).told(&f)
	case cluster.Deliver:
		n.delivered(r, from, &f)
	}
	r.work.Run()
}

// parse reads a stanza of a frame.
func (r *reader) parse(data []byte) (*stanza.Stanza, error) {
	return stanza.ParseWith(r.scan, string(data))
}

// deliver sends a stanza to the node that owns its address. One part of its origin stays open until that node has settled it.
func (n *nodes) deliver(w *Work, to cluster.Node, st *stanza.Stanza, from origin) {
	from.more()
	n.mu.Lock()
	n.last++
	ref := n.last
	n.sent[ref] = &sending{st, from, time.Now()}
	n.mu.Unlock()
	err := n.send(to, cluster.Frame{
		Op: cluster.DeliverStanza, Ref: ref, Role: string(from.actor(st).Role), Data: []byte(st.Standalone()),
	})
	if err != nil {
		n.fail(w, ref, notReached())
	}
}

// notReached is what the sender of a stanza hears whose addressee's node does not answer.
func notReached() *stanza.Error {
	return stanza.NewError(stanza.RemoteServerTimeout, "the part of this server where the addressee lives cannot be reached")
}

// fail answers a stanza that nobody took with an error, and settles it.
func (n *nodes) fail(w *Work, ref uint64, err *stanza.Error) {
	if s := n.take(ref); s != nil {
		n.router.bounce(w, s.st, err)
		s.from.settle(w)
	}
}

func (n *nodes) take(ref uint64) *sending {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.sent[ref]
	delete(n.sent, ref)
	return s
}

// bring sends presence, or a probe, to the node of the contact. It is soft state: what is lost with a link is said again by the next change.
func (n *nodes) bring(to cluster.Node, x turn) {
	f := cluster.Frame{Op: cluster.DeliverPresence, To: x.to.String(), From: x.asker.String()}
	if x.st != nil {
		f.Data = []byte(x.st.Standalone())
	}
	_ = n.send(to, f)
}

// own is the host of an address that this node owns, or nil.
func (n *nodes) own(j jid.JID) *Host {
	if _, far := n.router.elsewhere(j); far || j.IsDomain() {
		return nil
	}
	return n.router.hosts[j.Domain()]
}

// delivered brings what another node has sent to its owner.
func (n *nodes) delivered(r *reader, from cluster.Node, f *cluster.Frame) {
	if f.Op == cluster.DeliverPresence {
		n.deliveredPresence(r, f)
		return
	}
	st, err := r.parse(f.Data)
	if err != nil || st.Kind == stanza.Nonza || n.own(st.To) == nil {
		// Two nodes disagree about who owns the address, or about what a stanza is: its sender must not wait for nothing.
		e := notReached()
		_ = n.send(from, cluster.Frame{Op: cluster.AckStanza, Ref: f.Ref, Fault: cluster.Fault{Condition: string(e.Condition), Text: e.Text}})
		return
	}
	d := &delivery{nodes: n, node: from, ref: f.Ref, role: store.Role(f.Role)}
	d.open.Store(1)
	n.router.route(r.work, st.Seal(), origin{far: d}, store.Ticket{})
}

// deliveredPresence is for accounts in memory only, as everywhere.
func (n *nodes) deliveredPresence(r *reader, f *cluster.Frame) {
	x := turn{op: (*Account).deliverPresence}
	var err error
	if x.to, err = jid.Parse(f.To); err != nil {
		return
	}
	if f.From != "" {
		if x.asker, err = jid.Parse(f.From); err != nil {
			return
		}
	}
	if len(f.Data) > 0 {
		if x.st, err = r.parse(f.Data); err != nil || x.st.Kind != stanza.Presence {
			return
		}
		x.st.Seal()
	}
	if h := n.own(x.to); h != nil && (x.st != nil || !x.asker.IsZero()) {
		h.accounts.takeIfLoaded(r.work, x.to.Bare(), x)
	}
}

func (d *delivery) more() {
	if d != nil {
		d.open.Add(1)
	}
}

// settle answers when the last part is settled.
func (d *delivery) settle() {
	if d != nil && d.open.Add(-1) == 0 {
		// Without a link nobody can be told; the other node's patience ends with ackTime.
		_ = d.nodes.send(d.node, cluster.Frame{Op: cluster.AckStanza, Ref: d.ref})
	}
}

// acked is the answer to a delivery, or how much of an attachment is settled.
func (n *nodes) acked(w *Work, from cluster.Node, f *cluster.Frame) {
	switch {
	case f.Op == cluster.AckInbound:
		if d := n.door(from, f.Ref); d != nil {
			d.session.win.settleTo(uint32(f.Count))
		}
	case f.Fault.Condition != "":
		n.fail(w, f.Ref, stanza.NewError(stanza.Condition(f.Fault.Condition), f.Fault.Text))
	default:
		if s := n.take(f.Ref); s != nil {
			s.from.settle(w)
		}
	}
}

// sweep gives up deliveries that nobody answers, until ctx ends.
func (n *nodes) sweep(ctx context.Context) {
	tick := time.NewTicker(ackTime / 4)
	defer tick.Stop()
	w := NewWork(n.pool)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.giveUp(w, time.Now().Add(-ackTime))
			w.Run()
		}
	}
}

func (n *nodes) giveUp(w *Work, before time.Time) {
	var late []uint64
	n.mu.Lock()
	for ref, s := range n.sent {
		if s.since.Before(before) {
			late = append(late, ref)
		}
	}
	n.mu.Unlock()
	for _, ref := range late {
		n.fail(w, ref, notReached())
	}
}

// bind attaches a door of ours to a new session at the node that owns the account.
func (n *nodes) bind(ctx context.Context, node cluster.Node, h *Host, b Binding) (*Session, error) {
	if b.Resource == "" {
		b.Resource = newResource()
	}
	full, err := b.Account.WithResource(b.Resource)
	if err != nil {
		return nil, ErrBadResource
	}
	return n.enter(node, h, full, b.Sink).ask(ctx, cluster.Frame{
		Op: cluster.AttachBind, To: full.String(), Address: b.Address.String(), Namespace: b.Namespace, Data: []byte(b.First(full)),
	})
}

// resume attaches a door of ours to a session that the other node holds.
func (n *nodes) resume(ctx context.Context, node cluster.Node, h *Host, account jid.JID, id string, handled uint32, sink Sink) (*Session, error) {
	return n.enter(node, h, account, sink).ask(ctx, cluster.Frame{
		Op: cluster.AttachResume, To: account.String(), ID: id, Count: uint64(handled),
	})
}

// attach is the owner's side of bind and resume.
func (n *nodes) attach(w *Work, from cluster.Node, f *cluster.Frame) {
	k := &socket{nodes: n, socketID: socketID{from, f.Ref}}
	to, err := jid.Parse(f.To)
	h := n.own(to)
	switch {
	case err != nil || h == nil:
		k.attached(w, nil, ErrUnreadable)
		return
	case f.Op == cluster.AttachBind && !to.IsFull():
		k.attached(w, nil, ErrBadResource)
		return
	}
	n.mu.Lock()
	n.sockets[k.socketID] = k
	n.mu.Unlock()
	if f.Op == cluster.AttachResume {
		// It waits, as doors may, so it does not belong on the link's goroutine.
		account, id, handled := to.Bare(), f.ID, uint32(f.Count)
		h.wait.Go(func() {
			ctx, cancel := context.WithTimeout(h.ctx, answerMax)
			defer cancel()
			w := NewWork(n.pool)
			s, err := h.Resume(ctx, w, account, id, handled, k)
			k.attached(w, s, err)
			w.Run()
		})
		return
	}
	address, _ := netip.ParseAddrPort(f.Address) // for people; a sink without one has none
	first := string(f.Data)
	b := Binding{
		Account: to.Bare(), Resource: to.Resource(), Sink: k, Address: address, Namespace: f.Namespace,
		First: func(jid.JID) string { return first },
	}
	h.accounts.take(w, to.Bare(), turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
		s, err := a.bind(w, b)
		k.attached(w, s, err)
	}})
}

// refusals are the errors of an attachment as nodes tell them each other.
func refusals() map[string]error {
	return map[string]error{
		"no-account": ErrNoAccount, "too-many": ErrTooMany, "bad-resource": ErrBadResource, "not-resumed": ErrNotResumed,
	}
}

// refusal names an error; Flag of the frame tells that it is one for the client's stream.
func refusal(f *cluster.Frame, err error) {
	var broken *stanza.StreamError
	if errors.As(err, &broken) {
		f.Flag, f.Fault = true, faultOf(broken)
		return
	}
	f.Fault.Condition = "unreadable"
	for name, e := range refusals() {
		if errors.Is(err, e) {
			f.Fault.Condition = name
		}
	}
}

func refused(f *cluster.Frame) error {
	switch {
	case f.Fault.Condition == "":
		return nil
	case f.Flag:
		return streamError(f.Fault)
	}
	if err := refusals()[f.Fault.Condition]; err != nil {
		return err
	}
	return ErrUnreadable
}

func faultOf(e *stanza.StreamError) cluster.Fault {
	if e == nil {
		return cluster.Fault{}
	}
	condition := e.Condition
	if condition == "" {
		condition = stanza.StreamUndefinedCondition
	}
	return cluster.Fault{Condition: string(condition), Text: e.Text, Detail: e.Detail, App: e.App}
}

// streamError is what a client is told; nil for no fault.
func streamError(f cluster.Fault) *stanza.StreamError {
	if f.Condition == "" {
		return nil
	}
	return &stanza.StreamError{Condition: stanza.StreamCondition(f.Condition), Text: f.Text, Detail: f.Detail, App: f.App}
}

// release parts the sockets of this node from their sessions at other nodes, which can be resumed elsewhere. The node goes down.
func (n *nodes) release(h *Host) {
	n.mu.Lock()
	var all []*far
	for _, d := range n.doors {
		if d.session.Account.Host == h {
			all = append(all, d)
		}
	}
	n.mu.Unlock()
	for _, d := range all {
		d.leave()
		_ = n.send(d.node, cluster.Frame{Op: cluster.InboundLost, Ref: d.ref, Count: uint64(LostLine)})
		d.end(closing(LostShutdown))
	}
}

// far is a door's end of a session that another node owns: it says what the client says and writes what the owner wants written.
type far struct {
	nodes   *nodes
	node    cluster.Node // the owner
	ref     uint64
	session *Session
	sink    Sink
	answer  chan error // of the attachment; has room for all that come

	mu      sync.Mutex
	ended   bool
	blocked bool // the sink wants no more until writable
	woken   bool // writable was called during a write, whose answer is older then
	owed    bool // the owner waits to hear that the sink takes more
}

// enter makes a door's end. It hears the owner from now on.
func (n *nodes) enter(node cluster.Node, h *Host, j jid.JID, sink Sink) *far {
	d := &far{nodes: n, node: node, sink: sink, answer: make(chan error, 2)}
	d.session = &Session{JID: j, Account: &Account{Host: h, JID: j.Bare()}, Since: h.now(), far: d}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last++
	d.ref = n.last
	n.doors[d.ref] = d
	return d
}

// door is the end of that attachment, or nil, which does nothing.
func (n *nodes) door(node cluster.Node, ref uint64) *far {
	n.mu.Lock()
	defer n.mu.Unlock()
	if d := n.doors[ref]; d != nil && d.node == node {
		return d
	}
	return nil
}

// leave forgets the attachment.
func (d *far) leave() {
	d.nodes.mu.Lock()
	defer d.nodes.mu.Unlock()
	delete(d.nodes.doors, d.ref)
}

// ask sends the request for an attachment and waits for the owner's answer.
func (d *far) ask(ctx context.Context, f cluster.Frame) (*Session, error) {
	f.Ref = d.ref
	if err := d.nodes.send(d.node, f); err != nil {
		d.leave()
		return nil, fmt.Errorf("%w: %w: %w", ErrUnreachable, err, unreachable())
	}
	select {
	case err := <-d.answer:
		if err != nil {
			d.leave()
			return nil, err
		}
		return d.session, nil
	case <-ctx.Done():
		d.leave()
		_ = d.nodes.send(d.node, cluster.Frame{Op: cluster.InboundLost, Ref: d.ref, Count: uint64(LostLine)})
		return nil, ctx.Err()
	}
}

// unreachable is what a client is told whose owner's node does not answer: it may come back at once, perhaps to another node.
func unreachable() *stanza.StreamError {
	return &stanza.StreamError{Condition: stanza.StreamRemoteConnectionFailed, Text: "the part of this server where the account lives cannot be reached"}
}

// answered is the owner's answer.
func (d *far) answered(f *cluster.Frame) {
	if d == nil {
		return
	}
	err := refused(f)
	if j, bad := jid.Parse(f.To); err == nil && bad == nil {
		d.session.JID = j
	}
	d.reply(err)
}

func (d *far) reply(err error) {
	select {
	case d.answer <- err:
	default: // nobody listens any more
	}
}

// told does what the owner wants done with the connection.
func (d *far) told(f *cluster.Frame) {
	switch {
	case d == nil:
	case f.Op == cluster.OutboundClose:
		d.leave()
		d.end(streamError(f.Fault))
		d.reply(ErrNotResumed) // somebody else was faster, if the door still waits
	default:
		d.write(f.Data, f.Flag)
	}
}

// write gives bytes to the sink. wants: the owner waits to hear that it takes more.
func (d *far) write(p []byte, wants bool) {
	d.mu.Lock()
	ended := d.ended
	d.woken = false
	d.mu.Unlock()
	if ended {
		return
	}
	ready, err := d.sink.Write(p)
	if err != nil {
		return // the door hears of it, too, and says so
	}
	d.mu.Lock()
	d.blocked = !ready && !d.woken
	d.owed = d.owed || wants
	tell := d.owed && !d.blocked
	d.owed = d.owed && !tell
	d.mu.Unlock()
	if tell {
		d.say(cluster.Frame{Op: cluster.InboundWritable})
	}
}

// writable tells that the sink takes more again.
func (d *far) writable() {
	d.mu.Lock()
	d.blocked, d.woken = false, true
	tell := d.owed
	d.owed = false
	d.mu.Unlock()
	if tell {
		d.say(cluster.Frame{Op: cluster.InboundWritable})
	}
}

// say sends something to the owner. When that is not possible the connection ends.
func (d *far) say(f cluster.Frame) {
	f.Ref = d.ref
	if d.over() {
		return
	}
	if err := d.nodes.send(d.node, f); err != nil {
		d.leave()
		d.end(unreachable())
	}
}

// receive sends one element of the client, stamped, to the owner.
func (d *far) receive(st *stanza.Stanza) {
	if st.Kind != stanza.Nonza {
		d.session.win.begin(size(st))
	}
	d.say(cluster.Frame{Op: cluster.InboundStanza, Flag: st.ToErr != nil, Data: []byte(st.Standalone())})
}

// lose tells the owner that the connection is gone; its answer closes the sink.
func (d *far) lose(why Lost) { d.say(cluster.Frame{Op: cluster.InboundLost, Count: uint64(why)}) }

func (d *far) fail(why *stanza.StreamError) {
	d.say(cluster.Frame{Op: cluster.InboundBroken, Fault: faultOf(why)})
}

func (d *far) request(payload string, answer bool) error {
	if answer {
		return ErrElsewhere // the answer goes to the owner
	}
	d.say(cluster.Frame{Op: cluster.InboundRequest, Data: []byte(payload)})
	return nil
}

// over tells whether nothing more comes from the owner. A nil end is a session's own, which never is.
func (d *far) over() bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended
}

// end closes the connection and lets a door go that waits for room.
func (d *far) end(why *stanza.StreamError) {
	d.mu.Lock()
	was := d.ended
	d.ended = true
	d.mu.Unlock()
	if !was {
		d.session.win.abandon()
		d.sink.Close(why)
	}
}

// socketID names a connection at another node.
type socketID struct {
	node cluster.Node
	ref  uint64
}

// socket is the owner's end: the sink of a session whose connection sits at another node.
type socket struct {
	socketID
	nodes *nodes

	mu      sync.Mutex
	session *Session // once it is attached
	closed  bool
	lost    bool // before it was attached
	why     Lost
	ahead   int // bytes written since the other node said that it takes more
}

// socket is the owner's end of that attachment, or nil, which does nothing.
func (n *nodes) socket(node cluster.Node, ref uint64) *socket {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sockets[socketID{node, ref}]
}

func (k *socket) forget() {
	k.nodes.mu.Lock()
	defer k.nodes.mu.Unlock()
	if k.nodes.sockets[k.socketID] == k {
		delete(k.nodes.sockets, k.socketID)
	}
}

// attached answers the node of the socket.
func (k *socket) attached(w *Work, s *Session, err error) {
	f := cluster.Frame{Op: cluster.AttachAnswer, Ref: k.ref}
	if err != nil {
		k.forget()
		refusal(&f, err)
		_ = k.nodes.send(k.node, f)
		return
	}
	k.mu.Lock()
	k.session = s
	closed, lost, why := k.closed, k.lost, k.why
	k.mu.Unlock()
	if closed {
		return // another connection has taken the session already
	}
	s.win.heardAt(k)
	f.To = s.JID.String()
	switch {
	case lost:
		s.Lose(w, k, why)
	case k.nodes.send(k.node, f) != nil:
		s.Lose(w, k, LostLine)
	}
}

// heard is what comes from the connection.
func (k *socket) heard(r *reader, f *cluster.Frame) {
	if k == nil {
		return
	}
	if f.Op == cluster.InboundLost {
		k.lose(r.work, f.Count)
		return
	}
	k.mu.Lock()
	s := k.session
	if f.Op == cluster.InboundWritable {
		k.ahead = 0
	}
	k.mu.Unlock()
	if s == nil {
		return
	}
	switch f.Op {
	case cluster.InboundStanza:
		k.said(r, s, f)
	case cluster.InboundBroken:
		s.Fail(r.work, k, streamError(f.Fault))
	case cluster.InboundWritable:
		s.Writable(r.work)
	case cluster.InboundRequest:
		if err := s.Request(r.work, string(f.Data), nil); err != nil {
			s.Account.Host.Obs.Log.Debug("no request", "jid", s.JID.String(), "err", err)
		}
	}
}

// said brings one element of the client.
func (k *socket) said(r *reader, s *Session, f *cluster.Frame) {
	st, err := r.parse(f.Data)
	if err != nil {
		s.Fail(r.work, k, &stanza.StreamError{Condition: stanza.StreamInternalServerError})
		return
	}
	if f.Flag {
		st.HasTo, st.ToErr = true, errMalformed
	}
	if fail := s.Receive(r.work, k, st); fail != nil {
		s.Fail(r.work, k, fail)
	}
}

// errMalformed stands for what was wrong with an address, which the other node knows.
var errMalformed = errors.New("the address is malformed")

// lose parts the session from this connection, now or as soon as it has it.
func (k *socket) lose(w *Work, reason uint64) {
	why := LostLine
	if reason <= uint64(LostShutdown) {
		why = Lost(reason)
	}
	k.mu.Lock()
	s := k.session
	k.lost, k.why = true, why
	k.mu.Unlock()
	if s != nil {
		s.Lose(w, k, why)
	}
}

// Write sends p to the node where the socket sits. After every farBytes that node must say that the socket takes more.
func (k *socket) Write(p []byte) (ready bool, err error) {
	k.mu.Lock()
	k.ahead += len(p)
	ready = k.ahead < farBytes
	k.mu.Unlock()
	if err := k.nodes.send(k.node, cluster.Frame{Op: cluster.OutboundBytes, Ref: k.ref, Flag: !ready, Data: p}); err != nil {
		k.nodes.pool.Do(func(w *Work) { k.lose(w, uint64(LostLine)) })
		return false, err
	}
	return ready, nil
}

// Close has the other node close the socket and ends the attachment.
func (k *socket) Close(reason *stanza.StreamError) {
	k.forget()
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	_ = k.nodes.send(k.node, cluster.Frame{Op: cluster.OutboundClose, Ref: k.ref, Fault: faultOf(reason)})
}

// settled tells the other node how much of what came from there is settled.
func (k *socket) settled(count uint32) {
	if int32(count) <= 0 {
		return // it was said through an earlier connection
	}
	_ = k.nodes.send(k.node, cluster.Frame{Op: cluster.AckInbound, Ref: k.ref, Count: uint64(count)})
}
