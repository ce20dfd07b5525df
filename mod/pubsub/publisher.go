package pubsub

import (
	"context"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
)

// Publish is core.Publisher.
func (m *Module) Publish(w *core.Work, a *core.Account, name, id, payload string, given map[string]string) store.Ticket {
	b, err := m.of(ofAccount(a))
	if err != nil {
		return store.Settled(err)
	}
	n, o := b.nodes[name], ofAccount(a).defaults(name)
	if n != nil {
		o = n.options
	} else if len(given) > 0 {
		f := form.New(form.Submit, ns.PubSubPublishOptions)
		for k, v := range given {
			f.Fields = append(f.Fields, form.Field{Var: k, Values: []string{v}})
		}
		next, fail := m.preconditions(ofAccount(a), o, f, false)
		if fail != nil {
			return store.Settled(fail)
		}
		o = next
	}
	if id == "" {
		id = newID()
	}
	i := item{given: true, id: id, payload: payload}
	if fail := i.fitting(&o, m.config.ItemBytes); fail != nil {
		return store.Settled(fail)
	}
	t, fail := m.put(w, ofAccount(a), b, publication{node: name, item: i, options: o})
	if fail != nil {
		return store.Settled(fail)
	}
	return t
}

// Retract is core.Publisher.
func (m *Module) Retract(_ *core.Work, a *core.Account, name, id string) store.Ticket {
	b, err := m.of(ofAccount(a))
	if err != nil {
		return store.Settled(err)
	}
	n := b.nodes[name]
	if n == nil {
		return store.Settled(noNode())
	}
	return m.take(ofAccount(a), name, id, false, n.options.OnRetract, jid.JID{})
}

// Items is core.Publisher.
func (m *Module) Items(ctx context.Context, a *core.Account, name string) ([]store.NodeItem, error) {
	got, err := m.nodes.Items(ctx, a.ID, name, store.NodeQuery{Max: -1})
	return got.Items, err
}

// Access is core.Publisher.
func (m *Module) Access(a *core.Account, name string) string {
	b, err := m.of(ofAccount(a))
	if err != nil || b.nodes[name] == nil {
		return ""
	}
	return b.nodes[name].options.Access
}
