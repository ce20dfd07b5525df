package store

import (
	"context"
	"time"

	"stonechat/xmpp/jid"
)

// Limits of what is searched for, bytes: node and item, or node and address, must fit together into a row of an index (PostgreSQL takes 2704).
const (
	MaxNodeName = 1000
	MaxItemID   = 1000
	MaxNodePeer = 1600
)

// Node is one node of an owner (XEP-0060), without its items.
type Node struct {
	Name    string
	Created time.Time
	Creator jid.JID // bare
	Config  string  // as its keeper writes it
	// Affiliations and Subscriptions are those of others than the account that owns it.
	Affiliations  []NodeAffiliation
	Subscriptions []NodeSubscription
	// Items is how many are kept, Bytes how much their ids and payloads are.
	Items, Bytes int
}

// NodeAffiliation is what a bare address is to a node; with an empty Is nothing, and then it is not kept.
type NodeAffiliation struct {
	JID jid.JID
	Is  string
}

// NodeSubscription is the subscription of an address, perhaps a full one; with an empty State none, and then it is not kept.
type NodeSubscription struct {
	JID   jid.JID
	State string
}

// NodeChange is one atomic change of a node, in the order of the fields.
type NodeChange struct {
	Node string
	// Delete removes it with everything in it; nothing else is done then.
	Delete bool
	// Make creates it, unless it is there.
	Make *NewNode
	// Config replaces the configuration, unless it is empty.
	Config string
	// Purge removes all items; Keep, unless it is zero, all but the newest ones.
	Purge bool
	Keep  int

	Affiliations  []NodeAffiliation
	Subscriptions []NodeSubscription
}

// NewNode is a node to be made.
type NewNode struct {
	Creator jid.JID
	Config  string
}

// NodeItem is one item. Key is its place in the order of publication, and when that was.
type NodeItem struct {
	Node, ID  string
	Key       Key
	Publisher jid.JID // bare
	Payload   []byte  // the caller's own; empty when only names were asked for
}

// NewNodeItem is an item to be published; one of the same id is replaced, and the new one is the newest.
type NewNodeItem struct {
	Node, ID  string
	Publisher jid.JID
	Payload   []byte
	// Make creates the node, unless it is there.
	Make *NewNode
	// Keep is how many items the node may have then, at least 1; the oldest go. With Reject nothing goes, and ErrTooMany is the outcome.
	Keep   int
	Reject bool
	// Since, unless it is zero: items published before it are expired, and go.
	Since Key
	// Own: an item of another publisher is not replaced; ErrConflict is the outcome.
	Own bool
}

// Published is what a publication did; it is filled in when its ticket is done.
type Published struct {
	Key     Key
	Removed []string // ids of items that had to go, oldest first, without the replaced one
	Items   int      // of the node, and
	Bytes   int      // how much they are now
}

// NodeQuery says which items are wanted, oldest first. The zero value wants all.
type NodeQuery struct {
	IDs []string // these alone, those that are there, in this order; nothing below counts then but Since and MaxBytes
	// After and Before are ids that the items stand between; either may be empty.
	After, Before string
	// Index is how many of them to skip.
	Index int
	// Max is the greatest number of items, unless it is negative; the first ones, or with FromEnd the last ones.
	Max     int
	FromEnd bool
	// MaxBytes ends the page early, unless it is zero. One item comes in any case.
	MaxBytes int
	// Names leaves payloads out.
	Names bool
	// Since, unless it is zero: what was published before is not there.
	Since Key
}

// NodePage is an answer. First is the position of its first item among all Count items of the node; or, of items that were asked for by their ids, among
// those that there are at most.
type NodePage struct {
	Items        []NodeItem
	First, Count int
}

// ShownQuery asks for the newest items of nodes of accounts whose presence somebody sees.
type ShownQuery struct {
	Asker    jid.JID   // a full address counts as all that it is part of, too
	Accounts []jid.JID // bare addresses
	// Choose is called for each account that has such nodes, with all that have an item, by name, and returns those whose items are wanted. It must neither wait nor
	// use the store, and may be called again.
	Choose func(account jid.JID, all []ShownNode) []ShownNode
}

// ShownNode is a node, and what its owner and it have to do with the asker.
type ShownNode struct {
	Name, Config string
	Groups       []string // of the owner's roster, that the asker is in
	// Affiliation of the asker's bare address, and the states of its subscriptions, of any resource; empty: none.
	Affiliation   string
	Subscriptions []string
	Bytes         int // of the newest item, with its id
}

// ShownItem is the newest item of a node that was chosen.
type ShownItem struct {
	Account jid.JID
	Config  string // of the node
	NodeItem
}

// Nodes keeps what owners publish.
type Nodes interface {
	// Nodes are all nodes of the owner, ordered by name.
	Nodes(ctx context.Context, owner Owner) ([]Node, error)
	// ChangeNode applies c as one. ErrInvalid: a name or an address is longer than the limits of this package.
	ChangeNode(owner Owner, c NodeChange) Ticket
	// Publish keeps an item. ErrTooMany, ErrConflict: see NewNodeItem; nothing was changed. ErrInvalid as for ChangeNode.
	Publish(owner Owner, item NewNodeItem) (*Published, Ticket)
	// Retract removes an item; with own, only one of that publisher. ErrNotFound: there is no such item. ErrConflict: it is another's.
	Retract(owner Owner, node, id string, own *jid.JID) (*Published, Ticket)
	// Items answers a query. ErrNotFound: the item of After or Before is not there.
	Items(ctx context.Context, owner Owner, node string, q NodeQuery) (NodePage, error)
	// Newest is the newest item of each of the nodes that has one, as of one moment.
	Newest(ctx context.Context, owner Owner, nodes []string) ([]NodeItem, error)
	// Shown are the newest items of nodes of accounts of which the asker sees the presence, as their rosters say (subscription from or both), as of one moment. None are of
	// accounts that are disabled in any way, or that have blocked the asker. What the nodes allow is for Choose to decide.
	Shown(ctx context.Context, q ShownQuery) ([]ShownItem, error)
	// Ties are the nodes that belong to rooms of the domain and to which a bare address has an affiliation or a subscription, ordered by name, with
	// these alone, and without what their items are.
	Ties(ctx context.Context, domain string, bare jid.JID) ([]Node, error)
}
