package pubsub

import (
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// The fields of the form of XEP-0060 section 8.6.
const (
	fieldNode       = "pubsub#node"
	fieldSubscriber = "pubsub#subscriber_jid"
	fieldAllow      = "pubsub#allow"
)

// askApproval asks the account's devices, or one of them, or the owners of a node of the service, whether somebody may subscribe (XEP-0060 section 8.6).
// The ticket is that of tellOwners.
func (m *Module) askApproval(w *core.Work, a home, n *node, j jid.JID, only *core.Session) store.Ticket {
	hint := "" // devices of the account are asked again when they come
	if a.account == nil {
		hint = storeHint
	}
	st := m.request(a, n, j, hint)
	if st == nil {
		return store.Ticket{}
	}
	return m.tellOwners(w, a, n, st, only)
}

// request is the question whether somebody may subscribe; nil when it cannot be written, which would be a mistake of ours.
func (m *Module) request(a home, n *node, j jid.JID, hint string) *stanza.Stanza {
	f := form.New(
		form.Prompt, ns.PubSubSubscribeAuthorization,
		form.Field{Var: fieldNode, Type: form.TextSingle, Label: "Node", Values: []string{n.name}},
		form.Field{Var: fieldSubscriber, Type: form.JIDSingle, Label: "Subscriber", Values: []string{j.String()}},
		form.Field{Var: fieldAllow, Type: form.Boolean, Label: "Allow this address to subscribe to this node?", Values: []string{"0"}},
	)
	f.Title = "Somebody wants to subscribe"
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.Normal, ID: newID(), From: a.jid}, string(f.AppendXML(nil))+hint)
	if err != nil {
		m.obs.Log.Error("request for approval not made", obs.JID, a.jid.String(), obs.Err, err)
		return nil
	}
	return st.Seal()
}

// waiting are the addresses whose subscriptions wait for an answer.
func (n *node) waiting() []jid.JID {
	return n.subscribers(func(_ jid.JID, state string) bool { return state == statePending })
}

// remind asks a device that has just come for what waits for an answer.
func (m *Module) remind(w *core.Work, account *core.Account, s *core.Session) {
	a := ofAccount(account)
	b, ok := m.books.Has(account)
	if !ok {
		return
	}
	for _, name := range b.names() {
		n := b.nodes[name]
		for _, j := range n.waiting() {
			m.askApproval(w, a, n, j, s)
		}
	}
}

// sending takes the owner's answer, a message to the account itself with the form (XEP-0060 section 8.6). Turn of the account.
func (m *Module) sending(e *core.Event) core.Verdict {
	st := e.Stanza
	if st.Kind != stanza.Message || st.To != e.Account.JID || e.Account.Guest() {
		return core.Next
	}
	f, cancelled := approval(st)
	switch {
	case cancelled:
		return core.Done // nothing changes, and nobody else needs to see it
	case f == nil:
		return core.Next
	}
	if fail := m.decide(e, f); fail != nil {
		return e.Refuse(fail)
	}
	return core.Done
}

// approval is the answer to askApproval in a message; nil when there is none. Which form was cancelled does not stand in the form, as far as it is read.
func approval(st *stanza.Stanza) (f *form.Form, cancelled bool) {
	c, ok := st.Child(ns.DataForm, "x")
	if !ok {
		return nil, false
	}
	tree, err := c.Tree()
	if err != nil {
		return nil, false
	}
	if f, err = form.ParseSubmit(tree); err != nil {
		return nil, false
	}
	switch {
	case f.Type == form.Cancel:
		return nil, strings.Contains(c.Raw(), ns.PubSubSubscribeAuthorization)
	case f.FormType() != ns.PubSubSubscribeAuthorization:
		return nil, false
	}
	return f, false
}

// decide grants or denies a subscription.
func (m *Module) decide(e *core.Event, f *form.Form) *stanza.Error {
	at := m.at(e)
	b, err := m.of(at)
	if err != nil {
		return stanza.AsError(err)
	}
	n := b.nodes[f.Field(fieldNode).Value()]
	if n != nil && m.person(at, n, e.Stanza.From.Bare()).affiliation != isOwner {
		return forbidden()
	}
	j, err := jid.Parse(strings.Clone(f.Field(fieldSubscriber).Value()))
	if err != nil {
		return stanza.NewError(stanza.BadRequest, "whose subscription it is does not stand in the form")
	}
	allow, err := f.Field(fieldAllow).Bool()
	if err != nil || n == nil || n.subscriptions[j] != statePending {
		return noNode() // decided before, by another device
	}
	x := &act{Event: e, at: at, book: b, is: n}
	state := store.NodeSubscription{JID: j}
	if allow {
		state.State = stateSubscribed
	}
	if fail := m.afford(e.Stanza.From, m.settling(at, n, 1)); fail != nil {
		return fail
	}
	m.settle(x, n, []store.NodeSubscription{state})
	return nil
}
