package upload

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestParseAddress(t *testing.T) {
	id := codes{[]byte("key")}.id()
	for path, want := range map[string]string{
		"/files/" + id + "/a.png":                       "a.png",
		"/files/" + id + "/tr%C3%A8s%20cool.jpg":        "très cool.jpg",
		"/files/" + id + "/%61.png":                     "a.png",
		"/files/" + id + "/...":                         "...",
		"/files/" + id + "/" + strings.Repeat("n", 200): strings.Repeat("n", 200),
		"/files/" + id + "/" + strings.Repeat("n", 201): "",
		"/files/" + id + "/":                            "",
		"/files/" + id:                                  "",
		"/files/":                                       "",
		"/files/" + id + "/a/b":                         "",
		"/files/" + id + "/a%2Fb":                       "",
		"/files/" + id + "/a%5Cb":                       "",
		"/files/" + id + "/..":                          "",
		"/files/" + id + "/%2E%2e":                      "",
		"/files/" + id + "/.":                           "",
		"/files/" + id + "/../" + id + "/a.png":         "",
		"/files//" + id + "/a.png":                      "",
		"/files/../files/" + id + "/a.png":              "",
		"/files/" + id[1:] + "/a.png":                   "",
		"/files/" + id + "A/a.png":                      "",
		"/files/" + id[:31] + "=/a.png":                 "",
		"/files/" + id[:31] + "\n/a.png":                "",
		"/files/" + id + "/a%00.png":                    "",
		"/files/" + id + "/a%0d%0aSet-Cookie:x":         "",
		"/files/" + id + "/%ff":                         "",
		"/files/" + id + "/gpj%E2%80%AEexe":             "",
		"/files/" + id + "/a%":                          "",
		"/filez/" + id + "/a.png":                       "",
		"files/" + id + "/a.png":                        "",
	} {
		a, ok := parseAddress(path)
		if ok != (want != "") || ok && (a.name != want || a.id != id) {
			t.Errorf("%q: %+v, %v", path, a, ok)
		}
	}
}

func TestCodes(t *testing.T) {
	ours, theirs := codes{[]byte("key")}, codes{[]byte("yek")}
	id, end := ours.id(), time.Unix(1_800_000_000, 0)
	if other := ours.id(); other == id || len(id) != 32 {
		t.Errorf("ids %s and %s", id, other)
	}
	first := byte('A')
	if id[0] == first {
		first = 'B'
	}
	if !ours.genuine(id) || theirs.genuine(id) || ours.genuine(string(first)+id[1:]) || ours.genuine(id[:30]) || ours.genuine("") {
		t.Error("what is genuine is not told from what is not")
	}
	query := ours.query(id, end)
	if got, ok := ours.end(id, query); !ok || !got.Equal(end) {
		t.Errorf("%s until %v, %v", query, got, ok)
	}
	seconds, code, _ := strings.Cut(strings.TrimPrefix(query, "put="), ".")
	for _, forged := range []string{
		"", "put=", "put=.", query[4:], query + "A", query + "&x=y", "put=" + seconds, "put=" + seconds + ".", "put=zzzzzz." + code, "put=" + seconds + "0." + code,
		theirs.query(id, end), ours.query(ours.id(), end),
	} {
		if _, ok := ours.end(id, forged); ok {
			t.Errorf("%q gives a right", forged)
		}
	}
}

func TestCleanName(t *testing.T) {
	for s, want := range map[string]string{
		"très cool.jpg":                      "très cool.jpg",
		"../../etc/passwd":                   "passwd",
		`C:\Users\me\a.doc`:                  "a.doc",
		"..":                                 "file",
		"...":                                "file",
		"a/":                                 "file",
		" x ":                                "x",
		"a\x00b\r\n.png":                     "ab.png",
		"gpj\u202eexe":                       "gpjexe",
		strings.Repeat("é", 300) + ".tar.gz": strings.Repeat("é", 98) + ".gz",
		"a." + strings.Repeat("x", 300):      "a." + strings.Repeat("x", 198),
	} {
		got, ok := cleanName(s)
		if !ok || got != want || !goodName(got) {
			t.Errorf("%q is called %q, want %q", s, got, want)
		}
	}
	for _, s := range []string{"", "\xff"} {
		if got, ok := cleanName(s); ok {
			t.Errorf("%q is called %q", s, got)
		}
	}
}

func TestServed(t *testing.T) {
	for kind, want := range map[string]struct {
		as    string
		shown bool
	}{
		"image/png": {"image/png", true}, "image/jpeg": {"image/jpeg", true}, "audio/ogg": {"audio/ogg", true}, "video/mp4": {"video/mp4", true},
		"text/plain": {"text/plain", false}, "application/pdf": {"application/pdf", false},
		"application/vnd.oasis.opendocument.text": {"application/vnd.oasis.opendocument.text", false},
		"image/svg+xml": {anything, false}, "text/html": {anything, false}, "application/xhtml+xml": {anything, false}, "text/xml": {anything, false},
		"text/javascript": {anything, false}, "application/javascript": {anything, false}, "text/css": {anything, false}, "application/wasm": {anything, false},
		"text/vtt": {anything, false}, "image/x": {anything, false}, "audio/x+xml": {anything, false}, "multipart/x-mixed-replace": {anything, false},
		"application/vnd.oasis.opendocument.text+xml": {anything, false}, "": {anything, false}, "application/x-shockwave-flash": {anything, false},
	} {
		if as, shown := served(kind); as != want.as || shown != want.shown {
			t.Errorf("%s is served as %s, shown %v", kind, as, shown)
		}
	}
}

func TestMediaType(t *testing.T) {
	for s, want := range map[string]string{
		"image/PNG": "image/png", "text/plain; charset=utf-8": "text/plain", "image": "", "": "", "a/b/c": "", "text/plain\r\nX: y": "", "text /plain": "",
		"x/" + strings.Repeat("y", 200): "", "text/html;" + strings.Repeat("y", 2000): "",
	} {
		if got, ok := mediaType(s); ok != (want != "") || got != want {
			t.Errorf("%q is %q, %v", s, got, ok)
		}
	}
}

// What is an address is written in exactly one way, give or take what is escaped, and names nothing beside the file.
func FuzzAddress(f *testing.F) {
	c := codes{[]byte("key")}
	id := c.id()
	for _, s := range []string{"/files/" + id + "/a.png", "/files/" + id + "/%2e%2e", "/files/" + id + "/a%2Fb", "/files//", "/files/" + id + "/tr%C3%A8s"} {
		f.Add(s, c.query(id, time.Unix(1, 0)))
	}
	f.Fuzz(func(t *testing.T, path, query string) {
		a, ok := parseAddress(path)
		if _, right := c.end(a.id, query); right && query != c.query(a.id, time.Unix(1, 0)) {
			t.Errorf("%q gives a right", query)
		}
		if !ok {
			return
		}
		if again, ok := parseAddress(Path + a.escaped()); !ok || again != a {
			t.Errorf("%q is %+v, and that %+v", path, a, again)
		}
		if u, err := url.Parse("https://example.org" + Path + a.escaped()); err != nil || u.EscapedPath() != Path+a.escaped() || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("%+v is no address: %v", a, err)
		}
		if strings.ContainsAny(a.name, "/\\\x00\r\n") || a.name == ".." {
			t.Errorf("%q has the name %q", path, a.name)
		}
	})
}

// Whatever a client calls its file, it gets a name that its address can have.
func FuzzName(f *testing.F) {
	for _, s := range []string{"a.png", "../..", "\u202e", strings.Repeat("é", 150), "x." + strings.Repeat("y", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, ok := cleanName(s)
		if ok && !goodName(name) {
			t.Errorf("%q is called %q", s, name)
		}
	})
}
