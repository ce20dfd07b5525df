package archive

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// This file is which message another one is about. A row names it by a hash, so that the store finds the one from the other (store.Fastenings); whether it
// may say anything about it is decided when both are read, by fits.

// maxAim is how many bytes the name of a message may have by which others mean it.
const maxAim = 1024

// aims are the elements by which a message is about another one, the strongest first.
var aims = [...]struct{ space, local string }{
	{ns.Retract, "retract"},
	{ns.Correct, "replace"},
	{ns.Reactions, "reactions"},
	{ns.Receipts, "received"},
	{ns.Markers, "displayed"},
	{ns.Markers, "acknowledged"},
	{ns.Markers, "received"},
}

// aim is the element by which a message is about another one, and the name of that one.
type aim struct {
	stanza.Child
	id string
}

// aimOf tells what a message is about. One that says something by itself is about nothing else, such as a reply that is a receipt as well.
func aimOf(st *stanza.Stanza) (aim, bool) {
	if core.Says(st) {
		return aim{}, false
	}
	for _, a := range aims {
		if c, ok := st.Child(a.space, a.local); ok {
			id, _ := c.Attr("id")
			if id == "" || len(id) > maxAim {
				return aim{}, false
			}
			return aim{c, id}, true
		}
	}
	return aim{}, false
}

// targetOf is Entry.Target of a message in a chat; zero: it stands for itself. In a room everything is one chat, without a name.
func targetOf(st *stanza.Stanza, chat string) uint64 {
	if a, ok := aimOf(st); ok {
		return targetHash(chat, a.id)
	}
	return 0
}

// targetHash stands for the name of a message in a chat. Others choose names, so that nobody may be able to make two with one hash at will.
func targetHash(chat, name string) uint64 {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(chat)))
	h.Write(n[:])
	h.Write([]byte(chat))
	h.Write([]byte(name))
	return max(1, binary.BigEndian.Uint64(h.Sum(nil))) // zero is none
}

// said is a row that was read.
type said struct {
	*store.Row
	st *stanza.Stanza
	aim
	room bool
}

// chat is where the names of its messages mean something.
func (m *said) chat() string {
	if m.room {
		return ""
	}
	return m.Peer
}

// ids are the names that its sender has given a message.
func (m *said) ids() []string {
	names := []string{m.st.ID}
	if c, ok := m.st.Child(ns.StanzaID, "origin-id"); ok {
		names = append(names, attr(c, "id"))
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" || len(n) > maxAim })
}

// names are all by which others may mean it.
func (m *said) names() []string {
	if m.room {
		return append(m.ids(), m.ID)
	}
	return m.ids()
}

// byRoom: a room itself has said it, and no occupant.
func (m *said) byRoom() bool { return m.room && m.Resource == "" }

// private: it was said in private in a room, where the resource is who somebody is.
func (m *said) private() bool { return !m.room && m.st.Has(ns.MUCUser, "x") }

// who is who said it, to be told from others.
func (m *said) who() string {
	switch {
	case m.room:
		return m.Peer // whatever the nick was: it is what occupant ids stand for (XEP-0421)
	case m.Direction == store.Outgoing:
		return ">"
	default:
		return "<" + m.Resource
	}
}

// sameAuthor: two messages of one chat are by the same one. XEP-0308 section 4, XEP-0424 section 6: between two the bare address counts, in private in a room
// the full one, in a room the occupant.
func sameAuthor(a, b *said) bool {
	switch {
	case a.Peer != b.Peer || a.Direction != b.Direction || a.byRoom() != b.byRoom():
		return false
	case a.private() || b.private():
		return a.Resource == b.Resource
	default:
		return true
	}
}

// fits tells whether f may say what it says about m.
func fits(m, f *said) bool {
	if f.Child.Space == "" || f.Key <= m.Key || f.chat() != m.chat() {
		return false
	}
	// XEP-0424 section 6.1, XEP-0444 section 3.1, XEP-0333 section 4.3: in a room by the id that the room gave it; XEP-0308 section 3: by the one that its
	// sender gave.
	if m.room && f.Child.Space != ns.Correct {
		if f.id != m.ID {
			return false
		}
	} else if !slices.Contains(m.ids(), f.id) {
		return false
	}
	switch f.Child.Space {
	case ns.Correct:
		return sameAuthor(m, f)
	case ns.Retract:
		return sameAuthor(m, f) || f.byRoom() // XEP-0425 section 5: only the room may moderate
	}
	return true
}

// inOrder sorts by when it was said.
func inOrder(list []*said) {
	slices.SortFunc(list, func(a, b *said) int { return cmp.Compare(a.Key, b.Key) })
}
