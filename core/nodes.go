package core

import (
	"context"
	"errors"
	"strings"
	"sync"
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

// nodes is what core knows of the other nodes; frames are known in this file and in nodes_door.go and nodes_owner.go alone. A stanza leaves
// for another node when its sender's ticket is done, and its origin stays open until that node has settled it. A session whose socket sits
// elsewhere differs from others in its sink alone.
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

// send hands a frame to the link.
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
	n.deliverBy(w, to, st, jid.JID{}, from)
}

// deliverBy is deliver for what Room.RouteBy passes on.
func (n *nodes) deliverBy(w *Work, to cluster.Node, st *stanza.Stanza, by jid.JID, from origin, also ...jid.JID) {
	from.more()
	n.mu.Lock()
	n.last++
	ref := n.last
	n.sent[ref] = &sending{st, from, time.Now()}
	n.mu.Unlock()
	err := n.send(to, cluster.Frame{
		Op: cluster.DeliverStanza, Ref: ref, Role: string(from.actor(st).Role), To: joinAddresses(also), From: by.String(), Data: []byte(st.Standalone()),
	})
	if err != nil {
		n.fail(w, ref, notReached())
	}
}

// joinAddresses writes addresses as one text of a frame: none of them can have a line break in it.
func joinAddresses(all []jid.JID) string {
	var b strings.Builder
	for i, j := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(j.String())
	}
	return b.String()
}

// splitAddresses reads them; what is none is left out.
func splitAddresses(text string) (out []jid.JID) {
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, "\n") {
		if j, err := jid.Parse(part); err == nil {
			out = append(out, j)
		}
	}
	return out
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
	f := cluster.Frame{Op: cluster.DeliverPresence, Flag: x.over, To: x.to.String()}
	if x.asker != nil {
		f.From = x.asker.String()
	}
	if x.st != nil {
		f.Data = []byte(x.st.Standalone())
	}
	_ = n.send(to, f)
}

// tell sends what a room tells one session to the node of its account.
func (n *nodes) tell(to cluster.Node, x turn) {
	_ = n.send(to, cluster.Frame{Op: cluster.DeliverTold, To: x.to.String(), Data: []byte(x.st.Standalone())})
}

// elsewhere is the other node that owns a local address, if this one does not.
func (n *nodes) elsewhere(to jid.JID) (cluster.Node, bool) {
	if to.IsDomain() || !n.router.Serves(to.Domain()) || n.router.components[to.Domain()] != nil {
		return "", false
	}
	node, _ := n.cluster.Owner(to.Bare())
	return node, node != n.cluster.Self()
}

// own is the host of an address that this node owns, or nil.
func (n *nodes) own(j jid.JID) *Host {
	if _, far := n.elsewhere(j); far || j.IsDomain() {
		return nil
	}
	if rooms := n.router.services[j.Domain()]; rooms != nil {
		return rooms.host
	}
	return n.router.hosts[j.Domain()]
}

// delivered brings what another node has sent to its owner.
func (n *nodes) delivered(r *reader, from cluster.Node, f *cluster.Frame) {
	switch f.Op {
	case cluster.DeliverPresence:
		n.deliveredPresence(r, f)
		return
	case cluster.DeliverTold:
		n.deliveredTold(r, f)
		return
	}
	by, unknown := jid.JID{}, error(nil)
	if f.From != "" {
		by, unknown = jid.Parse(f.From)
	}
	st, err := r.parse(f.Data)
	if err != nil || unknown != nil || st.Kind == stanza.Nonza || n.own(n.router.place(st)) == nil {
		// Two nodes disagree about who owns the address, or about what a stanza is: its sender must not wait for nothing.
		e := notReached()
		_ = n.send(from, cluster.Frame{Op: cluster.AckStanza, Ref: f.Ref, Fault: cluster.Fault{Condition: string(e.Condition), Text: e.Text}})
		return
	}
	// Without a link nobody can be told; the other node's patience ends with ackTime.
	d := newDelivery(func() { _ = n.send(from, cluster.Frame{Op: cluster.AckStanza, Ref: f.Ref}) })
	d.role = store.Role(f.Role)
	n.router.pass(r.work, st.Seal(), by, splitAddresses(f.To), origin{far: d})
}

// deliveredPresence is for accounts in memory only, as everywhere.
func (n *nodes) deliveredPresence(r *reader, f *cluster.Frame) {
	x := turn{op: (*Account).deliverPresence, over: f.Flag}
	var err error
	if x.to, err = jid.Parse(f.To); err != nil {
		return
	}
	if f.From != "" {
		asker, err := jid.Parse(f.From)
		if err != nil {
			return
		}
		x.asker = &asker
	}
	if len(f.Data) > 0 {
		if x.st, err = r.parse(f.Data); err != nil || x.st.Kind != stanza.Presence {
			return
		}
		x.st.Seal()
	}
	if n.own(x.to) != nil && (x.st != nil || x.asker != nil) {
		n.router.bringPresence(r.work, x.to.Bare(), x)
	}
}

// deliveredTold is what a room of another node tells a session of ours.
func (n *nodes) deliveredTold(r *reader, f *cluster.Frame) {
	to, err := jid.Parse(f.To)
	if err != nil || !to.IsFull() || n.own(to) == nil {
		return
	}
	st, err := r.parse(f.Data)
	if err == nil && (st.Kind == stanza.Message || st.Kind == stanza.Presence) {
		n.router.tell(r.work, turn{op: (*Account).hear, st: st.Seal(), to: to})
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

// refusals are the errors of an attachment as nodes tell them each other.
func refusals() map[string]error {
	return map[string]error{
		"no-account": ErrNoAccount, "too-many": ErrTooMany, "bad-resource": ErrBadResource, "not-resumed": ErrNotResumed,
		"revoked": ErrRevoked,
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
