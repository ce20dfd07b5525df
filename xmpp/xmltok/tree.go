package xmltok

import (
	"strconv"
	"unsafe"

	"stonechat/xmpp/ns"
)

// NodeAttr is one attribute of a Node; Space is empty when it has no prefix.
type NodeAttr struct{ Space, Local, Value string }

// Node is one element of a parsed tree. Namespace declarations are not among
// its attributes. All methods but AppendXML may be called on nil, which is an
// element without anything, so that a path of Child calls needs no checks.
type Node struct {
	// Space and Local are the expanded name.
	Space, Local string
	// Attrs are the attributes in order.
	Attrs []NodeAttr
	// Children are the child elements in order.
	Children []*Node
	// Lead is the text before the first child; all text if there is none.
	Lead string
	// Tail is the text behind this element, inside its parent.
	Tail string
}

// Attr returns the attribute without prefix of that name, or "".
func (n *Node) Attr(local string) string {
	v, _ := n.Lookup("", local)
	return v
}

// Lookup returns the attribute of that expanded name and whether it is there.
func (n *Node) Lookup(space, local string) (string, bool) {
	if n != nil {
		for i := range n.Attrs {
			if a := &n.Attrs[i]; a.Local == local && a.Space == space {
				return a.Value, true
			}
		}
	}
	return "", false
}

// Lang returns the attribute xml:lang of the element itself, or "".
func (n *Node) Lang() string {
	v, _ := n.Lookup(ns.XML, "lang")
	return v
}

// Is says whether the element has that expanded name.
func (n *Node) Is(space, local string) bool {
	return n != nil && n.Local == local && n.Space == space
}

func (n *Node) matches(space, local string) bool {
	return (space == "" || n.Space == space) && (local == "" || n.Local == local)
}

// Child returns the first child of that name, or nil. An empty space or local
// matches every one.
func (n *Node) Child(space, local string) *Node {
	if n != nil {
		for _, c := range n.Children {
			if c.matches(space, local) {
				return c
			}
		}
	}
	return nil
}

// All returns the children of that name in order; see Child.
func (n *Node) All(space, local string) []*Node {
	var all []*Node
	if n != nil {
		for _, c := range n.Children {
			if c.matches(space, local) {
				all = append(all, c)
			}
		}
	}
	return all
}

// Text returns the character data directly inside the element, without that of
// its children.
func (n *Node) Text() string {
	if n == nil {
		return ""
	}
	var more []byte
	for _, c := range n.Children {
		more = append(more, c.Tail...)
	}
	if len(more) == 0 {
		return n.Lead
	}
	return n.Lead + string(more)
}

// AppendXML appends the element so that it stands alone where inherited is the
// default namespace. The depth of a tree made by Tree is bounded, and with it
// the recursion.
func (n *Node) AppendXML(dst []byte, inherited string) []byte {
	prefix, inside := "", n.Space
	if n.Space == ns.XML {
		// This one can only ever be named by its own prefix.
		prefix, inside = "xml:", inherited
	}
	dst = append(append(append(dst, '<'), prefix...), n.Local...)
	if inside != inherited {
		dst = AppendAttr(dst, "xmlns", inside)
	}
	for i := range n.Attrs {
		dst = n.Attrs[i].append(dst, i)
	}
	if n.Lead == "" && len(n.Children) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	dst = AppendEscaped(dst, n.Lead)
	for _, c := range n.Children {
		dst = c.AppendXML(dst, inside)
		dst = AppendEscaped(dst, c.Tail)
	}
	dst = append(append(append(dst, "</"...), prefix...), n.Local...)
	return append(dst, '>')
}

// append writes the attribute; one with a namespace gets a prefix of its own.
func (a *NodeAttr) append(dst []byte, i int) []byte {
	switch a.Space {
	case "":
		return AppendAttr(dst, a.Local, a.Value)
	case ns.XML:
		return AppendAttr(dst, "xml:"+a.Local, a.Value)
	}
	prefix := "a" + strconv.Itoa(i)
	dst = AppendAttr(dst, "xmlns:"+prefix, a.Space)
	return AppendAttr(dst, prefix+":"+a.Local, a.Value)
}

// TreeLimits are those of Tree: enough for everything that DefaultLimits let in,
// wrapped and with declarations moved.
var TreeLimits = Limits{Bytes: 4 << 20, Depth: 128, Attrs: 512, Namespaces: 256}

// Tree parses s, exactly one element, where inherited is the default namespace
// around it. It enforces TreeLimits. The error is an *Error.
func Tree(s, inherited string) (*Node, error) {
	b := builder{raw: s}
	sc := NewScanner(TreeLimits)
	sc.memory().tree = &b
	sc.Inherit(inherited, nil)
	if err := sc.Document(View(s)); err != nil {
		return nil, err
	}
	return b.root, nil
}

// View returns the bytes of s without copying them. They must not be changed;
// a Scanner does not.
func View(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// builder makes the tree while the scanner goes along.
type builder struct {
	raw  string
	root *Node
	path []*Node // open elements
	last int     // end of the tag before
}

// open is called for every start tag; end is the position behind it.
func (b *builder) open(m *Scratch, s *Scanner, buf []byte, space Namespace, end int) {
	local := m.name
	if m.prefix != 0 {
		local.Start = uint32(m.prefix + 1)
	}
	n := &Node{Space: space.In(b.raw), Local: local.In(b.raw)}
	if count := len(m.attrs) - m.decls; count > 0 {
		n.Attrs = make([]NodeAttr, 0, count)
	}
	for i := range m.attrs {
		a := &m.attrs[i]
		v := NodeAttr{Local: a.Local.In(b.raw), Value: a.Value.In(b.raw)}
		if a.Prefixed() {
			if isDeclaration(buf, a) {
				continue
			}
			space, _ := m.resolve(s, buf, a.prefix(buf))
			v.Space = space.In(b.raw)
		} else if v.Local == "xmlns" {
			continue
		}
		n.Attrs = append(n.Attrs, v)
	}
	if len(b.path) == 0 {
		b.root = n
	} else {
		b.text(m.mark)
		top := b.path[len(b.path)-1]
		top.Children = append(top.Children, n)
	}
	b.path = append(b.path, n)
	b.last = end
}

// close is called for every end tag: content ended at content, the tag at end.
func (b *builder) close(content, end int) {
	b.text(content)
	b.path = b.path[:len(b.path)-1]
	b.last = end
}

// text takes over the character data between the tag before and end.
func (b *builder) text(end int) {
	if b.last >= end {
		return
	}
	text := UnescapeText(b.raw[b.last:end])
	top := b.path[len(b.path)-1]
	if k := len(top.Children); k > 0 {
		top.Children[k-1].Tail = text
	} else {
		top.Lead = text
	}
}
