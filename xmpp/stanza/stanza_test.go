package stanza

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

const (
	clientOpen = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	serverOpen = "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback' xmlns:x='urn:x'>"
	prefixOpen = "<stream xmlns='http://etherx.jabber.org/streams' xmlns:c='jabber:client'>"
)

// chatMessage is what a mobile client sends: 457 bytes.
const chatMessage = `<message xml:lang='en' to='romeo@montague.example' type='chat' id='c2f1a0de-9e5b-4d0e-8a51-4c5e7e0f'>` +
	`<body>Wherefore art thou, Romeo? I&apos;ve &quot;waited&quot; at the balcony &amp; waited half the night, until the lark sang at daw</body>` +
	`<origin-id xmlns='urn:xmpp:sid:0' id='c2f1a0de-9e5b-4d0e-8a51-4c5e7e0f'/>` +
	`<request xmlns='urn:xmpp:receipts'/>` +
	`<markable xmlns='urn:xmpp:chat-markers:0'/>` +
	`<active xmlns='http://jabber.org/protocol/chatstates'/></message>`

// decoded reads one element behind a stream header.
func decoded(t testing.TB, header, in string) *Stanza {
	t.Helper()
	sc := xmltok.NewScanner(xmltok.Limits{})
	if _, ev, err := sc.Next([]byte(header)); ev != xmltok.Header || err != nil {
		t.Fatal(ev, err)
	}
	buf := []byte(in + "<next/>")
	n, ev, err := sc.Next(buf)
	if n != len(in) || ev != xmltok.Element || err != nil {
		t.Fatalf("%q: %d %v %v", in, n, ev, err)
	}
	s, err := Decode(sc, buf)
	if err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	clear(buf)
	return s
}

func parsed(t testing.TB, in string) *Stanza {
	t.Helper()
	s, err := Parse(in)
	if err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	return s
}

func TestDecode(t *testing.T) {
	s := decoded(t, clientOpen, chatMessage)
	if s.Kind != Message || s.Type != Chat || s.Space != ns.Client || s.Local != "message" || s.Lang != "en" ||
		s.ID != "c2f1a0de-9e5b-4d0e-8a51-4c5e7e0f" || s.To.String() != "romeo@montague.example" || !s.HasTo || s.HasFrom {
		t.Fatalf("%+v", s)
	}
	body, ok := s.Child(ns.Client, "body")
	if !ok || body.Text() != `Wherefore art thou, Romeo? I've "waited" at the balcony & waited half the night, until the lark sang at daw` {
		t.Errorf("body %q", body.Text())
	}
	origin, ok := s.Child("urn:xmpp:sid:0", "")
	if id, has := origin.Attr("id"); !ok || !has || id != s.ID || origin.Local != "origin-id" {
		t.Errorf("origin-id %+v", origin)
	}
	if s.Len() != 5 || s.Has(ns.Client, "nothing") || !s.Has("urn:xmpp:receipts", "request") {
		t.Error("children")
	}
	var names []string
	for c := range s.Children() {
		names = append(names, c.Local)
	}
	if got := strings.Join(names, " "); got != "body origin-id request markable active" {
		t.Error(got)
	}
	if p, ok := s.Payload(); !ok || p.Raw() != body.Raw() || !strings.HasPrefix(p.Raw(), "<body>") {
		t.Error("payload")
	}
	if v, ok := s.Attr("to"); !ok || v != "romeo@montague.example" {
		t.Error(v)
	}
	if len(chatMessage) != 457 || len(omemoMessage) != 1222 {
		t.Errorf("%d and %d bytes", len(chatMessage), len(omemoMessage))
	}
}

// TestEncode gives input, stream and what a client receives.
func TestEncode(t *testing.T) {
	for _, c := range []struct{ header, in, want string }{
		{clientOpen, `<presence/>`, `<presence/>`},
		{clientOpen, `<presence></presence>`, `<presence/>`},
		{clientOpen, `<message type="normal"><a  xmlns = "b">  </a >t</message>`, `<message><a  xmlns = "b">  </a >t</message>`},
		{clientOpen, `<message type='new'><body/></message>`, `<message><body/></message>`},
		{clientOpen, `<iq type='new' id="a'&lt;"/>`, `<iq id='a&apos;&lt;' type='new'/>`},
		{clientOpen, `<message xmlns='jabber:client' x='1' to='a@b/&apos;'>t</message>`, `<message to='a@b/&apos;' x='1'>t</message>`},
		{clientOpen, `<message to='@'/>`, `<message/>`},
		// The content namespace has another name on every kind of stream.
		{serverOpen, `<message from='a@b' to='c@d'><body>x</body></message>`, `<message to='c@d' from='a@b'><body>x</body></message>`},
		{serverOpen, `<message xmlns='jabber:server'><body>x</body><y xmlns='urn:y'/></message>`, `<message><body>x</body><y xmlns='urn:y'/></message>`},
		{serverOpen, `<message><body xmlns="jabber:server">x</body></message>`, `<message><body xmlns='jabber:client'>x</body></message>`},
		{serverOpen, `<s:message xmlns:s='jabber:server'><s:body a='b'/>t<c/></s:message>`, `<message xmlns:s='jabber:server'><s:body a='b' xmlns:s='jabber:client'/>t<c/></message>`},
		// Declarations outside of the children move into them.
		{serverOpen, `<message><x:y>1</x:y><body/></message>`, `<message><x:y xmlns:x='urn:x'>1</x:y><body/></message>`},
		{serverOpen, `<message x:y='1'/>`, `<message x:y='1' xmlns:x='urn:x'/>`},
		{clientOpen, `<message xmlns:p='u'><p:a><p:b/></p:a></message>`, `<message xmlns:p='u'><p:a xmlns:p='u'><p:b/></p:a></message>`},
		{
			clientOpen, `<c:message xmlns:c='jabber:client' xmlns='urn:y'><z/><c:body xmlns='w'/></c:message>`,
			`<message xmlns:c='jabber:client'><z xmlns='urn:y'/><c:body xmlns='w' xmlns:c='jabber:client'/></message>`,
		},
		{prefixOpen, `<c:iq type='get'><c:q><r/></c:q></c:iq>`, `<iq type='get'><c:q xmlns='http://etherx.jabber.org/streams' xmlns:c='jabber:client'><r/></c:q></iq>`},
		// No stanzas.
		{clientOpen, `<r xmlns='urn:xmpp:sm:3' id='1' to='x'/>`, `<r xmlns='urn:xmpp:sm:3' id='1' to='x'/>`},
		{clientOpen, `<message xmlns='jabber:server'>x</message>`, `<message xmlns='jabber:server'>x</message>`},
		{serverOpen, `<db:result from='a' to='b'>key</db:result>`, `<result xmlns='jabber:server:dialback' from='a' to='b'>key</result>`},
	} {
		s := decoded(t, c.header, c.in)
		if got := string(s.Append(nil, "")); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
		// Sealed it is the same, and what was written reads the same.
		alone := s.Standalone()
		if sealed := s.Seal().Standalone(); sealed != alone {
			t.Errorf("sealed %s\nwas %s", sealed, alone)
		}
		if again := parsed(t, alone).Standalone(); s.Space != ns.Server && again != alone {
			t.Errorf("%s\nagain %s\nfirst %s", c.in, again, alone)
		}
	}
}

func TestAddresses(t *testing.T) {
	s := decoded(t, clientOpen, `<message to='@' from=''/>`)
	if s.ToErr == nil || s.FromErr == nil || !s.HasTo || !s.HasFrom || !s.To.IsZero() {
		t.Errorf("%+v", s)
	}
	reply := ErrorReply(s, NewError(JIDMalformed, ""))
	want := `<message type='error'><error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`
	if got := string(reply.Append(nil, "")); got != want {
		t.Error(got)
	}
}

func TestFanOut(t *testing.T) {
	s := decoded(t, clientOpen, `<message type='groupchat' id='1'><body>x</body></message>`).Stamped(jid.MustParse("room@muc.example/nick's"))
	const tail = ` from='room@muc.example/nick&apos;s' id='1' type='groupchat'><body>x</body></message>`
	for _, to := range []string{"a@b/c", "d@e/f&g"} {
		escaped := strings.ReplaceAll(to, "&", "&amp;")
		if got := string(s.AppendTo([]byte("before"), jid.MustParse(to), "")); got != "before<message to='"+escaped+"'"+tail {
			t.Error(got)
		}
		if got := string(s.AppendTo(nil, jid.MustParse(to), ns.Server)); got != "<message xmlns='jabber:server' to='"+escaped+"'"+tail {
			t.Error(got)
		}
	}
}

func TestDerive(t *testing.T) {
	const in = `<message id='1' type='chat'> <a xmlns='1'/>t<b/><c xmlns='3'>d</c></message>`
	from, to := jid.MustParse("a@b"), jid.MustParse("c@d")
	for _, header := range []string{clientOpen, serverOpen} {
		s := decoded(t, header, in).Seal()
		grown, err := s.WithChildren(`<e xmlns='5'/><f/>`)
		if err != nil {
			t.Fatal(err)
		}
		inner, err := s.WithInner("new")
		if err != nil {
			t.Fatal(err)
		}
		without := grown.Without(func(c Child) bool { return c.Local == "a" || c.Local == "c" || c.Space == "5" })
		for _, c := range []struct {
			s    *Stanza
			want string
		}{
			{s.Stamped(from), `<message from='a@b' id='1' type='chat'> <a xmlns='1'/>t<b/><c xmlns='3'>d</c></message>`},
			{s.WithTo(to), `<message to='c@d' id='1' type='chat'> <a xmlns='1'/>t<b/><c xmlns='3'>d</c></message>`},
			{s.WithTo(to).Stamped(from).WithTo(jid.JID{}), `<message from='a@b' id='1' type='chat'> <a xmlns='1'/>t<b/><c xmlns='3'>d</c></message>`},
			{s.WithType("other"), `<message id='1'> <a xmlns='1'/>t<b/><c xmlns='3'>d</c></message>`},
			{s.WithLang("de"), `<message id='1' type='chat' xml:lang='de'> <a xmlns='1'/>t<b/><c xmlns='3'>d</c></message>`},
			{s.WithID("2&"), `<message id='2&amp;' type='chat'> <a xmlns='1'/>t<b/><c xmlns='3'>d</c></message>`},
			{grown, `<message id='1' type='chat'> <a xmlns='1'/>t<b/><c xmlns='3'>d</c><e xmlns='5'/><f/></message>`},
			{without, `<message id='1' type='chat'> t<b/><f/></message>`},
			{without.Without(func(Child) bool { return true }), `<message id='1' type='chat'> t</message>`},
			{inner, `<message id='1' type='chat'>new</message>`},
			{s, in},
		} {
			if got := string(c.s.Append(nil, "")); got != c.want {
				t.Errorf(" got %s\nwant %s", got, c.want)
			}
			sameIndex(t, c.s)
		}
		if s.Without(func(Child) bool { return false }) != s {
			t.Error("copied for nothing")
		}
		for _, bad := range []string{"<e>", "</message><message>", "]]>", "<p:e/>", "<!-- -->", "\xff"} {
			if _, err := s.WithChildren(bad); err == nil {
				t.Errorf("%q accepted", bad)
			}
			if _, err := New(Head{Kind: Message}, bad); err == nil {
				t.Errorf("%q accepted", bad)
			}
		}
	}
}

// sameIndex compares the children that s knows with those of its text.
func sameIndex(t testing.TB, s *Stanza) {
	t.Helper()
	list := func(s *Stanza) string {
		var b strings.Builder
		for c := range s.Children() {
			fmt.Fprintf(&b, "{%s}%s %q %q\n", c.Space, c.Local, c.Raw(), c.Inner())
		}
		return b.String()
	}
	if s.Kind == Nonza {
		return
	}
	fresh, err := Parse(s.Standalone())
	if err != nil {
		t.Fatalf("%s: %v", s.Standalone(), err)
	}
	if a, b := list(s), list(fresh); a != b {
		t.Fatalf("%s\nindex\n%s\nfresh\n%s", s.Standalone(), a, b)
	}
}

func TestManyChildren(t *testing.T) {
	for n := range 20 {
		in := "<message xmlns='jabber:client'>"
		for i := range n {
			in += fmt.Sprintf("<c%d xmlns='urn:%d'>%d</c%d>", i, i, i, i)
		}
		s := parsed(t, in+"</message>")
		if s.Len() != n {
			t.Fatalf("%d of %d", s.Len(), n)
		}
		for i := range n {
			if c, ok := s.Child(fmt.Sprintf("urn:%d", i), fmt.Sprintf("c%d", i)); !ok || c.Text() != fmt.Sprint(i) {
				t.Errorf("child %d of %d: %q", i, n, c.Text())
			}
		}
		odd := s.Without(func(c Child) bool { return (c.Local[len(c.Local)-1]-'0')%2 == 0 })
		sameIndex(t, odd)
		grown, err := odd.WithChildren(s.Inner())
		if err != nil {
			t.Fatal(err)
		}
		sameIndex(t, grown)
		if grown.Len() != n+n/2 || s.Len() != n {
			t.Errorf("%d children of %d", grown.Len(), n)
		}
	}
}

func TestChildText(t *testing.T) {
	s := parsed(t, `<message><a>1<![CDATA[<2>]]>3&amp;</a><b>1<c>2</c>3</b><p:d xmlns:p='u' p:e='f' g="'"><h/></p:d></message>`)
	for local, want := range map[string]string{"a": "1<2>3&", "b": "13"} {
		if c, _ := s.Child(ns.Client, local); c.Text() != want {
			t.Errorf("%s: %q", local, c.Text())
		}
	}
	d, _ := s.Child("u", "d")
	if v, ok := d.Attr("p:e"); !ok || v != "f" {
		t.Error(v)
	}
	if v, _ := d.Attr("g"); v != "'" {
		t.Error(v)
	}
	tree, err := d.Tree()
	if err != nil || tree.Child(ns.Client, "h") == nil {
		t.Error("tree", err)
	}
	var none Child
	if _, ok := none.Attr("x"); ok || none.Text() != "" || none.Raw() != "" || none.Inner() != "" {
		t.Error("zero child")
	}
	if _, err := none.Tree(); err == nil {
		t.Error("zero child has a tree")
	}
}

func TestNew(t *testing.T) {
	s, err := New(Head{Kind: IQ, Type: Set, ID: "i", To: jid.MustParse("a@b"), Lang: "de"}, `<q xmlns='u'><r/></q>`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Standalone(), `<iq xmlns='jabber:client' to='a@b' id='i' type='set' xml:lang='de'><q xmlns='u'><r/></q></iq>`; got != want {
		t.Error(got)
	}
	if p, ok := s.Payload(); !ok || p.Space != "u" || p.Local != "q" || p.Inner() != "<r/>" {
		t.Errorf("%+v", p)
	}
	tree, err := s.Tree()
	if err != nil || tree.Child("u", "q").Child("u", "r") == nil || tree.Lang() != "de" {
		t.Error("tree", err)
	}
	if s.Size() < len(s.Standalone()) {
		t.Errorf("size %d of %d", s.Size(), len(s.Standalone()))
	}
}

func TestParseRefuses(t *testing.T) {
	for _, bad := range []string{
		"", "x", "<message", "<message>", "<message/><message/>", "<message>\x00</message>", "<a:message/>",
		strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200), "<message>" + strings.Repeat("x", 5<<20) + "</message>",
	} {
		_, err := Parse(bad)
		if e := (*xmltok.Error)(nil); !errors.As(err, &e) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
	if _, err := Decode(xmltok.NewScanner(xmltok.Limits{}), nil); err == nil {
		t.Error("decoded nothing")
	}
}

// TestMovedDeclarations: an element must not grow without bound when its
// declarations move into its children.
func TestMovedDeclarations(t *testing.T) {
	uri := strings.Repeat("u", 1000)
	in := "<message xmlns:p='" + uri + "'>" + strings.Repeat("<p:a/>", 5000) + "</message>"
	sc := ready(t)
	if _, ev, err := sc.Next([]byte(in)); ev != xmltok.Element || err != nil {
		t.Fatal(ev, err)
	}
	_, err := Decode(sc, []byte(in))
	if e := (*xmltok.Error)(nil); !errors.As(err, &e) || e.Condition != xmltok.PolicyViolation {
		t.Errorf("got %v", err)
	}
	if s := decoded(t, clientOpen, strings.ReplaceAll(in, "<p:a/>", "<a/>")); s.Len() != 5000 || len(s.Inner()) != 5000*len("<a/>") {
		t.Errorf("%d children, %d bytes", s.Len(), len(s.Inner()))
	}
}
