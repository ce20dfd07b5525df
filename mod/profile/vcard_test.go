package profile

import (
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

var domain = jid.MustParse("example.org")

func small() *Module {
	m := New(nil, config.Personal{VCardBytes: 10_000, PhotoBytes: 300}, obs.Discard())
	cfg := config.Default()
	m.host = &core.Host{Config: &cfg}
	return m
}

// What is a vCard, by its parts.
func TestCheck(t *testing.T) {
	photo := func(data string) string { return "<PHOTO><TYPE>image/png</TYPE><BINVAL>" + data + "</BINVAL></PHOTO>" }
	for inner, want := range map[string]stanza.Condition{
		"":                                       "",
		"<FN>Juliet</FN><N><GIVEN>J</GIVEN></N>": "",
		"\n  <FN>Juliet</FN>\n":                  "",
		photo("aGVsbG8="):                        "",
		photo("\n aGVs\r\n bG8=\n"):              "",
		"<PHOTO><EXTVAL>https://x/y.png</EXTVAL></PHOTO>": "",
		photo(""):                         "",
		"text":                            stanza.BadRequest,
		"<FN>x</FN>text":                  stanza.BadRequest,
		"<x xmlns='urn:example:x'/>":      stanza.BadRequest,
		photo("a"):                        stanza.BadRequest,
		photo("<b/>!!!!"):                 stanza.BadRequest,
		photo("aGVsbG8=aGVs"):             stanza.BadRequest,
		"<LOGO><BINVAL>!</BINVAL></LOGO>": stanza.BadRequest,
	} {
		tree, err := xmltok.Tree("<vCard xmlns='vcard-temp'>"+inner+"</vCard>", "")
		if err != nil {
			t.Fatal(err)
		}
		got := stanza.Condition("")
		if err := small().check(tree); err != nil {
			got = stanza.AsError(err).Condition
		}
		if got != want {
			t.Errorf("%q: %q, want %q", inner, got, want)
		}
	}
}

// The limit of a picture is that of its decoded bytes.
func TestPhotoBytes(t *testing.T) {
	m := New(nil, config.Personal{PhotoBytes: 300}, obs.Discard())
	cfg := config.Default()
	m.host = core.NewHost(domain, core.Parts{
		Config: &cfg, Obs: obs.Discard(), Router: core.NewRouter(), Metrics: core.NewMetrics(obs.Discard()),
	})
	t.Cleanup(m.host.Close)
	for n, want := range map[int]bool{396: true, 400: true, 408: false, 4000: false} {
		if err := m.checkBinary(strings.Repeat("A", n)); (err == nil) != want {
			t.Errorf("%d characters: %v", n, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("<vCard xmlns='vcard-temp'><PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard>")
	f.Add("<vCard xmlns='vcard-temp'><x xmlns='y'/>text</vCard>")
	m := small()
	m.config.PhotoBytes = 1 << 30
	f.Fuzz(func(t *testing.T, s string) {
		tree, err := xmltok.Tree(s, "vcard-temp")
		if err != nil || m.check(tree) != nil {
			return
		}
		for _, c := range tree.Children {
			if c.Space != "vcard-temp" {
				t.Fatalf("%s is taken for a vCard", s)
			}
		}
	})
}
