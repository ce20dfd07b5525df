package pubsub

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// lastBytes bounds the last items of one account that somebody is sent on presence.
const lastBytes = 1 << 20

// onPresence tells whether the last item is sent to who comes online (XEP-0163 section 4.3.4).
func (o *options) onPresence() bool { return o.Send == sendOnPresence && o.Deliver && o.Persist }

// lastItem is the newest item of a node, ready to be sent.
type lastItem struct {
	node string
	st   *stanza.Stanza
}

// fetch brings a session the last items of nodes, of its own account and of all contacts whose presence it sees: those in memory are asked, for the others see
// absent.go. Only in a turn of its account.
func (m *Module) fetch(w *core.Work, s *core.Session, of wishes) {
	if len(of) == 0 {
		return
	}
	b := s.Account
	m.give(w, s, m.newest(ofAccount(b), b.JID, of))
	// One function for all contacts: it is called in the turn of each.
	ask := m.asking(s, of)
	var absent []jid.JID
	m.host.Ports.Contacts.Each(b, func(contact jid.JID, sub core.Subscription) {
		if sub&core.SubscribedTo != 0 && !b.Blocks(contact) && !b.Visit(w, contact, ask) {
			absent = append(absent, contact)
		}
	})
	m.owe(w, s, absent, of)
}

// give sends a session last items, as far as it is still there and wants them. Only in a turn of its account.
func (m *Module) give(w *core.Work, s *core.Session, all []lastItem) {
	b := s.Account
	if !slices.Contains(b.Sessions(), s) || !s.Available() {
		return
	}
	for _, x := range all {
		if !b.Blocks(x.st.From) && m.wants(s, x.node) {
			s.SendShared(w, x.st, s.JID)
			m.toldEvent(w, s, x.node, x.st)
		}
	}
}

// asking brings a session the last items of nodes of the account in whose turn it is called.
func (m *Module) asking(s *core.Session, of wishes) func(*core.Work, *core.Account) {
	me, device := s.Account.JID, s.JID
	return func(w *core.Work, a *core.Account) {
		if a.Blocks(device) {
			return
		}
		if all := m.newest(ofAccount(a), me, of); len(all) > 0 {
			a.Visit(w, me, func(w *core.Work, _ *core.Account) { m.give(w, s, all) })
		}
	}
}

// probed: a contact was just allowed to see the account, and so to hear of its nodes (XEP-0163 section 4.3.4: new subscribers). Turn of the account.
func (m *Module) probed(e *core.Event) {
	from, all := e.Account.JID, m.newest(ofAccount(e.Account), e.Asker, nil)
	if len(all) == 0 {
		return
	}
	e.Account.Visit(e.Work, e.Asker, func(w *core.Work, b *core.Account) {
		for _, x := range all {
			m.receive(w, b, from, x.node, x.st, heard{})
		}
	})
}

// newest are the last items of a's nodes, of those that are named or of all, that a contact, or a itself, is sent on presence. Those that are not kept
// ready are read at once; an account without nodes reads nothing. Only in a turn of a.
func (m *Module) newest(a home, who jid.JID, of wishes) []lastItem {
	b, ok := m.books.Has(a.holder())
	if !ok || !a.exists() || len(b.nodes) == 0 && !b.stale || a.blocks(who) {
		return nil
	}
	b, err := m.of(a)
	if err != nil {
		m.obs.Log.Warn("last items not read", obs.JID, a.jid.String(), obs.Err, err)
		return nil
	}
	var names []string
	for name, n := range b.nodes {
		if _, wanted := of[name]; (wanted || of == nil) && n.options.onPresence() && (!n.known || n.newest != nil) &&
			implicit(&n.options, m.person(a, n, who)) {
			names = append(names, name)
		}
	}
	return m.ready(a, b, m.affordable(names, func(name string) int { return min(b.nodes[name].bytes, m.config.ItemBytes+maxName) }))
}

// affordable are those of the nodes whose last items, which have most bytes each, are not more than lastBytes together, small ones first: who comes online gets
// them all at once and unasked, and must not be drowned by what a contact keeps.
func (m *Module) affordable(names []string, most func(name string) int) []string {
	slices.SortFunc(names, func(x, y string) int { return cmp.Or(cmp.Compare(most(x), most(y)), strings.Compare(x, y)) })
	total := 0
	for i, name := range names {
		if total += most(name); total > lastBytes {
			m.host.Metrics().Refused("pubsub_last")
			names = names[:i]
			break
		}
	}
	slices.Sort(names)
	return names
}

// ready are the last items of nodes.
func (m *Module) ready(a home, b *book, names []string) []lastItem {
	var out []lastItem
	var read []string
	for _, name := range names {
		switch n := b.nodes[name]; {
		case !n.known || n.options.Expire > 0:
			read = append(read, name)
		case n.newest != nil:
			out = append(out, lastItem{name, n.newest})
		}
	}
	if len(read) == 0 {
		return out
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	items, err := m.nodes.Newest(ctx, a.id(), read)
	if err != nil {
		m.obs.Log.Warn("last items not read", obs.JID, a.jid.String(), obs.Err, err)
		return out
	}
	for _, name := range read {
		b.keepReady(b.nodes[name], nil)
	}
	for i := range items {
		x := &items[i]
		n := b.nodes[x.Node]
		if x.Key < m.expired(&n.options) {
			continue
		}
		if st := m.last(a, n, x); st != nil {
			out = append(out, lastItem{n.name, st})
			b.keepReady(n, st)
		}
	}
	slices.SortFunc(out, func(x, y lastItem) int { return strings.Compare(x.node, y.node) })
	return out
}
