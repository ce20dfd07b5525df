package push

import (
	"context"
	"errors"
	"fmt"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	maxOptions = 4096 // bytes of a form of publish-options
	maxNode    = 1024
)

// payload of a request.
func payload(e *core.Event) (*xmltok.Node, error) {
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return nil, stanza.NewError(stanza.BadRequest, "")
	}
	return tree, nil
}

// enable is XEP-0357 section 5.
func (m *Module) enable(_ context.Context, e *core.Event) (core.Answer, error) {
	n, err := payload(e)
	if err != nil {
		return core.Answer{}, err
	}
	service, node, err := appOf(n)
	if err != nil {
		return core.Answer{}, err
	}
	w := wants{Identity: "phone"}
	if x := n.Child(ns.DataForm, "x"); x != nil {
		f, err := form.Parse(x)
		if err != nil || f.Type != form.Submit || f.FormType() != ns.PubSubPublishOptions {
			return core.Answer{}, stanza.NewError(stanza.BadRequest, "the form is one of publish-options")
		}
		if w.Options = string(x.AppendXML(nil, "")); len(w.Options) > maxOptions {
			return core.Answer{}, stanza.NewError(stanza.PolicyViolation, fmt.Sprintf("publish-options have at most %d bytes", maxOptions))
		}
	}
	return core.Answer{}, m.keep(e, store.PushTarget{Service: service.String(), Node: node, Kind: store.PushApp}, w)
}

// appOf reads which service and node are meant.
func appOf(n *xmltok.Node) (service jid.JID, node string, err error) {
	service, err = jid.Parse(n.Attr("jid"))
	node = n.Attr("node")
	switch {
	case n.Attr("jid") == "":
		return service, node, stanza.NewError(stanza.BadRequest, "the attribute jid says which service")
	case err != nil:
		return service, node, stanza.NewError(stanza.JIDMalformed, "")
	case len(node) > maxNode:
		return service, node, stanza.NewError(stanza.PolicyViolation, fmt.Sprintf("a node has at most %d bytes", maxNode))
	}
	return service, node, nil
}

// keep has a registration kept before it is answered.
func (m *Module) keep(e *core.Event, t store.PushTarget, w wants) (err error) {
	t.Owner, t.Enabled = e.Account.ID, m.host.Now()
	if e.Session != nil {
		t.Device, w.Resource = e.Session.Device, e.Session.JID.Resource()
	}
	if t.Data, err = w.encode(); err != nil {
		return err
	}
	m.crowd.add(e.Account.JID)
	e.Wait(asked(m.round.push.Enable(t, m.round.config.Devices), m.round.config.Devices))
	e.After(func(e *core.Event) { m.changed(e.Account) })
	return nil
}

// asked is a ticket that fails as the client is told.
func asked(t store.Ticket, most int) store.Ticket {
	out := new(store.Promise)
	t.Done(func(err error) {
		switch {
		case errors.Is(err, store.ErrTooMany):
			err = stanza.NewError(stanza.ResourceConstraint, fmt.Sprintf("an account may have %d registrations", most))
		case errors.Is(err, store.ErrInvalid):
			err = stanza.NewError(stanza.PolicyViolation, fmt.Sprintf("service and node have at most %d bytes", store.MaxPushAddress))
		}
		out.Settle(err)
	})
	return out.Ticket()
}

// disable is XEP-0357 section 6.
func (m *Module) disable(_ context.Context, e *core.Event) (core.Answer, error) {
	n, err := payload(e)
	if err != nil {
		return core.Answer{}, err
	}
	service, node, err := appOf(n)
	if err != nil {
		return core.Answer{}, err
	}
	m.forget(e, service.String(), node)
	return core.Answer{}, nil
}

// forget has a registration forgotten before it is answered.
func (m *Module) forget(e *core.Event, service, node string) {
	e.Wait(m.round.push.Disable(e.Account.ID, service, node))
	e.After(func(e *core.Event) { m.changed(e.Account) })
}

// stopped is XEP-0357 section 8: a service takes the right to publish away, and with it the registration. Turn of the account.
func (m *Module) stopped(a *core.Account, b *box, st *stanza.Stanza) bool {
	c, ok := st.Child(ns.PubSub, "pubsub")
	if !ok {
		return false
	}
	tree, err := c.Tree()
	if err != nil || tree.Child(ns.PubSub, "affiliation").Attr("affiliation") != "none" {
		return false
	}
	service, node := st.From.String(), tree.Attr("node")
	for i := range b.targets {
		if t := &b.targets[i]; t.Kind == store.PushApp && t.Service == service && t.Node == node {
			account := a.JID.String()
			m.round.push.Disable(a.ID, service, node).Done(func(err error) {
				m.round.obs.Log.Info("a service of an app takes no more notifications", obs.JID, account, "service", service, obs.Err, err)
			})
			m.changed(a)
			return true
		}
	}
	return false
}
