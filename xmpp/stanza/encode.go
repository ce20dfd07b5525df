package stanza

import (
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// Seal encodes the attributes that all receivers share; only for a value that
// is not shared yet. It returns s. Nothing else changes: a value that is not
// sealed is only slower to encode.
func (s *Stanza) Seal() *Stanza {
	if s.head == nil {
		s.head = s.appendHead(s.room[:0])
	}
	return s
}

// appendHead appends the start tag from behind the address of the receiver.
func (s *Stanza) appendHead(dst []byte) []byte {
	if !s.From.IsZero() {
		dst = xmltok.AppendAttr(dst, "from", s.From.String())
	}
	if s.ID != "" {
		dst = xmltok.AppendAttr(dst, "id", s.ID)
	}
	// RFC 6121 section 5.2.2: "normal" is what a message without a type is.
	if s.Type != "" && s.Type != Normal {
		dst = xmltok.AppendAttr(dst, "type", string(s.Type))
	}
	if s.Lang != "" {
		dst = xmltok.AppendAttr(dst, "xml:lang", s.Lang)
	}
	dst = append(dst, s.kept...)
	if s.inner.Start == s.inner.End {
		return append(dst, "/>"...)
	}
	return append(dst, '>')
}

// AppendTo appends the stanza as sent to one receiver; a zero address leaves
// the attribute out. xmlns is declared as default namespace, and is the content
// namespace of the receiver's stream, unless it is empty: then the stream
// header has declared it. Nothing is allocated if the stanza is sealed or not,
// as long as dst has room. A nonza keeps its own namespace.
func (s *Stanza) AppendTo(dst []byte, to jid.JID, xmlns string) []byte {
	dst = append(dst, '<')
	dst = append(dst, s.Local...)
	if s.Kind == Nonza {
		xmlns = s.Space
	}
	if xmlns != "" || s.Kind == Nonza {
		dst = xmltok.AppendAttr(dst, "xmlns", xmlns)
	}
	if !to.IsZero() {
		dst = xmltok.AppendAttr(dst, "to", to.String())
	}
	if s.head != nil {
		dst = append(dst, s.head...)
	} else {
		dst = s.appendHead(dst)
	}
	if s.inner.Start == s.inner.End {
		return dst
	}
	dst = append(dst, s.Inner()...)
	dst = append(dst, '<', '/')
	dst = append(dst, s.Local...)
	return append(dst, '>')
}

// Append is AppendTo with the stanza's own receiver.
func (s *Stanza) Append(dst []byte, xmlns string) []byte { return s.AppendTo(dst, s.To, xmlns) }

// Size returns about how many bytes AppendTo will append, seldom fewer.
func (s *Stanza) Size() int {
	attrs := len(s.kept) + len(s.From.String()) + len(s.To.String()) + len(s.ID) + len(s.Type) + len(s.Lang)
	const names = len("<presence xmlns='jabber:client' to='' from='' id='' type='' xml:lang=''></presence>")
	return names + attrs + len(s.Inner())
}

// Standalone returns the complete stanza with xmlns='jabber:client', as the
// archive and forwarding (XEP-0297) need it. Parse reads it.
func (s *Stanza) Standalone() string {
	return string(s.Append(make([]byte, 0, s.Size()), ns.Client))
}

// Attr returns an attribute of the element by its name as written, and whether
// it is there. Those that have a field are answered from it.
func (s *Stanza) Attr(name string) (string, bool) {
	if s.Kind != Nonza {
		v := ""
		switch name {
		case "to":
			v = s.To.String()
		case "from":
			v = s.From.String()
		case "id":
			v = s.ID
		case "type":
			v = string(s.Type)
		case "xml:lang":
			v = s.Lang
		}
		if v != "" {
			return v, true
		}
	}
	return xmltok.LookupAttr(s.kept, name)
}

// Tree parses the whole element, with its attributes and all it contains.
func (s *Stanza) Tree() (*xmltok.Node, error) { return xmltok.Tree(s.Standalone(), "") }
