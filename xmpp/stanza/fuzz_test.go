package stanza

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// contentSpaces are one and the same to a stanza.
var contentSpaces = strings.NewReplacer(ns.Server, ns.Client)

// meaning spells out what encoding/xml reads inside a stream with that header:
// names, attributes and text, without prefixes and declarations. Of the stanza
// itself only names of attributes that are kept as they are count.
func meaning(t *testing.T, header, in string) (string, bool) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(header + in))
	var b strings.Builder
	for depth := 0; ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			return "", depth > 0 && !strings.Contains(err.Error(), "unexpected EOF")
		}
		switch v := token.(type) {
		case xml.StartElement:
			if depth++; depth == 1 {
				continue
			}
			fmt.Fprintf(&b, "<%q %q", contentSpaces.Replace(v.Name.Space), v.Name.Local)
			for _, a := range v.Attr {
				if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" || depth == 2 && a.Name.Space != "urn:x" {
					continue
				}
				value := strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(a.Value)
				fmt.Fprintf(&b, " %q:%q=%q", contentSpaces.Replace(a.Name.Space), a.Name.Local, value)
			}
			b.WriteByte('>')
		case xml.EndElement:
			if depth--; depth == 1 {
				return b.String(), true
			}
			b.WriteString("</>")
		case xml.CharData:
			if depth > 1 {
				fmt.Fprintf(&b, "%s", v)
			}
		}
	}
	return "", false
}

// FuzzDecode: encoding keeps the meaning, on every kind of stream, and is
// stable; the index agrees with the text; nothing panics.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		chatMessage, omemoMessage, `<presence from='a@b/c'/>`, `<iq type='get' id='1'><x:q><r/></x:q></iq>`,
		`<c:message xmlns:c='jabber:client' c:a='b'><c:body/><d/></c:message>`, `<s:message xmlns:s='jabber:server' xmlns='u'>t<s:body s:x='1'/><d/></s:message>`,
		`<message><body xmlns='jabber:server'>x</body></message>`, `<message x:y='1' xmlns:p='u' id='&amp;' xml:lang="e'n"><p:a p:b='c'/></message>`,
		`<db:result to='a'>k</db:result>`, `<a xmlns=''><b/></a>`, `<message xmlns='jabber:client'><b xmlns=''/></message>`,
	} {
		f.Add(seed)
	}
	from := jid.MustParse("f@g")
	f.Fuzz(func(t *testing.T, in string) {
		for _, header := range []string{clientOpen, serverOpen, prefixOpen} {
			sc := xmltok.NewScanner(xmltok.Limits{})
			if _, _, err := sc.Next([]byte(header)); err != nil {
				t.Fatal(err)
			}
			n, ev, err := sc.Next([]byte(in))
			if err != nil || ev != xmltok.Element {
				continue
			}
			s, err := Decode(sc, []byte(in))
			if err != nil {
				t.Fatalf("%q: %v", in, err)
			}
			checkMeaning(t, header, in[:n], s)
			sameIndex(t, s)
			shortened := s.Stamped(from).Without(func(c Child) bool { return len(c.Local)%2 == 0 })
			sameIndex(t, shortened)
			if grown, err := shortened.WithChildren("<new/>"); err != nil || grown.Len() != shortened.Len()+1 {
				t.Fatalf("%q: %v", in, err)
			} else if !strings.Contains(s.kept, "xmlns:") {
				// Otherwise reading it again moves the declarations into the new child.
				sameIndex(t, grown)
			}
			ErrorReply(s, nil)
			ParseError(s)
		}
	})
}

// checkMeaning compares a stanza with what was read.
func checkMeaning(t *testing.T, header, in string, s *Stanza) {
	t.Helper()
	alone := s.Standalone()
	if s.Space != ns.Server {
		again, err := Parse(alone)
		if err != nil {
			t.Fatalf("%q written as %q: %v", in, alone, err)
		}
		if second := again.Standalone(); second != alone {
			t.Fatalf("%q\nfirst  %s\nsecond %s", in, alone, second)
		}
	}
	want, ok := meaning(t, header, in)
	got, ok2 := meaning(t, "<stream>", alone)
	if ok && ok2 && want != got {
		t.Fatalf("%q on %s\nread    %s\nwritten %s\nas %s", in, header, want, got, alone)
	}
}

// FuzzParse: what comes out of the archive can be anything, and never kills.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{chatMessage, "", "<", "<message", "<message/>", " <message type='error'><error/></message> ", "\x00", "<?xml version='1.0'?><iq/>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := Parse(in)
		if err != nil {
			return
		}
		for c := range s.Children() {
			if _, err := c.Tree(); err != nil {
				t.Fatalf("%q: child %q: %v", in, c.Raw(), err)
			}
			c.Text()
			c.Attr("id")
		}
		ParseError(s)
		ParseStreamError(s)
		if r := ErrorReply(s, NewError(BadRequest, in)); r != nil {
			if e := ParseError(r); e == nil || e.Condition != BadRequest {
				t.Fatalf("%q: %+v", in, e)
			}
		}
	})
}
