package pubsub

import (
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// This file says to other features what a client was shown of what its account keeps, so that they can tell what it knew when it writes.

// tellShown runs the hook. Only in a turn of the session's account.
func (m *Module) tellShown(w *core.Work, s *core.Session, x core.Shown) {
	for _, h := range m.host.Hooks.Shown {
		h.Do(w, s, x)
	}
}

// shownPrivate says what private storage has answered; it is said with the answer.
func (m *Module) shownPrivate(e *core.Event, name store.PrivateName, kept []byte) {
	if len(m.host.Hooks.Shown) == 0 || e.Session == nil {
		return
	}
	s, xml := e.Session, string(kept)
	e.After(func(e *core.Event) { m.tellShown(e.Work, s, core.Shown{Private: name, XML: func() string { return xml }}) })
}

// shownItems says what somebody has read of a node of its own account, if the newest item is among it, or there is none.
func (m *Module) shownItems(e *core.Event, r request, q store.NodeQuery, got store.NodePage) {
	if len(m.host.Hooks.Shown) == 0 || e.Session == nil || e.Account == nil || e.Session.Account != e.Account {
		return
	}
	xml := ""
	switch n := len(got.Items); {
	case n > 0 && (got.First+n == got.Count || len(q.IDs) > 0):
		xml = string(got.Items[n-1].Payload)
	case got.Count > 0 || len(q.IDs) > 0:
		return
	}
	s := e.Session
	e.After(func(e *core.Event) { m.tellShown(e.Work, s, core.Shown{Node: r.node, XML: func() string { return xml }}) })
}

// shownEvent says what an own device was told of a node.
func (m *Module) shownEvent(w *core.Work, s *core.Session, node string, st *stanza.Stanza) {
	if len(m.host.Hooks.Shown) == 0 || st.From != s.Account.JID {
		return
	}
	m.tellShown(w, s, core.Shown{Node: node, Told: true, XML: func() string { return payloadOf(st) }})
}

// payloadOf is the payload of the item that a notification tells; empty for one that tells of none.
func payloadOf(st *stanza.Stanza) string {
	event, ok := st.Child(ns.PubSubEvent, "event")
	if !ok {
		return ""
	}
	tree, err := event.Tree()
	if err != nil {
		return ""
	}
	items := tree.Child(ns.PubSubEvent, "items").All(ns.PubSubEvent, "item")
	if len(items) == 0 || len(items[len(items)-1].Children) == 0 {
		return ""
	}
	return string(items[len(items)-1].Children[0].AppendXML(nil, anywhere))
}
