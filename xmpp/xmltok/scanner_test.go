package xmltok

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// step is one event with the bytes it covers and what the outline says.
type step struct {
	Event     Event
	Raw       string
	Condition string
	Offset    int // of an error, from the start of the stream
	Outline   string
}

// feed runs a whole stream through a scanner, in pieces of the sizes that next
// returns, and lists the events up to an error or the end of the bytes. White
// space events are joined, because their extent depends on the pieces.
func feed(s *Scanner, in string, next func() int) []step {
	var steps []step
	var buf []byte
	done, rest := 0, in
	for {
		n, ev, err := s.Next(buf)
		if e := (*Error)(nil); errors.As(err, &e) {
			return append(steps, step{Condition: e.Condition, Offset: done + e.Offset})
		}
		switch {
		case ev == More:
			if rest == "" {
				return append(steps, step{Event: More})
			}
			k := min(next(), len(rest))
			// A fresh array each time: offsets must do without the old bytes.
			buf = append(append([]byte(nil), buf...), rest[:k]...)
			rest = rest[k:]
			continue
		case ev == Space && len(steps) > 0 && steps[len(steps)-1].Event == Space:
			steps[len(steps)-1].Raw += string(buf[:n])
		default:
			st := step{Event: ev, Raw: string(buf[:n])}
			if ev == Header || ev == Element {
				st.Outline = describe(s.Outline(), st.Raw)
			}
			steps = append(steps, st)
		}
		done += n
		buf = buf[n:]
	}
}

// describe spells an outline out.
func describe(o *Outline, raw string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{%s}%s", o.Space.In(raw), o.Local.In(raw))
	for _, a := range o.Attrs {
		fmt.Fprintf(&b, " %s=%q", a.Name.In(raw), a.Value.In(raw))
	}
	fmt.Fprintf(&b, " content=%d-%d", o.Content.Start, o.Content.End)
	for _, c := range o.Children {
		fmt.Fprintf(&b, " [{%s}%s %q %q]", c.Space.In(raw), c.Local.In(raw), c.Outer.In(raw), c.Content.In(raw))
	}
	for _, i := range o.Inherited {
		fmt.Fprintf(&b, " needs %s=%s", i.Prefix, i.URI)
	}
	return b.String()
}

// feedings returns the events of in, and fails when they depend on how the
// bytes arrive.
func feedings(t testing.TB, l Limits, in string) []step {
	t.Helper()
	whole := feed(NewScanner(l), in, func() int { return len(in) })
	if bytewise := feed(NewScanner(l), in, func() int { return 1 }); !reflect.DeepEqual(whole, bytewise) {
		t.Fatalf("%q\nwhole    %+v\nbytewise %+v", in, whole, bytewise)
	}
	random := rand.New(rand.NewPCG(uint64(len(in)), 7))
	pieces := feed(NewScanner(l), in, func() int { return 1 + random.IntN(20) })
	if !reflect.DeepEqual(whole, pieces) {
		t.Fatalf("%q\nwhole  %+v\npieces %+v", in, whole, pieces)
	}
	return whole
}

const open = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:x'>"

func TestStream(t *testing.T) {
	steps := feedings(t, Limits{}, "\n"+clientHeader+" \r\n<a/>\n\n<b c = \"d&#xA;\"\n>e</b  ></stream:stream >\n")
	var events []Event
	for _, s := range steps {
		events = append(events, s.Event)
	}
	want := []Event{Space, Header, Space, Element, Space, Element, End, Space, More}
	if !reflect.DeepEqual(events, want) {
		t.Fatalf("events %v, want %v", events, want)
	}
	if got, want := steps[5].Outline, `{jabber:client}b c="d\n" content=17-18`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !strings.Contains(steps[1].Outline, `to="example.org"`) {
		t.Errorf("header %s", steps[1].Outline)
	}
}

func TestGoodElements(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`<a/>`, `{jabber:client}a content=4-4`},
		{`<a xmlns=''><b/></a>`, `{}a xmlns="" content=12-16 [{}b "<b/>" ""]`},
		{`<a><b xmlns='u'>t</b><c/></a>`, `{jabber:client}a content=3-25 [{u}b "<b xmlns='u'>t</b>" "t"] [{jabber:client}c "<c/>" ""]`},
		{`<p:a xmlns:p='u' p:b='1' b='2'/>`, `{u}a xmlns:p="u" p:b="1" b="2" content=32-32`},
		{`<a><x:b/></a>`, `{jabber:client}a content=3-9 [{urn:x}b "<x:b/>" ""] needs x=urn:x`},
		{`<a><b><c x:d='1'/></b></a>`, `{jabber:client}a content=3-22 [{jabber:client}b "<b><c x:d='1'/></b>" "<c x:d='1'/>"] needs x=urn:x`},
		{`<a><x:b xmlns:x='own'/></a>`, `{jabber:client}a content=3-23 [{own}b "<x:b xmlns:x='own'/>" ""]`},
		{`<a xml:lang='de' b="'">]] > ä 猫 😀</a>`, `{jabber:client}a xml:lang="de" b="'" content=23-39`},
		{`<a><![CDATA[<b>&]]]]><![CDATA[>]]></a>`, `{jabber:client}a content=3-34`},
		{`<a b='&lt;&amp;&#65;&#x1F600;'>&gt;&apos;&quot;&#9;</a>`, `{jabber:client}a b="<&A😀" content=31-51`},
		{"<a b='1\t2\r\n3'>\x7f\r</a>", `{jabber:client}a b="1 2 3" content=14-16`},
		{`<ä.ö-1:é xmlns:ä.ö-1='u'/>`, `{u}é xmlns:ä.ö-1="u" content=31-31`},
		{`<a b=''/>`, `{jabber:client}a b="" content=9-9`},
	} {
		steps := feedings(t, Limits{}, open+c.in)
		if len(steps) != 3 || steps[1].Event != Element || steps[1].Outline != c.want {
			t.Errorf("%s\n got %+v\nwant %s", c.in, steps[1:], c.want)
		}
	}
}

func TestBadElements(t *testing.T) {
	nwf, restricted := NotWellFormed, RestrictedXML
	for _, c := range []struct {
		in, condition string
		offset        int
	}{
		{`<a></b>`, nwf, 3},
		{`<a></a`, "", 0},
		{`<ab></a>`, nwf, 4},
		{`<a></ab>`, nwf, 3},
		{`<a></a b>`, nwf, 3},
		{`<a b='1'c='2'/>`, nwf, 8},
		{`<a b=1/>`, nwf, 5},
		{`<a b/>`, nwf, 4},
		{`<a b='<'/>`, nwf, 6},
		{`<a / >`, nwf, 4},
		{`<1/>`, nwf, 1},
		{`< a/>`, nwf, 1},
		{`<a 1='2'/>`, nwf, 3},
		{`<a:/>`, nwf, 3},
		{`<:a/>`, nwf, 1},
		{`<a:b:c/>`, nwf, 4},
		{`<a:1/>`, nwf, 3},
		{"<a\xc3\x97/>", nwf, 2},
		{"<\xc2\xb7/>", nwf, 1},
		{`<a b='1' b='2'/>`, nwf, 9},
		{`<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>`, nwf, 35},
		{`<a xmlns:p='urn:x' p:b='1' x:b='2'/>`, nwf, 27},
		{`<p:a/>`, nwf, 1},
		{`<a p:b='c'/>`, nwf, 3},
		{`<a><b xmlns:p='u'/><p:c/></a>`, nwf, 20},
		{`<xmlns:a/>`, nwf, 1},
		{`<a xmlns:p=''/>`, nwf, 3},
		{`<a xmlns:xml='u'/>`, nwf, 3},
		{`<a xmlns:xmlns='u'/>`, nwf, 3},
		{`<a xmlns='http://www.w3.org/XML/1998/namespace'/>`, nwf, 3},
		{`<a xmlns:p='http://www.w3.org/2000/xmlns/'/>`, nwf, 3},
		{`<a xmlns='u&amp;v'/>`, PolicyViolation, 3},
		{`<a xmlns='u"'/>`, PolicyViolation, 3},
		{`<a xmlns:p="u'"/>`, PolicyViolation, 3},
		{"<a xmlns='u>\n'/>", PolicyViolation, 3},
		{`<a>]]></a>`, nwf, 3},
		{`<a>&nbsp;</a>`, restricted, 3},
		{`<a>&</a>`, nwf, 3},
		{`<a>&;</a>`, nwf, 3},
		{`<a>& b</a>`, nwf, 3},
		{`<a b='&x;'/>`, restricted, 6},
		{`<a>&averyverylongentityname;</a>`, restricted, 3},
		{`<a>&#0;</a>`, nwf, 3},
		{`<a>&#xFFFE;</a>`, nwf, 3},
		{`<a>&#xD800;</a>`, nwf, 3},
		{`<a>&#x110000;</a>`, nwf, 3},
		{`<a>&#;</a>`, nwf, 3},
		{`<a>&#x;</a>`, nwf, 3},
		{`<a>&#1f;</a>`, nwf, 3},
		{`<a>&#X41;</a>`, nwf, 3},
		{`<a>&#8;</a>`, nwf, 3},
		{`<a>&#99999999999999999999;</a>`, nwf, 3},
		{"<a>\x01</a>", nwf, 3},
		{"<a b='\x00'/>", nwf, 6},
		{"<a>\uFFFE</a>", nwf, 3},
		{"<a>12345678\uFFFF</a>", nwf, 11},
		{"<a>\xff</a>", UnsupportedEncoding, 3},
		{"<a>\xc0\x80</a>", UnsupportedEncoding, 3},
		{"<a b='\xed\xa0\x80'/>", UnsupportedEncoding, 6},
		{"<a>\xe2\x82</a>", UnsupportedEncoding, 3},
		{"<a>\xf4\x90\x80\x80</a>", UnsupportedEncoding, 3},
		{"<\xff/>", UnsupportedEncoding, 1},
		{"<a><![CDATA[\x02]]></a>", nwf, 12},
		{"<a><![CDATA[\xfe]]></a>", UnsupportedEncoding, 12},
		{`<!-- c -->`, restricted, 0},
		{`<a><!-- c --></a>`, restricted, 3},
		{`<a><?p?></a>`, restricted, 3},
		{`<?xml version='1.0'?>`, restricted, 0},
		{`<!DOCTYPE a>`, restricted, 0},
		{`<a><!DOCTYPE a></a>`, restricted, 3},
		{`<![CDATA[x]]>`, restricted, 0},
		{`<a><![CDATE[x]]></a>`, restricted, 3},
		{`text`, BadFormat, 0},
		{"\ufeff<a/>", BadFormat, 0},
		{`</stream:strea>`, nwf, 0},
		{`</stream:streams>`, nwf, 0},
		{`</stream:stream><a/>`, nwf, 16},
		{`<stream:stream to='a'>`, BadFormat, 0},
		{`<a/><s:stream xmlns:s='http://etherx.jabber.org/streams'/>`, BadFormat, 4},
	} {
		steps := feedings(t, Limits{}, open+c.in)
		last := steps[len(steps)-1]
		if last.Condition != c.condition || c.condition != "" && last.Offset != len(open)+c.offset {
			t.Errorf("%q: %q at %d, want %q at %d", c.in, last.Condition, last.Offset-len(open), c.condition, c.offset)
		}
	}
}

// TestCutAnywhere: what begins like its start tag's name and goes on with all of
// it is another name, wherever the bytes are cut in two.
func TestCutAnywhere(t *testing.T) {
	for _, in := range []string{
		`<key></kkey>`, `<aab></aaab>`, `<a></aa>`, `<a><b></bb></a>`, `<p:a xmlns:p='u'></p:p:a>`, `</stream:stream:stream>`, `</sstream:stream>`,
		`<key></key>`, `<aab></aab >`, `</stream:stream>`,
	} {
		whole := feed(NewScanner(Limits{}), open+in, func() int { return len(open) + len(in) })
		for cut := len(open); cut < len(open)+len(in); cut++ {
			sizes := []int{cut, len(open) + len(in)}
			next := func() (n int) { n, sizes = sizes[0], sizes[1:]; return n }
			if parts := feed(NewScanner(Limits{}), open+in, next); !reflect.DeepEqual(whole, parts) {
				t.Errorf("%q cut at %d\nwhole %+v\nparts %+v", in, cut-len(open), whole, parts)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	root := open
	for _, c := range []struct{ in, condition string }{
		{root, ""},
		{`<?xml version="1.0" encoding='utf-8' standalone='no' ?>` + "\n" + root, ""},
		{"  " + root, ""},
		{`<stream xmlns='http://etherx.jabber.org/streams' xmlns:c='jabber:client'>`, ""},
		{`<?xml version='1.0' encoding='ISO-8859-1'?>` + root, UnsupportedEncoding},
		{`<?xml version='1.1'?>` + root, NotWellFormed},
		{`<?xml?>` + root, NotWellFormed},
		{`<?xml version='1.0'` + strings.Repeat(" ", 300) + `?>` + root, PolicyViolation},
		{`<?xml version='1.0'?><?xml version='1.0'?>` + root, RestrictedXML},
		{`<?php?>` + root, RestrictedXML},
		{`<?xmlx version='1.0'?>`, RestrictedXML},
		{`<?xml version='1.0' standalone='maybe'?>` + root, NotWellFormed},
		{`<?xml version='1.0' encoding='UTF-8'version='1.0'?>`, NotWellFormed},
		{`<!DOCTYPE x>` + root, RestrictedXML},
		{"\ufeff" + root, NotWellFormed},
		{"\xff\xfe<\x00", UnsupportedEncoding},
		{"\xfe\xff\x00<", UnsupportedEncoding},
		{"GET / HTTP/1.1", NotWellFormed},
		{`</a>`, NotWellFormed},
		{`<message/>`, InvalidNamespace},
		{`<stream xmlns='urn:y'>`, InvalidNamespace},
		{`<x xmlns='http://etherx.jabber.org/streams'>`, BadFormat},
		{`<stream xmlns='http://etherx.jabber.org/streams'/>`, BadFormat},
		{`<stream:stream>`, BadNamespacePrefix},
	} {
		steps := feedings(t, Limits{}, c.in)
		if last := steps[len(steps)-1]; last.Condition != c.condition {
			t.Errorf("%q: %q, want %q", c.in, last.Condition, c.condition)
		}
	}
}

func TestLimits(t *testing.T) {
	open := strings.Replace(open, " xmlns:x='urn:x'", "", 1)
	l := Limits{Bytes: 200, HeaderBytes: 150, Depth: 3, Attrs: 4, Namespaces: 2}
	for _, c := range []struct{ in, condition string }{
		{open + "<a>" + strings.Repeat("x", 193) + "</a>", ""},
		{open + "<a>" + strings.Repeat("x", 194) + "</a>", PolicyViolation},
		{open + "<a b='" + strings.Repeat("x", 300), PolicyViolation},
		{open + "<a" + strings.Repeat(" ", 300), PolicyViolation},
		{open + "<a>" + strings.Repeat("x", 300) + "\x00", PolicyViolation},
		{open + "<a>" + strings.Repeat("x", 100) + "\x00" + strings.Repeat("x", 300), NotWellFormed},
		{strings.Replace(open, ">", strings.Repeat(" ", 80)+">", 1), PolicyViolation},
		{open + "<a><b><c/></b></a>", ""},
		{open + "<a><b><c><d/></c></b></a>", PolicyViolation},
		{open + "<a a='' b='' c='' d=''/>", ""},
		{open + "<a a='' b='' c='' d='' e=''/>", PolicyViolation},
		{open + "<a xmlns='u' xmlns:p='u'/>", ""},
		{open + "<a xmlns='u' xmlns:p='u' xmlns:q='u'/>", PolicyViolation},
	} {
		steps := feedings(t, l, c.in)
		if last := steps[len(steps)-1]; last.Condition != c.condition {
			t.Errorf("%.200q: %q, want %q", c.in, last.Condition, c.condition)
		}
	}
	deep := "<a xmlns:p='u' xmlns:q='u'>"
	for n, condition := range map[int]string{4: "", 5: PolicyViolation} {
		in := open + strings.Repeat(deep, n) + strings.Repeat("</a>", n)
		if steps := feedings(t, Limits{Namespaces: 2}, in); steps[len(steps)-1].Condition != condition {
			t.Errorf("%d declarations in scope: %q", 2*n, steps[len(steps)-1].Condition)
		}
	}
	long := open + "<" + strings.Repeat("n", maxName+1) + "/>"
	if steps := feedings(t, Limits{}, long); steps[len(steps)-1].Condition != PolicyViolation {
		t.Error("long name accepted")
	}
}

func TestLimitsChange(t *testing.T) {
	s := NewScanner(Limits{Bytes: 10})
	if _, ev, err := s.Next([]byte(open)); ev != Header || err != nil {
		t.Fatal(ev, err)
	}
	s.SetLimits(Limits{Bytes: 100})
	big := []byte("<a>" + strings.Repeat("x", 90) + "</a>")
	if _, ev, err := s.Next(big); ev != Element || err != nil {
		t.Fatal(ev, err)
	}
	s.SetLimits(Limits{Bytes: 50})
	if _, _, err := s.Next(big); err == nil {
		t.Fatal("limit not applied")
	}
	if _, _, err := s.Next(big); err == nil {
		t.Fatal("goes on after an error")
	}
}

func TestScratchChangesHands(t *testing.T) {
	a, b := opened(t), opened(t)
	m := a.Detach()
	if m == nil || b.Detach() == nil || a.Detach() != nil {
		t.Fatal("memory not given back")
	}
	for range 3 {
		for _, s := range []*Scanner{a, b} {
			s.Attach(m)
			if n, ev, err := s.Next([]byte(chatMessage)); n != len(chatMessage) || ev != Element || err != nil {
				t.Fatal(n, ev, err)
			}
			if got := len(s.Outline().Children); got != 5 {
				t.Fatalf("%d children", got)
			}
			if s.Detach() != m {
				t.Fatal("other memory")
			}
		}
	}
	a.Attach(m)
	if _, ev, _ := a.Next([]byte("<a><b")); ev != More {
		t.Fatal(ev)
	}
	if a.Detach() != nil {
		t.Fatal("memory given away in the middle of an element")
	}
	a.Reset()
	if _, ev, err := a.Next([]byte(clientHeader)); ev != Header || err != nil {
		t.Fatal(ev, err)
	}
	if size := reflect.TypeFor[Scanner]().Size(); size > 200 {
		t.Errorf("an idle scanner has %d bytes", size)
	}
}

// TestLinear counts bytes, not time: each call may only look at what is new.
// The bytes before are made unusable, apart from those that the scanner
// compares again: names.
func TestLinear(t *testing.T) {
	for _, in := range []string{
		"<a>" + strings.Repeat("text ", 1000) + "</a>",
		"<a b='" + strings.Repeat("text ", 1000) + "'/>",
		"<a><![CDATA[" + strings.Repeat("text ", 1000) + "]]></a>",
		"<a>" + strings.Repeat("<b c='d'/>", 500) + "</a>",
	} {
		s := opened(t)
		buf := []byte(in)
		for cut := 50; cut < len(buf); cut += 50 {
			if _, ev, err := s.Next(buf[:cut]); ev != More || err != nil {
				t.Fatal(cut, ev, err)
			}
			if done := s.scratch.pos; done < cut-maxReference {
				t.Fatalf("%.20s…: after %d bytes the scan would go on at %d", in, cut, done)
			}
			if cut > 100 {
				for i := 20; i < cut-60; i++ {
					buf[i] = '\x00'
				}
			}
		}
		if _, ev, err := s.Next(buf); ev != Element || err != nil {
			t.Fatal(ev, err)
		}
	}
}

func TestDocument(t *testing.T) {
	for _, c := range []struct{ in, condition string }{
		{"<a/>", ""},
		{" <a></a>\n", ""},
		{"<?xml version='1.0'?><a/>", ""},
		{"<a><p:b/></a>", ""},
		{"", NotWellFormed},
		{" ", NotWellFormed},
		{"<a>", NotWellFormed},
		{"<a/><b/>", NotWellFormed},
		{"<a/>x", NotWellFormed},
		{"x<a/>", NotWellFormed},
		{"</a>", NotWellFormed},
		{"<a/>\x00", NotWellFormed},
		{"<a/><!-- -->", NotWellFormed},
		{"<q:a/>", NotWellFormed},
		{"<a>" + strings.Repeat("x", 100) + "</a>", PolicyViolation},
		{"<a/>" + strings.Repeat(" ", 100), PolicyViolation},
	} {
		s := NewScanner(Limits{Bytes: 100})
		s.Inherit("urn:d", []Binding{{"p", "urn:p"}})
		err := s.Document([]byte(c.in))
		if e := (*Error)(nil); errors.As(err, &e) != (c.condition != "") || e != nil && e.Condition != c.condition {
			t.Errorf("%q: %v, want %q", c.in, err, c.condition)
		}
		if o := s.Outline(); err == nil && o.Space.In(c.in) != "urn:d" {
			t.Errorf("%q: namespace %q", c.in, o.Space.In(c.in))
		}
	}
}

func TestFragment(t *testing.T) {
	for _, c := range []struct {
		in    string
		count int // -1: refused
	}{
		{"", 0},
		{"text", 0},
		{"<a/>text<b xmlns='u'>c</b>", 2},
		{" <a><b/></a> ", 1},
		{"</m><m>", -1},
		{"</>", -1},
		{"<a>", -1},
		{"<a", -1},
		{"a]]>", -1},
		{"]]>", -1},
		{"&amp", -1},
		{"<![CDATA[x]]", -1},
		{"\xc3", -1},
		{"<?xml version='1.0'?>", -1},
	} {
		s := NewScanner(Limits{})
		s.Inherit("urn:d", nil)
		switch err := s.Fragment([]byte(c.in)); {
		case (err != nil) != (c.count < 0):
			t.Errorf("%q: %v", c.in, err)
		case err == nil && len(s.Outline().Children) != c.count:
			t.Errorf("%q: %d children", c.in, len(s.Outline().Children))
		}
	}
}
