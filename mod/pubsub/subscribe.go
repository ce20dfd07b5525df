package pubsub

import (
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// subscriber is the address that a request is about: one of the sender's own (XEP-0060 section 6.1.3.1).
func (x *act) subscriber() (jid.JID, *stanza.Error) {
	j, err := jid.Parse(strings.Clone(x.verb.Attr("jid")))
	if err != nil || len(j.String()) > store.MaxNodePeer {
		return j, fault(stanza.BadRequest, "invalid-jid")
	}
	return j, nil
}

// subscribe is XEP-0060 section 6.1.
func (m *Module) subscribe(x *act) (string, *stanza.Error) {
	if fail := x.existing(); fail != nil {
		return "", fail
	}
	j, fail := x.subscriber()
	if fail != nil {
		return "", fail
	}
	if j.Bare() != x.from.Bare() {
		return "", fault(stanza.BadRequest, "invalid-jid")
	}
	n := x.is
	now, there := n.subscriptions[j]
	state, fail := maySubscribe(&n.options, x.who)
	if fail != nil {
		return "", fail
	}
	if there && now == state {
		// XEP-0060 section 6.1.6: where there is one for each address, it is told again.
		if fail := m.afford(x.from, x.at.halls(n)); fail != nil {
			return "", fail
		}
		m.follow(x, n, map[jid.JID]core.SpaceRole{j.Bare(): core.NotInSpace}, store.Settled(nil)) // for rooms that have missed it
		return m.granted(x, j, state), nil
	}
	if !there && len(n.subscriptions) >= m.config.Peers {
		m.host.Metrics().Refused("pubsub_peers")
		return "", fault(stanza.PolicyViolation, "too-many-subscriptions") // XEP-0060 section 6.1.3.9
	}
	if !there && n.devicesOf(j.Bare()) >= maxDevices {
		m.host.Metrics().Refused("pubsub_peers")
		return "", fault(stanza.PolicyViolation, "too-many-subscriptions")
	}
	cost := m.greeting(n) + x.at.halls(n)
	if state == statePending || n.options.OnSub {
		cost += x.at.asking(n)
	}
	if fail := m.afford(x.from, cost); fail != nil {
		return "", fail
	}
	was := m.roles(x.at, n, j)
	n.subscriptions[j] = state
	t := m.nodes.ChangeNode(x.at.id(), store.NodeChange{Node: n.name, Subscriptions: []store.NodeSubscription{{JID: j, State: state}}})
	m.changed(x.at, x.book, t)
	x.Wait(t)
	m.follow(x, n, was, t)
	x.After(func(e *core.Event) {
		if state == statePending {
			e.Wait(m.askApproval(e.Work, m.at(e), n, j, nil))
			return
		}
		m.tellOwner(e.Work, m.at(e), n, j, state)
		e.Wait(m.welcome(e, n.name, j))
	})
	return m.granted(x, j, state), nil
}

// maxDevices is how many addresses of one account may subscribe to a node, so that nobody takes the places of all others.
const maxDevices = 20

// devicesOf is how many addresses of an account have subscribed.
func (n *node) devicesOf(bare jid.JID) (count int) {
	for j := range n.subscriptions {
		if j.Bare() == bare {
			count++
		}
	}
	return count
}

// granted is the answer to who has subscribed (XEP-0060 section 6.1.2).
func (m *Module) granted(x *act, j jid.JID, state string) string {
	return subscriptionXML(x.node, j, state)
}

// welcome sends the last item to a new subscriber (XEP-0060 section 6.1.7), if that is still one. The ticket is that of tell.
func (m *Module) welcome(e *core.Event, name string, j jid.JID) store.Ticket {
	b, n := m.still(e, name)
	if n == nil || n.subscriptions[j] != stateSubscribed || n.options.Send == sendNever || !n.options.Persist || !n.options.Deliver {
		return store.Ticket{}
	}
	var mail []*stanza.Stanza
	a := m.at(e)
	for _, x := range m.ready(a, b, []string{name}) {
		mail = append(mail, m.tellSubscriber(e.Work, a, n, j, x.st, nil)...)
	}
	return m.host.Router.Deliver(e.Work, mail...)
}

// tellOwner says that a subscription came or went, where the node is so configured (XEP-0060 section 12.18).
func (m *Module) tellOwner(w *core.Work, a home, n *node, j jid.JID, state string) {
	if !n.options.OnSub {
		return
	}
	if st := m.event(a, stanza.Headline, subscriptionXML(n.name, j, state), ""); st != nil {
		m.tellOwners(w, a, n, st, nil)
	}
}

// unsubscribe is XEP-0060 section 6.2. There is one subscription for each address, so a subid is passed over (section 6.2.3.5).
func (m *Module) unsubscribe(x *act) (string, *stanza.Error) {
	if fail := x.existing(); fail != nil {
		return "", fail
	}
	j, fail := x.subscriber()
	if fail != nil {
		return "", fail
	}
	if j.Bare() != x.from.Bare() && x.who.affiliation != isOwner {
		return "", forbidden() // XEP-0060 section 6.2.3.3
	}
	n := x.is
	if _, there := n.subscriptions[j]; !there {
		return "", fault(stanza.UnexpectedRequest, "not-subscribed") // XEP-0060 section 6.2.3.2
	}
	cost := x.at.halls(n)
	if n.options.OnSub {
		cost += x.at.asking(n)
	}
	if fail := m.afford(x.from, cost); fail != nil {
		return "", fail
	}
	was := m.roles(x.at, n, j)
	delete(n.subscriptions, j)
	t := m.nodes.ChangeNode(x.at.id(), store.NodeChange{Node: n.name, Subscriptions: []store.NodeSubscription{{JID: j}}})
	m.changed(x.at, x.book, t)
	x.Wait(t)
	m.follow(x, n, was, t)
	x.After(func(e *core.Event) { m.tellOwner(e.Work, m.at(e), n, j, stateNone) })
	return subscriptionXML(n.name, j, stateNone), nil
}

// subscriptionsOf is XEP-0060 section 5.6: those of the sender, to all nodes or to one.
func (m *Module) subscriptionsOf(x *act) (string, *stanza.Error) {
	if x.node != "" && x.is == nil {
		return "", noNode()
	}
	var b []byte
	for _, name := range x.book.names() {
		if x.node != "" && name != x.node {
			continue
		}
		n := x.book.nodes[name]
		for _, j := range n.subscribers(func(j jid.JID, _ string) bool { return j.Bare() == x.from.Bare() }) {
			b = append(b, subscriptionXML(name, j, n.subscriptions[j])...)
		}
	}
	return list("subscriptions", x.node, string(b)), nil
}

// affiliationsOf is XEP-0060 section 5.7.
func (m *Module) affiliationsOf(x *act) (string, *stanza.Error) {
	if x.node != "" && x.is == nil {
		return "", noNode()
	}
	var b []byte
	for _, name := range x.book.names() {
		if x.node != "" && name != x.node {
			continue
		}
		if is := m.person(x.at, x.book.nodes[name], x.from.Bare()).affiliation; is != isNone {
			b = xmltok.AppendAttr(append(b, "<affiliation"...), "node", name)
			b = append(xmltok.AppendAttr(b, "affiliation", string(is)), "/>"...)
		}
	}
	return list("affiliations", x.node, string(b)), nil
}

// list is element for a node that may be left out.
func list(local, node, inner string) string {
	if node != "" {
		return element(local, node, inner)
	}
	if inner == "" {
		return "<" + local + "/>"
	}
	return "<" + local + ">" + inner + "</" + local + ">"
}

// names are the names of all nodes, in order.
func (b *book) names() []string {
	out := make([]string, 0, len(b.nodes))
	for name := range b.nodes {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// subscribers are the addresses of those subscriptions that are wanted, in order.
func (n *node) subscribers(wanted func(j jid.JID, state string) bool) []jid.JID {
	var out []jid.JID
	for j, state := range n.subscriptions {
		if wanted(j, state) {
			out = append(out, j)
		}
	}
	return ordered(out)
}

func ordered(all []jid.JID) []jid.JID {
	slices.SortFunc(all, func(x, y jid.JID) int { return strings.Compare(x.String(), y.String()) })
	return all
}
