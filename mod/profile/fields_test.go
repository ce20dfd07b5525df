package profile

import (
	"strings"
	"testing"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

func tree(t testing.TB, text string) *xmltok.Node {
	t.Helper()
	n, err := xmltok.Tree(text, "")
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return n
}

func temp(inner string) string { return "<vCard xmlns='vcard-temp'>" + inner + "</vCard>" }
func four4(inner string) string {
	return "<vcard xmlns='" + ns.VCard4Element + "'>" + inner + "</vcard>"
}
func xml(n *xmltok.Node) string { return string(n.AppendXML(nil, "")) }
func never(string) bool         { return false }

// What both forms of a vCard know, one field each; the second form becomes the first again.
func TestFieldsBothWays(t *testing.T) {
	for _, x := range []struct{ temp, four string }{
		{"<FN>Juliet</FN>", "<fn><text>Juliet</text></fn>"},
		{"<N><FAMILY>Capulet</FAMILY><GIVEN>Juliet</GIVEN></N>", "<n><surname>Capulet</surname><given>Juliet</given></n>"},
		{"<NICKNAME>J &amp; R</NICKNAME>", "<nickname><text>J &amp; R</text></nickname>"},
		{"<BDAY>1476-06-09</BDAY>", "<bday><date>1476-06-09</date></bday>"},
		{"<ADR><HOME/><STREET>Via Cappello</STREET><CTRY>Italy</CTRY></ADR>", "<adr><parameters><type><text>home</text></type></parameters><street>Via Cappello</street><country>Italy</country></adr>"},
		{"<TEL><WORK/><CELL/><NUMBER>1</NUMBER></TEL><TEL><NUMBER>2</NUMBER></TEL>", "<tel><parameters><type><text>work</text><text>cell</text></type></parameters><text>1</text></tel><tel><text>2</text></tel>"},
		{"<EMAIL><HOME/><USERID>j@x</USERID></EMAIL>", "<email><parameters><type><text>home</text></type></parameters><text>j@x</text></email>"},
		{"<JABBERID>j@x</JABBERID>", "<impp><uri>xmpp:j@x</uri></impp>"},
		{"<TZ>+01:00</TZ>", "<tz><text>+01:00</text></tz>"},
		{"<GEO><LAT>45.4</LAT><LON>11.0</LON></GEO>", "<geo><uri>geo:45.4,11.0</uri></geo>"},
		{"<TITLE>a</TITLE><ROLE>b</ROLE>", "<title><text>a</text></title><role><text>b</text></role>"},
		{"<ORG><ORGNAME>a</ORGNAME><ORGUNIT>b</ORGUNIT></ORG>", "<org><text>a</text><text>b</text></org>"},
		{"<DESC>a\nb</DESC>", "<note><text>a\nb</text></note>"},
		{"<URL>https://x/?a&amp;b</URL>", "<url><uri>https://x/?a&amp;b</uri></url>"},
	} {
		card := tree(t, temp(x.temp))
		made := asFour(tree(t, four4("")), card)
		if got, want := xml(made), xml(tree(t, four4(x.four))); got != want {
			t.Errorf("%s becomes\n%s, want\n%s", x.temp, got, want)
		}
		if got := xml(asTemp(tree(t, temp("")), made, never)); got != xml(card) {
			t.Errorf("%s comes back as\n%s", x.temp, got)
		}
	}
}

// What says the same stays as it stands, and what the other form cannot say stays in any case.
func TestWhatIsKnownToOneFormStays(t *testing.T) {
	card := tree(t, temp("<FN> Juliet </FN><PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO><TEL><MSG/><NUMBER>1</NUMBER></TEL><BDAY>1476</BDAY><NOTE>own</NOTE>"))
	next := tree(t, four4("<fn><text>Juliet</text></fn><tel><text>1</text></tel><gender><sex>F</sex></gender>"))
	if got, want := xml(asTemp(card, next, never)), strings.Replace(xml(card), "<BDAY>1476</BDAY>", "", 1); got != want {
		t.Errorf("the vCard becomes\n%s, want\n%s", got, want)
	}
	if got := xml(asTemp(card, next, func(name string) bool { return name == "BDAY" })); got != xml(card) {
		t.Errorf("a field that its client has not seen goes: %s", got)
	}
	card = tree(t, temp("<FN>Juliet</FN><TITLE>x</TITLE>"))
	if got := xml(asFour(next, card)); got != xml(tree(t, four4("<fn><text>Juliet</text></fn><gender><sex>F</sex></gender><title><text>x</text></title>"))) {
		t.Errorf("the other form becomes %s", got)
	}
}

// Nobody sees a field that is not shown to them, in either form.
func TestVisibility(t *testing.T) {
	v, err := readVisibility(tree(t, "<visibility xmlns='"+Space+"'><field name='TEL' to='contacts'/><field name='BDAY' to='nobody'/><field name='FN' to='everybody'/></visibility>"))
	if err != nil {
		t.Fatal(err)
	}
	all := temp("<FN>a</FN><TEL><NUMBER>1</NUMBER></TEL><BDAY>2</BDAY>")
	forms := []*xmltok.Node{tree(t, all), asFour(tree(t, four4("")), tree(t, all))}
	for i, n := range forms {
		if got := len(v.shown(n, true).Children); got != 2 {
			t.Errorf("form %d: contacts see %d fields", i, got)
		}
		if got := len(v.shown(n, false).Children); got != 1 {
			t.Errorf("form %d: others see %d fields", i, got)
		}
		if got := len(hidden().shown(n, true).Children); got != 0 {
			t.Errorf("form %d: of a choice that cannot be read contacts see %d fields", i, got)
		}
	}
	if again, err := parseVisibility([]byte(v.xml())); err != nil || again.xml() != v.xml() {
		t.Errorf("%s is read as %s: %v", v.xml(), again.xml(), err)
	}
	for _, bad := range []string{
		"<field name='TEL'/>", "<field to='nobody'/>", "<field name='tel' to='nobody'/>", "<field name='PHOTO' to='nobody'/>", "<x name='TEL' to='nobody'/>",
		"<field name='TEL' to='nobody'/><field name='TEL' to='nobody'/>", "<field name='" + strings.Repeat("A", 33) + "' to='nobody'/>",
		strings.Repeat("<field name='A' to='nobody'/>", 1) + manyFields(65),
	} {
		if _, err := readVisibility(tree(t, "<visibility xmlns='"+Space+"'>"+bad+"</visibility>")); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func manyFields(n int) (out string) {
	for i := range n {
		out += "<field name='B" + strings.Repeat("C", i%30) + strings.Repeat("D", i/30) + "' to='nobody'/>"
	}
	return out
}

// What a node shows follows the profile, and only as far as its readers may see it.
func TestNodesFollow(t *testing.T) {
	card, v := tree(t, temp("<NICKNAME>Jule</NICKNAME><FN>a</FN>")), visibility{"NICKNAME": contacts}
	open, presence := nextNick("", card, v, "open"), nextNick("", card, v, "")
	if open != "" || presence != nickXML("Jule") {
		t.Errorf("an open node shows %q, another %q", open, presence)
	}
	if got := nextNick(presence, card, v, "open"); got != nickXML("") {
		t.Errorf("a node that becomes open shows %q", got)
	}
	if got := nextNick("<x xmlns='y'/>", card, nil, ""); got != "<x xmlns='y'/>" {
		t.Errorf("what is no nickname becomes %q", got)
	}
	if got := nextFour("", tree(t, temp("")), nil, ""); got != "" {
		t.Errorf("nothing to show becomes %q", got)
	}
	if got := nextFour("", card, v, "open"); got != four4("<fn><text>a</text></fn>") {
		t.Errorf("an open node shows %q", got)
	}
}

func FuzzFields(f *testing.F) {
	f.Add(four4("<fn><text>a</text></fn><tel><parameters><type><text>home</text></type></parameters><uri>tel:1</uri></tel><geo><uri>geo:1,2;u=3</uri></geo>"))
	f.Add(four4("<n><surname>a</surname></n><adr><street>b</street></adr><org><text>c</text></org><impp><uri>xmpp:x</uri></impp><x xmlns='y'/>"))
	f.Add(four4("<geo><uri>,0</uri></geo><geo><uri>geo: 1 , 2 </uri></geo>"))
	f.Fuzz(func(t *testing.T, text string) {
		n, err := xmltok.Tree(text, "")
		if err != nil || !n.Is(ns.VCard4Element, "vcard") {
			return
		}
		card := asTemp(tree(t, temp("")), n, never)
		for _, c := range card.Children {
			if c.Space != ns.VCardTemp {
				t.Fatalf("%s has a field of the other form", xml(card))
			}
		}
		// What came from one form is what is already there: nothing goes round in circles.
		if got := xml(asFour(n, card)); got != xml(n) {
			t.Fatalf("%s\nbecomes\n%s", xml(n), got)
		}
		if _, err := xmltok.Tree(xml(card), ""); err != nil {
			t.Fatalf("%s: %v", xml(card), err)
		}
	})
}
