package play

import (
	"regexp"
	"strings"
	"testing"
)

const sample = `# RFC 6121 section 5: a sample.
# peers: prosody fails, RFC 6121 section 5: not really
# peers: ejabberd may fail, it depends
the archive is roster
juliet is juliet/balcony
phone is juliet/phone over direct TLS
romeo is romeo/the orchard
juliet and romeo are contacts

juliet comes online
juliet sends:
  <message to='{romeo.bare}'
    type='chat'>
    <body>x</body>
  </message>
any order:
  juliet receives:
    <a/>
  romeo receives:
    <b/>
juliet receives:
  <c/>
or:
  <d/>
juliet's stream ends
`

func TestParse(t *testing.T) {
	p, err := Parse(strings.Replace(sample, "the orchard", "orchard", 1))
	if err != nil {
		t.Fatal(err)
	}
	if p.Title != "RFC 6121 section 5: a sample." || p.Archive != "roster" || p.Private || len(p.Cast) != 3 || !p.Cast[1].DirectTLS || len(p.Contacts) != 1 {
		t.Errorf("cast: %+v", p)
	}
	if p.Fails["prosody"] == "" || p.MayPass["prosody"] || p.Fails["ejabberd"] == "" || !p.MayPass["ejabberd"] {
		t.Errorf("peers: %v, %v", p.Fails, p.MayPass)
	}
	var verbs []string
	for _, s := range p.Steps {
		verbs = append(verbs, s.Verb)
	}
	if got := strings.Join(verbs, "|"); got != "comes online|sends:|any order:|receives:|stream ends" {
		t.Errorf("steps: %s", got)
	}
	if got := p.Steps[1].Blocks[0]; got != "<message to='{romeo.bare}'\ntype='chat'><body>x</body></message>" {
		t.Errorf("block: %q", got)
	}
	if len(p.Steps[2].Anyhow) != 2 || p.Steps[2].Anyhow[1].Line != 19 || len(p.Steps[3].Blocks) != 2 || p.Steps[4].Client != "juliet" {
		t.Errorf("steps: %+v", p.Steps)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"juliet is juliet/x\n":                                           "1: the play does not say",
		"# RFC\njuliet connects\n":                                       "2: \"juliet\" is not of the cast",
		"# RFC\njuliet is juliet/x\njuliet flies\n":                      "3: \"flies\"",
		"# RFC\njuliet is juliet/x\njuliet sends:\n":                     "3: \"juliet sends:\"",
		"# RFC\njuliet is juliet/x\njuliet connects\n  <a/>\n":           "3: \"juliet connects\"",
		"# RFC\njuliet is juliet/x\njuliet receives:\n  <a>\n":           "3: XML syntax",
		"# RFC\njuliet is juliet/x\njuliet receives:\n  <a/>x\n":         "3: text",
		"# RFC\nor:\n  <a/>\n":                                           "2: \"or:\" without",
		"# RFC\njuliet is juliet/x\nany order:\n  juliet connects\n":     "3: \"juliet connects\" in any order",
		"# RFC\njuliet is juliet/x\njuliet receives:\n  <a/>\nor:\n  \n": "3: a block is one element",
	} {
		if _, err := Parse(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestPlaysCite sees that every play names the standard that it holds a server to.
func TestPlaysCite(t *testing.T) {
	cites := regexp.MustCompile(`^(RFC \d{4}|XEP-\d{4}) (section|sections|appendix|appendices) [A-Z]?[\d.]+|^XEP-\d{4}`)
	for _, p := range readPlays(t, *folderFlag) {
		if !cites.MatchString(p.Title) {
			t.Errorf("%s: %q cites nothing", p.Path, p.Title)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("# x\nany order:\n")
	f.Add("# x\nany order:\n \n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err == nil && p.Title == "" {
			t.Errorf("a play without a title: %q", text)
		}
	})
}

func TestParseApart(t *testing.T) {
	p, err := Parse("# XEP-0191 section 3.3: a sample.\njuliet is juliet/balcony\nromeo is romeo/orchard\njuliet and romeo are kept apart\n\njuliet connects\n")
	if err != nil {
		t.Fatal(err)
	}
	if !p.Apart[[2]string{"juliet", "romeo"}] || !p.Apart[[2]string{"romeo", "juliet"}] || p.Apart[[2]string{"juliet", "juliet"}] || len(p.Steps) != 1 {
		t.Errorf("%+v", p)
	}
}
