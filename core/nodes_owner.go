package core

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"stonechat/cluster"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// This file is the owner's side of an attachment: the session is ours, its socket sits at another node.

// attach is the owner's side of bind and resume.
func (n *nodes) attach(w *Work, from cluster.Node, f *cluster.Frame) {
	address, _ := netip.ParseAddrPort(f.Address) // for people; a sink without one has none
	k := &socket{nodes: n, socketID: socketID{from, f.Ref}, address: address}
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
		account, id, handled, in := to.Bare(), f.ID, uint32(f.Count), arrived(string(f.Data))
		h.wait.Go(func() {
			ctx, cancel := context.WithTimeout(h.ctx, answerMax)
			defer cancel()
			w := NewWork(n.pool)
			s, err := h.ResumeBy(ctx, w, account, id, handled, k, in)
			k.attached(w, s, err)
			w.Run()
		})
		return
	}
	first := string(f.Data)
	b := Binding{
		Account: to.Bare(), Resource: to.Resource(), Sink: k, Address: address,
		First: func(jid.JID) string { return first }, Entrance: arrived(f.ID),
	}
	h.accounts.take(w, to.Bare(), turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
		s, err := a.bind(w, b)
		k.attached(w, s, err)
	}})
}

// socketID names a connection at another node.
type socketID struct {
	node cluster.Node
	ref  uint64
}

// socket is the owner's end: the sink of a session whose connection sits at another node.
type socket struct {
	socketID
	nodes   *nodes
	address netip.AddrPort

	mu      sync.Mutex
	session *Session // once it is attached
	closed  bool
	lost    bool // before it was attached
	why     Lost
	ahead   int // bytes written since the other node said that it takes more
}

// Address is where the client is.
func (k *socket) Address() netip.AddrPort { return k.address }

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
