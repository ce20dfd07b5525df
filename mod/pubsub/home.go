package pubsub

import (
	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// This file is what is so because the owner of nodes is an account: who makes nodes, how somebody stands to them, and who hears of them without
// a subscription of their own.

// makes tells whether somebody may make nodes: the account itself (XEP-0163 section 3.2).
func (m *Module) makes(a *core.Account, who jid.JID) bool { return who.Bare() == a.JID && a.Exists }

// person looks up a bare address. Only in a turn of a.
func (m *Module) person(a *core.Account, n *node, who jid.JID) person {
	p := person{affiliation: isNone}
	if who == a.JID {
		p.affiliation, p.contact = isOwner, true
		return p
	}
	if is, ok := n.affiliations[who]; ok {
		p.affiliation = is
	}
	contacts := m.host.Ports.Contacts
	p.contact = contacts.Subscription(a, who)&core.SubscribedFrom != 0
	if n.options.Access == accessRoster {
		p.groups = contacts.Groups(a, who)
	}
	if n.options.Access != accessAuthorize && n.options.Publish != publishSubscribers {
		return p // nothing depends on it
	}
	for j, state := range n.subscriptions {
		if j.Bare() == who && p.state != stateSubscribed {
			p.state = state
		}
	}
	return p
}

// eachContact calls f for all who hear of a node because they see the account's presence, if their clients want to (XEP-0060 section 9.1.2, XEP-0163 section 4.1).
// Never of whom the account has blocked (section 4.3.3). Only in a turn of a.
func (m *Module) eachContact(a *core.Account, n *node, f func(contact jid.JID)) {
	m.host.Ports.Contacts.Each(a, func(contact jid.JID, s core.Subscription) {
		if s&core.SubscribedFrom != 0 && !a.Blocks(contact) && implicit(&n.options, m.person(a, n, contact)) {
			f(contact)
		}
	})
}

// audience is how many accounts a notification of the node may be for; the account's own devices are one.
func (m *Module) audience(a *core.Account, n *node) int {
	count := 1 + len(n.subscriptions)
	if n.options.Access == accessWhitelist {
		return count + len(n.affiliations)
	}
	m.host.Ports.Contacts.Each(a, func(_ jid.JID, s core.Subscription) {
		if s&core.SubscribedFrom != 0 {
			count++
		}
	})
	return count
}

// tellOwners sends something to devices of the account that are there, or to one of them.
func (m *Module) tellOwners(w *core.Work, a *core.Account, st *stanza.Stanza, only *core.Session) {
	for _, s := range a.Sessions() {
		if s == only || only == nil && s.Available() {
			s.SendShared(w, st, s.JID)
		}
	}
}
