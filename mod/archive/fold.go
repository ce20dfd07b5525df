package archive

import (
	"slices"
	"strconv"
	"strings"

	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// FoldSpace is the namespace of what XEP-0427 has no element for: <by/> says who has said it, <more/> that what is summarized is not all.
const FoldSpace = "urn:stonechat:folded:1"

const (
	maxEmoji     = 32 // different ones of one sender
	maxEmojiSize = 64 // bytes
	maxKinds     = 64 // different ones on one message
)

// fold is what was said about a message.
type fold struct {
	tomb    []byte // what is shown instead of a message that was taken back; nil: it was not
	applied []applied
	more    bool
}

// applied is one summary (XEP-0427 section 2.2.1).
type applied struct {
	element string // the fastening
	edit    []byte // <forwarded/> with the message that replaces it
	count   int    // zero: as many as by
	by      []string
}

// AppendXML is XEP-0427 section 3.2. A message that was taken back says so itself.
func (f *fold) AppendXML(b []byte) []byte {
	if f == nil {
		return b
	}
	for i := range f.applied {
		a := &f.applied[i]
		b = append(b, "<applied xmlns='"+ns.FasteningCollation+"'"...)
		b = xmltok.AppendAttr(b, "count", strconv.Itoa(max(a.count, len(a.by))))
		b = append(append(b, '>'), a.element...)
		b = append(b, a.edit...)
		for _, by := range a.by {
			b = append(b, by...)
		}
		b = append(b, "</applied>"...)
	}
	if f.more {
		b = append(b, "<more xmlns='"+FoldSpace+"'/>"...)
	}
	return b
}

// folded sums up what fits a message.
func (x *folder) folded(m *said, about abouts) *fold {
	f := &fold{more: about.more}
	if m.st.Has(ns.Retract, "retracted") {
		return &fold{} // XEP-0424 section 5: nothing may be left that leaks what it was
	}
	for _, a := range about.list {
		if a.Child.Space == ns.Retract {
			if tomb, err := tombstone(m, a); err == nil {
				return &fold{tomb: tomb}
			}
		}
	}
	f.edits(x, about.list)
	f.reactions(x, about.list)
	for _, a := range aims {
		if a.space == ns.Receipts || a.space == ns.Markers {
			f.seen(x, a.space, a.local, about.list)
		}
	}
	return f
}

// tombstone is what is left of a message (XEP-0424 section 5, XEP-0425 section 4).
func tombstone(m, by *said) ([]byte, error) {
	var b []byte
	for c := range m.st.Children() {
		if c.Space == ns.OccupantID || c.Space == ns.MUCUser {
			b = append(b, c.Raw()...)
		}
	}
	b = xmltok.AppendAttr(append(b, "<retracted xmlns='"+ns.Retract+"'"...), "id", by.st.ID)
	b = append(xmltok.AppendAttr(b, "stamp", forward.FormatStamp(by.Key.Time())), '>')
	if by.byRoom() {
		b = append(b, by.Inner()...)
	}
	st, err := m.st.WithInner(string(append(b, "</retracted>"...)))
	if err != nil {
		return nil, err
	}
	return st.Seal().Append(nil, ns.Client), nil
}

// edits: the last one is what holds (XEP-0308 section 3).
func (f *fold) edits(x *folder, list []*said) {
	var last *said
	n := 0
	for _, a := range list {
		if a.Child.Space == ns.Correct {
			n, last = n+1, a
		}
	}
	if last == nil {
		return
	}
	text := last.Row.Stanza
	if x.room {
		// XEP-0313 section 6.1.2: who is behind a nick is said with the message, to those who may know it.
		st := last.st.Without(func(c stanza.Child) bool { return c.Space == ns.MUCUser }).Seal()
		text = st.Append(make([]byte, 0, st.Size()), ns.Client)
	}
	f.applied = append(f.applied, applied{
		element: last.Raw(), edit: forward.Append(nil, forward.Delay{Stamp: last.Key.Time()}, text), count: n, by: []string{x.by(last)},
	})
}

// reactions are counted by emoji. XEP-0444 section 3.2: the latest of a sender replaces the others.
func (f *fold) reactions(x *folder, list []*said) {
	latest := map[string]*said{}
	for _, a := range list {
		if a.Child.Space == ns.Reactions {
			latest[a.who()] = a
		}
	}
	at := map[string]int{} // in f.applied
	for _, a := range list {
		if latest[a.who()] != a {
			continue
		}
		for _, emoji := range emojiOf(a.Child) {
			i, ok := at[emoji]
			if !ok {
				if len(at) == maxKinds {
					f.more = true
					continue
				}
				i = len(f.applied)
				at[emoji] = i
				f.applied = append(f.applied, applied{})
			}
			b := xmltok.AppendAttr([]byte("<reactions xmlns='"+ns.Reactions+"'"), "id", a.id)
			b = xmltok.AppendEscaped(append(b, "><reaction>"...), emoji)
			f.applied[i].element = string(append(b, "</reaction></reactions>"...))
			f.applied[i].by = append(f.applied[i].by, x.by(a))
		}
	}
}

// emojiOf are the reactions of an element, each once.
func emojiOf(c stanza.Child) []string {
	tree, err := c.Tree()
	if err != nil {
		return nil
	}
	var out []string
	for _, n := range tree.Children {
		text := strings.TrimSpace(n.Text())
		if n.Is(ns.Reactions, "reaction") && text != "" && len(text) <= maxEmojiSize && !slices.Contains(out, text) && len(out) < maxEmoji {
			out = append(out, text)
		}
	}
	return out
}

// seen counts receipts (XEP-0184) and markers (XEP-0333), by who has sent them, where they point: a marker says the same of all that stands before it.
// XEP-0427 section 4: the id is left out.
func (f *fold) seen(x *folder, space, local string, list []*said) {
	one := applied{element: "<" + local + " xmlns='" + space + "'/>"}
	known := map[string]bool{}
	for _, a := range list {
		if who := a.who(); a.Child.Space == space && a.Child.Local == local && !known[who] {
			known[who] = true
			one.by = append(one.by, x.by(a))
		}
	}
	if len(one.by) > 0 {
		f.applied = append(f.applied, one)
	}
}

// by says who said something: in a room the occupant, otherwise a bare address.
func (x *folder) by(a *said) string {
	who := x.own
	switch {
	case x.room:
		who = a.st.From
	case a.Direction == store.Incoming:
		who = peerOf(a)
	}
	b := xmltok.AppendAttr([]byte("<by xmlns='"+FoldSpace+"'"), "jid", who.String())
	if c, ok := a.st.Child(ns.OccupantID, "occupant-id"); ok && x.room {
		return string(append(append(append(b, '>'), c.Raw()...), "</by>"...))
	}
	return string(append(b, "/>"...))
}

func peerOf(a *said) jid.JID {
	if a.private() {
		return a.st.From
	}
	return a.st.From.Bare()
}
