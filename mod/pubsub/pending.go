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

// This file is the service's command for owners who want to be asked again who waits for their answer (XEP-0060 section 8.7).

// nodePending is the command's name.
const nodePending = ns.PubSub + "#get-pending"

// pendingForm lists the nodes that somebody owns. It runs outside turns.
func (m *Module) pendingForm(ctx context.Context, actor core.Actor) (string, error) {
	ties, err := m.nodes.Ties(ctx, m.domain.Domain(), actor.JID.Bare())
	if err != nil {
		return "", err
	}
	nodes := form.Field{Var: fieldNode, Type: form.ListSingle, Label: "Node", Required: true}
	for _, n := range ties {
		if len(n.Affiliations) > 0 && affiliation(n.Affiliations[0].Is) == isOwner {
			nodes.Options = append(nodes.Options, form.Option{Value: n.Name})
		}
	}
	if len(nodes.Options) == 0 {
		return "", forbidden()
	}
	f := form.New(form.Prompt, ns.PubSubSubscribeAuthorization, nodes)
	f.Title = "Who wants to subscribe"
	return string(f.AppendXML(nil)), nil
}

// pending sends the asker all requests of a node that wait for an answer. It runs outside turns.
func (m *Module) pending(ctx context.Context, e *core.Event, submitted *xmltok.Node) (string, error) {
	f, err := form.ParseSubmit(submitted)
	if err != nil {
		return "", err
	}
	name, from := f.Field(fieldNode).Value(), e.Stanza.From
	part, err := jid.New(partOf(name), m.domain.Domain(), "")
	if err != nil || name == "" || len(name) > maxPartName {
		return "", noNode()
	}
	sent := store.Ticket{}
	err = m.host.AskRoom(ctx, part, func(_ *core.Work, r *core.Room) error {
		a := m.ofPart(r)
		b, err := m.of(a)
		if err != nil {
			return err
		}
		n, fail := b.owned(m, a, name, from)
		if fail == nil {
			fail = m.afford(from, len(n.waiting()))
		}
		if fail != nil {
			return fail
		}
		sent = m.then(a, b.open, func(w *core.Work, a home, b *book, err error) []store.Ticket {
			if n, fail := b.owned(m, a, name, from); err == nil && fail == nil {
				return []store.Ticket{m.askAgain(w, a, n, from)}
			}
			return nil
		})
		return nil
	})
	if err != nil {
		return "", err
	}
	return "", sent.Wait(ctx)
}

// owned is a node of which somebody is an owner.
func (b *book) owned(m *Module, a home, name string, who jid.JID) (*node, *stanza.Error) {
	n := b.nodes[name]
	switch {
	case n == nil:
		return nil, noNode()
	case m.person(a, n, who.Bare()).affiliation != isOwner:
		return nil, forbidden()
	}
	return n, nil
}

// askAgain sends one owner all requests that wait for an answer.
func (m *Module) askAgain(w *core.Work, a home, n *node, owner jid.JID) store.Ticket {
	var mail []*stanza.Stanza
	for _, j := range n.waiting() {
		if st := m.request(a, n, j, ""); st != nil {
			mail = append(mail, st.WithTo(owner))
		}
	}
	return m.host.Router.Deliver(w, mail...)
}
