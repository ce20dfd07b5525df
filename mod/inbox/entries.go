package inbox

import (
	"context"
	"strconv"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// marks are the ids up to which everything was displayed, by chat (XEP-0490 section 4.1): of all, or of those that are named.
func (m *Module) marks(ctx context.Context, owner store.Owner, only ...string) (map[string]string, error) {
	page, err := m.stores.Nodes.Items(ctx, owner, ns.Displayed, store.NodeQuery{IDs: only, Max: -1})
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(page.Items))
	for i := range page.Items {
		if id := markOf(string(page.Items[i].Payload)); id != "" {
			out[addressed(page.Items[i].ID)] = id
		}
	}
	return out, nil
}

// markOf is the id that a mark names; empty: it is none.
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

// addressed is an item's id in the form in which addresses are compared: clients write it as they like.
func addressed(id string) string {
	if j, err := jid.Parse(id); err == nil {
		return j.String()
	}
	return id
}

// pageOf is a page of chats on its way to a client.
type pageOf struct {
	*asked
	id       string // of the request
	own, to  jid.JID
	chats    []store.Chat
	rows     []store.Row // none: they were not asked for
	settings map[string]settings
	mentions map[string]int
}

// entries are made one by one as the client reads.
func (m *Module) entries(p *pageOf) core.Source {
	sc, at := xmltok.NewScanner(xmltok.TreeLimits), 0
	return func() (*stanza.Stanza, bool) {
		if at == len(p.chats) {
			return nil, false
		}
		b := p.entry(&p.chats[at])
		if at < len(p.rows) && p.rows[at].ID != "" {
			last, err := shown(sc, &p.chats[at], p.rows[at].Stanza)
			if err != nil {
				m.obs.Log.Error("archived message cannot be read", obs.JID, p.own.String(), "id", p.rows[at].ID)
			}
			b = p.result(b, &p.rows[at], last)
			p.rows[at] = store.Row{}
		}
		at++
		st, err := stanza.New(stanza.Head{Kind: stanza.Message, From: p.own, To: p.to}, string(b))
		if err != nil {
			m.obs.Log.Error("entry of an inbox", obs.JID, p.own.String(), obs.Err, err)
			return nil, false
		}
		return st.Seal(), true
	}
}

// entry is XEP-0430 section 3.1.
func (p *pageOf) entry(c *store.Chat) []byte {
	b := append(make([]byte, 0, 1024), "<entry xmlns='"+ns.Inbox+"'"...)
	b = xmltok.AppendAttr(b, "unread", strconv.Itoa(c.Unread))
	b = xmltok.AppendAttr(b, "jid", c.Peer)
	b = append(xmltok.AppendAttr(b, "id", c.LastID), '>')
	if c.More {
		b = append(b, "<more xmlns='"+Space+"'/>"...)
	}
	if n := p.mentions[c.Peer]; n > 0 {
		b = append(xmltok.AppendAttr(append(b, "<mentions xmlns='"+Space+"'"...), "count", strconv.Itoa(n)), "/>"...)
	}
	return append(p.settings[c.Peer].appendXML(b), "</entry>"...)
}

// shown is the stanza of a chat's last row as its owner may see it.
func shown(sc *xmltok.Scanner, c *store.Chat, text []byte) ([]byte, error) {
	if c.Room == 0 || len(text) == 0 {
		return text, nil
	}
	// XEP-0313 section 6.1.2: whose nick it was is for those who may know it, and no list of chats needs it.
	st, err := stanza.ParseWith(sc, string(text))
	if err != nil {
		return nil, err
	}
	st = st.Without(func(child stanza.Child) bool { return child.Space == ns.MUCUser }).Seal()
	return st.Append(make([]byte, 0, st.Size()), ns.Client), nil
}

// result is the last message as the archive gives it (XEP-0313 section 4.2). Its place may be given without it (XEP-0313 section 3.2).
func (p *pageOf) result(b []byte, r *store.Row, last []byte) []byte {
	b = append(b, "<result xmlns='"+ns.Archive+"'"...)
	b = xmltok.AppendAttr(b, "queryid", p.id)
	b = append(xmltok.AppendAttr(b, "id", r.ID), '>')
	return append(forward.Append(b, forward.Delay{Stamp: r.Key.Time()}, last), "</result>"...)
}

// fin ends the list.
func (s sums) fin(set rsm.Result) string {
	b := append([]byte(nil), "<fin xmlns='"+ns.Inbox+"'"...)
	b = xmltok.AppendAttr(b, "total", strconv.Itoa(s.total))
	b = xmltok.AppendAttr(b, "unread", strconv.Itoa(s.unread))
	b = append(xmltok.AppendAttr(b, "all-unread", strconv.Itoa(s.all)), '>')
	return string(append(set.AppendXML(b), "</fin>"...))
}
