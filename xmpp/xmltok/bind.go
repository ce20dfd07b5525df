package xmltok

import "stonechat/xmpp/ns"

// xmlnsSpace is bound to the prefix xmlns (Namespaces in XML section 3).
const xmlnsSpace = "http://www.w3.org/2000/xmlns/"

// bind is one declaration in scope.
type bind struct{ prefix, uri Span }

// expanded is the expanded name of an attribute.
type expanded struct {
	space Namespace
	local Span
}

// of returns the name as a string, without allocation for what nearly all headers hold.
func (n Namespace) of(buf []byte) string {
	if n.Len() == 0 {
		return n.Inherited
	}
	return known(n.Bytes(buf))
}

// same says whether two namespaces are equal.
func same(buf []byte, a, b Namespace) bool {
	switch {
	case a.Len() == 0 && b.Len() == 0:
		return a.Inherited == b.Inherited
	case a.Len() == 0:
		return string(b.Bytes(buf)) == a.Inherited
	case b.Len() == 0:
		return string(a.Bytes(buf)) == b.Inherited
	}
	return string(a.Bytes(buf)) == string(b.Bytes(buf))
}

// declare brings the namespace declaration in m.attr into scope.
func (m *Scratch) declare(s *Scanner, buf []byte) bool {
	a := &m.attr
	at := int(a.Name.Start)
	if m.decls++; m.decls > s.limits.Namespaces || len(m.binds) >= scopes*s.limits.Namespaces {
		_, ok := m.fail(PolicyViolation, "too many namespaces", at)
		return ok
	}
	var prefix Span
	if a.Prefixed() {
		prefix = a.Local
	}
	if a.Value.Escaped || m.special {
		// So a name has one spelling, and bytes can be compared.
		_, ok := m.fail(PolicyViolation, "character in namespace name", at)
		return ok
	}
	if !mayBind(prefix.Bytes(buf), a.Value.Bytes(buf)) {
		_, ok := m.fail(NotWellFormed, "bad namespace declaration", at)
		return ok
	}
	m.binds = append(m.binds, bind{prefix, a.Value.Span})
	return true
}

// mayBind holds the constraints of Namespaces in XML sections 3 and 5.
func mayBind(prefix, uri []byte) bool {
	switch {
	case string(prefix) == "xml":
		return string(uri) == ns.XML
	case string(prefix) == "xmlns", string(uri) == ns.XML, string(uri) == xmlnsSpace:
		return false
	}
	// A prefix cannot be unbound; the default namespace can.
	return len(prefix) == 0 || len(uri) > 0
}

// unbound fails for a prefix that nothing binds: on the header RFC 6120 section
// 4.9.3.2 has a condition for it, behind it the XML is not well-formed in the
// sense of section 4.9.3.13.
func (m *Scratch) unbound(at uint32) bool {
	condition := NotWellFormed
	if m.phase == beforeHeader {
		condition = BadNamespacePrefix
	}
	_, ok := m.fail(condition, "unbound prefix", int(at))
	return ok
}

// resolveTag finds the namespace of the element whose start tag has just
// ended, and checks its prefixes. The namespace is only needed, and only
// looked up, for the element, its children and trees.
func (m *Scratch) resolveTag(s *Scanner, buf []byte) (space Namespace, ok bool) {
	if m.prefix != 0 {
		prefix := buf[m.name.Start:m.prefix]
		if space, ok = m.resolve(s, buf, prefix); !ok || string(prefix) == "xmlns" {
			return space, m.unbound(m.name.Start)
		}
	} else if len(m.frames) < 2 || m.tree != nil {
		space = m.defaultSpace(s)
	}
	if m.foreign {
		return space, m.checkAttrs(s, buf)
	}
	return space, true
}

// defaultSpace returns the default namespace in scope.
func (m *Scratch) defaultSpace(s *Scanner) Namespace {
	for j := len(m.binds) - 1; j >= 0; j-- {
		if b := &m.binds[j]; b.prefix.Len() == 0 {
			return Namespace{Span: b.uri}
		}
	}
	if m.phase == beforeHeader {
		return Namespace{}
	}
	return Namespace{Inherited: s.space}
}

// resolve returns the namespace that a prefix is bound to.
func (m *Scratch) resolve(s *Scanner, buf, prefix []byte) (Namespace, bool) {
	if string(prefix) == "xml" {
		return Namespace{Inherited: ns.XML}, true
	}
	for j := len(m.binds) - 1; j >= 0; j-- {
		if b := &m.binds[j]; string(b.prefix.Bytes(buf)) == string(prefix) {
			return Namespace{Span: b.uri}, true
		}
	}
	if m.phase == beforeHeader {
		return Namespace{}, false
	}
	for j := range s.prefixes {
		b := &s.prefixes[j]
		if b.Prefix != string(prefix) {
			continue
		}
		if m.used&(1<<j) == 0 {
			m.used |= 1 << j
			m.out.Inherited = append(m.out.Inherited, *b)
		}
		return Namespace{Inherited: b.URI}, true
	}
	return Namespace{}, false
}

// checkAttrs checks that the prefixes of attributes are bound, and that no two
// attributes have one expanded name (Namespaces in XML section 6.3).
func (m *Scratch) checkAttrs(s *Scanner, buf []byte) bool {
	m.spaces = m.spaces[:0]
	for j := range m.attrs {
		a := &m.attrs[j]
		if !a.Prefixed() || isDeclaration(buf, a) {
			continue
		}
		space, ok := m.resolve(s, buf, a.prefix(buf))
		if !ok {
			return m.unbound(a.Name.Start)
		}
		for _, b := range m.spaces {
			if string(b.local.Bytes(buf)) == string(a.Local.Bytes(buf)) && same(buf, space, b.space) {
				_, ok := m.fail(NotWellFormed, "duplicate attribute", int(a.Name.Start))
				return ok
			}
		}
		m.spaces = append(m.spaces, expanded{space, a.Local})
	}
	return true
}

// prefix returns the prefix of an attribute that has one.
func (a *Attr) prefix(buf []byte) []byte { return buf[a.Name.Start : a.Local.Start-1] }

func isDeclaration(buf []byte, a *Attr) bool { return string(a.prefix(buf)) == "xmlns" }
