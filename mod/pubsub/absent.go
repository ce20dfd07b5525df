package pubsub

import (
	"context"
	"errors"
	"maps"
	"slices"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// This file brings sessions the last items of contacts who are not in memory (XEP-0163 section 4.3.4): nobody of theirs is there, and what they keep is read from
// the store, outside turns, without loading them. It waits until the client has read what its log-in has brought, and goes on at the client's pace.
//
// That nothing is told twice, nor something old behind what is new, rests on two rules. Each contact is a debt to the session, and whoever pays takes the debt
// away: the store's answer, or the contact, that has come meanwhile, or is heard of. And the store's answer counts only if the contact is not in memory when it
// is told: nothing of a contact changes but in its turns, and an account stays in memory for longer than a read may take. From then on the session hears of changes.

// manyAbsent is how many contacts are read at once, and may have a client's queue filled before it has read what came before.
const manyAbsent = 64

// debt is the nodes of a contact whose last items a session has still to be told. The pointer is shared by all contacts of one wish, and tells whether a debt is
// still the one that was read for.
type debt struct {
	of    *wishes
	asked bool // the store is, or was in vain: then it waits for the contact
}

// owe notes what a session wants of contacts who are not in memory, and has it read. Only in a turn of its account.
func (m *Module) owe(w *core.Work, s *core.Session, absent []jid.JID, of wishes) {
	if len(absent) == 0 {
		return
	}
	l := m.listeners.Of(s)
	if l.owed == nil {
		l.owed = make(map[jid.JID]debt, len(absent))
	}
	more := make(map[*wishes]*wishes)
	for _, contact := range absent {
		if contact.IsDomain() || m.host.Router.Host(contact.Domain()) == nil {
			continue // other servers are not reached yet
		}
		before := l.owed[contact].of
		if more[before] == nil {
			all := of
			if before != nil {
				all = l.still(*before, of)
			}
			more[before] = &all
		}
		l.owed[contact] = debt{of: more[before]}
	}
	m.due(w, s, l)
}

// still are the nodes of two wishes that the session has not given up since.
func (l *listener) still(before, now wishes) wishes {
	all := maps.Clone(l.wishes)
	maps.DeleteFunc(all, func(node string, _ struct{}) bool {
		_, was := before[node]
		_, is := now[node]
		return !was && !is
	})
	return all
}

// heard: a contact was in memory and has told of a node itself, so the debt is less, and what the store may be answering is not about it.
func (l *listener) heard(contact jid.JID, node string) {
	d := l.owed[contact]
	if d.of == nil {
		return
	}
	rest := maps.Clone(*d.of)
	delete(rest, node)
	l.owed[contact] = debt{of: &rest}
}

// unasked tells whether there is a debt for which the store was not asked.
func (l *listener) unasked() bool {
	for _, d := range l.owed {
		if !d.asked {
			return true
		}
	}
	return false
}

// due has the store asked when everything that was queued before is written, unless it is asked already, or there is nothing to ask. Only in a turn of the
// session's account.
func (m *Module) due(w *core.Work, s *core.Session, l *listener) {
	if l.reading || !l.unasked() {
		return
	}
	l.reading = true
	who := s.Account.JID
	s.Then(w, func(*core.Work) {
		if err := m.host.Do(who, func(w *core.Work, b *core.Account) { m.readAbsent(w, b, s) }); err != nil {
			m.obs.Log.Warn("last items not read", obs.JID, who.String(), obs.Err, err)
		}
	})
}

// come asks a contact that is in memory for what a session is owed; false: it is not. Only in a turn of the session's account.
func (m *Module) come(w *core.Work, s *core.Session, l *listener, contact jid.JID) bool {
	if !s.Account.Visit(w, contact, m.asking(s, *l.owed[contact].of)) {
		return false
	}
	delete(l.owed, contact)
	return true
}

// readAbsent asks the store for some of what a session is owed. Turn of its account.
func (m *Module) readAbsent(w *core.Work, b *core.Account, s *core.Session) {
	l, ok := m.listeners.Has(s)
	if !ok {
		return
	}
	l.reading = false
	batch := make(map[jid.JID]*wishes)
	for contact, d := range l.owed {
		if len(batch) == manyAbsent {
			break
		}
		if d.asked || m.come(w, s, l, contact) {
			continue
		}
		l.owed[contact] = debt{d.of, true}
		batch[contact] = d.of
	}
	if len(batch) == 0 {
		return
	}
	l.reading = true
	device := s.JID
	var all []lastItem
	b.Aside(func(ctx context.Context) (err error) {
		all, err = m.lastOf(ctx, device, batch)
		return err
	}, func(w *core.Work, b *core.Account, err error) { m.tellAbsent(w, b, s, batch, all, err) })
}

// tellAbsent gives a session what the store has of contacts, unless they have told, or are there to tell, themselves. Turn of its account.
func (m *Module) tellAbsent(w *core.Work, b *core.Account, s *core.Session, batch map[jid.JID]*wishes, all []lastItem, err error) {
	l, ok := m.listeners.Has(s)
	if !ok {
		return
	}
	l.reading = false
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			m.obs.Log.Warn("last items not read", obs.JID, b.JID.String(), obs.Err, err)
		}
		return
	}
	for contact, of := range batch {
		if l.owed[contact].of != of || m.come(w, s, l, contact) {
			delete(batch, contact)
			continue
		}
		delete(l.owed, contact)
	}
	m.give(w, s, slices.DeleteFunc(all, func(x lastItem) bool {
		_, paid := batch[x.st.From]
		return !paid || m.host.Ports.Contacts.Subscription(b, x.st.From)&core.SubscribedTo == 0
	}))
	m.due(w, s, l)
}

// arrived: an account with nodes is there, and may not have been in memory when contacts came online; those ask now, unless they were told by the store. Once is
// enough: who comes later finds it. Only in a turn of a.
func (m *Module) arrived(w *core.Work, a *core.Account) {
	k, ok := m.books.Has(a)
	if !ok || k.arrived || len(k.nodes) == 0 && !k.stale {
		return
	}
	k.arrived = true
	me := a.JID
	again := func(w *core.Work, b *core.Account) {
		for _, s := range b.Sessions() {
			if l, ok := m.listeners.Has(s); ok && l.owed[me].of != nil {
				m.come(w, s, l, me)
			}
		}
	}
	m.host.Ports.Contacts.Each(a, func(contact jid.JID, sub core.Subscription) {
		if sub&core.SubscribedFrom != 0 && !a.Blocks(contact) {
			a.Visit(w, contact, again)
		}
	})
}

// lastOf reads the last items of contacts that a device of somebody may see. Outside turns.
func (m *Module) lastOf(ctx context.Context, device jid.JID, of map[jid.JID]*wishes) ([]lastItem, error) {
	items, err := m.nodes.Shown(ctx, store.ShownQuery{
		Asker: device, Accounts: slices.Collect(maps.Keys(of)),
		Choose: func(account jid.JID, all []store.ShownNode) []store.ShownNode {
			return m.choose(account, all, *of[account])
		},
	})
	var out []lastItem
	for i := range items {
		x := &items[i]
		n := node{name: x.Node, options: m.understood(x.Account, defaults(x.Node), x.Config)}
		if x.Key < m.expired(&n.options) {
			continue
		}
		if st := m.last(home{jid: x.Account}, &n, &x.NodeItem); st != nil {
			out = append(out, lastItem{n.name, st})
		}
	}
	return out, err
}

// choose is newest for an account that is not in memory. Outside turns.
func (m *Module) choose(account jid.JID, all []store.ShownNode, of wishes) []store.ShownNode {
	var names []string
	named := make(map[string]store.ShownNode)
	for _, n := range all {
		if _, wanted := of[n.Name]; !wanted {
			continue
		}
		o := m.understood(account, defaults(n.Name), n.Config)
		p := person{affiliation: isNone, contact: true, groups: n.Groups}
		if n.Affiliation != "" {
			p.affiliation = affiliation(n.Affiliation)
		}
		if slices.Contains(n.Subscriptions, stateSubscribed) {
			p.state = stateSubscribed
		}
		if o.onPresence() && implicit(&o, p) {
			names = append(names, n.Name)
			named[n.Name] = n
		}
	}
	var out []store.ShownNode
	for _, name := range m.affordable(names, func(name string) int { return named[name].Bytes }) {
		out = append(out, named[name])
	}
	return out
}
