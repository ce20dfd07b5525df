package archive

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stonechat/core"
	"stonechat/store"
)

func TestSought(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{" \t\n", ""},
		{"lark", "[lark]"},
		{"the  lark\tsings", "[the][lark][sings]"},
		{`"the lark" sings`, "[the lark][sings]"},
		{`"the lark`, "[the lark]"},
		{`a"b c"d`, "[a][b c][d]"},
		{`""`, ""},
		{`" "`, ""},
		{"-lark", "-[lark]"},
		{`-"the lark" x`, "-[the lark][x]"},
		{"- lark", "[lark]"},
		{"--lark", "-[-lark]"},
		{"re-read", "[re-read]"},
		{"from:romeo", "from=romeo"},
		{"FROM:romeo x", "[x]from=romeo"},
		{`from:"Romeo M" x`, "[x]from=Romeo M"},
		{"from: romeo", "[from:][romeo]"},
		{"from:", "[from:]"},
		{"-from:romeo", "-[from:romeo]"},
		{`"from:romeo"`, "[from:romeo]"},
		{"in:juliet@example.org x", "[x]in=juliet@example.org"},
		{"has:link", "link"},
		{"HAS:LINK x", "[x]link"},
		{"https://example.org", "[https://example.org]"},
		{"note:x", "[note:x]"},
		{"before:2026-01-31", "<2026-01-31T00:00:00Z"},
		{"after:2026-01-31", ">2026-02-01T00:00:00Z"},
		{"after:2026-01-31T10:00:00+02:00", ">2026-01-31T08:00:00Z"},
		{`lark" OR "x`, "[lark][ OR ][x]"},
		{"日本 👍", "[日本][👍]"},
		{"\u3000全角\u3000空白", "[全角][空白]"},
	} {
		s, err := parseSought(c.text)
		if got := told(&s); err != nil || got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{
		"has:file", `has:""`, "before:yesterday", "after:2026-13-01", "from:a from:b", "in:a in:b", "before:2026-01-01 before:2026-01-01",
		strings.Repeat("x ", store.MaxPhrases+1), strings.Repeat("x", maxSought+1),
	} {
		if s, err := parseSought(text); err == nil {
			t.Errorf("%.50q: %+v", text, s)
		}
	}
}

// told is a search in short.
func told(s *sought) string {
	var b strings.Builder
	for _, p := range s.phrases {
		if p.Not {
			b.WriteByte('-')
		}
		b.WriteString("[" + p.Text + "]")
	}
	for _, c := range []struct{ name, value string }{{"from=", s.from}, {"in=", s.in}} {
		if c.value != "" {
			b.WriteString(c.name + c.value)
		}
	}
	if s.link {
		b.WriteString("link")
	}
	if !s.before.IsZero() {
		b.WriteString("<" + s.before.UTC().Format(time.RFC3339))
	}
	if !s.after.IsZero() {
		b.WriteString(">" + s.after.UTC().Format(time.RFC3339))
	}
	return b.String()
}

// FuzzSought: whatever is typed, what is looked for is within the limits and says nothing that was not typed.
func FuzzSought(f *testing.F) {
	for _, s := range []string{
		`"a b" -c from:x in:y has:link before:2026-01-01 after:2026-01-31T10:00:00Z`, `-"`, `from:"`, "from:\"a\"b", "\xff:\x00", "日本 👍 -\u3000", `""""`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSought(text)
		if err != nil {
			return
		}
		if len(s.phrases) > store.MaxPhrases {
			t.Fatalf("%d phrases", len(s.phrases))
		}
		for _, p := range s.phrases {
			if strings.TrimSpace(p.Text) == "" || strings.Contains(p.Text, `"`) || !strings.Contains(text, p.Text) {
				t.Fatalf("%q gives %q", text, p.Text)
			}
		}
		if utf8.ValidString(text) && (!strings.Contains(text, s.from) || !strings.Contains(text, s.in)) {
			t.Fatalf("%q gives from %q, in %q", text, s.from, s.in)
		}
	})
}

// outcomes counts how searches end. Rows that are slow run beside each other.
type outcomes chan string

func (o outcomes) next() string {
	select {
	case s := <-o:
		return s
	case <-time.After(awaited):
		return "nothing"
	}
}

// searched is bob's archive of filled, with searches.
func searched(t *testing.T) (bob *client, ids []string, o outcomes) {
	o = make(outcomes, 100)
	v, bob, ids := filledWith(t, func(v *world) Finder { return Finder{v.db.Search, func(outcome string) { o <- outcome }} })
	ann := v.online("ann", "c")
	ann.send(chat("bob@example.org", "see https://example.org m3", ""))
	bob.expect("see https")
	bob.send(chat("ann@example.org", "my m3", ""))
	v.quiet()
	return bob, ids, o
}

func TestSearch(t *testing.T) {
	bob, _, o := searched(t)
	for _, c := range []struct {
		text   string
		fields []string
		want   string
	}{
		{"m3", nil, "m3;see https://example.org m3;my m3"},
		{"m3 -see", nil, "m3;my m3"},
		{"from:me", nil, "my m3"},
		{"m3 from:ann", nil, "m3;see https://example.org m3"},
		{"m3 from:ann@example.org/c", nil, "see https://example.org m3"},
		{"m3 in:ann from:me", nil, "my m3"},
		{"m3 in:carl", nil, ""},
		{"m3 has:link", nil, "see https://example.org m3"},
		{"m3", []string{"with", "ann@example.org/b"}, "m3"},
		{"m3 after:2100-01-01", nil, ""},
		{"m3 before:2000-01-01", nil, ""},
		{"m3 after:2000-01-01 has:link", nil, "see https://example.org m3"},
		{"m9", nil, "m9"},
		{"nothing", nil, ""},
	} {
		p := bob.history("", "", append([]string{fulltextField, c.text}, c.fields...)...)
		if got := strings.Join(p.bodies, ";"); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
		if got := o.next(); got != searchDone {
			t.Errorf("%q ended as %s", c.text, got)
		}
	}
	for _, c := range []struct {
		text   string
		fields []string
		want   string
	}{
		{"has:wings", nil, "bad-request"},
		{strings.Repeat("x ", 20), nil, "bad-request"},
		{"in:ann", []string{"with", "carl@example.org"}, "bad-request"},
		{"from:ann in:carl", nil, "bad-request"},
		{"from:@", nil, "bad-request"},
		{"m3", []string{"ids", "x"}, "bad-request"},
		{"m3", []string{"after-id", "x"}, "item-not-found"},
		{strings.Repeat(strings.Repeat("x.", 10)+" ", 10), nil, "bad-request"},
	} {
		bob.refused(c.want, append([]string{fulltextField, c.text}, c.fields...)...)
		if got := o.next(); got != searchRefused {
			t.Errorf("%q ended as %s", c.text, got)
		}
	}
}

// TestWithoutSearch: where words are not kept the field is one that nobody knows.
func TestWithoutSearch(t *testing.T) {
	_, bob, _ := filled(t)
	bob.refused("feature-not-implemented", fulltextField, "m3")
	answer, err := (&archive{}).fields(t.Context(), new(core.Event))
	if err != nil || strings.Contains(answer.Payload, "fulltext") {
		t.Errorf("%s, %v", answer.Payload, err)
	}
}

// refused asks for what is answered with an error.
func (c *client) refused(condition string, fields ...string) {
	c.Helper()
	if p := c.history("", "", fields...); len(p.ids) > 0 || !strings.Contains(p.fin, "type='error'") || !strings.Contains(p.fin, "<"+condition) {
		c.Errorf("%q: %s", fields, p.fin)
	}
}
