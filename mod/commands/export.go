package commands

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	exportPage  = 100       // messages, or items, that are read at once
	exportBytes = 1 << 20   // of items
	exportPart  = 256 << 10 // of the file in one value of the answer, at most
)

// ExportPart is one value of an export: a part of the file.
type ExportPart struct {
	XML []byte `json:"xml"`
}

// exportUser gives everything that an account keeps as an element <user/> of XEP-0227, bit by bit.
func (m *Module) exportUser(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, r)
	if err != nil {
		return nil, err
	}
	j, err := jid.New(a.Local, a.Domain, "")
	if err != nil {
		return nil, err
	}
	return core.Stream(func(ctx context.Context, emit func(any) error) error {
		x := export{Module: m, account: a, jid: j, emit: emit}
		for _, step := range []func(context.Context) error{x.head, x.contacts, x.personal, x.nodes, x.archive} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		if err := x.say([]byte("</user>\n")); err != nil {
			return err
		}
		return emit(endOfExport{true})
	}), nil
}

// endOfExport stands last, and begins as the last value of every answer that comes bit by bit.
type endOfExport struct {
	Ended bool `json:"ended"`
}

// export is one that is under way.
type export struct {
	*Module
	account store.Account
	jid     jid.JID
	emit    func(any) error
}

// say writes a part of the file.
func (x *export) say(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), exportPart)
		if err := x.emit(ExportPart{XML: b[:n]}); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// head is the start tag, and what proves the password.
func (x *export) head(context.Context) error {
	b := append(xmltok.AppendAttr([]byte("<user"), "name", x.account.Local), ">\n"...)
	for _, c := range x.account.Credentials {
		b = xmltok.AppendAttr(append(b, "<scram-credentials xmlns='urn:xmpp:pie:0#scram'"...), "mechanism", c.Mechanism)
		b = append(b, "><iter-count>"+strconv.Itoa(c.Iterations)+"</iter-count>"...)
		for _, key := range []struct {
			name string
			b    []byte
		}{{"salt", c.Salt}, {"server-key", c.ServerKey}, {"stored-key", c.StoredKey}} {
			b = append(b, "<"+key.name+">"+base64.StdEncoding.EncodeToString(key.b)+"</"+key.name+">"...)
		}
		b = append(b, "</scram-credentials>\n"...)
	}
	return x.say(b)
}

// contacts are the roster, requests that are open, and the block list.
func (x *export) contacts(ctx context.Context) error {
	roster, err := x.kept.Rosters.Load(ctx, x.account.ID)
	if err != nil {
		return err
	}
	b := []byte("<query xmlns='" + ns.Roster + "'>")
	for _, c := range roster.Contacts {
		b = xmltok.AppendAttr(append(b, "<item"...), "jid", c.JID.String())
		if c.Name != "" {
			b = xmltok.AppendAttr(b, "name", c.Name)
		}
		b = xmltok.AppendAttr(b, "subscription", string(c.Subscription))
		if c.Ask {
			b = append(b, " ask='subscribe'"...)
		}
		b = append(b, '>')
		for _, g := range c.Groups {
			b = append(xmltok.AppendEscaped(append(b, "<group>"...), g), "</group>"...)
		}
		b = append(b, "</item>"...)
	}
	b = append(b, "</query>\n"...)
	for _, p := range roster.Pending {
		b = append(append(b, p.Stanza...), '\n')
	}
	blocked, err := x.kept.Blocks.Blocked(ctx, x.account.ID)
	if err != nil {
		return err
	}
	if len(blocked) > 0 {
		b = append(b, "<blocklist xmlns='"+ns.Blocking+"'>"...)
		for _, j := range blocked {
			b = append(xmltok.AppendAttr(append(b, "<item"...), "jid", j.String()), "/>"...)
		}
		b = append(b, "</blocklist>\n"...)
	}
	return x.say(b)
}

// get asks the account something, as its client would; empty: it has nothing of it.
func (x *export) get(ctx context.Context, payload string) (string, error) {
	inner, err := x.host.Act(ctx, x.jid, stanza.Get, payload)
	var none *stanza.Error
	if errors.As(err, &none) && (none.Condition == stanza.ItemNotFound || none.Condition == stanza.ServiceUnavailable) {
		return "", nil
	}
	return inner, err
}

// personal are the vCard and private storage.
func (x *export) personal(ctx context.Context) error {
	card, err := x.get(ctx, "<vCard xmlns='"+ns.VCardTemp+"'/>")
	if err != nil {
		return err
	}
	private, err := x.kept.Personal.AllPrivate(ctx, x.account.ID)
	if err != nil {
		return err
	}
	b := []byte(card)
	if len(private) > 0 {
		b = append(b, "<query xmlns='"+ns.Private+"'>"...)
		for _, d := range private {
			b = append(b, d.XML...)
		}
		b = append(b, "</query>\n"...)
	}
	return x.say(b)
}

// nodes are their forms, and then their items.
func (x *export) nodes(ctx context.Context) error {
	all, err := x.kept.Nodes.Nodes(ctx, x.account.ID)
	if err != nil || len(all) == 0 {
		return err
	}
	b := []byte("<pubsub xmlns='" + ns.PubSubOwner + "'>")
	for _, n := range all {
		ask := xmltok.AppendAttr([]byte("<pubsub xmlns='"+ns.PubSubOwner+"'><configure"), "node", n.Name)
		form, err := x.get(ctx, string(append(ask, "/></pubsub>"...)))
		if err != nil {
			return err
		}
		if tree, err := xmltok.Tree(form, ns.Client); err == nil {
			if c := tree.Child(ns.PubSubOwner, "configure"); c != nil {
				b = c.AppendXML(b, ns.PubSubOwner)
			}
		}
	}
	if err := x.say(append(b, "</pubsub>\n<pubsub xmlns='"+ns.PubSub+"'>"...)); err != nil {
		return err
	}
	for _, n := range all {
		if err := x.items(ctx, n.Name); err != nil {
			return err
		}
	}
	return x.say([]byte("</pubsub>\n"))
}

// items of a node, page by page.
func (x *export) items(ctx context.Context, node string) error {
	if err := x.say(append(xmltok.AppendAttr([]byte("<items"), "node", node), '>')); err != nil {
		return err
	}
	for after := ""; ; {
		page, err := x.kept.Nodes.Items(ctx, x.account.ID, node, store.NodeQuery{After: after, Max: exportPage, MaxBytes: exportBytes})
		if errors.Is(err, store.ErrNotFound) {
			break // what stood last has gone meanwhile, and its node is about to
		}
		if err != nil {
			return err
		}
		var b []byte
		for _, i := range page.Items {
			b = append(xmltok.AppendAttr(append(b, "<item"...), "id", i.ID), '>')
			b = append(append(b, i.Payload...), "</item>"...)
			after = i.ID
		}
		if err := x.say(b); err != nil {
			return err
		}
		if len(page.Items) == 0 {
			break
		}
	}
	return x.say([]byte("</items>"))
}

// archive is section 4.11, oldest first.
func (x *export) archive(ctx context.Context) error {
	if err := x.say([]byte("<archive xmlns='urn:xmpp:pie:0#mam'>\n")); err != nil {
		return err
	}
	for q := (store.Query{Max: exportPage}); ; {
		page, err := x.kept.Archive.Page(ctx, x.account.ID, q)
		if err != nil {
			return err
		}
		var b []byte
		for _, row := range page.Rows {
			b = append(xmltok.AppendAttr(append(b, "<result xmlns='"+ns.Archive+"'"...), "id", row.ID), '>')
			b = append(forward.Append(b, forward.Delay{Stamp: row.Key.Time()}, row.Stanza), "</result>\n"...)
			q.After = row.ID
		}
		if err := x.say(b); err != nil {
			return err
		}
		if page.Complete || len(page.Rows) == 0 {
			break
		}
	}
	return x.say([]byte("</archive>\n"))
}
