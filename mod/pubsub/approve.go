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

// askApproval asks the account's devices, or one of them, whether somebody may subscribe (XEP-0060 section 8.6).
func (m *Module) askApproval(w *core.Work, a *core.Account, n *node, j jid.JID, only *core.Session) {
	f := form.New(
		form.Prompt, ns.PubSubSubscribeAuthorization,
		form.Field{Var: fieldNode, Type: form.TextSingle, Label: "Node", Values: []string{n.name}},
		form.Field{Var: fieldSubscriber, Type: form.JIDSingle, Label: "Subscriber", Values: []string{j.String()}},
		form.Field{Var: fieldAllow, Type: form.Boolean, Label: "Allow this address to subscribe to this node?", Values: []string{"0"}},
	)
	f.Title = "Somebody wants to subscribe"
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.Normal, ID: newID(), From: a.JID}, string(f.AppendXML(nil)))
	if err != nil {
		m.obs.Log.Error("request for approval not made", obs.JID, a.JID.String(), obs.Err, err)
		return
	}
	st.Seal()
	m.tellOwners(w, a, st, only)
}

// remind asks a device that has just come for what waits for an answer.
func (m *Module) remind(w *core.Work, a *core.Account, s *core.Session) {
	b, ok := m.books.Has(a)
	if !ok {
		return
	}
	for _, name := range b.names() {
		n := b.nodes[name]
		for _, j := range n.subscribers() {
			if n.subscriptions[j] == statePending {
				m.askApproval(w, a, n, j, s)
			}
		}
	}
}

// sending takes the owner's answer, a message to the account itself with the form (XEP-0060 section 8.6). Turn of the account.
func (m *Module) sending(e *core.Event) core.Verdict {
	st := e.Stanza
	if st.Kind != stanza.Message || st.To != e.Account.JID || e.Account.Guest() {
		return core.Next
	}
	c, ok := st.Child(ns.DataForm, "x")
	if !ok {
		return core.Next
	}
	tree, err := c.Tree()
	if err != nil {
		return core.Next
	}
	f, err := form.ParseSubmit(tree)
	if err != nil || f.Type == form.Submit && f.FormType() != ns.PubSubSubscribeAuthorization {
		return core.Next
	}
	if f.Type == form.Cancel {
		// Which form it is does not stand in what was cancelled, as far as it is read; nothing changes, and nobody else needs to see it.
		if strings.Contains(c.Raw(), ns.PubSubSubscribeAuthorization) {
			return core.Done
		}
		return core.Next
	}
	if fail := m.decide(e, f); fail != nil {
		return e.Refuse(fail)
	}
	return core.Done
}

// decide grants or denies a subscription.
func (m *Module) decide(e *core.Event, f *form.Form) *stanza.Error {
	b, err := m.of(e.Account)
	if err != nil {
		return stanza.AsError(err)
	}
	j, err := jid.Parse(strings.Clone(f.Field(fieldSubscriber).Value()))
	if err != nil {
		return stanza.NewError(stanza.BadRequest, "whose subscription it is does not stand in the form")
	}
	allow, err := f.Field(fieldAllow).Bool()
	n := b.nodes[f.Field(fieldNode).Value()]
	if err != nil || n == nil || n.subscriptions[j] != statePending {
		return noNode() // decided before, by another device
	}
	x := &act{Event: e, book: b, is: n}
	state := store.NodeSubscription{JID: j}
	if allow {
		state.State = stateSubscribed
	}
	m.settle(x, n, []store.NodeSubscription{state})
	return nil
}
