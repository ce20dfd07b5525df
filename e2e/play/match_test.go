package play

import (
	"strings"
	"testing"
)

func one(t *testing.T, text string) *Node {
	t.Helper()
	nodes, err := ParsePattern(text)
	if err != nil || len(nodes) != 1 {
		t.Fatalf("%s: %d elements, %v", text, len(nodes), err)
	}
	return nodes[0]
}

func TestMatch(t *testing.T) {
	v := Values{"jid": "a.b@c", "n": "1"}
	for _, c := range []struct {
		pattern, got string
		miss         string // part of the error; empty if it fits
	}{
		{`<a/>`, `<a/>`, ""},
		{`<a/>`, `<b/>`, "instead of <a"},
		{`<a/>`, `<a xmlns='urn:x'/>`, "urn:x"},
		{`<a b='1'/>`, `<a b="1"/>`, ""},
		{`<a b='1'/>`, `<a b='2'/>`, `"2" instead of "1"`},
		{`<a b='1'/>`, `<a/>`, "lacks the attribute b"},
		{`<a/>`, `<a b='1'/>`, "has the attribute b"},
		{`<a …/>`, `<a b='1'/>`, ""},
		{`<a …/>`, `<a b='1'><c/></a>`, "has the child <c"},
		{`<a>…</a>`, `<a><c/>text</a>`, ""},
		{`<a>…</a>`, `<a b='1'/>`, "has the attribute b"},
		{`<a/>`, `<a xml:lang='en'/>`, ""},
		{`<a xml:lang='cs'/>`, `<a xml:lang='en'/>`, "instead of"},
		{`<a><b/><c/></a>`, `<a> <c/> <b/> </a>`, ""},
		{`<a><b/></a>`, `<a><b/><b/></a>`, "has the child <b"},
		{`<a><b/><b/></a>`, `<a><b/></a>`, "lacks the child <b"},
		{`<a>x</a>`, `<a>x </a>`, "text of <a>"},
		{`<a> x</a>`, `<a> x</a>`, ""},
		{`<a b='{jid}'/>`, `<a b='a.b@c'/>`, ""},
		{`<a b='{jid}'/>`, `<a b='axb@c'/>`, "instead of"},
		{`<a b='{jid}/{r}'/>`, `<a b='a.b@c/x/y'/>`, ""},
		{`<a b='{x}'><c>{x}</c></a>`, `<a b='1'><c>1</c></a>`, ""},
		{`<a b='{x}'><c>{x}</c></a>`, `<a b='1'><c>2</c></a>`, "text of <c>"},
		{`<a><b i='{x}'/><c i='{x}'/></a>`, `<a><b i='1'/><b i='2'/><c i='2'/></a>`, "has the child"},
		{`<a><b i='{x}'/><c i='{x}'/>…</a>`, `<a><b i='1'/><b i='2'/><c i='2'/></a>`, ""},
		{`<a b='{any}'/>`, `<a b=''/>`, ""},
		{`<a b='{number}'/>`, `<a b='12'/>`, ""},
		{`<a b='{number}'/>`, `<a b='1x'/>`, "instead of"},
		{`<a b='{time}'/>`, `<a b='2026-01-02T03:04:05.678Z'/>`, ""},
		{`<a b='{t:time}'/>`, `<a b='yesterday'/>`, "instead of"},
		{`<a b='{not true}'/>`, `<a/>`, ""},
		{`<a b='{not true}'/>`, `<a b='false'/>`, ""},
		{`<a b='{not true}'/>`, `<a b='true'/>`, `is "true"`},
		{`<stream:error><x xmlns='urn:x'/>…</stream:error>`, `<stream:error><x xmlns='urn:x'/><text/></stream:error>`, ""},
	} {
		_, err := Match(one(t, c.pattern), one(t, c.got), v)
		switch {
		case c.miss == "" && err != nil:
			t.Errorf("%s against %s: %v", c.pattern, c.got, err)
		case c.miss != "" && (err == nil || !strings.Contains(err.Error(), c.miss)):
			t.Errorf("%s against %s: %v, want %q", c.pattern, c.got, err, c.miss)
		}
	}
}

func TestMatchGivesValues(t *testing.T) {
	v := Values{"known": "1"}
	got, err := Match(one(t, `<a b='{new}-{known}' c='{t:time}'/>`), one(t, `<a b='x-y-1' c='2026-01-02T03:04:05Z'/>`), v)
	if err != nil || got["new"] != "x-y" || got["t"] != "2026-01-02T03:04:05Z" {
		t.Errorf("%v, %v", got, err)
	}
	if len(v) != 1 {
		t.Errorf("the given values changed: %v", v)
	}
}

func TestNodeString(t *testing.T) {
	const text = "<message to='{x}' …>\n  <body>a &lt; b</body>\n  <x xmlns='urn:x'/>\n  …\n</message>"
	if got := one(t, text).String(); got != text {
		t.Errorf("written as\n%s\ninstead of\n%s", got, text)
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, seed := range []string{"<a …>…</a>", "<a b='{x}'/>", "<a", "</a>", "<stream:stream …/>", "…", "<a b='…'/>", "<!-- -->"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		nodes, err := ParsePattern(text)
		if err != nil {
			return
		}
		for _, n := range nodes {
			if n.Name.Local == "" {
				t.Errorf("an element without a name in %q", text)
			}
		}
	})
}
