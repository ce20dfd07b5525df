package cluster

import (
	"errors"

	"stonechat/xmpp/jid"
)

// Node names one server process of a cluster.
type Node string

// Epoch counts the changes of an address's owner. It never falls, so that a node which slept through a change can be told from its successor.
type Epoch uint64

// Cluster joins the nodes that serve the same domains.
type Cluster interface {
	// Self is this node.
	Self() Node
	// Owner is the only node that may change what belongs to the bare address. It neither waits nor allocates.
	Owner(bare jid.JID) (Node, Epoch)
	// Send brings a frame to another node. Frames of one pair of nodes arrive in the order of the calls. It never waits and keeps nothing
	// of f. An error means that the frame will not arrive; without one it arrives unless the link or the other node is lost meanwhile.
	Send(to Node, f Frame) error
	// Receive sets what is called with every frame for this node: in order for one sender, at the same time for several. f and what it
	// holds is the callee's own. It is called once, before the first frame is expected.
	Receive(f func(from Node, f Frame))
}

// ErrUnreachable: the node is unknown, gone, or no link leads there.
var ErrUnreachable = errors.New("cluster: the node cannot be reached")

// Single is the cluster of a node that is alone: everything is its own.
type Single struct{}

// Self is the empty name.
func (Single) Self() Node { return "" }

// Owner is always this node.
func (Single) Owner(jid.JID) (Node, Epoch) { return "", 0 }

// Send always fails with ErrUnreachable.
func (Single) Send(Node, Frame) error { return ErrUnreachable }

// Receive does nothing: no frame ever comes.
func (Single) Receive(func(Node, Frame)) {}

// rendezvous is the member with the highest score for the address: when a member goes, only what was its own moves.
func rendezvous(members []Node, bare jid.JID) Node {
	var owner Node
	var best uint64
	for _, m := range members {
		if s := score(m, bare.String()); owner == "" || s > best || (s == best && m < owner) {
			owner, best = m, s
		}
	}
	return owner
}

// score is FNV-1a of both names with a final mix, so that names which differ at their end alone have unrelated scores.
// Every node of a cluster must come to the same number, whatever its version.
func score(m Node, address string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	for i := range len(m) {
		h = (h ^ uint64(m[i])) * prime
	}
	h *= prime // a byte of zero between the names
	for i := range len(address) {
		h = (h ^ uint64(address[i])) * prime
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
