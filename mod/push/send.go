package push

import (
	"context"
	"errors"
	"fmt"
	"net"

	"stonechat/core"
	"stonechat/outbound"
	"stonechat/store"
	"stonechat/webpush"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// home is the account that a notice is for, and its host; nil: it is none of ours.
func (r *Round) home(n *notice) (jid.JID, *Module) {
	a, err := jid.Parse(n.Account)
	if err != nil {
		return a, nil
	}
	return a, r.hosts[a.Domain()]
}

// counts is what the account has not read. Not known: the chat is in no archive.
func (r *Round) counts(ctx context.Context, owner store.Owner, n *notice) (c counts, known bool, err error) {
	page, err := r.nodes.Items(ctx, owner, ns.Displayed, store.NodeQuery{Max: -1})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return c, false, err
	}
	marks := make(map[string]string, len(page.Items))
	for i := range page.Items {
		if j, err := jid.Parse(page.Items[i].ID); err == nil {
			marks[j.String()] = markOf(string(page.Items[i].Payload))
		}
	}
	chats, err := r.chats.Chats(ctx, owner, store.ChatsQuery{Self: n.Account, Marks: marks})
	if err != nil {
		return c, false, err
	}
	for _, x := range chats {
		c.Total += x.Unread
		if x.Peer == n.Chat {
			c.Unread, c.More, known = x.Unread, x.More, true
		}
	}
	return c, known, nil
}

// markOf is the id that a mark names (XEP-0490 section 4.1).
func markOf(payload string) string {
	tree, err := xmltok.Tree(payload, "")
	if err != nil || !tree.Is(ns.Displayed, "displayed") {
		return ""
	}
	if id := tree.Child(ns.StanzaID, "stanza-id"); id != nil {
		return id.Attr("id")
	}
	return ""
}

// toEndpoint sends a notice to a device by its push service.
func (r *Round) toEndpoint(ctx context.Context, t *target, n *notice, c counts) store.PushResult {
	refused := func(said string) store.PushResult { return store.PushResult{Outcome: store.PushRefused, Said: said} }
	to, err := webpush.ParseSubscription(t.Service, t.Key, t.Auth)
	if err != nil {
		return refused("the registration is damaged")
	}
	text, err := n.text(c)
	if err != nil {
		return refused("the notification cannot be written")
	}
	now := r.now()
	req, err := r.sender.Request(ctx, webpush.Message{
		Text: text, Topic: topicOf(r.sender, n.Account, n.Chat, n.about()), Urgency: n.urgency(), Life: n.life(r.config.Life.D()),
	}, to, now)
	if err != nil {
		return refused("the notification cannot be closed")
	}
	answer, err := r.do(req)
	switch {
	case errors.Is(err, outbound.ErrInside), errors.Is(err, outbound.ErrAddress):
		return refused("the address is not one of the public Internet")
	case err != nil:
		return store.PushResult{Outcome: store.PushFailed, Said: "no answer" + reason(err)}
	}
	outcome, wait := webpush.Judge(answer.Status, answer.Header, now)
	res := store.PushResult{Said: fmt.Sprintf("HTTP status %d", answer.Status)}
	switch outcome {
	case webpush.Taken:
		res.Outcome = store.PushSent
	case webpush.Gone:
		res.Outcome = store.PushGone
	case webpush.Refused:
		res.Outcome = store.PushRefused
	case webpush.Failed, webpush.Postponed:
		res.Outcome, res.Next = store.PushFailed, now.Add(wait)
	}
	return res
}

// reason is what of a network's error may be told: never an address, or a client could look around by ours.
func reason(err error) string {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return " in time"
	}
	return ""
}

// about is the kind whose topic a notice has.
func (n *notice) about() string {
	if n.Kind == ofWithdraw {
		return n.Of
	}
	return n.Kind
}

// toApp publishes a notice to the server of an app (XEP-0357 section 7), from the host.
func (r *Round) toApp(ctx context.Context, t *target, n *notice, c counts) store.PushResult {
	_, home := r.home(n)
	service, err := jid.Parse(t.Service)
	if err != nil || home == nil {
		return store.PushResult{Outcome: store.PushRefused, Said: "the registration is damaged"}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	answers := make(chan *stanza.Stanza, 1)
	asking := make(chan error, 1)
	home.host.Pool().Do(func(w *core.Work) {
		asking <- home.host.Request(w, stanza.Set, service, n.publication(t, c), func(_ *core.Work, st *stanza.Stanza) { answers <- st })
	})
	if err := <-asking; err != nil {
		return store.PushResult{Outcome: store.PushFailed, Said: "this server has too many requests open"}
	}
	select {
	case st := <-answers:
		return judge(st)
	case <-ctx.Done():
		return store.PushResult{Outcome: store.PushFailed, Said: "no answer in time"}
	}
}

// judge is XEP-0357 section 7.1: what an answer means.
func judge(st *stanza.Stanza) store.PushResult {
	if st.Type == stanza.TypeResult {
		return store.PushResult{Outcome: store.PushSent, Said: "taken"}
	}
	e := stanza.ParseError(st)
	res := store.PushResult{Outcome: store.PushRefused, Said: string(e.Condition)}
	switch {
	case e.Type == stanza.Wait, e.Condition == stanza.RemoteServerTimeout, e.Condition == stanza.RemoteServerNotFound:
		res.Outcome = store.PushFailed // it may be down, or the way to it
	case e.Condition == stanza.Gone:
		res.Outcome = store.PushGone
	}
	return res
}
