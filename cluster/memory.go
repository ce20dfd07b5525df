package cluster

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"stonechat/xmpp/jid"
)

// Memory joins several nodes in one process. Every frame is encoded and decoded on its way, as a real link would.
type Memory struct {
	members []*Member
	delay   time.Duration
	wait    sync.WaitGroup
}

// MemoryOptions change how the links behave.
type MemoryOptions struct {
	// Delay is how long every frame is on its way.
	Delay time.Duration
}

// NewMemory joins these nodes, whose names differ.
func NewMemory(o MemoryOptions, names ...Node) *Memory {
	m := &Memory{delay: o.Delay}
	for _, n := range names {
		m.members = append(m.members, &Member{memory: m, self: n, names: names, links: make(map[Node]*link)})
	}
	for _, a := range m.members {
		for _, b := range m.members {
			if a != b {
				l := &link{}
				l.ready.L = &l.mu
				a.links[b.self] = l
			}
		}
	}
	return m
}

// Member is the cluster as this node sees it, or nil if there is no such node.
func (m *Memory) Member(n Node) *Member {
	i := slices.IndexFunc(m.members, func(x *Member) bool { return x.self == n })
	if i < 0 {
		return nil
	}
	return m.members[i]
}

// Cut breaks the links between two nodes in both directions: what is under way is lost, Send fails until Mend.
func (m *Memory) Cut(a, b Node) { m.set(a, b, true) }

// Mend undoes Cut.
func (m *Memory) Mend(a, b Node) { m.set(a, b, false) }

func (m *Memory) set(a, b Node, cut bool) {
	for _, l := range []*link{m.Member(a).links[b], m.Member(b).links[a]} {
		l.mu.Lock()
		l.cut, l.queue = cut, nil
		l.mu.Unlock()
	}
}

// Close ends all links. What is under way is lost; it waits for what is being received.
func (m *Memory) Close() {
	for _, a := range m.members {
		for _, l := range a.links {
			l.mu.Lock()
			l.closed = true
			l.ready.Broadcast()
			l.mu.Unlock()
		}
	}
	m.wait.Wait()
}

// Member is one node of a Memory.
type Member struct {
	memory *Memory
	self   Node
	names  []Node
	links  map[Node]*link // to the others; fixed
}

// Self is this node.
func (m *Member) Self() Node { return m.self }

// Owner is by rendezvous hash over all members.
func (m *Member) Owner(bare jid.JID) (Node, Epoch) { return rendezvous(m.names, bare), 1 }

// Send queues the frame for another member.
func (m *Member) Send(to Node, f Frame) error {
	l := m.links[to]
	if l == nil {
		return fmt.Errorf("%w: %q", ErrUnreachable, to)
	}
	b, err := f.Append(nil)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut || l.closed {
		return ErrUnreachable
	}
	l.queue = append(l.queue, sent{b, time.Now().Add(m.memory.delay)})
	l.ready.Signal()
	return nil
}

// Receive starts one goroutine per sender. Frames that were sent before are waiting.
func (m *Member) Receive(f func(from Node, f Frame)) {
	for _, a := range m.memory.members {
		if l := a.links[m.self]; l != nil {
			m.memory.wait.Go(func() { l.run(a.self, f) })
		}
	}
}

// link leads from one node to another.
type link struct {
	mu          sync.Mutex
	ready       sync.Cond
	queue       []sent
	cut, closed bool
}

type sent struct {
	frame []byte
	due   time.Time
}

func (l *link) run(from Node, receive func(Node, Frame)) {
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed {
			l.ready.Wait()
		}
		if l.closed {
			l.mu.Unlock()
			return
		}
		s := l.queue[0]
		if wait := time.Until(s.due); wait > 0 {
			l.mu.Unlock()
			time.Sleep(wait)
			continue // unless it was lost meanwhile
		}
		l.queue = l.queue[1:]
		l.mu.Unlock()
		if f, err := Decode(s.frame); err == nil {
			receive(from, f)
		}
	}
}
