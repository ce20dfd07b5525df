package xmltok

import (
	"errors"
	"strings"
	"testing"
)

func TestTree(t *testing.T) {
	n, err := Tree(`<a xmlns='u' b='1' xml:lang='de' p:b='2' xmlns:p='v'>x<c>1</c>y<c>2</c><p:d/>z</a>`, "")
	if err != nil {
		t.Fatal(err)
	}
	if !n.Is("u", "a") || n.Attr("b") != "1" || n.Lang() != "de" || n.Text() != "xyz" || len(n.Children) != 3 {
		t.Errorf("%+v", n)
	}
	if v, ok := n.Lookup("v", "b"); !ok || v != "2" {
		t.Error(v)
	}
	if n.Child("u", "c").Text() != "1" || len(n.All("u", "c")) != 2 || len(n.All("", "")) != 3 || n.Child("v", "").Local != "d" || n.Child("v", "c") != nil {
		t.Error("children")
	}
	var none *Node
	if none.Child("", "") != nil || none.All("", "") != nil || none.Text() != "" || none.Attr("a") != "" || none.Is("", "") || none.Lang() != "" {
		t.Error("nil is not empty")
	}
	const want = `<a xmlns='u' b='1' xml:lang='de' xmlns:a2='v' a2:b='2'>x<c>1</c>y<c>2</c><d xmlns='v'/>z</a>`
	if got := string(n.AppendXML(nil, "")); got != want {
		t.Error(got)
	}
}

func TestTreeLimits(t *testing.T) {
	depth := TreeLimits.Depth
	for in, ok := range map[string]bool{
		strings.Repeat("<a>", depth) + strings.Repeat("</a>", depth):     true,
		strings.Repeat("<a>", depth+1) + strings.Repeat("</a>", depth+1): false,
		"<a>" + strings.Repeat("x", TreeLimits.Bytes) + "</a>":           false,
		"": false, "<a/><a/>": false,
	} {
		_, err := Tree(in, "")
		if e := (*Error)(nil); errors.As(err, &e) == ok {
			t.Errorf("%.30q: %v", in, err)
		}
	}
}

func TestUnescape(t *testing.T) {
	for _, c := range []struct{ in, value, text string }{
		{"plain", "plain", "plain"},
		{"&lt;&#65;&#x1F600;", "<A😀", "<A😀"},
		{"a\r\nb\rc\td\n", "a b c d ", "a\nb\nc\td\n"},
		{"&#10;&#13;", "\n\r", "\n\r"},
		{"&x;&", "&x;&", "&x;&"},
		{"&#0;", "&#0;", "&#0;"},
		{"&amp;lt;", "&lt;", "&lt;"},
		{"a<![CDATA[&lt;\r\n]]]>b", "a<![CDATA[< ]]]>b", "a&lt;\n]b"},
		{"<![CDATA[]]><![CDATA[x]]>", "<![CDATA[]]><![CDATA[x]]>", "x"},
		{"<![CDATA[x", "<![CDATA[x", "<![CDATA[x"},
	} {
		if got := Unescape(c.in); got != c.value {
			t.Errorf("value %q: %q", c.in, got)
		}
		if got := UnescapeText(c.in); got != c.text {
			t.Errorf("text %q: %q", c.in, got)
		}
	}
}
