package bookmarks

import (
	"errors"
	"strings"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// bookmark is one room.
type bookmark struct {
	id             string // of its item
	room           string // the address of the room, as it is compared
	name           string
	autojoin       bool
	nick, password string
	extensions     string // <extensions/> of XEP-0402 as XML that stands in its namespace; no document has them
	raw            string // how it stands in the document that it was read from
	foreign        string // what its client keeps with it there, of other namespaces
}

// same tells whether two bookmarks of a room say the same, as far as all forms know it.
func (b *bookmark) same(c *bookmark) bool {
	return b.name == c.name && b.autojoin == c.autojoin && b.nick == c.nick && b.password == c.password
}

// common reads what all forms write alike.
func common(n *xmltok.Node, space string) bookmark {
	on := strings.TrimSpace(n.Attr("autojoin"))
	return bookmark{
		name: strings.Clone(n.Attr("name")), autojoin: on == "true" || on == "1",
		nick: strings.Clone(n.Child(space, "nick").Text()), password: strings.Clone(n.Child(space, "password").Text()),
	}
}

// roomOf is the address of a room, if that is one.
func roomOf(text string) (string, bool) {
	j, err := jid.Parse(text)
	if err != nil {
		return "", false
	}
	return j.Bare().String(), true
}

// readItem reads an item of XEP-0402 section 2; ok is false for what is no bookmark of a room.
func readItem(id, payload string) (b bookmark, ok bool) {
	tree, err := xmltok.Tree(payload, "")
	if err != nil || !tree.Is(ns.Bookmarks, "conference") {
		return b, false
	}
	b = common(tree, ns.Bookmarks)
	if x := tree.Child(ns.Bookmarks, "extensions"); x != nil {
		b.extensions = string(x.AppendXML(nil, ns.Bookmarks))
	}
	b.id = id
	b.room, ok = roomOf(id)
	return b, ok
}

// item writes an item of XEP-0402.
func (b *bookmark) item() string {
	return string(append(append(b.open([]byte("<conference xmlns='"+ns.Bookmarks+"'"), ""), b.extensions...), "</conference>"...))
}

// open writes the rest of the start tag, and the children that all forms have.
func (b *bookmark) open(out []byte, room string) []byte {
	if room != "" {
		out = xmltok.AppendAttr(out, "jid", room)
	}
	if b.name != "" {
		out = xmltok.AppendAttr(out, "name", b.name)
	}
	if b.autojoin {
		out = xmltok.AppendAttr(out, "autojoin", "true")
	}
	out = append(out, '>')
	for _, x := range []struct{ local, text string }{{"nick", b.nick}, {"password", b.password}} {
		if x.text != "" {
			out = append(xmltok.AppendEscaped(append(append(append(out, '<'), x.local...), '>'), x.text), "</"+x.local+">"...)
		}
	}
	return out
}

// documentOf is a document of XEP-0048: rooms, and what else is in it as XML that stands in its namespace.
type documentOf struct {
	rooms []bookmark
	rest  string
}

// readDocument reads a document of XEP-0048 section 2; an empty text is an empty one.
func readDocument(text string) (documentOf, error) {
	var d documentOf
	if text == "" {
		return d, nil
	}
	tree, err := xmltok.Tree(text, "")
	if err != nil {
		return d, err
	}
	if !tree.Is(ns.BookmarksLegacy, "storage") {
		return d, errors.New("not a document of bookmarks")
	}
	for _, c := range tree.Children {
		raw := string(c.AppendXML(nil, ns.BookmarksLegacy))
		room, ok := roomOf(c.Attr("jid"))
		if !c.Is(ns.BookmarksLegacy, "conference") || !ok {
			d.rest += raw
			continue
		}
		b := common(c, ns.BookmarksLegacy)
		b.id, b.room, b.raw = room, room, raw
		for _, x := range c.Children {
			if x.Space != ns.BookmarksLegacy {
				b.foreign += string(x.AppendXML(nil, ns.BookmarksLegacy))
			}
		}
		d.rooms = append(d.rooms, b)
	}
	return d, nil
}

// renewed is a document with the rooms of the items, and whether it says something else than before. What is unchanged stays as its client has written
// it, and so does what is no room; of a room that has changed, what its client keeps with it under names of its own. A document that cannot be read is
// written anew.
func renewed(text string, items []bookmark) (string, bool) {
	d, err := readDocument(text)
	if err == nil && len(d.rooms) == len(items) {
		if publish, retract := differences(items, d.rooms); len(publish)+len(retract) == 0 {
			return text, false
		}
	}
	old := make(map[string]bookmark, len(d.rooms))
	for _, b := range d.rooms {
		old[b.room] = b // the last counts, as in differences
	}
	out := []byte("<storage xmlns='" + ns.BookmarksLegacy + "'>")
	for _, b := range items {
		if was, there := old[b.room]; there && was.same(&b) {
			out = append(out, was.raw...)
			continue
		}
		out = append(append(b.open(append(out, "<conference"...), b.room), old[b.room].foreign...), "</conference>"...)
	}
	return string(append(append(out, d.rest...), "</storage>"...)), true
}
