package stanza

import (
	"iter"
	"strings"

	"stonechat/xmpp/xmltok"
)

// inlined is how many children are indexed without an allocation.
const inlined = 6

// ref is the index entry of one direct child: offsets into Stanza.raw.
type ref struct {
	outer, inner, local span
	// space is the value of a declaration inside the child; a start of zero
	// says that the child is in the namespace of the stanza.
	space span
}

// children is the index of the direct children, in order.
type children struct {
	few  [inlined]ref
	more []ref
	n    int
}

func (c *children) at(i int) *ref {
	if i < inlined {
		return &c.few[i]
	}
	return &c.more[i-inlined]
}

func (c *children) add(r ref) {
	if c.n < inlined {
		c.few[c.n] = r
	} else {
		c.more = append(c.more, r)
	}
	c.n++
}

// moved returns the entry for a child that now lies by bytes further on.
func (r ref) moved(by int) ref {
	for _, p := range []*span{&r.outer, &r.inner, &r.local} {
		p.Start += uint32(by)
		p.End += uint32(by)
	}
	if r.space.Start > 0 {
		r.space.Start += uint32(by)
		r.space.End += uint32(by)
	}
	return r
}

// Child is one direct child of a Stanza. The zero value is no child, and all
// its methods return nothing.
type Child struct {
	// Space and Local are the expanded name.
	Space, Local string

	raw   string
	inner span   // in raw
	base  string // default namespace around it
}

// child makes the value for an index entry.
func (s *Stanza) child(r *ref) Child {
	return Child{
		Space: s.space(r), Local: r.local.In(s.raw), raw: r.outer.In(s.raw), base: s.Space,
		inner: span{Start: r.inner.Start - r.outer.Start, End: r.inner.End - r.outer.Start},
	}
}

func (s *Stanza) space(r *ref) string {
	if r.space.Start == 0 {
		return s.Space
	}
	return r.space.In(s.raw)
}

// find returns the first child of that name, or nil.
func (s *Stanza) find(space, local string) *ref {
	for i := range s.children.n {
		r := s.children.at(i)
		if (local == "" || r.local.In(s.raw) == local) && s.space(r) == space {
			return r
		}
	}
	return nil
}

// Child returns the first direct child of that name and whether there is one.
// An empty local matches every name in the namespace.
func (s *Stanza) Child(space, local string) (Child, bool) {
	if r := s.find(space, local); r != nil {
		return s.child(r), true
	}
	return Child{}, false
}

// Has says whether there is a direct child of that name; see Child.
func (s *Stanza) Has(space, local string) bool { return s.find(space, local) != nil }

// Children returns the direct children in order.
func (s *Stanza) Children() iter.Seq[Child] {
	return func(yield func(Child) bool) {
		for i := range s.children.n {
			if !yield(s.child(s.children.at(i))) {
				return
			}
		}
	}
}

// Len returns the number of direct children.
func (s *Stanza) Len() int { return s.children.n }

// Payload returns the first child, which is the payload of an iq (RFC 6120
// section 8.2.3), and whether there is one.
func (s *Stanza) Payload() (Child, bool) {
	if s.children.n == 0 {
		return Child{}, false
	}
	return s.child(s.children.at(0)), true
}

// Raw returns the child element byte for byte. It stands alone where Space of
// its stanza (jabber:client) is the default namespace.
func (c Child) Raw() string { return c.raw }

// Inner returns what lies between the tags, byte for byte.
func (c Child) Inner() string { return c.inner.In(c.raw) }

// Tree parses the child. The error is an *xmltok.Error: more than 4 MiB, or
// the zero Child.
func (c Child) Tree() (*xmltok.Node, error) { return xmltok.Tree(c.raw, c.base) }

// Attr returns an attribute of the child by its name as written, and whether
// it is there.
func (c Child) Attr(name string) (string, bool) { return xmltok.LookupAttr(c.raw, name) }

// Text returns the character data directly inside the child. It allocates only
// when there are references or elements in it.
func (c Child) Text() string {
	inner := c.Inner()
	if strings.IndexByte(inner, '<') < 0 {
		return xmltok.UnescapeText(inner)
	}
	tree, err := c.Tree()
	if err != nil {
		return ""
	}
	return tree.Text()
}
