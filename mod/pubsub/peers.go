package pubsub

import (
	"maps"
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// peer is one entry of a list of affiliations or subscriptions that an owner changes; is is empty when it is not to change.
type peer struct {
	jid jid.JID
	is  string
}

// peers reads the entries of a list. An address stands in it once (XEP-0060 section 8.9.2.4).
func (x *act) peers(local, attribute string) ([]peer, *stanza.Error) {
	var out []peer
	for _, c := range x.verb.All(ns.PubSubOwner, local) {
		j, err := jid.Parse(strings.Clone(c.Attr("jid")))
		if err != nil || len(j.String()) > store.MaxNodePeer {
			return nil, fault(stanza.BadRequest, "invalid-jid")
		}
		if slices.ContainsFunc(out, func(p peer) bool { return p.jid == j }) || len(out) == maxIDs {
			return nil, stanza.NewError(stanza.BadRequest, "an address stands in the list once")
		}
		out = append(out, peer{j, strings.Clone(c.Attr(attribute))})
	}
	if len(out) == 0 {
		return nil, stanza.NewError(stanza.BadRequest, "nobody is named")
	}
	return out, nil
}

// listAffiliations is XEP-0060 section 8.9.1.
func (m *Module) listAffiliations(x *act) (string, *stanza.Error) {
	if fail := x.owned(); fail != nil {
		return "", fail
	}
	var b []byte
	if x.at.account != nil {
		b = affiliationXML(b, x.at.jid, isOwner)
	}
	all := make([]jid.JID, 0, len(x.is.affiliations))
	for j := range x.is.affiliations {
		all = append(all, j)
	}
	for _, j := range ordered(all) {
		b = affiliationXML(b, j, x.is.affiliations[j])
	}
	return element("affiliations", x.node, string(b)), nil
}

func affiliationXML(b []byte, j jid.JID, is affiliation) []byte {
	b = xmltok.AppendAttr(append(b, "<affiliation"...), "jid", j.String())
	return append(xmltok.AppendAttr(b, "affiliation", string(is)), "/>"...)
}

// unchanged refuses a list of which some entries are invalid, with how they are (XEP-0060 sections 8.8.2.4 and 8.9.2.4). Since nothing is done then, all that
// would have changed stand there.
func unchanged(entries string) *stanza.Error {
	e := stanza.NewError(stanza.NotAcceptable, "")
	e.App = "<pubsub xmlns='" + ns.PubSubOwner + "'>" + entries + "</pubsub>"
	return e
}

// affiliate is XEP-0060 section 8.9.2. What the account itself is to its nodes does not change; a node of the service keeps an owner.
func (m *Module) affiliate(x *act) *stanza.Error {
	if fail := x.owned(); fail != nil {
		return fail
	}
	all, fail := x.peers("affiliation", "affiliation")
	if fail != nil {
		return fail
	}
	n, next := x.is, make(map[jid.JID]affiliation, len(x.is.affiliations))
	for j, is := range n.affiliations {
		next[j] = is
	}
	c := store.NodeChange{Node: n.name}
	bad, now := false, []byte(nil)
	for _, p := range all {
		is := affiliation(p.is)
		was := m.subscribed(x.at, n, p.jid, "").affiliation
		now = affiliationXML(now, p.jid, was)
		switch {
		case p.is == "":
		case !is.known() || !p.jid.IsBare() || p.jid == x.at.jid && is != isOwner:
			bad = true // XEP-0060 section 4.1: affiliations are of bare addresses
		case p.jid == x.at.jid:
		case is == isNone:
			delete(next, p.jid)
			c.Affiliations = append(c.Affiliations, store.NodeAffiliation{JID: p.jid})
		default:
			next[p.jid] = is
			c.Affiliations = append(c.Affiliations, store.NodeAffiliation{JID: p.jid, Is: string(is)})
		}
	}
	if x.at.account == nil && !slices.Contains(slices.Collect(maps.Values(next)), isOwner) {
		bad = true
	}
	switch {
	case bad:
		return unchanged(element("affiliations", n.name, string(now)))
	case len(next) > m.config.Peers || x.book.people()-len(n.affiliations)+len(next) > manyNodes*m.config.Peers:
		m.host.Metrics().Refused("pubsub_peers")
		return stanza.NewError(stanza.ResourceConstraint, "the node has no room for more people")
	case len(c.Affiliations) == 0:
		return nil
	}
	if fail := m.roomFor(x.at, n, addresses(next)-addresses(n.affiliations)); fail != nil {
		return fail
	}
	if fail := m.afford(x.from, m.settling(x.at, n, len(c.Affiliations))); fail != nil { // subscriptions of theirs may begin or end
		return fail
	}
	var whose []jid.JID
	for _, p := range c.Affiliations {
		whose = append(whose, p.JID)
	}
	roles := m.roles(x.at, n, whose...)
	n.affiliations = next
	t := m.nodes.ChangeNode(x.at.id(), c)
	m.changed(x.at, x.book, t)
	x.Wait(t)
	x.After(func(e *core.Event) {
		if _, n := m.still(e, n.name); n != nil {
			m.prune(e.Work, m.at(e), n)
		}
	})
	m.settle(x, n, m.decided(x.at, n))
	m.follow(x, n, roles, t)
	return nil
}

// decided are the subscriptions that wait for an owner's word where an affiliation has said it (XEP-0060 section 8.7).
func (m *Module) decided(a home, n *node) (out []store.NodeSubscription) {
	for _, j := range n.subscribers(func(_ jid.JID, state string) bool { return state == statePending }) {
		p := m.subscribed(a, n, j.Bare(), statePending)
		switch {
		case mayRead(&n.options, p) == nil:
			out = append(out, store.NodeSubscription{JID: j, State: stateSubscribed})
		case p.affiliation == isOutcast:
			out = append(out, store.NodeSubscription{JID: j})
		}
	}
	return out
}

// manyNodes is as how many full nodes all of an account may be in the number of people with a right of their own.
const manyNodes = 10

// people is how many have a right of their own, on all nodes.
func (b *book) people() (count int) {
	for _, n := range b.nodes {
		count += len(n.affiliations)
	}
	return count
}

// addresses is how many bytes the addresses of people have.
func addresses(of map[jid.JID]affiliation) (size int) {
	for j := range of {
		size += len(j.String())
	}
	return size
}

// listSubscriptions is XEP-0060 section 8.8.1: those that count.
func (m *Module) listSubscriptions(x *act) (string, *stanza.Error) {
	if fail := x.owned(); fail != nil {
		return "", fail
	}
	var b []byte
	for _, j := range x.is.subscribers(func(_ jid.JID, state string) bool { return state == stateSubscribed }) {
		b = append(b, subscriptionXML("", j, stateSubscribed)...)
	}
	return element("subscriptions", x.node, string(b)), nil
}

// manage is XEP-0060 section 8.8.2.
func (m *Module) manage(x *act) *stanza.Error {
	if fail := x.owned(); fail != nil {
		return fail
	}
	all, fail := x.peers("subscription", "subscription")
	if fail != nil {
		return fail
	}
	n, bad, now := x.is, false, []byte(nil)
	var states []store.NodeSubscription
	added := 0
	for _, p := range all {
		was, there := n.subscriptions[p.jid]
		if !there {
			was = stateNone
		}
		now = append(now, subscriptionXML("", p.jid, was)...)
		switch {
		case p.is == "" || p.is == was:
		case p.is == stateNone:
			states = append(states, store.NodeSubscription{JID: p.jid})
		case p.is == stateSubscribed && (there || m.subscribed(x.at, n, p.jid.Bare(), "").contact) && m.subscribable(x, p.jid):
			// Only contacts and who has asked: nobody is sent things because a stranger wants it.
			states = append(states, store.NodeSubscription{JID: p.jid, State: stateSubscribed})
			if !there {
				added++
			}
		default:
			bad = true
		}
	}
	switch {
	case bad:
		return unchanged(element("subscriptions", n.name, string(now)))
	case len(n.subscriptions)+added > m.config.Peers:
		m.host.Metrics().Refused("pubsub_peers")
		return stanza.NewError(stanza.ResourceConstraint, "the node has no room for more subscribers")
	}
	if fail := m.afford(x.from, m.settling(x.at, n, len(states))); fail != nil {
		return fail
	}
	m.settle(x, n, states)
	return nil
}

// settling is what it costs at most to settle so many subscriptions.
func (m *Module) settling(a home, n *node, states int) int {
	if states == 0 {
		return 0
	}
	return states*(1+m.greeting(n)) + a.halls(n)
}

// subscribable tells whether somebody may hear of the node once the owner wants it.
func (m *Module) subscribable(x *act, j jid.JID) bool {
	p := m.subscribed(x.at, x.is, j.Bare(), "")
	return mayRead(&x.is.options, p) == nil || x.is.options.Access == accessAuthorize && p.affiliation != isOutcast && p.affiliation != isPublishOnly
}

// settle changes subscriptions, and tells the subscribers when that is durable.
func (m *Module) settle(x *act, n *node, states []store.NodeSubscription) {
	if len(states) == 0 {
		return
	}
	var whose []jid.JID
	for _, s := range states {
		whose = append(whose, s.JID)
	}
	was := m.roles(x.at, n, whose...)
	for _, s := range states {
		if s.State == "" {
			delete(n.subscriptions, s.JID)
		} else {
			n.subscriptions[s.JID] = s.State
		}
	}
	t := m.nodes.ChangeNode(x.at.id(), store.NodeChange{Node: n.name, Subscriptions: states})
	m.changed(x.at, x.book, t)
	x.Wait(t)
	m.follow(x, n, was, t)
	x.After(func(e *core.Event) {
		for _, s := range states {
			if s.State == "" {
				m.tellState(e.Work, m.at(e), n, s.JID, stateNone)
				continue
			}
			m.tellState(e.Work, m.at(e), n, s.JID, s.State)
			e.Wait(m.welcome(e, n.name, s.JID))
		}
	})
}
