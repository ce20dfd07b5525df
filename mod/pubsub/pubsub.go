// Package pubsub keeps what clients put onto the server as named items. Every account is a pubsub service (XEP-0163 version 1.2.2) by the rules of
// XEP-0060 version 1.30, and so is a domain of its own, by the same rules; on accounts stands the storage of public and private data (XEP-0222, XEP-0223); beside it stands private XML storage (XEP-0049
// version 1.2), where older clients have their bookmarks (XEP-0048).
//
// options.go is how a node can be configured, access.go who may what, as pure functions of what somebody is to a node, home.go what depends on whether
// the owner is an account or a part of the service. service.go is the service's own: its parts, its lists and rows. book.go is what one owner has in memory. requests.go reads requests; publish.go, items.go, subscribe.go, owner.go, peers.go and
// approve.go answer them, pending.go asks again. notify.go tells what has happened, last.go what the last items are, absent.go what those are of contacts who are not in memory, caps.go who wants to hear of it (XEP-0115). disco.go shows
// nodes, publisher.go publishes for other modules, used.go tells them what clients know.
// docs/decisions/0023-pubsub.md says why it is so.
//
// Hooks: Loading, Sending, Announcing, Available, Unavailable, Bound, Probed, AccountDeleted; it runs Publishing, Published and Used. Ports: Publisher, Spaces. It serves parts (core.Rooms.Find). Left out:
// collections (XEP-0248), options of subscriptions, several subscriptions of one address; at the service instant nodes and nodes made by publishing.
package pubsub

import (
	"context"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Stores are the parts of the store that the module reads and writes.
type Stores struct {
	Personal store.Personal
	Nodes    store.Nodes
	Rooms    store.Rooms
}

// Module is the family, on one host.
type Module struct {
	store    store.Personal
	personal config.Personal
	nodes    store.Nodes
	config   config.Pubsub
	obs      obs.Obs
	rooms    store.Rooms // the parts of the service
	making   core.Tally  // nodes of the service that accounts are about to make
	purses   core.Purses // deliveries, by account
	ledgers  *core.Cache[string, ledger]

	accountFields, serviceFields []field

	host      *core.Host
	domain    jid.JID             // of the service
	books     core.Slot[book]     // of accounts that have, or had, nodes, and of parts of the service
	listeners core.Slot[listener] // of sessions whose clients say what they can do
	caps      *core.Cache[capsKey, wishes]
	interests *core.Cache[jid.JID, interest] // of accounts of this host
}

// New takes what keeps the data, and how much of it.
func New(s Stores, private config.Personal, nodes config.Pubsub, o obs.Obs) *Module {
	return &Module{
		store: s.Personal, personal: private, nodes: s.Nodes, config: nodes, rooms: s.Rooms, obs: o,
		accountFields: fieldsOf(nodes), serviceFields: serviceFieldsOf(nodes),
		caps: core.NewCache[capsKey, wishes](cachedCaps), interests: core.NewCache[jid.JID, interest](cachedInterests), ledgers: ledgers(),
	}
}

// Name of the module in lists and logs.
func (m *Module) Name() string { return "pubsub" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	m.host, m.books, m.listeners = h, core.NewSlot[book](h), core.NewSlot[listener](h)
	m.installPrivate(h)
	h.Hooks.Loading = append(h.Hooks.Loading, core.Hook[func(context.Context, *core.Account, store.Held) error]{Module: m.Name(), Do: m.load})
	h.Hooks.Sending.Add(m.Name(), m.sending)
	h.Hooks.Announcing.Add(m.Name(), m.announcing)
	h.Hooks.Available.Add(m.Name(), m.available)
	h.Hooks.Unavailable.Add(m.Name(), m.unavailable)
	h.Hooks.Bound.Add(m.Name(), m.bound)
	h.Hooks.Probed.Add(m.Name(), m.probed)
	h.Hooks.AccountDeleted.Add(m.Name(), m.deleted)
	h.Ports.Publisher, h.Ports.Spaces = m, m
	for _, row := range []core.IQ{
		{Space: ns.PubSub, Type: stanza.Get, Slow: true, Do: m.get},
		{Space: ns.PubSub, Type: stanza.Set, Do: m.set},
		{Space: ns.PubSubOwner, Type: stanza.Get, Do: m.ownerGet},
		{Space: ns.PubSubOwner, Type: stanza.Set, Do: m.ownerSet},
	} {
		row.Local, row.Module = "pubsub", m.Name()
		row.To, row.Action = core.ToOwn, core.ActUseAccount
		h.IQ.Handle(row)
		row.To, row.Action = core.ToContact, core.ActUseNodes
		h.IQ.Handle(row)
	}
	m.announce(h)
	m.serve(h)
}
