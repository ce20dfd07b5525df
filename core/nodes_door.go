package core

import (
	"context"
	"fmt"
	"sync"

	"stonechat/cluster"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// This file is the door's side of an attachment: the socket sits here, another node owns the session.

// bind attaches a door of ours to a new session at the node that owns the account.
func (n *nodes) bind(ctx context.Context, node cluster.Node, h *Host, b Binding) (*Session, error) {
	if b.Resource == "" {
		b.Resource = newResource()
	}
	full, err := b.Account.WithResource(b.Resource)
	if err != nil {
		return nil, ErrBadResource
	}
	f := cluster.Frame{
		Op: cluster.AttachBind, To: full.String(), Address: b.Address.String(), ID: b.Entrance.travel(),
	}
	if b.First != nil {
		f.Data = []byte(b.First(full))
	}
	return n.enter(node, h, full, b.Sink).ask(ctx, f)
}

// resume attaches a door of ours to a session that the other node holds.
func (n *nodes) resume(ctx context.Context, node cluster.Node, h *Host, account jid.JID, id string, handled uint32, sink Sink, in *Entrance) (*Session, error) {
	f := cluster.Frame{Op: cluster.AttachResume, To: account.String(), ID: id, Count: uint64(handled), Data: []byte(in.travel())}
	if from, ok := sink.(Addressed); ok {
		f.Address = from.Address().String()
	}
	return n.enter(node, h, account, sink).ask(ctx, f)
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
	d.session.win.total = &h.metrics.windows
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
