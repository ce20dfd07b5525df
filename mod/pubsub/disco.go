package pubsub

import (
	"strconv"
	"time"

	"stonechat/core"
	"stonechat/xmpp/disco"
	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// features are what accounts can do of XEP-0060 section 10; access-presence says what the default is.
func features() []string {
	out := []string{ns.PubSub}
	for _, name := range []string{
		"access-presence", "auto-create", "auto-subscribe", "config-node", "config-node-max", "create-and-configure", "create-nodes", "delete-items",
		"delete-nodes", "filtered-notifications", "instant-nodes", "item-ids", "last-published", "manage-subscriptions", "member-affiliation",
		"meta-data", "modify-affiliations", "multi-items", "outcast-affiliation", "persistent-items", "presence-subscribe", "publish",
		"publish-node-full", "publish-only-affiliation", "publish-options", "publisher-affiliation", "pubsub-on-a-jid", "purge-nodes", "retract-items",
		"retrieve-affiliations", "retrieve-default", "retrieve-items", "retrieve-subscriptions", "rsm", "subscribe", "subscription-notifications",
	} {
		out = append(out, ns.PubSub+"#"+name)
	}
	return out
}

// announce shows what accounts are and can do, on themselves (XEP-0163 section 6.1) and on their server, where some clients look (XEP-0223 section 5).
func (m *Module) announce(h *core.Host) {
	pep := core.DiscoIdentity{Category: "pubsub", Type: "pep"}
	h.Disco.HostIdentities = append(h.Disco.HostIdentities, pep)
	h.Disco.AccountIdentities = append(h.Disco.AccountIdentities, pep)
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, features()...)
	// The last one tells some clients that keys on open nodes are open to everybody (XEP-0384 version 0.3).
	h.Disco.AccountFeatures = append(append(h.Disco.AccountFeatures, features()...), ns.OMEMOLegacyWhitelisted)
	h.Disco.AccountNodes = append(h.Disco.AccountNodes, core.DiscoNode{Info: m.nodeInfo, Items: m.nodeItems})
	h.Disco.AccountItems = append(h.Disco.AccountItems, m.listed)
}

// visible tells whether somebody may know of a node: who may read it, or may ask to (XEP-0163 section 6.2).
func visible(o *options, p person) bool {
	_, refused := maySubscribe(o, p)
	return refused == nil || mayRead(o, p) == nil
}

// shown is the node of a discovery request, if there is one that the asker may know of.
func (m *Module) shown(e *core.Event, name string) (*node, bool, error) {
	if _, ok := m.books.Has(m.at(e).holder()); !ok {
		return nil, false, nil
	}
	b, err := m.of(m.at(e))
	if err != nil {
		return nil, true, err
	}
	n := b.nodes[name]
	if n == nil || !visible(&n.options, m.person(m.at(e), n, e.Stanza.From.Bare())) {
		return nil, false, nil
	}
	b.settled(e)
	return n, true, nil
}

// nodeInfo is XEP-0060 sections 5.3 and 5.4.
func (m *Module) nodeInfo(e *core.Event, name string) (string, bool, error) {
	n, ok, err := m.shown(e, name)
	if n == nil {
		return "", ok, err
	}
	f := m.form(m.at(e), form.Result, ns.PubSubMetaData, &n.options)
	var owners, publishers []string
	if e.Account != nil {
		owners = append(owners, e.Account.JID.String())
	}
	for _, j := range n.owners() {
		owners = append(owners, j.String())
	}
	for j, is := range n.affiliations {
		if is == isPublisher {
			publishers = append(publishers, j.String())
		}
	}
	subscribers := 0
	for _, state := range n.subscriptions {
		if state == stateSubscribed {
			subscribers++
		}
	}
	// In which groups of the owner's roster people are is nobody else's business.
	for i := range f.Fields {
		if f.Fields[i].Var == "pubsub#roster_groups_allowed" && e.Stanza.From.Bare() != m.at(e).jid {
			f.Fields[i].Values = nil
		}
	}
	f.Fields = append(
		f.Fields,
		form.Field{Var: "pubsub#creator", Type: form.JIDSingle, Values: []string{n.creator.String()}},
		form.Field{Var: "pubsub#creation_date", Type: form.TextSingle, Values: []string{n.created.UTC().Format(time.RFC3339)}},
		form.Field{Var: "pubsub#owner", Type: form.JIDMulti, Values: owners},
		form.Field{Var: "pubsub#publisher", Type: form.JIDMulti, Values: publishers},
		form.Field{Var: "pubsub#num_subscribers", Type: form.TextSingle, Values: []string{strconv.Itoa(subscribers)}},
	)
	i := disco.Info{
		Node: name, Identities: []disco.Identity{{Category: "pubsub", Type: "leaf", Name: n.options.Title}}, Features: []string{ns.PubSub},
		Forms: []*form.Form{f},
	}
	return string(i.AppendXML(nil)), true, nil
}

// nodeItems is XEP-0060 section 5.5.
func (m *Module) nodeItems(e *core.Event, name string) (string, bool, error) {
	n, ok, err := m.shown(e, name)
	if n == nil {
		return "", ok, err
	}
	inner := []byte(nil)
	if n.options.Persist && mayRead(&n.options, m.person(m.at(e), n, e.Stanza.From.Bare())) == nil {
		if inner, err = m.discoItems(e, n); err != nil {
			return "", true, err
		}
	}
	b := xmltok.AppendAttr([]byte("<query xmlns='"+ns.DiscoItems+"'"), "node", name)
	return string(append(append(append(b, '>'), inner...), "</query>"...)), true, nil
}

// listed are the nodes of an account that the asker may know of (XEP-0060 section 5.2, XEP-0163 section 6.2).
func (m *Module) listed(e *core.Event) []core.DiscoItem {
	if _, ok := m.books.Has(m.at(e).holder()); !ok {
		return nil
	}
	b, err := m.of(m.at(e))
	if err != nil {
		return nil
	}
	b.settled(e)
	var out []core.DiscoItem
	for _, name := range b.names() {
		n := b.nodes[name]
		if visible(&n.options, m.person(m.at(e), n, e.Stanza.From.Bare())) {
			out = append(out, core.DiscoItem{Node: name, Name: n.options.Title})
		}
	}
	return out
}
