package play

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Namespaces that XML of plays may use without declaring them.
const (
	nsClient = "jabber:client"
	nsStream = "http://etherx.jabber.org/streams"
	nsXML    = "http://www.w3.org/XML/1998/namespace"
	nsMore   = "more"
	nsSM     = "urn:xmpp:sm:3"
	nsSASL   = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsTLS    = "urn:ietf:params:xml:ns:xmpp-tls"
	nsBind   = "urn:ietf:params:xml:ns:xmpp-bind"
)

// Node is an element, received or of a pattern. In a pattern values may hold {names}.
type Node struct {
	Name      xml.Name
	Attr      []xml.Attr // without namespace declarations
	Children  []*Node
	Text      string // all text directly in the element
	MoreAttr  bool   // … among the attributes
	MoreNodes bool   // … among the children
}

var errForbidden = errors.New("comment, directive or processing instruction")

// get returns an attribute without namespace.
func (n *Node) get(name string) string {
	for _, a := range n.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// child returns the first child with a name, nil if there is none.
func (n *Node) child(space, local string) *Node {
	for _, c := range n.Children {
		if c.Name.Space == space && c.Name.Local == local {
			return c
		}
	}
	return nil
}

func (n *Node) is(space, local string) bool { return n.Name.Space == space && n.Name.Local == local }

// startNode makes a node of a start tag.
func startNode(start xml.StartElement) *Node {
	n := &Node{Name: start.Name}
	for _, a := range start.Attr {
		switch {
		case a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns":
		case a.Name.Space == nsMore:
			n.MoreAttr = true
		default:
			n.Attr = append(n.Attr, a)
		}
	}
	return n
}

// readNode reads the rest of an element whose start tag was read.
func readNode(d *xml.Decoder, start xml.StartElement) (*Node, error) {
	root := startNode(start)
	stack := []*Node{root}
	for len(stack) > 0 {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch t := token.(type) {
		case xml.StartElement:
			n := startNode(t)
			if n.Name.Space == nsMore {
				top.MoreNodes = true
			} else {
				top.Children = append(top.Children, n)
			}
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.Text += string(t)
		case xml.Comment, xml.Directive, xml.ProcInst:
			// RFC 6120 section 11.1: none of these may stand in a stream.
			return nil, fmt.Errorf("%w inside <%s>", errForbidden, root.Name.Local)
		}
	}
	return root, nil
}

// ParsePattern reads the elements of a block. The stream header, having no end, is written as an empty element.
func ParsePattern(block string) ([]*Node, error) {
	d := xml.NewDecoder(strings.NewReader("<play xmlns='" + nsClient + "' xmlns:stream='" + nsStream + "' xmlns:more='" + nsMore + "'>" + markMore(block) + "</play>"))
	var nodes []*Node
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				depth++
				continue
			}
			n, err := readNode(d, t)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, n)
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return nil, fmt.Errorf("text %q outside of elements", t)
			}
		}
	}
}

// markMore turns … into something that XML allows: an attribute inside a tag, an element outside.
func markMore(block string) string {
	var b strings.Builder
	inTag, quote := false, rune(0)
	for _, r := range block {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case inTag && (r == '\'' || r == '"'):
			quote = r
		case inTag && r == '>':
			inTag = false
		case r == '<':
			inTag = true
		case r == '…' && inTag:
			b.WriteString(" more:attr=''")
			continue
		case r == '…':
			b.WriteString("<more:nodes/>")
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// String writes the node as XML for people to read.
func (n *Node) String() string {
	var b strings.Builder
	n.write(&b, nsClient, "")
	return strings.TrimRight(b.String(), "\n")
}

func (n *Node) write(b *strings.Builder, outer, indent string) {
	name := n.Name.Local
	if n.Name.Space == nsStream {
		name = "stream:" + name
	}
	fmt.Fprintf(b, "%s<%s", indent, name)
	if n.Name.Space != outer && n.Name.Space != nsStream {
		fmt.Fprintf(b, " xmlns='%s'", n.Name.Space)
	}
	for _, a := range n.Attr {
		prefix := ""
		if a.Name.Space == nsXML {
			prefix = "xml:"
		}
		fmt.Fprintf(b, " %s%s='%s'", prefix, a.Name.Local, escape(a.Value))
	}
	if n.MoreAttr {
		b.WriteString(" …")
	}
	text := n.Text
	if len(n.Children) > 0 || n.MoreNodes {
		text = strings.TrimSpace(text)
	}
	if len(n.Children) == 0 && !n.MoreNodes {
		if text == "" {
			b.WriteString("/>\n")
			return
		}
		fmt.Fprintf(b, ">%s</%s>\n", escape(text), name)
		return
	}
	fmt.Fprintf(b, ">%s\n", escape(text))
	for _, c := range n.Children {
		c.write(b, n.Name.Space, indent+"  ")
	}
	if n.MoreNodes {
		b.WriteString(indent + "  …\n")
	}
	fmt.Fprintf(b, "%s</%s>\n", indent, name)
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;").Replace(s)
}
