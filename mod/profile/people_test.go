package profile

import (
	"slices"
	"strings"
	"testing"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

func parsed(t *testing.T, xml string) *xmltok.Node {
	t.Helper()
	n, err := xmltok.Tree(xml, ns.Client)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Every word is the beginning of a word of its field.
func TestWhoIsFound(t *testing.T) {
	card := parsed(t, "<vCard xmlns='vcard-temp'><FN>Juliet Maria Capulet</FN><N><FAMILY>Capulet</FAMILY><GIVEN>Juliet Maria</GIVEN></N><NICKNAME>JuliC</NICKNAME>"+
		"<EMAIL><USERID>j.capulet@example.org</USERID></EMAIL><TEL><NUMBER>12345</NUMBER></TEL></vCard>")
	p := personOf(jid.MustParse("girl@example.org"), card)
	query := func(inner string) string { return "<query xmlns='" + ns.Search + "'>" + inner + "</query>" }
	byForm := func(field, value string) string {
		return query("<x xmlns='jabber:x:data' type='submit'><field var='" + field + "'><value>" + value + "</value></field></x>")
	}
	l := listed{words: p.words()}
	for asked, want := range map[string]bool{
		query("<first>jul</first>"):                   true,
		query("<first>maria</first>"):                 true,
		query("<first>MARIA jul</first>"):             true,
		query("<first>ulie</first>"):                  false,
		query("<first>capulet</first>"):               false,
		query("<first>jul</first><last>cap</last>"):   true,
		query("<first>jul</first><last>mont</last>"):  false,
		query("<nick>julic</nick>"):                   true,
		query("<email>j.cap</email>"):                 true,
		query("<email>12345</email>"):                 false,
		byForm(anyField, "girl"):                      true,
		byForm(anyField, "12345"):                     false,
		byForm(anyField, "cap jul gir"):               true,
		byForm("last", "Capulet"):                     true,
		byForm("last", "Capulett"):                    false,
		query("<first> </first><last>capulet</last>"): true,
	} {
		w, _, err := parsePeople(parsed(t, asked))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.matches(w); got != want || got && !l.may(w) {
			t.Errorf("%s: found %v, in the list %v", asked, got, l.may(w))
		}
	}
	for _, asked := range []string{query(""), query("<first/>"), query("<item><first>x</first></item>"), byForm("x-other", "x"), query("<first>" + strings.Repeat("x", maxAsked+1) + "</first>")} {
		if _, _, err := parsePeople(parsed(t, asked)); err == nil || err.(*stanza.Error).Condition != stanza.NotAcceptable {
			t.Errorf("%.60s: %v", asked, err)
		}
	}
	if personOf(jid.MustParse("girl@example.org"), parsed(t, "<vCard xmlns='vcard-temp'><TEL><NUMBER>12345</NUMBER></TEL></vCard>")) != nil {
		t.Error("found by what nobody searches for")
	}
}

// What has changed is noted once, and not without end.
func TestRecentPeople(t *testing.T) {
	var p people
	for i := range maxRecent + 5 {
		p.changed(store.Owner(i/2+1), "somebody")
	}
	if n := len(p.since()); n != (maxRecent+5)/2+1 {
		t.Errorf("%d are noted", n)
	}
	for i := range 3 * maxRecent {
		p.changed(store.Owner(i+1), "somebody")
	}
	got := p.since()
	if len(got) != maxRecent || slices.ContainsFunc(got, func(l listed) bool { return l.words != "" }) {
		t.Errorf("%d are noted", len(got))
	}
}

// FuzzPeople: whatever is searched for becomes words or a stanza error, and what it finds is in the list as well.
func FuzzPeople(f *testing.F) {
	f.Add("<query xmlns='jabber:iq:search'><first>Jul</first></query>", "<vCard xmlns='vcard-temp'><N><GIVEN>Juliet</GIVEN></N></vCard>")
	f.Add("<query xmlns='jabber:iq:search'><x xmlns='jabber:x:data' type='submit'><field var='x-any'><value>jul</value></field></x></query>", "<vCard xmlns='vcard-temp'><FN>Ju Li</FN></vCard>")
	f.Fuzz(func(t *testing.T, query, card string) {
		q, err := xmltok.Tree(query, ns.Client)
		c, broken := xmltok.Tree(card, ns.Client)
		if err != nil || broken != nil {
			return
		}
		w, _, err := parsePeople(q)
		if err != nil {
			if _, ok := err.(*stanza.Error); !ok {
				t.Fatal(err)
			}
			return
		}
		if p := personOf(jid.MustParse("girl@example.org"), c); p != nil && p.matches(w) && !(&listed{words: p.words()}).may(w) {
			t.Errorf("%q is found and not in the list: %q", w, p.words())
		}
	})
}
