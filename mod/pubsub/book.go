package pubsub

import (
	"context"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

const (
	readTime   = 250 * time.Millisecond // for a short read in a turn
	cacheItem  = 8 << 10                // bytes of the largest item that is kept ready
	cacheBytes = 64 << 10               // of all of an account
)

// book is the nodes of one owner in memory. A change is taken over at once, and shown to nobody before it is durable: answers wait for open.
// When a change fails the book is stale, and read again.
type book struct {
	nodes    map[string]*node
	bytes    int          // of all items
	reserved int          // bytes of items that are under way
	ready    int          // bytes of all notifications that are kept ready
	open     store.Ticket // of the newest change
	stale    bool
	arrived  bool // contacts who had come before know that the account is there
}

// node is one node. newest is its last item as a notification, if that is small; known: newest nil means that there is none.
type node struct {
	name          string
	created       time.Time
	creator       jid.JID
	options       options
	affiliations  map[jid.JID]affiliation
	subscriptions map[jid.JID]string
	items, bytes  int
	newest        *stanza.Stanza
	known         bool
}

func newNode(name string, created time.Time, creator jid.JID, o options) *node {
	return &node{
		name: name, created: created, creator: creator, options: o, affiliations: make(map[jid.JID]affiliation), subscriptions: make(map[jid.JID]string),
		known: true,
	}
}

// load reads the nodes of an account before its first turn.
func (m *Module) load(ctx context.Context, a *core.Account, held store.Held) error {
	if !held.Any(store.HoldsNodes) {
		return nil
	}
	return m.fill(ctx, ofAccount(a), m.books.Of(a))
}

func (m *Module) fill(ctx context.Context, a home, b *book) error {
	kept, err := m.nodes.Nodes(ctx, a.id())
	if err != nil {
		return err
	}
	*b = book{nodes: make(map[string]*node, len(kept)), reserved: b.reserved, open: b.open, arrived: b.arrived}
	for _, k := range kept {
		n := newNode(k.Name, k.Created, k.Creator, m.understood(a.jid, a.defaults(k.Name), k.Config))
		n.items, n.bytes, n.known = k.Items, k.Bytes, k.Items == 0
		for _, x := range k.Affiliations {
			n.affiliations[x.JID] = affiliation(x.Is)
		}
		for _, x := range k.Subscriptions {
			n.subscriptions[x.JID] = x.State
		}
		b.nodes[k.Name] = n
		b.bytes += k.Bytes
	}
	return nil
}

// understood are the options of a node as they are kept, over those of a new one.
func (m *Module) understood(whose jid.JID, usual options, kept string) options {
	o := usual
	if err := o.read(kept); err != nil {
		m.obs.Log.Error("options of a node cannot be read: it has the usual ones", obs.JID, whose.String(), obs.Err, err)
		return usual
	}
	return o
}

// of returns the book of an account. Only in a turn of a.
func (m *Module) of(a home) (*book, error) {
	if a.failed() {
		return nil, stanza.NewError(stanza.InternalServerError, "")
	}
	b := m.books.Of(a.holder())
	if done, err := b.open.Outcome(); done {
		b.stale, b.open = b.stale || err != nil, store.Ticket{}
	}
	if b.stale {
		ctx, cancel := context.WithTimeout(context.Background(), readTime)
		defer cancel()
		done, _ := b.open.Outcome()
		if err := m.fill(ctx, a, b); err != nil {
			return nil, err
		}
		b.stale = !done // what is under way was not read
	}
	if b.nodes == nil {
		b.nodes = make(map[string]*node)
	}
	return b, nil
}

// changed notes a change of the book that is on its way to the disk.
func (m *Module) changed(a home, b *book, t store.Ticket) {
	b.open = t
	t.Done(func(err error) {
		if err == nil {
			return
		}
		err = m.later(a, func(_ *core.Work, a home) {
			if b, ok := m.books.Has(a.holder()); ok {
				b.stale = true
			}
		})
		if err != nil {
			m.obs.Log.Warn("nodes are not read again", obs.JID, a.jid.String(), obs.Err, err)
		}
	})
}

// settled has the event wait for the newest change, which its answer may tell of.
func (b *book) settled(e *core.Event) {
	if done, _ := b.open.Outcome(); !done {
		e.Wait(b.open)
	}
}

// set keeps what is left of a node's items.
func (b *book) set(n *node, items, bytes int) {
	b.bytes += bytes - n.bytes
	n.items, n.bytes = items, bytes
}

// keepReady keeps the last item of a node as a notification, or that there is none (nil).
func (b *book) keepReady(n *node, st *stanza.Stanza) {
	b.drop(n)
	size := 0
	if st != nil {
		size = len(st.Raw())
	}
	if size <= cacheItem && b.ready+size <= cacheBytes {
		n.newest, n.known = st, true
		b.ready += size
	}
}

// drop forgets the last item of a node.
func (b *book) drop(n *node) {
	if n.newest != nil {
		b.ready -= len(n.newest.Raw())
	}
	n.newest, n.known = nil, false
}

// remove takes a node out of the book.
func (b *book) remove(n *node) {
	b.drop(n)
	b.bytes -= n.bytes
	delete(b.nodes, n.name)
}

// expired is the key before which items of the node have expired; zero: none has.
func (m *Module) expired(o *options) store.Key {
	if o.Expire == 0 {
		return 0
	}
	return store.KeyAt(m.host.Now().Add(-time.Duration(o.Expire) * time.Second))
}

// keep is how many items a node may have.
func (m *Module) keep(o *options) int {
	if o.MaxItems == 0 {
		return m.config.Items
	}
	return min(o.MaxItems, m.config.Items)
}

// deleted forgets what a deleted account was to nodes of others, so that nobody who gets its name later inherits it.
func (m *Module) deleted(e *core.Event) {
	gone := e.Account.JID
	if b, ok := m.books.Has(e.Account); ok {
		*b = book{}
	}
	m.forget(gone)
	e.After(func(*core.Event) { m.forget(gone) }) // once more, for what was read before the store has done it
}

// forget does in memory what the store does with the account (store.Accounts): it is nothing to nodes of others, but for bans, and nodes of the service that it
// alone owned go: nobody could delete them later, and their names would be taken for ever.
func (m *Module) forget(gone jid.JID) {
	m.host.EachLoaded(func(_ *core.Work, a *core.Account) {
		if b, ok := m.books.Has(a); ok {
			b.forget(gone)
		}
	})
	m.host.EachRoom(func(w *core.Work, r *core.Room) {
		b, ok := m.books.Has(r)
		if !ok {
			return
		}
		for _, n := range b.forget(gone) {
			if len(n.owners()) == 0 {
				m.vanish(w, m.ofPart(r), n, "")
			}
		}
	})
}

// forget returns the nodes that have lost an owner.
func (b *book) forget(gone jid.JID) (lost []*node) {
	for _, n := range b.nodes {
		switch n.affiliations[gone] {
		case isOutcast:
		case isOwner:
			lost = append(lost, n)
			fallthrough
		default:
			delete(n.affiliations, gone)
		}
		for j := range n.subscriptions {
			if j.Bare() == gone {
				delete(n.subscriptions, j)
			}
		}
	}
	return lost
}
