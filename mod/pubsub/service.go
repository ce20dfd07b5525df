package pubsub

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"strings"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// This file is the service with a domain of its own: each of its nodes belongs to a part (core.Rooms.Find), whose turns are the node's.

// maxPartName is the longest name of a node of the service, bytes: encoded it is the local part of an address.
const maxPartName = jid.MaxPart / 8 * 5

// names of parts are those of their nodes, by an encoding that keeps their order and that addresses may have.
var partNames = base32.HexEncoding.WithPadding(base32.NoPadding)

func partOf(node string) string { return strings.ToLower(partNames.EncodeToString([]byte(node))) }

// nodeOf is what partOf was given; empty when it was nothing.
func nodeOf(part string) string {
	b, err := partNames.DecodeString(strings.ToUpper(part))
	if err != nil {
		return ""
	}
	return string(b)
}

// entry is what the list of nodes shows of one. It is kept beside the node, as JSON, so names must stay.
type entry struct {
	Title string `json:"title,omitempty"`
	Type  string `json:"type,omitempty"`
}

// serviceDefaults are the options of a new node of the service: whoever knows of it may read it, and nobody has presence here.
func serviceDefaults() options {
	return options{
		Access: accessOpen, Publish: publishPublishers, Persist: true, Deliver: true, Payloads: true, Send: sendOnSub, Headline: true, OnDelete: true,
		OnRetract: true, Subscribe: true, Full: fullRetract,
	}
}

// serviceFieldsOf are the options of nodes of the service. Nobody has a roster or presence there, so two models of access and one time of sending
// have no meaning (XEP-0060 section 4.5).
func serviceFieldsOf(c config.Pubsub) []field {
	var out []field
	for _, f := range fieldsOf(c) {
		switch f.name {
		case "pubsub#roster_groups_allowed":
			continue
		case "pubsub#access_model":
			f = choice(f.name, f.label, func(o *options) *string { return &o.Access }, accessAuthorize, accessOpen, accessWhitelist)
		case "pubsub#send_last_published_item":
			f = choice(f.name, f.label, func(o *options) *string { return &o.Send }, sendNever, sendOnSub)
		}
		out = append(out, f)
	}
	return out
}

// serve registers the service.
func (m *Module) serve(h *core.Host) {
	domain, err := jid.Parse(m.config.Of(h.Domain.Domain()))
	if err != nil {
		// The configuration is checked: what stands before a domain makes one, unless it is too long. Serve reports it at the start.
		m.obs.Log.Error("no domain for the pubsub service", obs.Err, err)
	}
	m.domain = domain
	h.Serve(core.Rooms{
		Module: m.Name(), Domain: domain, Load: m.loadPart, Receive: m.receivePart, Find: m.find,
		Standing: func(*core.Room, jid.JID) core.Standing { return 0 }, // rights here are those of pubsub, which access.go has
		Vacant:   m.vacantPart,
	})
	for _, row := range []core.IQ{
		{Space: ns.PubSub, Local: "pubsub", Type: stanza.Get, To: core.ToPart, Slow: true, Do: m.get},
		{Space: ns.PubSub, Local: "pubsub", Type: stanza.Set, To: core.ToPart, Do: m.set},
		{Space: ns.PubSubOwner, Local: "pubsub", Type: stanza.Get, To: core.ToPart, Do: m.ownerGet},
		{Space: ns.PubSubOwner, Local: "pubsub", Type: stanza.Set, To: core.ToPart, Do: m.ownerSet},
		{Space: ns.DiscoInfo, Local: "query", Type: stanza.Get, To: core.ToPart, Do: m.partInfo},
		{Space: ns.DiscoItems, Local: "query", Type: stanza.Get, To: core.ToPart, Do: m.partItems},

		{Space: ns.PubSub, Local: "pubsub", Type: stanza.Get, To: core.ToService, Slow: true, Do: m.serviceGet},
		{Space: ns.PubSub, Local: "pubsub", Type: stanza.Set, To: core.ToService, Do: m.serviceSet},
		{Space: ns.PubSubOwner, Local: "pubsub", Type: stanza.Get, To: core.ToService, Do: m.serviceOwnerGet},
		{Space: ns.PubSubOwner, Local: "pubsub", Type: stanza.Set, To: core.ToService, Do: m.serviceSet},
		{Space: ns.DiscoInfo, Local: "query", Type: stanza.Get, To: core.ToService, Do: m.serviceInfo},
		{Space: ns.DiscoItems, Local: "query", Type: stanza.Get, To: core.ToService, Slow: true, Do: m.serviceItems},
		{Space: ns.Ping, Local: "ping", Type: stanza.Get, To: core.ToService, Do: func(context.Context, *core.Event) (answer, error) { return answer{}, nil }},
	} {
		row.Module, row.Action = m.Name(), core.ActUseNodes
		h.IQ.Handle(row)
	}
	h.Commands.Handle(core.Command{
		At: m.domain, Node: nodePending, Name: "Requests to subscribe", Action: core.ActUseNodes, Form: m.pendingForm, Do: m.pending, Module: m.Name(),
	})
	h.Disco.HostItems = append(h.Disco.HostItems, core.DiscoItem{JID: domain, Name: "Nodes"})
}

// find is core.Rooms.Find: the part of the node that a request or the answer of an owner names.
func (m *Module) find(st *stanza.Stanza) (jid.JID, bool) {
	name := ""
	switch payload, ok := st.Payload(); {
	case st.Kind == stanza.Message:
		if f, _ := approval(st); f != nil {
			name = f.Field(fieldNode).Value()
		}
	case !ok:
	case payload.Space == ns.PubSub || payload.Space == ns.PubSubOwner:
		if r, fail := read(st, payload.Space); fail == nil {
			name = r.node
		}
	case payload.Space == ns.DiscoInfo || payload.Space == ns.DiscoItems:
		if name, _ = payload.Attr("node"); name == ns.Commands || m.host.Commands.Find(m.domain, name) != nil {
			name = "" // XEP-0050 section 2.2: they are of the service
		}
	}
	if name == "" || len(name) > maxPartName {
		return jid.JID{}, false
	}
	part, err := jid.New(partOf(name), m.domain.Domain(), "")
	return part, err == nil
}

// loadPart is core.Rooms.Load.
func (m *Module) loadPart(ctx context.Context, r *core.Room) error {
	kept, err := m.rooms.Get(ctx, r.JID.Domain(), r.JID.Local())
	if err != nil {
		return err
	}
	r.ID = kept.ID
	return m.fill(ctx, m.ofPart(r), m.books.Of(r))
}

// vacantPart is core.Rooms.Vacant: all of a part is on the disk, unless it is on its way there.
func (m *Module) vacantPart(r *core.Room) bool {
	b, ok := m.books.Has(r)
	if !ok {
		return true
	}
	done, _ := b.open.Outcome()
	return done && b.reserved == 0
}

// receivePart is core.Rooms.Receive: a message with an owner's answer (XEP-0060 section 8.6).
func (m *Module) receivePart(e *core.Event) core.Verdict {
	f, _ := approval(e.Stanza)
	if e.Stanza.Kind != stanza.Message || e.Stanza.Type == stanza.TypeError || f == nil {
		return core.Next
	}
	if fail := m.decide(e, f); fail != nil {
		return e.Refuse(fail)
	}
	return core.Done
}

// mayMake asks who may make nodes of the service.
func (m *Module) mayMake(who jid.JID) bool {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	a, err := m.host.Accounts.Get(ctx, who.Domain(), who.Local())
	return err == nil && core.Permit(core.Actor{JID: who, Role: a.Role}, core.ActMakeNodes, core.Object{Least: store.Role(m.config.Create)}) == nil
}

// makePart makes a node of the service. The part needs its number before anything can be kept of it, so its turns wait for that.
func (m *Module) makePart(x *act, name string, o options) *stanza.Error {
	creator, at := x.from.Bare().Clone(), x.at
	p := new(store.Promise)
	begin := func() {
		b := m.books.Of(at.room)
		if b.nodes == nil {
			b.nodes = make(map[string]*node)
		}
		n := newNode(name, m.host.Now(), creator, o)
		n.affiliations[creator] = isOwner
		b.nodes[name] = n
		t := store.All(m.nodes.ChangeNode(at.id(), store.NodeChange{
			Node: name, Make: &store.NewNode{Creator: creator, Config: o.kept()}, Affiliations: []store.NodeAffiliation{{JID: creator, Is: string(isOwner)}},
		}), m.list(at, &o))
		m.changed(at, b, t)
		t.Done(p.Settle)
	}
	if at.id() != 0 { // there is a part without a node: the process ended between both
		x.Wait(p.Ticket())
		begin()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	// Those that are on their way to the disk count before they are looked for there, so that none is missed in between.
	under := m.making.Begin(creator.String())
	t := store.Settled(nil)
	defer func() { t.Done(func(error) { m.making.End(creator.String()) }) }()
	made, err := m.rooms.CountBy(ctx, m.domain.Domain(), creator.String())
	switch {
	case err != nil:
		m.obs.Log.Error("nodes of an account not counted", obs.JID, creator.String(), obs.Err, err)
		return stanza.NewError(stanza.InternalServerError, "")
	case made+under > m.config.PerAccount:
		m.host.Metrics().Refused("pubsub_nodes")
		return stanza.NewError(stanza.ResourceConstraint, "you have made as many nodes as one may")
	}
	var number store.Owner
	part := store.Room{Domain: m.domain.Domain(), Local: at.room.JID.Local(), Creator: creator.String(), Created: m.host.Now()}
	t = m.rooms.Create(part, nil, func(id store.Owner) { number = id })
	x.Wait(p.Ticket())
	at.room.Pause(x.Work, t, func(_ *core.Work, err error) {
		if err != nil {
			p.Settle(err)
			return
		}
		at.room.ID = number
		begin()
	})
	return nil
}

// list keeps what the list of nodes shows of one. Those for named people alone are in nobody's list but theirs.
func (m *Module) list(a home, o *options) store.Ticket {
	b, err := json.Marshal(entry{Title: o.Title, Type: o.Type})
	if err != nil {
		return store.Settled(err)
	}
	return m.rooms.Change(store.Room{ID: a.id(), Public: o.Access != accessWhitelist, Config: b})
}

// vanish deletes the node of a part, and the part with it; what comes meanwhile waits, and finds none. The ticket is done when that was told.
func (m *Module) vanish(w *core.Work, a home, n *node, inner string) store.Ticket {
	p := new(store.Promise)
	a.room.Pause(w, m.rooms.Delete(a.id()), func(w *core.Work, err error) {
		if err != nil && !errors.Is(err, store.ErrNotFound) { // it may have gone with its owner
			m.obs.Log.Error("node of the service not deleted", obs.Err, err)
			p.Settle(err)
			return
		}
		var told store.Ticket
		if n.options.OnDelete {
			told = m.tell(w, a, n, m.event(a, n.options.messages(), element("delete", n.name, inner), ""))
		}
		a.room.Vanish()
		told.Done(p.Settle)
	})
	return p.Ticket()
}
