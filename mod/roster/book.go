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
	contacts map[jid.JID]entry
	requests map[jid.JID]string // unanswered requests as standalone XML, one for each contact with pendingIn
	version  store.Version
	items    int // contacts with a roster item
	bytes    int // of all roster items as XML
	waiting  int // bytes of all requests

	writing []*op             // on their way to the disk, in the order in which they get there
	busy    map[jid.JID][]*op // a contact with a change on its way, and what has to wait for it; nil when there is none
}

// contact is one contact as it is decided about.
type contact struct {
	name   string
	groups groups
	state  state
}

// entry is a contact as it is kept: small, since an account may have thousands.
type entry struct {
	name string
	rest unique.Handle[rest]
}

// rest is what many contacts share: there are few sets of groups and few states, so each pair is kept once for all.
type rest struct {
	groups groups
	state  state
}

func (c contact) entry() entry { return entry{c.name, unique.Make(rest{c.groups, c.state})} }

func (e entry) contact() contact {
	r := e.rest.Value()
	return contact{e.name, r.groups, r.state}
}

// get returns the contact, with state zero for a stranger.
func (b *book) get(j jid.JID) contact {
	if e, ok := b.contacts[j]; ok {
		return e.contact()
	}
	return contact{}
}

// groups are the names of a contact's groups, joined; empty for none.
type groups string

// groupEnd stands between names; XML knows no such character.
const groupEnd = "\x00"

func groupsOf(names []string) groups { return groups(strings.Join(names, groupEnd)) }

func (g groups) names() []string {
	if g == "" {
		return nil
	}
	return strings.Split(string(g), groupEnd)
}

// keep returns an address for a book: one that does not hold the stanza in memory out of which it was cut.
func keep(j jid.JID) jid.JID {
	if own, err := jid.Parse(strings.Clone(j.String())); err == nil {
		return own
	}
	return j
}

// fill takes over what the store has.
func (b *book) fill(kept store.Roster) {
	*b = book{version: kept.Version, contacts: make(map[jid.JID]entry, len(kept.Contacts))}
	for i := range kept.Contacts {
		b.set(kept.Contacts[i].JID, contactOf(&kept.Contacts[i]))
	}
	for _, p := range kept.Pending {
		c := b.get(p.JID)
		c.state |= pendingIn
		b.set(p.JID, c)
		b.ask(p.JID, string(p.Stanza))
	}
}

// set makes c the contact; nothing at all between it and the account removes it. Addresses given to a book are made by keep.
func (b *book) set(j jid.JID, c contact) {
	old := b.get(j)
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
		b.contacts = make(map[jid.JID]entry)
	}
	b.contacts[j] = c.entry()
}

// ask keeps the request of a contact with pendingIn.
func (b *book) ask(j jid.JID, request string) {
	if b.requests == nil {
		b.requests = make(map[jid.JID]string)
	}
	b.waiting += len(request) - len(b.requests[j])
	b.requests[j] = request
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
	switch k.Bond {
	case store.BondOnly:
		c.state |= bonded
	case store.BondAbove:
		c.state |= bonded | above
	}
	return c
}

// stored translates to the store's terms.
func (c contact) stored(j jid.JID) *store.Contact {
	return &store.Contact{
		JID: j, Name: c.name, Subscription: c.state.subscription(), Groups: c.groups.names(),
		Ask: c.state.has(pendingOut), Approved: c.state.has(approved), Bond: c.state.bond(),
	}
}

func (s state) bond() store.Bond {
	switch {
	case !s.has(bonded):
		return store.BondNone
	case s.has(above):
		return store.BondAbove
	}
	return store.BondOnly
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
	e, ok := b.contacts[contact]
	if !ok {
		return 0
	}
	return e.rest.Value().state.shown()
}

// Lists is core.Contacts: one look-up. Only in a turn of a.
func (r *roster) Lists(a *core.Account, contact jid.JID) bool {
	b, ok := r.books.Has(a)
	if !ok {
		return false
	}
	e, ok := b.contacts[contact]
	return ok && e.rest.Value().state.has(listed)
}

// Groups is core.Contacts. Only in a turn of a.
func (r *roster) Groups(a *core.Account, contact jid.JID) []string {
	b, ok := r.books.Has(a)
	if !ok {
		return nil
	}
	return b.get(contact).groups.names()
}

// Each is core.Contacts: one walk, without a copy. Only in a turn of a.
func (r *roster) Each(a *core.Account, f func(contact jid.JID, s core.Subscription)) {
	b, ok := r.books.Has(a)
	if !ok {
		return
	}
	for j, e := range b.contacts {
		if s := e.rest.Value().state.shown(); s != 0 {
			f(j, s)
		}
	}
}
