package core

import (
	"context"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Act has an account handle a request as if a client of its own had sent it, and waits for the content of the answer: the same rows, hooks and limits. So
// whoever brings data along or takes it away, such as an import, needs not know in how many forms a module keeps it. What goes before an answer is lost. A refusal is a *stanza.Error; ErrElsewhere as Do. Only a door may
// call it.
func (h *Host) Act(ctx context.Context, account jid.JID, typ stanza.Type, payload string) (string, error) {
	if _, far := h.Router.elsewhere(account); far {
		return "", ErrElsewhere
	}
	answer := make(chan *stanza.Stanza, 1)
	id, err := h.expect(account, func(_ *Work, st *stanza.Stanza) { answer <- st })
	if err != nil {
		return "", err
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.IQ, Type: typ, ID: id, From: account, To: account}, payload)
	if err != nil {
		return "", stanza.NewError(stanza.BadRequest, err.Error())
	}
	if wrong := checkIQ(st); wrong != nil {
		return "", wrong
	}
	d := newDelivery(func() {})
	d.role = store.RoleMember
	w := NewWork(h.pool)
	h.accounts.take(w, account, turn{op: (*Account).invoke, st: st.Seal(), from: origin{far: d}, call: func(w *Work, a *Account) {
		if !a.managed() {
			a.replyError(w, st, stanza.NewError(stanza.ItemNotFound, "there is no such account"))
			return
		}
		a.answerIQ(w, st, nil, ToOwn, origin{far: d})
	}})
	w.Run()
	select {
	case st := <-answer:
		if refused := stanza.ParseError(st); refused != nil {
			return "", refused
		}
		return st.Inner(), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
