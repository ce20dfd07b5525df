// Package inbox gives a client the list of its chats in one reply (XEP-0430 version 0.2.0): what was said last in each, how much of it is unread, in how
// much of that the account is mentioned (XEP-0372), and what its clients keep of it: whether it is pinned (XEP-0469), how it notifies (XEP-0492), what was begun to be
// written. Nothing is kept for it, see docs/decisions/0029-inbox.md.
//
// Hooks: Sent, Received, Published, Said, for clients that follow the list (live.go). Left out: the manual "set unread" for which the XEP has no element.
package inbox

import (
	"context"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Space is the namespace of what XEP-0430 has no element for: <more/> in an entry says that more may be unread than was counted, <mentions/> in how many of the newest
// unread messages the account is meant.
const Space = "urn:stonechat:inbox:1"

// mostChats is how many chats one reply has, unless the client wants fewer.
const mostChats = 1000

// Stores are the parts of the store that the module reads.
type Stores struct {
	Chats store.Chats
	Nodes store.Nodes
}

// Module is the feature. One value may be installed on several hosts.
type Module struct {
	stores Stores
	obs    obs.Obs
}

// New takes what the list is read from.
func New(s Stores, o obs.Obs) *Module { return &Module{s, o} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "inbox" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	for _, to := range []core.Target{core.ToOwn, core.ToContact} { // of another account it is forbidden
		h.IQ.Handle(core.IQ{
			Space: ns.Inbox, Local: "inbox", Type: stanza.Get, To: to, Action: core.ActUseAccount, Slow: true, Do: m.answer, Module: m.Name(),
		})
	}
	m.follows(h)
	// XEP-0430 section 2.1: on the account, to which requests are sent.
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.Inbox)
}

// asked is one request (XEP-0430 section 3.1).
type asked struct {
	unreadOnly bool
	bare       bool // without the last messages
	page       rsm.Request
}

// parseAsked reads <inbox/> as the client sends it.
func parseAsked(n *xmltok.Node) (q asked, err error) {
	for name, set := range map[string]func(bool){
		"unread-only": func(v bool) { q.unreadOnly = v },
		"messages":    func(v bool) { q.bare = !v },
	} {
		switch text, ok := n.Lookup("", name); {
		case !ok:
		case text == "true" || text == "1":
			set(true)
		case text == "false" || text == "0":
			set(false)
		default:
			return q, stanza.NewError(stanza.BadRequest, name+" is true or false")
		}
	}
	q.page, err = rsm.ParseRequest(n.Child(ns.RSM, "set"))
	return q, err
}

// answer gives the entries of a page first, then the result. It runs outside turns.
func (m *Module) answer(ctx context.Context, e *core.Event) (core.Answer, error) {
	payload, _ := e.Stanza.Payload()
	tree, err := payload.Tree()
	if err != nil {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "")
	}
	q, err := parseAsked(tree)
	if err != nil {
		return core.Answer{}, err
	}
	marks, err := m.marks(ctx, e.Account.ID)
	if err != nil {
		return core.Answer{}, err
	}
	all, err := m.stores.Chats.Chats(ctx, e.Account.ID, store.ChatsQuery{Self: e.Account.JID.String(), Marks: marks})
	if err != nil {
		return core.Answer{}, err
	}
	sums, list := sum(all, q.unreadOnly)
	page, set, err := rsm.Page(list, q.page, q.page.Size(mostChats, mostChats), func(c store.Chat) string { return c.Peer })
	if err != nil {
		return core.Answer{}, err
	}
	p := pageOf{asked: &q, id: e.Stanza.ID, own: e.Account.JID, to: e.Stanza.From, chats: page}
	if p.settings, err = m.settings(ctx, e.Account.ID); err != nil {
		return core.Answer{}, err
	}
	if p.mentions, err = m.mentions(ctx, e.Account.JID, page, p.settings); err != nil {
		return core.Answer{}, err
	}
	if !q.bare {
		if p.rows, err = m.stores.Chats.Last(ctx, e.Account.ID, page); err != nil {
			return core.Answer{}, err
		}
	}
	ans := core.Answer{Payload: sums.fin(set)}
	if len(page) > 0 {
		ans.Before = m.entries(&p)
	}
	return ans, nil
}

// sums are what the end of a list says of all chats (XEP-0430 section 3.1).
type sums struct{ total, unread, all int }

// sum counts, and takes out what was not asked for.
func sum(chats []store.Chat, unreadOnly bool) (s sums, list []store.Chat) {
	s.total = len(chats)
	for _, c := range chats {
		if c.Unread > 0 {
			s.unread++
			s.all += c.Unread
		}
		if c.Unread > 0 || !unreadOnly {
			list = append(list, c)
		}
	}
	return s, list
}
