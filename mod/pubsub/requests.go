package pubsub

import (
	"context"
	"errors"
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Limits of what a request names, bytes.
const (
	maxName = store.MaxNodeName // of a node or an item
	maxIDs  = 1000              // items that one request names
)

// request is a request about nodes as far as all have it in common.
type request struct {
	verb *xmltok.Node // what is wanted
	with *xmltok.Node // <configure/>, <publish-options/>, <options/> or <set/> behind it; nil: none
	node string       // empty: none is named
	from jid.JID      // whose request it is
}

// read parses a request.
func read(st *stanza.Stanza, space string) (request, *stanza.Error) {
	payload, _ := st.Payload()
	tree, err := payload.Tree()
	if err != nil {
		return request{}, stanza.NewError(stanza.BadRequest, "")
	}
	return parse(tree, space, st.From)
}

func parse(tree *xmltok.Node, space string, from jid.JID) (request, *stanza.Error) {
	r := request{from: from}
	for _, c := range tree.Children {
		switch {
		case r.verb == nil && c.Space == space:
			r.verb = c
		case r.verb != nil && r.with == nil && (c.Space == space || c.Is(ns.RSM, "set")):
			r.with = c
		case c.Space == space || c.Space == ns.RSM:
			return r, stanza.NewError(stanza.BadRequest, "too much at once")
		}
	}
	if r.verb == nil {
		return r, stanza.NewError(stanza.BadRequest, "nothing is wanted")
	}
	r.node = strings.Clone(r.verb.Attr("node")) // a copy, since it may be kept longer than the request
	if len(r.node) > maxName {
		return r, stanza.NewError(stanza.NotAcceptable, "the name of the node is too long")
	}
	return r, nil
}

// form is the submitted form inside an element; nil when it was cancelled.
func (r *request) form(in *xmltok.Node) (*form.Form, *stanza.Error) {
	f, err := form.ParseSubmit(in.Child(ns.DataForm, "x"))
	if err != nil {
		return nil, stanza.AsError(err)
	}
	if f.Type == form.Cancel {
		return nil, nil
	}
	return f, nil
}

// itemIDs are the items that are named inside of the verb.
func (r *request) itemIDs() ([]string, *stanza.Error) {
	var out []string
	for _, i := range r.verb.All(r.verb.Space, "item") {
		id := i.Attr("id")
		if id == "" {
			return nil, fault(stanza.BadRequest, "item-required")
		}
		if len(id) > maxName || len(out) == maxIDs {
			return nil, stanza.NewError(stanza.NotAcceptable, "the items are too many, or an id is too long")
		}
		out = append(out, strings.Clone(id))
	}
	return out, nil
}

// act is a request in a turn of the owner, with what there is of the node.
type act struct {
	*core.Event
	request
	at   home
	book *book
	is   *node  // nil: there is no such node
	who  person // what the sender is to it
}

// still is a node as it is when a change of it is durable: the book may have been read again since, and the node may be gone (nil). Only in a turn of the
// owner.
func (m *Module) still(e *core.Event, name string) (*book, *node) {
	b, err := m.of(m.at(e))
	if err != nil {
		m.obs.Log.Error("what follows the change of a node is left out", obs.JID, m.at(e).jid.String(), obs.Err, err)
		return nil, nil
	}
	return b, b.nodes[name]
}

// answer is the payload of a result; handlers of requests return it.
type answer = core.Answer

// begin prepares a request. Only in a turn of the owner.
func (m *Module) begin(e *core.Event, r request) (*act, error) {
	at := m.at(e)
	b, err := m.of(at)
	if err != nil {
		return nil, err
	}
	x := &act{Event: e, request: r, at: at, book: b, is: b.nodes[r.node]}
	b.settled(e)
	if x.is != nil {
		x.who = m.person(at, x.is, r.from.Bare())
	}
	return x, nil
}

// existing is the node of a request that needs one, or the error for one that names none, or none that is there.
func (x *act) existing() *stanza.Error {
	switch {
	case x.node == "":
		return fault(stanza.BadRequest, "nodeid-required")
	case x.is == nil:
		return noNode()
	}
	return nil
}

// owned is existing for what only owners may do.
func (x *act) owned() *stanza.Error {
	if err := x.existing(); err != nil {
		return err
	}
	if x.who.affiliation != isOwner {
		return forbidden()
	}
	return nil
}

// set answers what changes something and is for everybody (XEP-0060 sections 6 and 7, and 8.1).
func (m *Module) set(_ context.Context, e *core.Event) (answer, error) {
	r, fail := read(e.Stanza, ns.PubSub)
	if fail != nil {
		return answer{}, fail
	}
	x, err := m.begin(e, r)
	if err != nil {
		return answer{}, err
	}
	var out string
	switch r.verb.Local {
	case "publish":
		out, fail = m.publish(x)
	case "retract":
		out, fail = m.retract(x)
	case "create":
		out, fail = m.create(x)
	case "subscribe":
		out, fail = m.subscribe(x)
	case "unsubscribe":
		out, fail = m.unsubscribe(x)
	case "options":
		fail = unsupported("subscription-options")
	default:
		fail = stanza.NewError(stanza.BadRequest, "")
	}
	return result(ns.PubSub, out, fail)
}

// result wraps an answer.
func result(space, inner string, fail *stanza.Error) (answer, error) {
	if fail != nil {
		return answer{}, fail
	}
	if inner == "" {
		return answer{}, nil
	}
	return answer{Payload: "<pubsub xmlns='" + space + "'>" + inner + "</pubsub>"}, nil
}

// get answers what is asked by everybody (XEP-0060 sections 5.6, 5.7 and 6.5). It runs outside turns.
func (m *Module) get(ctx context.Context, e *core.Event) (answer, error) {
	r, fail := read(e.Stanza, ns.PubSub)
	if fail != nil {
		return answer{}, fail
	}
	switch r.verb.Local {
	case "items":
		return m.items(ctx, e, r)
	case "subscriptions":
		return m.inTurn(ctx, e, r, m.subscriptionsOf)
	case "affiliations":
		return m.inTurn(ctx, e, r, m.affiliationsOf)
	case "options":
		return answer{}, unsupported("subscription-options")
	case "default":
		return answer{}, unsupported("retrieve-default-sub")
	}
	return answer{}, stanza.NewError(stanza.BadRequest, "")
}

// inTurn has f answer in a turn of the owner, and waits until what it may tell of is durable.
func (m *Module) inTurn(ctx context.Context, e *core.Event, r request, f func(*act) (string, *stanza.Error)) (answer, error) {
	var out string
	var open store.Ticket
	err := m.within(ctx, m.at(e), func(w *core.Work, a home) error {
		x, err := m.begin(&core.Event{Host: m.host, Work: w, Account: a.account, Room: a.room, Stanza: e.Stanza}, r)
		if err != nil {
			return err
		}
		open = x.book.open
		var fail *stanza.Error
		if out, fail = f(x); fail != nil {
			return fail
		}
		return nil
	})
	if err == nil {
		err = open.Wait(ctx)
	}
	if err != nil {
		return answer{}, err
	}
	return result(ns.PubSub, out, nil)
}

// storeFault is what a refusal by the store means to a client.
func storeFault(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return noNode() // XEP-0060 section 7.2.3.2: or item
	case errors.Is(err, store.ErrConflict):
		return forbidden()
	case errors.Is(err, store.ErrTooMany):
		return fault(stanza.Conflict, "node-full") // XEP-0060 section 7.1.3.4
	case errors.Is(err, store.ErrInvalid):
		return stanza.NewError(stanza.NotAcceptable, "a name is too long")
	}
	return err
}

// translated is a ticket whose refusal is what a client is told.
func translated(t store.Ticket) store.Ticket {
	p := new(store.Promise)
	t.Done(func(err error) { p.Settle(storeFault(err)) })
	return p.Ticket()
}
