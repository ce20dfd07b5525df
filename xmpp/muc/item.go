package muc

import (
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Item says something of one person: in presence, in lists, and in requests to change them.
type Item struct {
	// Affiliation and Role are written and were given only with their flags.
	Affiliation    Affiliation
	Role           Role
	HasAffiliation bool
	HasRole        bool
	// JID is the address, zero where it is not told. In requests about affiliations it is bare.
	JID jid.JID
	// Nick in the room; in a request about a member the one that is reserved. HasNick: it was given, perhaps empty.
	Nick    string
	HasNick bool
	// Reason is a text for people, Actor the nick of who did it.
	Reason, Actor string
}

// appendXML appends the item for the inside of an element of either namespace that has items.
func (i *Item) appendXML(dst []byte, withJID bool) []byte {
	dst = append(dst, "<item"...)
	if i.HasAffiliation {
		dst = xmltok.AppendAttr(dst, "affiliation", i.Affiliation.String())
	}
	if withJID && !i.JID.IsZero() {
		dst = xmltok.AppendAttr(dst, "jid", i.JID.String())
	}
	if i.HasNick || i.Nick != "" {
		dst = xmltok.AppendAttr(dst, "nick", i.Nick)
	}
	if i.HasRole {
		dst = xmltok.AppendAttr(dst, "role", i.Role.String())
	}
	if i.Reason == "" && i.Actor == "" {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	if i.Actor != "" {
		dst = append(xmltok.AppendAttr(append(dst, "<actor"...), "nick", i.Actor), "/>"...)
	}
	return append(appendElement(dst, "reason", i.Reason), "</item>"...)
}

// AppendAdmin appends the items as a <query/> of muc#admin: a list, or a request, with its own namespace declaration.
func AppendAdmin(dst []byte, items []Item) []byte {
	dst = append(dst, "<query xmlns='"+ns.MUCAdmin+"'>"...)
	for i := range items {
		dst = items[i].appendXML(dst, true)
	}
	return append(dst, "</query>"...)
}

// ParseAdmin reads a <query/> of muc#admin. A get asks for one list, by one affiliation or role. A set changes things: every item names a nick
// and its new role, or a bare address and its new affiliation (section 13.3); instead of the address the nick of an occupant will do.
func ParseAdmin(n *xmltok.Node, typ stanza.Type) ([]Item, error) {
	if !n.Is(ns.MUCAdmin, "query") {
		return nil, ErrNotMUC
	}
	list := n.All(ns.MUCAdmin, "item")
	if len(list) > MaxItems {
		return nil, ErrTooMany
	}
	if typ == stanza.Get && len(list) != 1 {
		return nil, ErrOneItem
	}
	items := make([]Item, 0, len(list))
	for _, c := range list {
		i, err := parseItem(c, ns.MUCAdmin)
		if err != nil {
			return nil, err
		}
		// Section 13.3: an item about both is a bad request.
		if i.HasAffiliation == i.HasRole {
			return nil, ErrItem
		}
		if typ == stanza.Set && (i.HasRole && i.Nick == "" || i.HasAffiliation && i.JID.IsZero() && i.Nick == "") {
			return nil, ErrItem
		}
		// Section 10.3: who is named by a full address is meant by the bare one.
		if i.HasAffiliation {
			i.JID = i.JID.Bare()
		}
		items = append(items, i)
	}
	if len(items) == 0 {
		return nil, ErrItem
	}
	return items, nil
}

// parseItem reads one item of the namespace.
func parseItem(n *xmltok.Node, space string) (Item, error) {
	var i Item
	var ok bool
	if name, has := n.Lookup("", "affiliation"); has {
		if i.Affiliation, ok = ParseAffiliation(name); !ok {
			return i, ErrValue
		}
		i.HasAffiliation = true
	}
	if name, has := n.Lookup("", "role"); has {
		if i.Role, ok = ParseRole(name); !ok {
			return i, ErrValue
		}
		i.HasRole = true
	}
	if text, has := n.Lookup("", "jid"); has {
		address, err := jid.Parse(text)
		if err != nil {
			return i, ErrAddress
		}
		i.JID = address.Clone()
	}
	i.Nick, i.HasNick = n.Lookup("", "nick")
	i.Reason = n.Child(space, "reason").Text()
	i.Actor = n.Child(space, "actor").Attr("nick")
	return i, nil
}

// Destroy is the end of a room (section 10.9), as asked for and as told.
type Destroy struct {
	// JID is another room to go to, zero if there is none; Password is that of the other room.
	JID              jid.JID
	Reason, Password string
}

// appendXML appends the element for the inside of muc#owner and muc#user.
func (d *Destroy) appendXML(dst []byte) []byte {
	dst = append(dst, "<destroy"...)
	if !d.JID.IsZero() {
		dst = xmltok.AppendAttr(dst, "jid", d.JID.String())
	}
	if d.Reason == "" && d.Password == "" {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	dst = appendElement(dst, "password", d.Password)
	return append(appendElement(dst, "reason", d.Reason), "</destroy>"...)
}

// parseDestroy reads a <destroy/> of the namespace.
func parseDestroy(n *xmltok.Node, space string) (*Destroy, error) {
	d := &Destroy{Reason: n.Child(space, "reason").Text(), Password: n.Child(space, "password").Text()}
	if text := n.Attr("jid"); text != "" {
		address, err := jid.Parse(text)
		if err != nil {
			return nil, ErrAddress
		}
		d.JID = address
	}
	return d, nil
}
