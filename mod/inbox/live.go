package inbox

import (
	"context"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// This file tells the clients that follow the list what changes in it. Nothing is kept for it: what has changed is read once more, as for the list.

const (
	soon     = 100 * time.Millisecond // what comes together is told together
	again    = time.Second            // of an account something is told at most so often
	mostTold = 256                    // chats whose last entry is remembered, so that nothing is told twice
)

// news is what an account's clients are to be told.
type news struct {
	changed map[string]bool // addresses of chats
	waiting bool            // tell is on its way
	next    time.Time       // when it may be
	told    map[string]string
}

// live is the module on one host.
type live struct {
	*Module
	host *core.Host
	news core.Slot[news]
}

// follows registers what is heard, and what clients ask.
func (m *Module) follows(h *core.Host) {
	x := &live{Module: m, host: h, news: core.NewSlot[news](h)}
	for local, on := range map[string]bool{"follow": true, "unfollow": false} {
		h.IQ.Handle(core.IQ{
			Space: Space, Local: local, Type: stanza.Set, To: core.ToOwn, Action: core.ActUseAccount, Module: m.Name(),
			Do: func(_ context.Context, e *core.Event) (core.Answer, error) {
				e.Session.Follow(on)
				x.news.Of(e.Account).told = nil // it knows nothing yet
				return core.Answer{}, nil
			},
		})
	}
	h.Hooks.Sent.Add(m.Name(), func(e *core.Event) { x.kept(e, e.Stanza.To) })
	h.Hooks.Received.Add(m.Name(), func(e *core.Event) { x.kept(e, e.Stanza.From) })
	h.Hooks.Published = append(h.Hooks.Published, core.PublishedHook{Module: m.Name(), Do: x.published})
	h.Hooks.Said = append(h.Hooks.Said, core.SaidHook{Module: m.Name(), Do: x.said})
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, Space)
}

// kept: a message has come into the archive. Turn of the account.
func (x *live) kept(e *core.Event, peer jid.JID) {
	if e.Kept != "" && x.host.Followed(e.Account.JID) {
		x.change(e.Account, peer.Bare().String())
	}
}

// published: a client has displayed something, or keeps something else about a chat. Turn of the account.
func (x *live) published(e *core.Event, p *core.Publication) {
	if !x.host.Followed(e.Account.JID) {
		return
	}
	for _, id := range append([]string{p.Item}, p.Retracted...) {
		if chat := chatOf(p.Node, id); chat != "" {
			x.change(e.Account, strings.Clone(chat))
		}
	}
}

// chatOf is which chat an item of a node is about; empty: none.
func chatOf(node, id string) string {
	switch node {
	case ns.Chats:
		_, id, _ = strings.Cut(id, "/")
	case ns.Displayed, ns.Bookmarks:
	default:
		return ""
	}
	return addressed(id)
}

// said: something was said in a room. Turn of the room.
func (x *live) said(w *core.Work, s *core.Said) {
	if s.Message.ID == "" {
		return
	}
	room := s.Room
	for who := range s.Everybody {
		if who.Domain() == x.host.Domain.Domain() && x.host.Followed(who) {
			room.Visit(w, who, func(_ *core.Work, a *core.Account) { x.change(a, room.JID.String()) })
		}
	}
}

// change notes that a chat is to be told of. Turn of the account.
func (x *live) change(a *core.Account, chat string) {
	n := x.news.Of(a)
	if n.changed == nil {
		n.changed = map[string]bool{}
	}
	n.changed[chat] = true
	if n.waiting {
		return
	}
	n.waiting = true
	own := a.JID
	time.AfterFunc(max(n.next.Sub(x.host.Now()), soon), func() {
		if err := x.host.Do(own, x.tell); err != nil {
			x.obs.Log.Debug("changes of the inbox not told", obs.JID, own.String(), obs.Err, err)
		}
	})
}

// tell reads what has changed and tells it. Turn of the account.
func (x *live) tell(_ *core.Work, a *core.Account) {
	n := x.news.Of(a)
	if !n.waiting || !x.host.Followed(a.JID) {
		n.waiting, n.changed = false, nil
		return
	}
	var names []string
	for chat := range n.changed {
		names = append(names, chat)
	}
	n.changed, n.next = nil, x.host.Now().Add(again)
	p, owner := &pageOf{own: a.JID}, a.ID
	a.Aside(func(ctx context.Context) error { return x.entriesOf(ctx, owner, p, names) }, func(w *core.Work, a *core.Account, err error) {
		n := x.news.Of(a)
		n.waiting = false
		if err != nil {
			x.obs.Log.Warn("changes of the inbox not told", obs.JID, a.JID.String(), obs.Err, err)
		}
		for i := range p.chats {
			x.give(w, a, p.chats[i].Peer, string(p.entry(&p.chats[i])))
		}
		if len(n.changed) > 0 { // meanwhile
			for chat := range n.changed {
				x.change(a, chat)
				break
			}
		}
	})
}

// entriesOf reads what the list says of some chats. It runs outside turns.
func (m *Module) entriesOf(ctx context.Context, owner store.Owner, p *pageOf, names []string) error {
	marks, err := m.marks(ctx, owner, names...)
	if err != nil {
		return err
	}
	if p.chats, err = m.stores.Chats.Chats(ctx, owner, store.ChatsQuery{Self: p.own.String(), Marks: marks, Only: names}); err != nil {
		return err
	}
	if p.settings, err = m.settings(ctx, owner, names...); err == nil {
		p.mentions, err = m.mentions(ctx, p.own, p.chats, p.settings)
	}
	return err
}

// give tells the sessions that follow, unless they know it. Turn of the account.
func (x *live) give(w *core.Work, a *core.Account, chat, entry string) {
	n := x.news.Of(a)
	if n.told[chat] == entry {
		return
	}
	if n.told == nil || len(n.told) >= mostTold {
		n.told = map[string]string{}
	}
	n.told[chat] = entry
	for _, s := range a.Sessions() {
		if !s.Follows() {
			continue
		}
		st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.Headline, From: a.JID, To: s.JID}, entry)
		if err != nil {
			x.obs.Log.Error("entry of an inbox", obs.JID, a.JID.String(), obs.Err, err)
			return
		}
		s.SendOnce(w, st.Seal())
	}
}
