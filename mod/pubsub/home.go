package pubsub

import (
	"context"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// home is whose nodes they are: an account, which has many, or a part of the service, which has one. This file is what is different for both: who makes
// nodes, how somebody stands to them, who hears of them without a subscription, and where owners are asked.
type home struct {
	account *core.Account // or
	room    *core.Room    // or neither, where it is about the service as a whole
	jid     jid.JID       // where the nodes are, and what tells of them
}

func ofAccount(a *core.Account) home { return home{account: a, jid: a.JID} }

func (m *Module) ofPart(r *core.Room) home { return home{room: r, jid: m.domain} }

// at is the home of an event.
func (m *Module) at(e *core.Event) home {
	if e.Room != nil {
		return m.ofPart(e.Room)
	}
	return ofAccount(e.Account)
}

func (a home) holder() core.Holder {
	if a.room != nil {
		return a.room
	}
	return a.account
}

func (a home) id() store.Owner {
	if a.room != nil {
		return a.room.ID
	}
	return a.account.ID
}

func (a home) failed() bool {
	if a.room != nil {
		return a.room.Failed
	}
	return a.account.Failed
}

func (a home) exists() bool {
	if a.room != nil {
		return a.room.ID != 0
	}
	return a.account.Exists
}

// blocks tells whether the owner does not want to know of an address. The service has its outcasts.
func (a home) blocks(j jid.JID) bool { return a.account != nil && a.account.Blocks(j) }

// defaults are the options of a new node.
func (a home) defaults(node string) options {
	if a.account == nil {
		return serviceDefaults()
	}
	return defaults(node)
}

// fields are the options that nodes have here.
func (m *Module) fields(a home) []field {
	if a.account == nil {
		return m.serviceFields
	}
	return m.accountFields
}

// visit is core's.
func (a home) visit(w *core.Work, bare jid.JID, f func(w *core.Work, b *core.Account)) bool {
	if a.room != nil {
		return a.room.Visit(w, bare, f)
	}
	return a.account.Visit(w, bare, f)
}

// later has f called in a turn of the owner, or of one that was made since, of the same name. It does not wait.
func (m *Module) later(a home, f func(w *core.Work, a home)) error {
	if a.room == nil {
		return m.host.Do(a.jid, func(w *core.Work, b *core.Account) { f(w, ofAccount(b)) })
	}
	return m.host.DoRoom(a.room.JID, func(w *core.Work, r *core.Room) { f(w, m.ofPart(r)) })
}

// within has f called in a turn of the owner and waits for it. Outside turns only.
func (m *Module) within(ctx context.Context, a home, f func(w *core.Work, a home) error) error {
	if a.room != nil {
		return m.host.AskRoom(ctx, a.room.JID, func(w *core.Work, r *core.Room) error { return f(w, m.ofPart(r)) })
	}
	return m.host.Ask(ctx, a.jid, func(w *core.Work, b *core.Account) error { return f(w, ofAccount(b)) })
}

// makes tells whether somebody may make nodes: on an account, the account itself (XEP-0163 section 3.2).
func (m *Module) makes(a home, who jid.JID) bool {
	if a.room != nil {
		return m.mayMake(who)
	}
	return who.Bare() == a.jid && a.account.Exists
}

// person looks up a bare address. Only in a turn of a.
func (m *Module) person(a home, n *node, who jid.JID) person {
	state := ""
	if n.options.bySubscription() {
		for j, s := range n.subscriptions {
			if j.Bare() == who && state != stateSubscribed {
				state = s
			}
		}
	}
	return m.subscribed(a, n, who, state)
}

// subscribed is person for somebody of whose subscriptions the best has that state: to look for that costs as much as there are subscriptions.
func (m *Module) subscribed(a home, n *node, who jid.JID, state string) person {
	p := person{affiliation: isNone, state: state}
	if is, ok := n.affiliations[who]; ok {
		p.affiliation = is
	}
	if a.account != nil {
		if who == a.jid {
			return person{affiliation: isOwner, contact: true}
		}
		contacts := m.host.Ports.Contacts
		p.contact = contacts.Subscription(a.account, who)&core.SubscribedFrom != 0
		if n.options.Access == accessRoster {
			p.groups = contacts.Groups(a.account, who)
		}
	}
	return p
}

// states are the best subscriptions by bare addresses, if anything depends on them.
func (n *node) states() map[jid.JID]string {
	if !n.options.bySubscription() {
		return nil
	}
	return n.best()
}

// best are the best subscriptions by bare addresses.
func (n *node) best() map[jid.JID]string {
	out := make(map[jid.JID]string, len(n.subscriptions))
	for j, state := range n.subscriptions {
		if bare := j.Bare(); out[bare] != stateSubscribed {
			out[bare] = state
		}
	}
	return out
}

// eachContact calls f for all who hear of a node because they see the account's presence, if their clients want to (XEP-0060 section 9.1.2, XEP-0163 section 4.1).
// Never of whom the account has blocked (section 4.3.3). The service has no presence. Only in a turn of a.
func (m *Module) eachContact(a home, n *node, f func(contact jid.JID)) {
	if a.account == nil {
		return
	}
	states := n.states()
	m.host.Ports.Contacts.Each(a.account, func(contact jid.JID, s core.Subscription) {
		if s&core.SubscribedFrom != 0 && !a.blocks(contact) && implicit(&n.options, m.subscribed(a, n, contact, states[contact])) {
			f(contact)
		}
	})
}

// audience is how many accounts a notification of the node may be for; the account's own devices are one.
func (m *Module) audience(a home, n *node) int {
	count := len(n.subscriptions)
	if a.account == nil {
		return count
	}
	count++
	if n.options.Access == accessWhitelist {
		return count + len(n.affiliations)
	}
	m.host.Ports.Contacts.Each(a.account, func(_ jid.JID, s core.Subscription) {
		if s&core.SubscribedFrom != 0 {
			count++
		}
	})
	return count
}

// asking is what it costs to tell owners something, which may be kept for them.
func (a home) asking(n *node) int {
	if a.account == nil {
		return len(n.owners()) * keeping
	}
	return 1
}

// tellOwners sends something to the owners of a node: the devices of the account that are there, or one of them; or to the addresses of owners, where the
// ticket is done when it is durable.
func (m *Module) tellOwners(w *core.Work, a home, n *node, st *stanza.Stanza, only *core.Session) store.Ticket {
	if a.account == nil {
		var mail []*stanza.Stanza
		for _, j := range n.owners() {
			mail = append(mail, st.WithTo(j))
		}
		return m.host.Router.Deliver(w, mail...)
	}
	for _, s := range a.account.Sessions() {
		if s == only || only == nil && s.Available() {
			s.SendShared(w, st, s.JID)
		}
	}
	return store.Ticket{}
}

// owners are the addresses with that affiliation, in order; of an account's node, those beside the account.
func (n *node) owners() []jid.JID {
	var out []jid.JID
	for j, is := range n.affiliations {
		if is == isOwner {
			out = append(out, j)
		}
	}
	return ordered(out)
}
