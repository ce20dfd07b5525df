package pubsub

import (
	"context"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	maxElements = 64   // of one request
	maxSpace    = 1024 // bytes of a namespace that is kept
)

// installPrivate registers the rows of XEP-0049. Of another account it is forbidden (its table "Error Conditions"), whether or not there is one.
func (m *Module) installPrivate(h *core.Host) {
	for _, to := range []core.Target{core.ToOwn, core.ToContact} {
		row := core.IQ{Space: ns.Private, Local: "query", To: to, Action: core.ActUseAccount, Module: m.Name()}
		row.Type, row.Do, row.Slow = stanza.Get, m.getPrivate, true
		h.IQ.Handle(row)
		row.Type, row.Do, row.Slow = stanza.Set, m.setPrivate, false
		h.IQ.Handle(row)
	}
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.Private)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.Private)
}

// elements reads the children of <query/>, each with its own bytes, so that it comes back as it was given.
func elements(query string) ([]store.PrivateData, error) {
	sc := xmltok.NewScanner(xmltok.TreeLimits)
	sc.Inherit(ns.Client, nil)
	if err := sc.Document(xmltok.View(query)); err != nil {
		return nil, stanza.NewError(stanza.BadRequest, "")
	}
	children := sc.Outline().Children
	if len(children) == 0 {
		// XEP-0049 section "Elements": at least one child.
		return nil, stanza.NewError(stanza.NotAcceptable, "nothing is named that is to be kept")
	}
	if len(children) > maxElements {
		return nil, stanza.NewError(stanza.PolicyViolation, "too many elements")
	}
	out := make([]store.PrivateData, 0, len(children))
	for _, c := range children {
		// Copies, since they are kept longer than the stanza that they are cut out of.
		d := store.PrivateData{
			PrivateName: store.PrivateName{Space: strings.Clone(c.Space.In(query)), Local: strings.Clone(c.Local.In(query))},
			XML:         []byte(c.Outer.In(query)),
		}
		if d.Space == "" || d.Space == ns.Private || d.Space == ns.Client || len(d.Space) > maxSpace {
			// XEP-0049 section "Elements": with a proper namespace.
			return nil, stanza.NewError(stanza.NotAcceptable, "an element has a namespace of its own")
		}
		out = append(out, d)
	}
	return standAlone(query, out)
}

// standAlone makes elements independent of what the query has declared. Almost all are, and stay byte for byte as they are.
func standAlone(query string, data []store.PrivateData) ([]store.PrivateData, error) {
	var tree *xmltok.Node
	sc := xmltok.NewScanner(xmltok.TreeLimits)
	sc.Inherit(ns.Private, nil)
	for i := range data {
		if sc.Document(data[i].XML) == nil && sc.Outline().Space.In(string(data[i].XML)) == data[i].Space {
			continue
		}
		if tree == nil {
			var err error
			if tree, err = xmltok.Tree(query, ns.Client); err != nil || len(tree.Children) != len(data) {
				return nil, stanza.NewError(stanza.BadRequest, "")
			}
		}
		data[i].XML = tree.Children[i].AppendXML(nil, ns.Private)
	}
	return data, nil
}

// getPrivate is XEP-0049 section "Methods", get. What was never kept comes back as it was asked for, empty.
func (m *Module) getPrivate(ctx context.Context, e *core.Event) (core.Answer, error) {
	payload, _ := e.Stanza.Payload()
	asked, err := elements(payload.Raw())
	if err != nil {
		return core.Answer{}, err
	}
	out := []byte("<query xmlns='" + ns.Private + "'>")
	for _, d := range asked {
		if d.Space != asked[0].Space {
			// XEP-0049 section "Elements": a client must not ask for more than one namespace.
			return core.Answer{}, stanza.NewError(stanza.NotAcceptable, "one namespace at a time")
		}
		kept, err := m.store.Private(ctx, e.Account.ID, d.PrivateName)
		if err != nil {
			return core.Answer{}, err
		}
		m.readPrivate(e, d.PrivateName, kept)
		if kept == nil {
			kept = d.XML
		}
		out = append(out, kept...)
	}
	return core.Answer{Payload: string(append(out, "</query>"...))}, nil
}

// setPrivate is XEP-0049 section "Methods", set. Elements of one name in one request are kept together.
func (m *Module) setPrivate(_ context.Context, e *core.Event) (core.Answer, error) {
	payload, _ := e.Stanza.Payload()
	given, err := elements(payload.Raw())
	if err != nil {
		return core.Answer{}, err
	}
	var data []store.PrivateData
	place := make(map[store.PrivateName]int)
	for _, d := range given {
		if i, again := place[d.PrivateName]; again {
			data[i].XML = append(data[i].XML, d.XML...)
			continue
		}
		place[d.PrivateName] = len(data)
		data = append(data, d)
	}
	t := m.store.SetPrivate(e.Account.ID, data, m.personal.PrivateElements, m.personal.PrivateBytes)
	e.Wait(t)
	for _, d := range data {
		m.used(e, core.Use{Private: d.PrivateName, How: core.Stored, Ticket: t, XML: func() string { return string(d.XML) }})
	}
	return core.Answer{}, nil
}
