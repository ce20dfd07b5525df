package xmltok

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// asNode reads one element with encoding/xml, as a second opinion.
//
// Known differences, taken out here: encoding/xml keeps white space in
// attribute values, where XML 1.0 section 3.3.3 wants spaces; and it knows the
// name characters of the fourth edition of XML 1.0, while we follow the fifth.
func asNode(in, inherited string) (*Node, error) {
	d := xml.NewDecoder(strings.NewReader(in))
	d.DefaultSpace = inherited
	root := &Node{}
	path := []*Node{root}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		top := path[len(path)-1]
		switch v := token.(type) {
		case xml.StartElement:
			n := &Node{Space: v.Name.Space, Local: v.Name.Local}
			for _, a := range v.Attr {
				if a.Name.Space != "xmlns" && (a.Name.Space != "" || a.Name.Local != "xmlns") {
					n.Attrs = append(n.Attrs, NodeAttr{a.Name.Space, a.Name.Local, spaced(a.Value)})
				}
			}
			top.Children = append(top.Children, n)
			path = append(path, n)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if k := len(top.Children); k > 0 {
				top.Children[k-1].Tail += string(v)
			} else {
				top.Lead += string(v)
			}
		}
	}
	if len(root.Children) != 1 {
		return nil, errors.New("not one element")
	}
	root.Children[0].Tail = ""
	return root.Children[0], nil
}

func spaced(v string) string { return strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(v) }

// spell writes a tree so that any difference shows.
func spell(n *Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{%q}%q", n.Space, n.Local)
	for _, a := range n.Attrs {
		fmt.Fprintf(&b, " {%q}%q=%q", a.Space, a.Local, spaced(a.Value))
	}
	fmt.Fprintf(&b, "(%q", n.Lead)
	for _, c := range n.Children {
		b.WriteString(spell(c))
	}
	fmt.Fprintf(&b, ")%q", n.Tail)
	return b.String()
}

// wideNames says whether some name is not ASCII.
func wideNames(n *Node) bool {
	wide := func(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 }
	for _, a := range n.Attrs {
		if wide(a.Local) {
			return true
		}
	}
	for _, c := range n.Children {
		if wideNames(c) {
			return true
		}
	}
	return wide(n.Local)
}

func addSeeds(f *testing.F) {
	for _, seed := range []string{
		chatMessage, omemoMessage, `<a b='1 &amp; 2'>t&#65;<b xmlns="u">x]]&gt;</b>tail<![CDATA[<&]]]]><c/></a>`,
		`<p:a xmlns:p='u' p:b='c' xml:lang='d'><p:b xmlns:p='v'><c xmlns=''/></p:b></p:a>`,
		"<a b=\"1\t2\r\n3\">4\r\n5\r6</a>", `<ä ö='ü'>😀</ä>`, `<a></a >`, `<a><!----></a>`, `<a>&x;</a>`, "<a>\xff</a>", `<a b='1' b='2'/>`,
	} {
		f.Add(seed)
	}
}

// FuzzTree: what we accept encoding/xml accepts too, and understands alike; and
// what we write of it says the same.
func FuzzTree(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, in string) {
		n, err := Tree(in, "urn:d")
		if err != nil {
			return
		}
		want := spell(n)
		if other, err := asNode(in, "urn:d"); err != nil && !wideNames(n) {
			t.Fatalf("%q: encoding/xml refuses: %v", in, err)
		} else if err == nil && spell(other) != want {
			t.Fatalf("%q\nours   %s\ntheirs %s", in, want, spell(other))
		}
		for _, inherited := range []string{"", "urn:d"} {
			out := string(n.AppendXML(nil, inherited))
			again, err := Tree(out, inherited)
			if err != nil || spell(again) != want {
				t.Fatalf("%q\nwritten %q %v\nwas %s", in, out, err, want)
			}
		}
	})
}

// FuzzStream: events do not depend on how the bytes arrive, and each element
// of a stream is one that Document accepts, if its surroundings are given.
func FuzzStream(f *testing.F) {
	addSeeds(f)
	f.Add("</stream:stream>")
	f.Add(" <a/> <b/>")
	f.Add("<key>1</kkey>")
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 2000 {
			return // byte by byte and copied each time
		}
		for _, head := range []string{"", open} {
			for _, st := range feedings(t, Limits{Bytes: 1500, Depth: 10}, head+in) {
				if st.Event != Element {
					continue
				}
				s := NewScanner(Limits{})
				s.Inherit("jabber:client", []Binding{{"stream", "http://etherx.jabber.org/streams"}, {"x", "urn:x"}})
				if err := s.Document([]byte(st.Raw)); err != nil {
					t.Fatalf("%q: %v", st.Raw, err)
				}
				if got := describe(s.Outline(), st.Raw); got != st.Outline {
					t.Fatalf("%q\nstream   %s\ndocument %s", st.Raw, st.Outline, got)
				}
				checkAttrs(t, s.Outline(), st.Raw)
			}
		}
	})
}

// checkAttrs compares the attributes that Attrs finds with the scanner's.
func checkAttrs(t *testing.T, o *Outline, raw string) {
	i := 0
	for name, value := range Attrs(raw) {
		if i >= len(o.Attrs) || o.Attrs[i].Name.In(raw) != name || o.Attrs[i].Value.In(raw) != value {
			t.Fatalf("%q: attribute %d is %q=%q", raw, i, name, value)
		}
		if again, ok := LookupAttr(raw, name); !ok || again != value {
			t.Fatalf("%q: %q looked up as %q", raw, name, again)
		}
		i++
	}
	if i != len(o.Attrs) {
		t.Fatalf("%q: %d attributes of %d", raw, i, len(o.Attrs))
	}
}

// FuzzEscape: any text at all can be written, and what XML can carry comes back.
func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "plain", "<&>'\"]]>", "a\tb\nc\rd", "\x00\x1f\x7f", "\xff\xfe", "\uFFFE\uFFFF", "ä猫😀"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		want := strings.Map(func(r rune) rune {
			if !allowed(r) {
				return -1
			}
			return r
		}, strings.ToValidUTF8(in, "\uFFFD"))
		doc := append(AppendAttr([]byte("<a"), "b", in), '>')
		doc = append(AppendEscaped(doc, in), "</a>"...)
		n, err := Tree(string(doc), "")
		if err != nil {
			t.Fatalf("%q written as %q: %v", in, doc, err)
		}
		if single(n.Text()) != single(want) || single(n.Attr("b")) != single(want) {
			t.Fatalf("%q came back as %q and %q", in, n.Text(), n.Attr("b"))
		}
	})
}

// single joins runs of U+FFFD: how many stand for a broken sequence is open.
func single(s string) string {
	for strings.Contains(s, "\uFFFD\uFFFD") {
		s = strings.ReplaceAll(s, "\uFFFD\uFFFD", "\uFFFD")
	}
	return s
}
