package roster

import (
	"context"
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Limits of one roster item, bytes and count; clients allow less.
const (
	maxName   = 1023
	maxGroup  = 1023
	maxGroups = 64
)

// get is RFC 6121 section 2.2, with versions section 2.6.3.
func (r *roster) get(ctx context.Context, e *core.Event) (core.Answer, error) {
	s, a := e.Session, e.Account
	b := r.books.Of(a)
	if s == nil {
		return core.Answer{Payload: b.result()}, nil // XEP-0356 section 4.3: a component asks in the account's name
	}
	s.Interest()
	query, _ := e.Stanza.Payload()
	if known, ok := query.Attr("ver"); ok && r.catchUp(ctx, a, b, s, known) {
		return core.Answer{}, nil
	}
	return core.Answer{Payload: b.result()}, nil
}

// result is the whole roster; requests alone are not part of it (RFC 6121 section 3.1.3).
func (b *book) result() string {
	out := make([]byte, 0, b.bytes+128)
	out = appendQuery(out, b.version)
	for j, e := range b.contacts {
		if c := e.contact(); c.state.has(listed) {
			out = appendItem(out, j, c)
		}
	}
	return string(append(out, "</query>"...))
}

// set is RFC 6121 sections 2.3 to 2.5: a roster item is added, changed or removed.
func (r *roster) set(_ context.Context, e *core.Event) (core.Answer, error) {
	query, _ := e.Stanza.Payload()
	want, err := parseItem(query)
	if err != nil {
		return core.Answer{}, err
	}
	if want.jid == e.Account.JID {
		return core.Answer{}, stanza.NewError(stanza.NotAllowed, "nobody is a contact of themselves")
	}
	o := &op{contact: want.jid, decide: r.edit(want)}
	if want.remove {
		o.decide = r.remove(want.jid)
	}
	e.Wait(r.do(e.Work, e.Account, o))
	return core.Answer{}, nil
}

// edit gives the item a name and groups; subscriptions are not the client's to set (RFC 6121 section 2.3.1).
func (r *roster) edit(want wanted) func(*book, contact) (plan, *stanza.Error) {
	return func(b *book, now contact) (plan, *stanza.Error) {
		next := contact{name: strings.Clone(want.name), groups: groupsOf(want.groups), state: now.state | listed}
		if err := r.room(b, want.jid, now, next); err != nil {
			r.host.Metrics().Refused("roster")
			return plan{}, err
		}
		return plan{next: next, item: true}, nil
	}
}

// remove is RFC 6121 section 2.5.2: the item goes, and with it every subscription and request between the two.
func (r *roster) remove(j jid.JID) func(*book, contact) (plan, *stanza.Error) {
	return func(_ *book, now contact) (plan, *stanza.Error) {
		if !now.state.has(listed) {
			return plan{}, stanza.NewError(stanza.ItemNotFound, "") // RFC 6121 section 2.5.3
		}
		if err := bondedTo(now); err != nil {
			return plan{}, err
		}
		return plan{item: true, then: func(w *core.Work, a *core.Account) {
			r.part(w, a, j, now.state)
			r.presence(w, a, j, now.state, 0)
		}}, nil
	}
}

// room refuses what would make the roster too large: too many items, or so many bytes that one result could not be sent.
func (r *roster) room(b *book, j jid.JID, now, next contact) *stanza.Error {
	if !next.state.has(listed) {
		return nil
	}
	limits := &r.host.Config.Limits
	size := itemSize(j, next)
	if now.state.has(listed) {
		size -= itemSize(j, now)
	} else if b.items >= limits.RosterItems {
		return stanza.NewError(stanza.ResourceConstraint, "the roster has no room for another contact")
	}
	if size > 0 && b.bytes+size > limits.OutboxBytes/2 {
		return stanza.NewError(stanza.ResourceConstraint, "the roster has no room for more names and groups")
	}
	return nil
}

// wanted is what a roster set asks for.
type wanted struct {
	jid    jid.JID
	remove bool
	name   string
	groups []string
}

// parseItem reads a roster set and applies RFC 6121 section 2.3.3.
func parseItem(query stanza.Child) (wanted, error) {
	var want wanted
	tree, err := query.Tree()
	if err != nil {
		return want, stanza.NewError(stanza.BadRequest, "")
	}
	items := tree.All(ns.Roster, "item")
	if len(items) != 1 {
		return want, stanza.NewError(stanza.BadRequest, "a roster set has exactly one item")
	}
	address, ok := items[0].Lookup("", "jid")
	if !ok {
		return want, stanza.NewError(stanza.BadRequest, "an item has an address")
	}
	if want.jid, err = jid.Parse(address); err != nil {
		return want, stanza.NewError(stanza.JIDMalformed, "")
	}
	if want.jid.IsFull() {
		return want, stanza.NewError(stanza.BadRequest, "the address of an item has no resource")
	}
	// RFC 6121 section 2.1.2.5: any other value in a set is ignored.
	if want.remove = items[0].Attr("subscription") == "remove"; want.remove {
		return want, nil
	}
	if want.name = items[0].Attr("name"); len(want.name) > maxName {
		return want, stanza.NewError(stanza.NotAcceptable, "the name is too long")
	}
	want.groups, err = parseGroups(items[0])
	return want, err
}

func parseGroups(item *xmltok.Node) ([]string, error) {
	all := item.All(ns.Roster, "group")
	if len(all) > maxGroups {
		return nil, stanza.NewError(stanza.NotAcceptable, "the item is in too many groups")
	}
	var names []string
	for _, g := range all {
		name := g.Text()
		switch {
		case name == "":
			return nil, stanza.NewError(stanza.NotAcceptable, "a group has a name")
		case len(name) > maxGroup:
			return nil, stanza.NewError(stanza.NotAcceptable, "the name of a group is too long")
		case slices.Contains(names, name):
			return nil, stanza.NewError(stanza.BadRequest, "the item is in one group twice")
		}
		names = append(names, name)
	}
	return names, nil
}
