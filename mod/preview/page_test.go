package preview

import (
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stonechat/picture"
)

func here(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse("https://example.org/news/1?x=y")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestReadPage(t *testing.T) {
	for name, x := range map[string]struct {
		html, kind string
		robots     string
		want       page
	}{
		"open graph": {
			html: `<!doctype html><html><head><meta property="og:title" content="The &amp; Best"><meta property=og:description content=" Great
				page "><META PROPERTY='OG:SITE_NAME' CONTENT='Example'><meta property="og:type" content="article"><meta property="og:url" content="/1">
				<meta property="og:image" content="../a.png"><meta property="og:image:alt" content="A picture"><title>Other</title></head>`,
			want: page{title: "The & Best", description: "Great page", site: "Example", kind: "article", canonical: "https://example.org/1", picture: "https://example.org/a.png", alt: "A picture"},
		},
		"plain":         {html: `<title> A <b>c</title><meta name=description content=d><link rel=canonical href="https://example.org/c#d">`, want: page{title: "A <b>c", description: "d", canonical: "https://example.org/c"}},
		"twitter":       {html: `<meta name="twitter:title" content=t><meta name="twitter:image" content="https://img.example/x">`, want: page{title: "t", picture: "https://img.example/x"}},
		"the first":     {html: `<meta property=og:title content=""><meta property=og:title content=one><meta property=og:title content=two>`, want: page{title: "one"}},
		"of another":    {html: `<title>t</title><meta property=og:url content="https://bank.example/"><link rel=canonical href="https://bank.example/">`, want: page{title: "t"}},
		"only the head": {html: `<title>t</title><body><meta property=og:description content=d>`, want: page{title: "t"}},
		"behind it":     {html: `<head><title>t</title></head><meta property=og:description content=d>`, want: page{title: "t"}},
		"comments":      {html: `<!-- <title>no</title> --><script>"<title>no</title>"</script><title>t</title>`, want: page{title: "t"}},
		"latin":         {html: "<title>caf\xe9</title>", kind: "text/html; charset=iso-8859-1", want: page{title: "café"}},
		"said inside":   {html: "<meta charset=windows-1251><title>\xcf\xf0\xe8\xe2\xe5\xf2</title>", want: page{title: "Привет"}},
		"unseen":        {html: "<title>a\x00\x01\u202eb\u2028c\ufffe</title>", kind: "text/html; charset=utf-8", want: page{title: "ab c"}},
		"no snippet":    {html: `<title>t</title><meta name=description content=d><meta name=robots content="index, NoSnippet">`, want: page{title: "t"}},
		"short snippet": {html: `<title>t</title><meta name=description content=déjà><meta name=robots content="max-snippet:3"><meta name=robots content="max-snippet: 9">`, want: page{title: "t", description: "déj"}},
		"no image":      {html: `<title>t</title><meta property=og:image content=a.png>`, robots: "max-image-preview:none", want: page{title: "t"}},
		"not for us":    {html: `<title>t</title><meta name=googlebot content=nosnippet><meta name=description content=d>`, robots: "somebot: nosnippet", want: page{title: "t", description: "d"}},
		"nothing":       {},
		"a script":      {html: `<meta property=og:image content="javascript:alert(1)"><title>t</title>`, want: page{title: "t", picture: "javascript:alert(1)"}}, // which is no address to fetch
	} {
		if got := readPage([]byte(x.html), x.kind, here(t), allowedBy(x.robots)); got != x.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, x.want)
		}
	}
	if got := readPage([]byte("<title>"+strings.Repeat("é", 5000)+"</title>"), "", here(t), allowedBy()); utf8.RuneCountInString(got.title) != longestTitle {
		t.Errorf("title of %d letters", utf8.RuneCountInString(got.title))
	}
}

func TestParse(t *testing.T) {
	for s, want := range map[string]string{
		"https://example.org/a?b#c": "https://example.org/a?b", "http://example.org": "http://example.org", "ftp://example.org/": "", "https://me:pw@example.org/": "",
		"file:///etc/passwd": "", "https:example.org": "", "": "", "//example.org/": "", "gopher://x/": "", "https://example.org/" + strings.Repeat("x", longestURL): "",
	} {
		u, err := parse(s)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("%.40q: %v, %v", s, u, err)
		}
	}
}

func TestCache(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	one := found{page: page{title: "t"}, image: picture.Look{Thumb: make([]byte, 1000)}}
	c := newCache(3 * weight("a", one))
	for _, key := range []string{"a", "b", "c", "a", "d"} {
		c.put(key, one, now, time.Hour)
	}
	for key, there := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if _, ok := c.get(key, now); ok != there {
			t.Errorf("%s: %v", key, ok)
		}
	}
	if _, ok := c.get("a", now.Add(time.Hour)); ok {
		t.Error("remembered for too long")
	}
	c.put("a", found{page: page{title: strings.Repeat("x", 10_000)}}, now, time.Hour)
	c.put("e", one, now, 0)
	n := <-c.notes
	if len(n.of) != 2 || len(n.order) != 2 || n.bytes != 2*weight("a", one) {
		t.Errorf("%d notes, %d in order, %d bytes", len(n.of), len(n.order), n.bytes)
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte(`<head><meta property="og:title" content="&lt;&#x1;"><title>x</title><link rel=canonical href=/a>`), "text/html; charset=utf-8")
	f.Add([]byte("<meta charset=utf-16><meta name=robots content=max-snippet:99999999999999999999><title"), "")
	f.Add([]byte("\xfe\xff\x00<\x00t"), "text/html; charset=shift_jis")
	f.Fuzz(func(t *testing.T, b []byte, kind string) {
		p := readPage(b, kind, here(t), allowedBy(kind))
		for _, s := range []string{p.title, p.description, p.site, p.kind, p.alt} {
			if !utf8.ValidString(s) || strings.ContainsAny(s, "\n\r\x00\u202e") || utf8.RuneCountInString(s) > longestText {
				t.Errorf("%q", s)
			}
		}
		if p.canonical != "" && !strings.Contains(p.canonical, "://example.org") {
			t.Errorf("canonical %q", p.canonical)
		}
	})
}
