package xmltok

import (
	"unicode/utf8"

	"stonechat/xmpp/ns"
)

// markup decides what begins at '<'.
func (m *Scratch) markup(s *Scanner, buf []byte, i int) (int, bool) {
	if i >= len(buf) {
		return m.wait(atMarkup, i)
	}
	if buf[i] != '<' {
		// Only white space may stand outside of a top-level element.
		if m.phase == inStream {
			return m.fail(BadFormat, "text between elements", i)
		}
		if m.phase == beforeHeader && buf[i] >= 0xFE {
			// RFC 6120 section 4.9.3.22: no UTF-8 has these bytes; the byte order marks of UTF-16 begin with them.
			return m.fail(UnsupportedEncoding, "not UTF-8", i)
		}
		return m.fail(NotWellFormed, "text outside of the element", i)
	}
	if i+1 >= len(buf) {
		return m.wait(atMarkup, i)
	}
	if m.phase == afterEnd {
		return m.fail(NotWellFormed, "bytes after the end of the stream", i)
	}
	m.mark = i
	switch c := buf[i+1]; c {
	case '/':
		m.state = inEndName
		return i + 2, true
	case '!':
		return m.declaration(buf, i)
	case '?':
		return m.xmlDecl(buf, i)
	default:
		if c < 0x80 && nameTable[c]&nameFirst == 0 {
			return m.fail(NotWellFormed, "bad name", i+1)
		}
	}
	if len(m.frames) >= s.limits.Depth {
		return m.fail(PolicyViolation, "too deep", i)
	}
	m.attrs, m.decls, m.seen, m.foreign = m.attrs[:0], 0, 0, false
	m.from, m.colon, m.state = i+1, 0, inName
	return i + 1, true
}

// declaration handles "<!": nothing but a CDATA section inside an element is allowed.
func (m *Scratch) declaration(buf []byte, i int) (int, bool) {
	n := min(len(buf)-i, len(cdataOpen))
	if string(buf[i:i+n]) != cdataOpen[:n] || len(m.frames) == 0 && n > 2 {
		// RFC 6120 section 11.1: no comments, no document types.
		return m.fail(RestrictedXML, "comment or declaration", i)
	}
	if n < len(cdataOpen) {
		return m.wait(atMarkup, i)
	}
	m.state = inCDATA
	return i + len(cdataOpen), true
}

// startTag scans a start tag. The states follow one another in the order in
// which a tag is written, so that the usual way through is straight down.
func (m *Scratch) startTag(s *Scanner, buf []byte, i int) (int, bool) {
	var ok bool
	for {
		switch m.state {
		case inName:
			if i, ok = m.scanName(buf, i); !ok {
				return m.stop(inName, i)
			}
			m.name, m.prefix, m.spaced = m.span(i), m.colon, false
			m.state = inGap
			fallthrough
		case inGap:
			if i < len(buf) && isSpace(buf[i]) {
				i, m.spaced = skipSpace(buf, i+1), true
			}
			if i >= len(buf) {
				return m.wait(inGap, i)
			}
			if c := buf[i]; c == '>' || c == '/' {
				return m.startEnd(s, buf, i)
			} else if !m.spaced || c < 0x80 && nameTable[c]&nameFirst == 0 {
				return m.fail(NotWellFormed, "bad attribute", i)
			}
			if len(m.attrs) >= s.limits.Attrs {
				return m.fail(PolicyViolation, "too many attributes", i)
			}
			m.from, m.colon, m.state = i, 0, inAttr
			fallthrough
		case inAttr:
			if i, ok = m.scanName(buf, i); !ok {
				return m.stop(inAttr, i)
			}
			m.attr.Name, m.attr.Local = m.span(i), m.local(i)
			m.state = atEquals
			fallthrough
		case atEquals, atQuote:
			if i, ok = m.equals(buf, i); !ok {
				return i, false
			}
			fallthrough
		default: // inValue
			if i, ok = m.value(buf, i); !ok {
				return m.stop(inValue, i)
			}
			m.attr.Value = Value{m.span(i), m.escaped}
			if !m.addAttr(s, buf) {
				return i, false
			}
			i++
			m.state, m.spaced = inGap, false
		}
	}
}

func (m *Scratch) span(end int) Span { return Span{uint32(m.from), uint32(end)} }

// local is the name just read without its prefix.
func (m *Scratch) local(end int) Span {
	if m.colon == 0 {
		return m.span(end)
	}
	return Span{uint32(m.colon + 1), uint32(end)}
}

// scanName reads a qualified name that began at m.from, up to the first byte
// that cannot belong to it.
func (m *Scratch) scanName(buf []byte, i int) (int, bool) {
	for {
		for i < len(buf) && nameTable[buf[i]]&nameInner != 0 {
			i++
		}
		if i >= len(buf) {
			return i, false
		}
		switch nameTable[buf[i]] {
		case nameColon:
			// Namespaces in XML section 4: one colon, with a name on both sides.
			if m.colon != 0 || i == m.from {
				return m.fail(NotWellFormed, "bad name", i)
			}
			m.colon = i
			i++
		case nameWide:
			n := wideChar(buf, i)
			if n == wideMore {
				return i, false
			}
			if n == wideBad {
				return m.fail(UnsupportedEncoding, "not UTF-8", i)
			}
			r, _ := utf8.DecodeRune(buf[i:])
			if n < 0 || !wideName(r, i == m.from || i == m.colon+1) {
				return m.fail(NotWellFormed, "bad name", i)
			}
			i += n
		default:
			if m.colon == 0 && i-m.from <= maxName {
				return i, true
			}
			return m.nameEnd(buf, i)
		}
	}
}

// nameEnd checks what can only be checked once a name is complete.
func (m *Scratch) nameEnd(buf []byte, i int) (int, bool) {
	if m.colon != 0 {
		if first := m.colon + 1; first == i || buf[first] < 0x80 && nameTable[buf[first]]&nameFirst == 0 {
			return m.fail(NotWellFormed, "bad name", first)
		}
	}
	if i-m.from > maxName {
		return m.fail(PolicyViolation, "name too long", m.from)
	}
	return i, true
}

// equals reads the equals sign and the opening quote.
func (m *Scratch) equals(buf []byte, i int) (int, bool) {
	if m.state == atEquals {
		if i = skipSpace(buf, i); i >= len(buf) {
			return m.wait(atEquals, i)
		}
		if buf[i] != '=' {
			return m.fail(NotWellFormed, "attribute without value", i)
		}
		i++
	}
	if i = skipSpace(buf, i); i >= len(buf) {
		return m.wait(atQuote, i)
	}
	if buf[i] != '\'' && buf[i] != '"' {
		return m.fail(NotWellFormed, "attribute without quotes", i)
	}
	m.quote, m.escaped, m.special, m.from, m.state = buf[i], false, false, i+1, inValue
	return i + 1, true
}

// value scans up to the closing quote.
func (m *Scratch) value(buf []byte, i int) (int, bool) {
	for {
		i = skipValue(buf, i)
		if i >= len(buf) {
			return i, false
		}
		switch c := buf[i]; {
		case c == m.quote:
			return i, true
		case c == '<':
			return m.fail(NotWellFormed, "< in attribute", i)
		case c == '&' || c >= 0x80 || c < ' ':
			n, ok := m.odd(buf, i)
			if !ok {
				return i, false
			}
			i = n
		default:
			m.special = m.special || c == '>' || c == '\'' || c == '"'
			i++
		}
	}
}

// addAttr takes over the attribute just read.
func (m *Scratch) addAttr(s *Scanner, buf []byte) bool {
	a := &m.attr
	name := a.Name.Bytes(buf)
	bit := uint64(1) << ((name[0] ^ name[len(name)-1]<<2 ^ byte(len(name))<<4) & 63)
	if m.seen&bit != 0 {
		for j := range m.attrs {
			if string(m.attrs[j].Name.Bytes(buf)) == string(name) {
				_, ok := m.fail(NotWellFormed, "duplicate attribute", int(a.Name.Start))
				return ok
			}
		}
	}
	m.seen |= bit
	m.attrs = append(m.attrs, *a)
	if len(name) >= 5 && string(name[:5]) == "xmlns" && (len(name) == 5 || name[5] == ':') {
		return m.declare(s, buf)
	}
	if a.Prefixed() && string(name[:4]) != "xml:" {
		m.foreign = true
	}
	return true
}

// startEnd handles '>' or '/' of a start tag: names are resolved now that all
// declarations are known.
func (m *Scratch) startEnd(s *Scanner, buf []byte, i int) (int, bool) {
	empty := buf[i] == '/'
	if empty {
		if i+1 >= len(buf) {
			return m.wait(inGap, i)
		}
		if i++; buf[i] != '>' {
			return m.fail(NotWellFormed, "/ in tag", i)
		}
	}
	i++
	space, ok := m.resolveTag(s, buf)
	if !ok {
		return i, false
	}
	depth := len(m.frames) + 1
	if depth <= 2 {
		m.outlineStart(space, depth, i)
	}
	if depth == 1 && m.phase == inStream && m.isHeader(buf) {
		return m.fail(BadFormat, "stream header inside of the stream", m.mark)
	}
	if m.tree != nil {
		m.tree.open(m, s, buf, space, i)
	}
	if m.phase == beforeHeader {
		m.out.Outer.End, m.closed, m.state = uint32(i), empty, finished
		return i, true
	}
	m.frames = append(m.frames, frame{m.name, uint32(len(m.binds) - m.decls)})
	m.state = inText
	if empty {
		return m.closeElement(i, i)
	}
	return i, true
}

// isHeader says whether the top-level element whose start tag has just ended is
// a stream header. Inside of a stream its end tag would be that of the stream:
// it is refused at once, or everything behind it would count as its content.
func (m *Scratch) isHeader(buf []byte) bool {
	return string(m.out.Local.Bytes(buf)) == "stream" && m.out.Space.of(buf) == ns.Streams
}

// outlineStart records the top-level element or one of its children.
func (m *Scratch) outlineStart(space Namespace, depth, end int) {
	local := m.name
	if m.prefix != 0 {
		local.Start = uint32(m.prefix + 1)
	}
	outer := Span{uint32(m.mark), 0}
	content := Span{uint32(end), uint32(end)}
	if depth == 1 {
		o := &m.out
		o.Space, o.Name, o.Local, o.Outer, o.Content = space, m.name, local, outer, content
		o.Attrs = append(o.Attrs[:0], m.attrs...)
		return
	}
	m.out.Children = append(m.out.Children, Child{space, m.name, local, outer, content})
}

// closeElement leaves the innermost element, whose content ended at content and
// whose last byte is before end.
func (m *Scratch) closeElement(content, end int) (int, bool) {
	depth := len(m.frames)
	m.binds = m.binds[:m.frames[depth-1].binds]
	m.frames = m.frames[:depth-1]
	if m.tree != nil {
		m.tree.close(content, end)
	}
	m.state = inText
	switch depth {
	case 1:
		m.out.Content.End, m.out.Outer.End = uint32(content), uint32(end)
		m.state = finished
	case 2:
		c := &m.out.Children[len(m.out.Children)-1]
		c.Content.End, c.Outer.End = uint32(content), uint32(end)
	}
	return end, true
}

// endTag scans an end tag from the name on; it must repeat the start tag's.
func (m *Scratch) endTag(s *Scanner, buf []byte, i int) (int, bool) {
	depth := len(m.frames)
	if depth == 0 {
		return m.streamEnd(s, buf, i)
	}
	if m.state == inEndName {
		name := m.frames[depth-1].name.Bytes(buf)
		// The usual way: all of it has come at once.
		if j := i + len(name); i == m.mark+2 && j < len(buf) && buf[j] == '>' && string(buf[i:j]) == string(name) {
			return m.closeElement(m.mark, j+1)
		}
		if i, depth = match(buf, i, name, m.mark+2); depth < 0 {
			return m.fail(NotWellFormed, "mismatched end tag", m.mark)
		} else if depth == 0 {
			return m.wait(inEndName, i)
		}
		m.state = inEndGap
	}
	i, ok := m.endGap(buf, i)
	if !ok {
		return i, false
	}
	return m.closeElement(m.mark, i)
}

// match compares buf from i on with the rest of name, which begins at start. It
// returns how far it came and -1 for a difference, 0 for too few bytes, 1 for
// the whole name.
func match[T string | []byte](buf []byte, i int, name T, start int) (int, int) {
	for ; i-start < len(name); i++ {
		if i >= len(buf) {
			return i, 0
		}
		if buf[i] != name[i-start] {
			return i, -1
		}
	}
	return i, 1
}

// endGap reads white space and '>' behind the name of an end tag.
func (m *Scratch) endGap(buf []byte, i int) (int, bool) {
	i = skipSpace(buf, i)
	if i >= len(buf) {
		return m.wait(inEndGap, i)
	}
	if buf[i] != '>' {
		return m.fail(NotWellFormed, "mismatched end tag", m.mark)
	}
	return i + 1, true
}

// streamEnd scans the end tag of the stream.
func (m *Scratch) streamEnd(s *Scanner, buf []byte, i int) (int, bool) {
	if m.phase != inStream {
		return m.fail(NotWellFormed, "end tag without start tag", m.mark)
	}
	if m.state == inEndName {
		var found int
		if i, found = match(buf, i, s.name, m.mark+2); found < 0 {
			return m.fail(NotWellFormed, "mismatched end tag", m.mark)
		} else if found == 0 {
			return m.wait(inEndName, i)
		}
		m.state = inEndGap
	}
	i, ok := m.endGap(buf, i)
	if !ok {
		return i, false
	}
	m.out.Outer, m.ended, m.state = Span{uint32(m.mark), uint32(i)}, true, finished
	return i, true
}
