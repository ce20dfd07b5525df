package profile

import (
	"encoding/base64"
	"strings"
	"testing"

	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const gif = "GIF89a\x01\x00\x01\x00\x80\x00\x00"

// Which picture metadata names: one that lies on the node, none, or nothing that we can have.
func TestDescribed(t *testing.T) {
	for inner, want := range map[string]struct {
		id   string
		said bool
	}{
		"":                       {"", true},
		"<info id='AB'/>":        {"ab", true},
		"<info id='a' url='u'/>": {"", false},
		"<info id='a' url='u'/><info id='b'/><info id='c'/>": {"b", true},
		"<info/>":                  {"", false},
		"<info xmlns='x' id='a'/>": {"", true},
	} {
		if id, said := described("<metadata xmlns='urn:xmpp:avatar:metadata'>" + inner + "</metadata>"); id != want.id || said != want.said {
			t.Errorf("%s: %q, %v", inner, id, said)
		}
	}
	for _, bad := range []string{"", "<metadata/>", "<metadata xmlns='urn:xmpp:avatar:metadata'>", "<data xmlns='urn:xmpp:avatar:data'/>"} {
		if id, said := described(bad); said {
			t.Errorf("%q says that the picture is %q", bad, id)
		}
	}
}

// A picture is put into a vCard, replaces another, and goes again; everything else stays.
func TestWithPhoto(t *testing.T) {
	p, ok := pictureOf(base64.StdEncoding.EncodeToString([]byte(gif)), "image/png")
	if !ok || p.kind != "image/gif" {
		t.Fatalf("%v, %q", ok, p.kind)
	}
	for _, before := range []string{
		"",
		"<vCard xmlns='vcard-temp'><FN>J</FN></vCard>",
		"<vCard xmlns='vcard-temp'><PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO><FN>J</FN><PHOTO/></vCard>",
	} {
		card, err := withPhoto(before, p)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := xmltok.Tree(card, "jabber:client")
		if err != nil || photoOf(tree).hash != p.hash || strings.Contains(before, "FN") != strings.Contains(card, "<FN>J</FN>") {
			t.Errorf("%s becomes %s, %v", before, card, err)
		}
		gone, err := withPhoto(card, picture{})
		if err != nil || strings.Contains(gone, "PHOTO") || before == "" && gone != "" {
			t.Errorf("%s becomes %s, %v", card, gone, err)
		}
	}
	for _, bad := range []string{"", "%", "aGVsbG8"} {
		if _, ok := pictureOf(bad, "image/png"); ok {
			t.Errorf("%q is a picture", bad)
		}
	}
}

// What presence tells of a picture (XEP-0398 section 4).
func TestStamped(t *testing.T) {
	m := &Module{obs: obs.Discard()}
	for before, want := range map[string]string{
		"<presence/>": "<x xmlns='vcard-temp:x:update'><photo>aa</photo></x>",
		"<presence><x xmlns='vcard-temp:x:update'/></presence>":                       "<x xmlns='vcard-temp:x:update'><photo>aa</photo></x>",
		"<presence><x xmlns='vcard-temp:x:update'><photo>bb</photo></x></presence>":   "<x xmlns='vcard-temp:x:update'><photo>aa</photo></x>",
		"<presence><x xmlns='vcard-temp:x:update'><photo> aa </photo></x></presence>": "",
		"<presence><show>away</show><x xmlns='urn:x'/></presence>":                    "<show>away</show><x xmlns='urn:x'/><x xmlns='vcard-temp:x:update'><photo>aa</photo></x>",
	} {
		st, err := stanza.Parse(before)
		if err != nil {
			t.Fatal(err)
		}
		st.Stamp(jid.MustParse("juliet@example.org/r"))
		got := ""
		if out := m.stamped(st, "aa"); out != nil {
			got = out.Inner()
		}
		if got != want {
			t.Errorf("%s becomes %q, want %q", before, got, want)
		}
	}
	for text, want := range map[string]bool{
		"<presence><x xmlns='vcard-temp:x:update'><photo/></x></presence>":         true,
		"<presence><x xmlns='vcard-temp:x:update'><photo> </photo></x></presence>": true,
		"<presence><x xmlns='vcard-temp:x:update'/></presence>":                    false,
		"<presence/>": false,
	} {
		st, err := stanza.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if withholds(st) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}
