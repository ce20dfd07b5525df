package pubsub

import (
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// This file says to other features what clients know of what their account keeps, so that they can tell what a client means when it writes.

// used runs the hook. Only in a turn of the session's account.
func (m *Module) used(e *core.Event, x core.Use) {
	for _, h := range m.host.Hooks.Used {
		h.Do(e, x)
	}
}

// readPrivate says what private storage has answered; it is said with the answer.
func (m *Module) readPrivate(e *core.Event, name store.PrivateName, kept []byte) {
	if len(m.host.Hooks.Used) == 0 || e.Session == nil {
		return
	}
	xml := string(kept)
	e.After(func(e *core.Event) {
		m.used(e, core.Use{Private: name, How: core.Read, XML: func() string { return xml }})
	})
}

// readItems says what somebody has read of a node of its own account, if the newest item is among it, or there is none.
func (m *Module) readItems(e *core.Event, r request, q store.NodeQuery, got store.NodePage) {
	if len(m.host.Hooks.Used) == 0 || e.Session == nil || e.Account == nil || e.Session.Account != e.Account {
		return
	}
	xml := ""
	switch n := len(got.Items); {
	case n > 0 && (got.First+n == got.Count || len(q.IDs) > 0):
		xml = string(got.Items[n-1].Payload)
	case got.Count > 0 || len(q.IDs) > 0:
		return
	}
	e.After(func(e *core.Event) {
		m.used(e, core.Use{Node: r.node, How: core.Read, XML: func() string { return xml }})
	})
}

// toldEvent says what an own device was told of a node.
func (m *Module) toldEvent(w *core.Work, s *core.Session, node string, st *stanza.Stanza) {
	if len(m.host.Hooks.Used) == 0 || st.From != s.Account.JID {
		return
	}
	e := &core.Event{Host: m.host, Work: w, Account: s.Account, Session: s}
	m.used(e, core.Use{Node: node, How: core.Told, XML: func() string { return payloadOf(st) }})
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
