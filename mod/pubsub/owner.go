package pubsub

import (
	"context"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// ownerGet answers what owners ask (XEP-0060 sections 8.2, 8.3, 8.8.1 and 8.9.1).
func (m *Module) ownerGet(_ context.Context, e *core.Event) (answer, error) {
	r, fail := read(e.Stanza, ns.PubSubOwner)
	if fail != nil {
		return answer{}, fail
	}
	x, err := m.begin(e, r)
	if err != nil {
		return answer{}, err
	}
	out := ""
	switch r.verb.Local {
	case "configure":
		if fail = x.owned(); fail == nil {
			out = element("configure", x.node, string(m.form(x.at, form.Prompt, ns.PubSubNodeConfig, &x.is.options).AppendXML(nil)))
		}
	case "default":
		if !m.makes(x.at, x.from) {
			fail = forbidden() // only the account itself makes nodes here
			break
		}
		o := x.at.defaults("")
		out = "<default>" + string(m.form(x.at, form.Prompt, ns.PubSubNodeConfig, &o).AppendXML(nil)) + "</default>"
	case "affiliations":
		out, fail = m.listAffiliations(x)
	case "subscriptions":
		out, fail = m.listSubscriptions(x)
	default:
		fail = stanza.NewError(stanza.BadRequest, "")
	}
	return result(ns.PubSubOwner, out, fail)
}

// ownerSet answers what owners change (XEP-0060 sections 8.2.3, 8.4, 8.5, 8.8.2 and 8.9.2).
func (m *Module) ownerSet(_ context.Context, e *core.Event) (answer, error) {
	r, fail := read(e.Stanza, ns.PubSubOwner)
	if fail != nil {
		return answer{}, fail
	}
	x, err := m.begin(e, r)
	if err != nil {
		return answer{}, err
	}
	switch r.verb.Local {
	case "configure":
		fail = m.configure(x)
	case "delete":
		fail = m.delete(x)
	case "purge":
		fail = m.purge(x)
	case "affiliations":
		fail = m.affiliate(x)
	case "subscriptions":
		fail = m.manage(x)
	default:
		fail = stanza.NewError(stanza.BadRequest, "")
	}
	return result(ns.PubSubOwner, "", fail)
}

// create is XEP-0060 section 8.1.
func (m *Module) create(x *act) (string, *stanza.Error) {
	if !m.makes(x.at, x.from) {
		return "", forbidden()
	}
	if x.is != nil {
		return "", stanza.NewError(stanza.Conflict, "")
	}
	name := x.node
	if name == "" {
		name = newID() // XEP-0060 section 8.1.1: an instant node
	}
	o := x.at.defaults(name)
	if x.with != nil && x.with.Local == "configure" {
		if _, named := x.with.Lookup("", "node"); named {
			return "", stanza.NewError(stanza.BadRequest, "the node is named once") // XEP-0060 section 8.1.3
		}
		if len(x.with.Children) > 0 {
			f, fail := x.form(x.with)
			if fail == nil && f != nil {
				o, fail = m.configured(x.at, o, f)
			}
			if fail != nil {
				return "", fail
			}
		}
	}
	if fail := m.establish(x, name, o); fail != nil {
		return "", fail
	}
	return element("create", name, ""), nil
}

// establish makes a node.
func (m *Module) establish(x *act, name string, o options) *stanza.Error {
	if x.at.room != nil {
		return m.makePart(x, name, o)
	}
	if len(x.book.nodes) >= m.config.Nodes {
		m.host.Metrics().Refused("pubsub_nodes")
		return stanza.NewError(stanza.ResourceConstraint, "the account has no room for another node")
	}
	x.book.nodes[name] = newNode(name, m.host.Now(), x.at.jid, o)
	t := m.nodes.ChangeNode(x.at.id(), store.NodeChange{Node: name, Make: &store.NewNode{Creator: x.at.jid, Config: o.kept()}})
	m.changed(x.at, x.book, t)
	x.Wait(t)
	return nil
}

// configure is XEP-0060 sections 8.2.4 and 8.2.5.
func (m *Module) configure(x *act) *stanza.Error {
	if fail := x.owned(); fail != nil {
		return fail
	}
	f, fail := x.form(x.verb)
	if fail != nil || f == nil {
		return fail // XEP-0060 section 8.2.4: cancelled, nothing changes
	}
	n := x.is
	o, fail := m.configured(x.at, n.options, f)
	if fail != nil {
		return fail
	}
	before := n.options
	if fail := m.pay(x.from, x.at, n, 0, (o.OnConfig || !before.sameReaders(&o)) && o.Deliver || o.Access != before.Access); fail != nil {
		return fail
	}
	if x.at.room != nil && (o.Type != before.Type || o.Access != before.Access) {
		if fail := m.afford(x.from, n.items); fail != nil { // who is in a space may change, for each of its rooms
			return fail
		}
	}
	was := m.roles(x.at, n, n.people()...)
	n.options = o
	by := x.from.Clone()
	c := store.NodeChange{Node: n.name, Config: o.kept(), Purge: !o.Persist}
	if o.Persist {
		c.Keep = m.keep(&o) // also of what is on its way to the disk before this
	}
	t := m.nodes.ChangeNode(x.at.id(), c)
	if x.at.room != nil {
		t = store.All(t, m.list(x.at, &o))
	}
	m.changed(x.at, x.book, t)
	x.Wait(t)
	m.follow(x, n, was, t)
	x.After(func(e *core.Event) {
		b, n := m.still(e, n.name)
		if n == nil {
			return
		}
		b.drop(n)
		if c.Purge {
			b.set(n, 0, 0)
		} else if n.items > c.Keep {
			b.stale = true // how much is left is counted when it is next asked for
		}
		m.prune(e.Work, m.at(e), n)
		if o.OnConfig {
			e.Wait(m.tellOptions(e.Work, m.at(e), n, o))
		}
		m.reveal(e.Work, m.at(e), b, n, &before)
		m.happened(e.Work, m.at(e), &core.Publication{Node: n.name, By: by, Configured: true})
	})
	return nil
}

// tellOptions says how a node is configured now (XEP-0060 section 8.2.5.3), but for the groups of the owner's roster, which are nobody else's business.
func (m *Module) tellOptions(w *core.Work, a home, n *node, o options) store.Ticket {
	inner := ""
	if o.Groups = nil; o.Payloads {
		inner = string(m.form(a, form.Result, ns.PubSubNodeConfig, &o).AppendXML(nil))
	}
	return m.tell(w, a, n, m.event(a, o.messages(), element("configuration", n.name, inner), ""))
}

// reveal sends the last item to contacts who may read the node now and could not as it was (XEP-0060 section 12.2).
func (m *Module) reveal(w *core.Work, a home, b *book, n *node, was *options) {
	o := &n.options
	if a.account == nil || was.sameReaders(o) || o.Send != sendOnPresence || !o.Deliver || !o.Persist {
		return
	}
	before := *n
	before.options = *was
	states := before.states()
	last, from := m.ready(a, b, []string{n.name}), a.jid
	m.eachContact(a, n, func(contact jid.JID) {
		if implicit(was, m.subscribed(a, &before, contact, states[contact])) {
			return
		}
		a.visit(w, contact, func(w *core.Work, b *core.Account) {
			for _, x := range last {
				m.receive(w, b, from, x.node, x.st, heard{})
			}
		})
	})
}

// delete is XEP-0060 section 8.4.
func (m *Module) delete(x *act) *stanza.Error {
	if fail := x.owned(); fail != nil {
		return fail
	}
	n, inner, by := x.is, "", x.from.Clone()
	if fail := m.pay(x.from, x.at, n, 0, n.options.OnDelete && n.options.Deliver); fail != nil {
		return fail
	}
	if r := x.verb.Child(ns.PubSubOwner, "redirect"); r != nil && len(r.Attr("uri")) <= maxText {
		inner = string(append(xmltok.AppendAttr([]byte("<redirect"), "uri", r.Attr("uri")), "/>"...))
	}
	if x.at.room != nil {
		if fail := m.afford(x.from, x.at.halls(n)); fail != nil {
			return fail
		}
		x.Wait(m.dissolve(x, n, inner))
		return nil
	}
	x.book.remove(n)
	t := m.nodes.ChangeNode(x.at.id(), store.NodeChange{Node: n.name, Delete: true})
	m.changed(x.at, x.book, t)
	x.Wait(t)
	x.After(func(e *core.Event) {
		if n.options.OnDelete {
			e.Wait(m.tell(e.Work, m.at(e), n, m.event(m.at(e), n.options.messages(), element("delete", n.name, inner), "")))
		}
		m.happened(e.Work, m.at(e), &core.Publication{Node: n.name, By: by, Deleted: true})
	})
	return nil
}

// purge is XEP-0060 section 8.5.
func (m *Module) purge(x *act) *stanza.Error {
	if fail := x.owned(); fail != nil {
		return fail
	}
	n, by := x.is, x.from.Clone()
	if !n.options.Persist {
		return unsupported("persistent-items")
	}
	if fail := m.pay(x.from, x.at, n, 0, n.options.OnRetract && n.options.Deliver); fail != nil {
		return fail
	}
	t := m.nodes.ChangeNode(x.at.id(), store.NodeChange{Node: n.name, Purge: true})
	x.Wait(t)
	x.After(func(e *core.Event) {
		b, n := m.still(e, n.name)
		if n == nil {
			return
		}
		b.set(n, 0, 0)
		b.keepReady(n, nil)
		if n.options.OnRetract {
			e.Wait(m.tell(e.Work, m.at(e), n, m.event(m.at(e), n.options.messages(), element("purge", n.name, ""), "")))
		}
		m.happened(e.Work, m.at(e), &core.Publication{Node: n.name, By: by, Purged: true})
	})
	return nil
}
