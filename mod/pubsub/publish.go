package pubsub

import (
	"errors"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// anywhere is no namespace of anybody: what is written for it declares its own.
const anywhere = "\x00"

// item is an item as it is published. given: there is an <item/> at all.
type item struct {
	given       bool
	id, payload string
}

// itemOf reads the item of a publication (XEP-0060 sections 7.1.1 and 7.1.3.6).
func (r *request) itemOf() (item, *stanza.Error) {
	var out item
	for _, c := range r.verb.Children {
		if !c.Is(ns.PubSub, "item") {
			continue
		}
		if out.given {
			return out, stanza.NewError(stanza.BadRequest, "one item at a time")
		}
		out.given, out.id = true, strings.Clone(c.Attr("id"))
		if len(out.id) > maxName {
			return out, stanza.NewError(stanza.NotAcceptable, "the id of the item is too long")
		}
		switch {
		case len(c.Children) > 1 || len(c.Children) == 0 && strings.TrimSpace(c.Text()) != "":
			return out, fault(stanza.BadRequest, "invalid-payload")
		case len(c.Children) == 1:
			out.payload = string(c.Children[0].AppendXML(nil, anywhere))
		}
	}
	return out, nil
}

// fitting applies XEP-0060 section 7.1.3.7: what a node of this kind takes.
func (i *item) fitting(o *options, limit int) *stanza.Error {
	switch {
	case !i.given && o.Persist:
		return fault(stanza.BadRequest, "item-required")
	case i.given && !o.Persist && !o.Payloads:
		return fault(stanza.BadRequest, "item-forbidden")
	case i.payload == "" && o.Payloads:
		return fault(stanza.BadRequest, "payload-required")
	case len(i.payload) > limit || o.MaxPayload > 0 && len(i.payload) > o.MaxPayload:
		return fault(stanza.NotAcceptable, "payload-too-big") // XEP-0060 section 7.1.3.5
	}
	return nil
}

// publish is XEP-0060 section 7.1.
func (m *Module) publish(x *act) (string, *stanza.Error) {
	if x.node == "" {
		return "", fault(stanza.BadRequest, "nodeid-required")
	}
	i, fail := x.itemOf()
	if fail != nil {
		return "", fail
	}
	o, own := x.at.defaults(x.node), false
	switch {
	case x.is != nil:
		if own, fail = mayPublish(&x.is.options, x.who); fail != nil {
			return "", fail
		}
		o = x.is.options
	case x.at.room != nil || !m.makes(x.at, x.from):
		return "", noNode() // XEP-0060 section 7.1.3.3; the owner's is made: section 7.1.4
	}
	if x.with != nil && x.with.Local == "publish-options" {
		f, fail := x.form(x.with)
		if fail == nil && f != nil {
			o, fail = m.preconditions(x.at, o, f, x.is != nil)
		}
		if fail != nil {
			return "", fail
		}
	}
	if fail = i.fitting(&o, m.config.ItemBytes); fail != nil {
		return "", fail
	}
	if i.given && i.id == "" {
		i.id = newID()
	}
	m.publishing(x, &i, o.Access)
	t, fail := m.put(x.Work, x.at, x.book, publication{node: x.node, item: i, options: o, own: own, by: x.from.Clone()})
	if fail != nil {
		return "", fail
	}
	x.Wait(t)
	if !i.given {
		return element("publish", x.node, ""), nil
	}
	return element("publish", x.node, string(append(xmltok.AppendAttr([]byte("<item"), "id", i.id), "/>"...))), nil
}

// publishing lets other features put something else into the place of an item for a node of an account.
func (m *Module) publishing(x *act, i *item, access string) {
	if x.at.account == nil {
		return
	}
	about := core.Publication{Node: x.node, By: x.from, Item: i.id, Payload: i.payload, Access: access}
	for _, h := range m.host.Hooks.Publishing {
		h.Do(x.Event, &about)
	}
	i.payload = about.Payload
}

// publication is an item that may be published. options are those of the node, or of one to be made.
type publication struct {
	node    string
	item    item
	options options
	own     bool // only what is theirs may be replaced
	by      jid.JID
}

// put publishes. The ticket is done when the item is durable and everybody was told. Only in a turn of a.
func (m *Module) put(w *core.Work, a home, b *book, p publication) (store.Ticket, *stanza.Error) {
	n := b.nodes[p.node]
	var made *store.NewNode
	if n == nil {
		if len(b.nodes) >= m.config.Nodes {
			m.host.Metrics().Refused("pubsub_nodes")
			return store.Ticket{}, stanza.NewError(stanza.ResourceConstraint, "the account has no room for another node")
		}
		n = newNode(p.node, m.host.Now(), a.jid, p.options)
		made = &store.NewNode{Creator: a.jid, Config: p.options.kept()}
	}
	size := len(p.item.id) + len(p.item.payload)
	if p.options.Persist && b.bytes+b.reserved+size > m.config.Bytes {
		m.host.Metrics().Refused("pubsub_bytes")
		return store.Ticket{}, stanza.NewError(stanza.ResourceConstraint, "the account has no room for more items")
	}
	publisher := p.by.Bare()
	if publisher.IsZero() {
		publisher = a.jid
	}
	if p.options.Persist {
		if fail := m.roomFor(a, n, size); fail != nil {
			return store.Ticket{}, fail
		}
	}
	if fail := m.pay(publisher, a, n, len(p.item.payload), p.options.Deliver); fail != nil {
		return store.Ticket{}, fail
	}
	if made != nil {
		b.nodes[p.node] = n
	}
	if !p.options.Persist {
		return m.pass(w, a, b, n, &p, made), nil
	}
	b.reserved += size
	out, t := m.nodes.Publish(a.id(), store.NewNodeItem{
		Node: p.node, ID: p.item.id, Publisher: publisher, Payload: []byte(p.item.payload), Make: made, Keep: m.keep(&p.options),
		Reject: p.options.Full == fullReject, Since: m.expired(&p.options), Own: p.own,
	})
	if made != nil {
		m.changed(a, b, t)
	}
	return m.then(a, translated(t), func(w *core.Work, a home, b *book, err error) []store.Ticket {
		b.reserved -= size
		if n := b.nodes[p.node]; err == nil && n != nil {
			return m.published(w, a, b, n, &p, out)
		}
		return nil
	}), nil
}

// then has f called in a turn of the account when t is done, and is done itself behind that and behind the tickets that f returns. It has failed, for f too,
// when t has, or when the account's nodes cannot be had then.
func (m *Module) then(a home, t store.Ticket, f func(w *core.Work, a home, b *book, err error) []store.Ticket) store.Ticket {
	p, id := new(store.Promise), a.id()
	t.Done(func(err error) {
		failed := m.later(a, func(w *core.Work, a home) {
			var more []store.Ticket
			b, bad := m.of(a)
			if bad != nil {
				b, err = m.books.Of(a.holder()), errors.Join(err, bad)
			}
			if a.id() == id {
				more = f(w, a, b, err)
			}
			if err != nil {
				p.Settle(err)
				return
			}
			store.All(more...).Done(p.Settle)
		})
		if failed != nil {
			p.Settle(errors.Join(err, failed))
		}
	})
	return p.Ticket()
}

// pass publishes to a node that keeps nothing.
func (m *Module) pass(w *core.Work, a home, b *book, n *node, p *publication, made *store.NewNode) store.Ticket {
	open := b.open
	if made != nil {
		open = m.nodes.ChangeNode(a.id(), store.NodeChange{Node: n.name, Make: made})
		m.changed(a, b, open)
	} else if done, _ := open.Outcome(); done {
		return store.All(m.told(w, a, n, p, nil)...)
	}
	return m.then(a, open, func(w *core.Work, a home, b *book, err error) []store.Ticket {
		if n := b.nodes[p.node]; err == nil && n != nil {
			return m.told(w, a, n, p, nil)
		}
		return nil
	})
}

// published: an item is durable.
func (m *Module) published(w *core.Work, a home, b *book, n *node, p *publication, out *store.Published) []store.Ticket {
	b.set(n, out.Items, out.Bytes)
	if n.options.Deliver && n.options.Send == sendOnPresence {
		b.keepReady(n, m.last(a, n, &store.NodeItem{ID: p.item.id, Key: out.Key, Publisher: p.by.Bare(), Payload: []byte(p.item.payload)}))
	} else {
		b.drop(n)
	}
	waits := m.told(w, a, n, p, out.Removed)
	if a.room != nil {
		waits = append(waits, m.settleIn(a, n, p.by.Bare(), p.item.id)...)
	}
	return waits
}

// told tells everybody of an item, and of those that had to make room for it. The answer to the publisher waits for the tickets.
func (m *Module) told(w *core.Work, a home, n *node, p *publication, removed []string) []store.Ticket {
	inner := ""
	if p.item.given {
		payload := ""
		if n.options.Payloads {
			payload = p.item.payload
		}
		inner = itemXML(a, p.item.id, payload, p.by.Bare())
	}
	var all []store.Ticket
	if n.options.Deliver {
		all = append(all, m.tell(w, a, n, m.event(a, n.options.messages(), element("items", n.name, inner), "")))
		// XEP-0060 section 7.1.2.5: a full node retracts or discards. One of a single item replaces, of which nobody needs to be told.
		if len(removed) > 0 && n.options.Full == fullRetract && n.options.OnRetract && m.keep(&n.options) > 1 {
			all = append(all, m.tell(w, a, n, m.event(a, n.options.messages(), element("items", n.name, retracted(removed)), "")))
		}
	}
	return append(all, m.happened(w, a, &core.Publication{Node: n.name, By: p.by, Item: p.item.id, Payload: p.item.payload, Retracted: removed})...)
}

// happened runs the hook, and returns what it wants to be waited for.
func (m *Module) happened(w *core.Work, a home, p *core.Publication) []store.Ticket {
	if a.account == nil {
		return nil // what other features keep on nodes is an account's
	}
	for _, h := range m.host.Hooks.Published {
		h.Do(&core.Event{Host: m.host, Work: w, Account: a.account}, p)
	}
	return p.Waits()
}

// retract is XEP-0060 section 7.2.
func (m *Module) retract(x *act) (string, *stanza.Error) {
	if fail := x.existing(); fail != nil {
		return "", fail
	}
	own, fail := mayPublish(&x.is.options, x.who)
	if fail != nil {
		return "", fail
	}
	if !x.is.options.Persist {
		return "", unsupported("persistent-items") // XEP-0060 section 7.2.3.5
	}
	ids, fail := x.itemIDs()
	switch {
	case fail != nil:
		return "", fail
	case len(ids) == 0:
		return "", fault(stanza.BadRequest, "item-required")
	case len(ids) > 1:
		return "", stanza.NewError(stanza.BadRequest, "one item at a time")
	}
	notify := x.is.options.OnRetract
	if said, ok := x.verb.Lookup("", "notify"); ok {
		notify = said == "true" || said == "1" // XEP-0060 section 7.2.2.1
	}
	if fail = m.pay(x.from, x.at, x.is, 0, notify && x.is.options.Deliver); fail != nil {
		return "", fail
	}
	x.Wait(m.take(x.at, x.node, ids[0], own, notify, x.from.Clone()))
	return "", nil
}

// take retracts an item.
func (m *Module) take(a home, name, id string, own, notify bool, by jid.JID) store.Ticket {
	var whose *jid.JID
	if own {
		bare := by.Bare()
		whose = &bare
	}
	out, t := m.nodes.Retract(a.id(), name, id, whose)
	return m.then(a, translated(t), func(w *core.Work, a home, b *book, err error) []store.Ticket {
		n := b.nodes[name]
		if err != nil || n == nil {
			return nil
		}
		b.set(n, out.Items, out.Bytes)
		b.drop(n)
		var told store.Ticket
		if notify {
			told = m.tell(w, a, n, m.event(a, n.options.messages(), element("items", name, retracted([]string{id})), ""))
		}
		return append(m.happened(w, a, &core.Publication{Node: name, By: by, Retracted: []string{id}}), told)
	})
}
