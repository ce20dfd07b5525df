package roster

import (
	"strings"
	"unique"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// book is the roster of one account in memory. It is what is on disk: changes enter it when they are durable.
type book struct {
	contacts map[jid.JID]contact
	requests map[jid.JID]string // unanswered requests as standalone XML, one for each contact with pendingIn
	version  store.Version
	items    int // contacts with a roster item
	bytes    int // of all roster items as XML
	waiting  int // bytes of all requests

	writing []*op             // on their way to the disk, in the order in which they get there
	busy    map[jid.JID][]*op // a contact with a change on its way, and what has to wait for it; nil when there is none
}

// contact is kept small, since an account may have thousands.
type contact struct {
	name   string
	groups groups
	state  state
}

// groups are the names of a contact's groups. Most contacts share a few sets of groups, so each set is kept once.
type groups struct{ joined unique.Handle[string] }

// groupEnd stands between names; XML knows no such character.
const groupEnd = "\x00"

func groupsOf(names []string) groups {
	if len(names) == 0 {
		return groups{}
	}
	return groups{unique.Make(strings.Join(names, groupEnd))}
}

func (g groups) names() []string {
	if g == (groups{}) {
		return nil
	}
	return strings.Split(g.joined.Value(), groupEnd)
}

// keep returns an address that does not hold the stanza in memory out of which it was cut.
func keep(j jid.JID) jid.JID {
	if own, err := jid.Parse(strings.Clone(j.String())); err == nil {
		return own
	}
	return j
}

// fill takes over what the store has.
func (b *book) fill(kept store.Roster) {
	*b = book{version: kept.Version, contacts: make(map[jid.JID]contact, len(kept.Contacts))}
	for i := range kept.Contacts {
		b.set(kept.Contacts[i].JID, contactOf(&kept.Contacts[i]))
	}
	for _, p := range kept.Pending {
		c := b.contacts[p.JID]
		c.state |= pendingIn
		b.set(p.JID, c)
		b.ask(p.JID, string(p.Stanza))
	}
}

// set makes c the contact; nothing at all between it and the account removes it.
func (b *book) set(j jid.JID, c contact) {
	old, known := b.contacts[j]
	if old.state.has(listed) {
		b.items--
		b.bytes -= itemSize(j, old)
	}
	if c.state.has(listed) {
		b.items++
		b.bytes += itemSize(j, c)
	}
	if !c.state.has(pendingIn) {
		b.waiting -= len(b.requests[j])
		delete(b.requests, j)
	}
	if c.state == 0 {
		delete(b.contacts, j)
		return
	}
	if b.contacts == nil {
		b.contacts = make(map[jid.JID]contact)
	}
	if !known {
		j = keep(j)
	}
	b.contacts[j] = c
}

// ask keeps the request of a contact with pendingIn.
func (b *book) ask(j jid.JID, request string) {
	if b.requests == nil {
		b.requests = make(map[jid.JID]string)
	}
	b.waiting += len(request) - len(b.requests[j])
	b.requests[keep(j)] = request
}

// contactOf translates from the store's terms.
func contactOf(k *store.Contact) contact {
	c := contact{name: k.Name, groups: groupsOf(k.Groups), state: listed}
	switch k.Subscription {
	case store.SubscriptionTo:
		c.state |= subTo
	case store.SubscriptionFrom:
		c.state |= subFrom
	case store.SubscriptionBoth:
		c.state |= subTo | subFrom
	}
	if k.Ask && !c.state.has(subTo) {
		c.state |= pendingOut
	}
	if k.Approved {
		c.state |= approved
	}
	return c
}

// stored translates to the store's terms.
func (c contact) stored(j jid.JID) *store.Contact {
	return &store.Contact{
		JID: j, Name: c.name, Subscription: c.state.subscription(), Groups: c.groups.names(),
		Ask: c.state.has(pendingOut), Approved: c.state.has(approved),
	}
}

// subscription is the attribute of that name (RFC 6121 section 2.1.2.5).
func (s state) subscription() store.Subscription {
	switch s & (subTo | subFrom) {
	case subTo:
		return store.SubscriptionTo
	case subFrom:
		return store.SubscriptionFrom
	case subTo | subFrom:
		return store.SubscriptionBoth
	}
	return store.SubscriptionNone
}

// shown is what core needs to know of a state.
func (s state) shown() core.Subscription {
	var out core.Subscription
	if s.has(subTo) {
		out |= core.SubscribedTo
	}
	if s.has(subFrom) {
		out |= core.SubscribedFrom
	}
	return out
}

// Subscription is core.Contacts: one look-up. Only in a turn of a.
func (r *roster) Subscription(a *core.Account, contact jid.JID) core.Subscription {
	b, ok := r.books.Has(a)
	if !ok {
		return 0
	}
	return b.contacts[contact].state.shown()
}

// Each is core.Contacts: one walk, without a copy. Only in a turn of a.
func (r *roster) Each(a *core.Account, f func(contact jid.JID, s core.Subscription)) {
	b, ok := r.books.Has(a)
	if !ok {
		return
	}
	for j, c := range b.contacts {
		if s := c.state.shown(); s != 0 {
			f(j, s)
		}
	}
}
