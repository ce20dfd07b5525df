package pubsub

import (
	"strings"
	"testing"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// What a client keeps comes back byte for byte, unless it leans on what stands around it.
func TestElements(t *testing.T) {
	for _, c := range []struct{ query, inner, want string }{
		{"", `<a xmlns="urn:x"  b = "1" ><c/>&#65;<![CDATA[x]]></a>`, `<a xmlns="urn:x"  b = "1" ><c/>&#65;<![CDATA[x]]></a>`},
		{"", `<p:a xmlns:p='urn:x'><p:b/></p:a>`, `<p:a xmlns:p='urn:x'><p:b/></p:a>`},
		{" xmlns:p='urn:x'", `<p:a><b xmlns=''/></p:a>`, `<a xmlns='urn:x'><b xmlns=''/></a>`},
		{" xmlns:p='urn:y'", `<a xmlns='urn:x'><p:b/></a>`, `<a xmlns='urn:x'><b xmlns='urn:y'/></a>`},
		{"", "\n <a xmlns='urn:x'/> text <b xmlns='urn:x'/>", "<a xmlns='urn:x'/><b xmlns='urn:x'/>"},
	} {
		got, err := elements("<query xmlns='jabber:iq:private'" + c.query + ">" + c.inner + "</query>")
		if err != nil {
			t.Errorf("%s: %v", c.inner, err)
			continue
		}
		all := ""
		for _, d := range got {
			all += string(d.XML)
			if d.Space != "urn:x" {
				t.Errorf("%s: namespace %s", c.inner, d.Space)
			}
		}
		if all != c.want {
			t.Errorf("%s\n is %s\nwant %s", c.inner, all, c.want)
		}
	}
	for _, inner := range []string{
		"", "text", "<a/>", "<a xmlns=''/>", "<a xmlns='jabber:client'/>", "<a xmlns='jabber:iq:private'/>",
		"<a xmlns='" + strings.Repeat("x", maxSpace+1) + "'/>", strings.Repeat("<a xmlns='urn:x'/>", maxElements+1),
	} {
		if got, err := elements("<query xmlns='jabber:iq:private'>" + inner + "</query>"); err == nil {
			t.Errorf("%.60q gives %d elements", inner, len(got))
		} else if c := stanza.AsError(err).Condition; c != stanza.NotAcceptable && c != stanza.PolicyViolation {
			t.Errorf("%.60q: %s", inner, c)
		}
	}
}

// Whatever is kept can stand in an answer, and means the same there.
func FuzzElements(f *testing.F) {
	f.Add("<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><conference/></storage></query>")
	f.Add("<query xmlns='jabber:iq:private' xmlns:p='urn:x'><p:a b='&amp;'/><a xmlns='urn:y' p:c='d'/></query>")
	f.Add("<p:query xmlns:p='jabber:iq:private'><a xmlns='urn:y'/></p:query>")
	f.Fuzz(func(t *testing.T, query string) {
		data, err := elements(query)
		if err != nil {
			return
		}
		before, err := xmltok.Tree(query, ns.Client)
		if err != nil {
			t.Fatal(err)
		}
		out := "<query xmlns='" + ns.Private + "'>"
		for _, d := range data {
			out += string(d.XML)
		}
		after, err := xmltok.Tree(out+"</query>", ns.Client)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if len(after.Children) != len(before.Children) {
			t.Fatalf("%d children became %d", len(before.Children), len(after.Children))
		}
		for i, c := range before.Children {
			c.Tail, after.Children[i].Tail = "", ""
			if got, want := string(after.Children[i].AppendXML(nil, "")), string(c.AppendXML(nil, "")); got != want {
				t.Fatalf("%s became %s", want, got)
			}
		}
	})
}
