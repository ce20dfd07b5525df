package disco

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/xmltok"
)

// tree parses XML written in a test.
func tree(t testing.TB, xml string) *xmltok.Node {
	t.Helper()
	n, err := xmltok.Tree(xml, "")
	if err != nil {
		t.Fatalf("%.200s: %v", xml, err)
	}
	return n
}

// info parses a disco#info response with the given content.
func info(t testing.TB, content string) *Info {
	t.Helper()
	i, err := ParseInfo(tree(t, "<query xmlns='http://jabber.org/protocol/disco#info'>"+content+"</query>"))
	if err != nil {
		t.Fatalf("%.200s: %v", content, err)
	}
	return i
}

func TestInfo(t *testing.T) {
	i := &Info{
		Node:       "n&1",
		Identities: []Identity{{"server", "im", "", "Stone <chat>"}, {"pubsub", "pep", "de", ""}},
		Features:   []string{"urn:xmpp:ping", "a'b"},
		Forms:      []*form.Form{form.New(form.Result, "urn:x", form.Field{Var: "v", Values: []string{"1"}})},
	}
	want := `<query xmlns='http://jabber.org/protocol/disco#info' node='n&amp;1'>` +
		`<identity category='server' type='im' name='Stone &lt;chat&gt;'/><identity xml:lang='de' category='pubsub' type='pep'/>` +
		`<feature var='urn:xmpp:ping'/><feature var='a&apos;b'/>` +
		`<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:x</value></field><field var='v'><value>1</value></field></x></query>`
	got := string(i.AppendXML([]byte("head")))
	if got != "head"+want {
		t.Errorf("got  %s\nwant head%s", got, want)
	}
	back, err := ParseInfo(tree(t, want))
	if err != nil || !reflect.DeepEqual(back, i) {
		t.Errorf("read back %+v, %v", back, err)
	}
	if !i.Has("urn:xmpp:ping") || i.Has("urn:xmpp:pin") || !i.HasIdentity("pubsub", "pep") || i.HasIdentity("pubsub", "im") {
		t.Error("wrong answer about features or identities")
	}
	if i.Form("urn:x") != i.Forms[0] || i.Form("urn:y") != nil {
		t.Error("wrong form found")
	}
}

func TestParseInfoRefuses(t *testing.T) {
	for content, want := range map[string]error{
		"<identity type='pc'/>":                             ErrMissing,
		"<identity category='client'/>":                     ErrMissing,
		"<identity category='' type='pc'/>":                 ErrMissing,
		"<feature/>":                                        ErrMissing,
		"<x xmlns='jabber:x:data'/>":                        form.ErrType,
		strings.Repeat("<feature var='a'/>", MaxFeatures+1): ErrTooLarge,
		strings.Repeat("<x xmlns='jabber:x:data' type='result'/>", MaxForms+1): ErrTooLarge,
		strings.Repeat("<identity category='a' type='b'/>", MaxIdentities+1):   ErrTooLarge,
	} {
		n := tree(t, "<query xmlns='http://jabber.org/protocol/disco#info'>"+content+"</query>")
		if i, err := ParseInfo(n); !errors.Is(err, want) || i != nil {
			t.Errorf("%.60s: %v, %v; want %v", content, i, err, want)
		}
	}
	for _, n := range []*xmltok.Node{nil, tree(t, "<query xmlns='http://jabber.org/protocol/disco#items'/>"), tree(t, "<q xmlns='http://jabber.org/protocol/disco#info'/>")} {
		if _, err := ParseInfo(n); !errors.Is(err, ErrNotQuery) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	i := info(t, "<feature xmlns='urn:x'/><other/><feature var='a'/>")
	if len(i.Features) != 1 || len(i.Identities) != 0 {
		t.Errorf("foreign elements: %+v", i)
	}
}

func TestItems(t *testing.T) {
	for want, i := range map[string]*Items{
		`<query xmlns='http://jabber.org/protocol/disco#items'></query>`: {},
		`<query xmlns='http://jabber.org/protocol/disco#items' node='n'>` +
			`<item jid='chat.example.com'/><item jid='a@b/c&apos;' node='x' name='A &amp; B'/>` +
			`<set xmlns='http://jabber.org/protocol/rsm'><count>7</count></set></query>`: {
			Node:  "n",
			Items: []Item{{JID: jid.MustParse("chat.example.com")}, {jid.MustParse("a@b/c'"), "x", "A & B"}},
			Page:  &rsm.Result{Count: 7, HasCount: true},
		},
	} {
		if got := string(i.AppendXML([]byte("head"))); got != "head"+want {
			t.Errorf("got  %s\nwant head%s", got, want)
		}
		if back, err := ParseItems(tree(t, want)); err != nil || !reflect.DeepEqual(back, i) {
			t.Errorf("%s read as %+v, %v", want, back, err)
		}
	}
	for content, want := range map[string]error{
		"<item/>":         jid.ErrEmpty,
		"<item jid='@'/>": jid.ErrEmpty,
		"<set xmlns='http://jabber.org/protocol/rsm'><count>x</count></set>": rsm.ErrNumber,
		strings.Repeat("<item jid='a'/>", MaxItems+1):                        ErrTooLarge,
	} {
		n := tree(t, "<query xmlns='http://jabber.org/protocol/disco#items'>"+content+"</query>")
		if i, err := ParseItems(n); !errors.Is(err, want) || i != nil {
			t.Errorf("%.60s: %v, %v; want %v", content, i, err, want)
		}
	}
	if _, err := ParseItems(nil); !errors.Is(err, ErrNotQuery) {
		t.Errorf("nil: %v", err)
	}
}

func FuzzParseInfo(f *testing.F) {
	for _, s := range []string{simple, complexExample, "<identity category='a' type='b' xml:lang='c' name='&lt;'/>"} {
		f.Add("<query xmlns='http://jabber.org/protocol/disco#info' node='n'>" + s + "</query>")
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := xmltok.Tree(s, "")
		if err != nil {
			return
		}
		i, err := ParseInfo(n)
		if err != nil {
			return
		}
		out := string(i.AppendXML(nil))
		if n, err = xmltok.Tree(out, ""); err != nil {
			t.Fatalf("wrote %q: %v", out, err)
		}
		back, err := ParseInfo(n)
		if err != nil || string(back.AppendXML(nil)) != out {
			t.Fatalf("%q is not stable: %v", out, err)
		}
		ver, err := i.Ver("sha-256")
		if err != nil {
			return
		}
		covered, err := Verify(Caps{"sha-256", "n", ver}, back)
		if err != nil {
			t.Fatalf("%q: own hash refused: %v", out, err)
		}
		if again, err := covered.Ver("sha-256"); err != nil || again != ver {
			t.Fatalf("%q: what the hash covers has the hash %s, %v, not %s", out, again, err, ver)
		}
	})
}

func ExampleInfo_Ver() {
	i := &Info{
		Identities: []Identity{{Category: "client", Type: "pc", Name: "Exodus 0.9.1"}},
		Features: []string{
			"http://jabber.org/protocol/caps",
			"http://jabber.org/protocol/disco#info",
			"http://jabber.org/protocol/disco#items",
			"http://jabber.org/protocol/muc",
		},
	}
	ver, err := i.Ver("sha-1")
	fmt.Println(ver, err)
	// Output: QgayPKawpkPSDYmwT/WM94uAlu0= <nil>
}
