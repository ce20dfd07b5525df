package pubsub

import (
	"context"
	"strconv"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// answerBytes bounds the payloads of one answer; what does not fit is said by paging (XEP-0060 section 6.5.4).
const answerBytes = 512 << 10

// items is XEP-0060 section 6.5. It runs outside turns.
func (m *Module) items(ctx context.Context, e *core.Event, r request) (answer, error) {
	q, page, fail := r.query()
	if fail != nil {
		return answer{}, fail
	}
	var owner store.Owner
	if _, err := m.inTurn(ctx, e, r, func(x *act) (string, *stanza.Error) {
		owner = x.at.id()
		if fail := x.existing(); fail != nil {
			return "", fail
		}
		if fail := mayRead(&x.is.options, x.who); fail != nil {
			return "", fail
		}
		if !x.is.options.Persist {
			return "", unsupported("persistent-items") // XEP-0060 section 6.5.9.4
		}
		q.Since = m.expired(&x.is.options)
		return "", nil
	}); err != nil {
		return answer{}, err
	}
	got, err := m.nodes.Items(ctx, owner, r.node, q)
	if err != nil {
		return answer{}, storeFault(err)
	}
	m.readItems(e, r, q, got)
	var b []byte
	for _, i := range got.Items {
		b = append(b, itemXML(m.at(e), i.ID, string(i.Payload), i.Publisher)...)
	}
	out := element("items", r.node, string(b))
	if page || q.Max < 0 && len(got.Items) < got.Count {
		out += string(pageOf(got).AppendXML(nil))
	}
	return result(ns.PubSub, out, nil)
}

// pageOf says which part of the items an answer has.
func pageOf(got store.NodePage) rsm.Result {
	p := rsm.Result{Count: got.Count, HasCount: true}
	if n := len(got.Items); n > 0 {
		p.First, p.Last, p.Index, p.HasIndex = got.Items[0].ID, got.Items[n-1].ID, got.First, true
	}
	return p
}

// query reads which items are wanted; page tells that it was said by XEP-0059. The newest come when not all can.
func (r *request) query() (q store.NodeQuery, page bool, fail *stanza.Error) {
	q = store.NodeQuery{Max: -1, FromEnd: true, MaxBytes: answerBytes}
	if q.IDs, fail = r.itemIDs(); fail != nil {
		return q, false, fail
	}
	// XEP-0060 section 6.5.7
	if most, ok := r.verb.Lookup("", "max_items"); ok {
		n, err := strconv.ParseUint(most, 10, 31)
		if err != nil || n == 0 {
			return q, false, stanza.NewError(stanza.BadRequest, "max_items is no number of items")
		}
		q.Max = int(n)
	}
	if r.with == nil || !r.with.Is(ns.RSM, "set") {
		return q, false, nil
	}
	p, err := rsm.ParseRequest(r.with)
	if err != nil {
		return q, false, stanza.AsError(err)
	}
	q.After, q.Before, q.FromEnd = p.After, p.Before, p.Last || p.Before != ""
	if p.HasMax {
		q.Max = p.Max
	}
	if p.HasIndex {
		q.Index, q.FromEnd = p.Index, false
	}
	return q, true, nil
}

// discoItems are the names of a node's items (XEP-0060 section 5.5), as many as an answer may have.
func (m *Module) discoItems(e *core.Event, n *node) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	got, err := m.nodes.Items(ctx, m.at(e).id(), n.name, store.NodeQuery{Max: m.config.Items, Names: true, Since: m.expired(&n.options)})
	if err != nil {
		return nil, err
	}
	var b []byte
	for _, i := range got.Items {
		b = append(b, "<item"...)
		b = xmltok.AppendAttr(b, "jid", m.at(e).jid.String())
		b = append(xmltok.AppendAttr(b, "name", i.ID), "/>"...)
	}
	return b, nil
}
