package server_test

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// described is what a page says of itself (XEP-0511).
type described struct {
	About string `xml:"http://www.w3.org/1999/02/22-rdf-syntax-ns# about,attr"`
	Title string `xml:"https://ogp.me/ns# title"`
	Text  string `xml:"https://ogp.me/ns# description"`
	Image string `xml:"https://ogp.me/ns# image"`
	Width int    `xml:"https://ogp.me/ns#image: width"`
	Alt   string `xml:"https://ogp.me/ns#image: alt"`
}

func askPreview(t *testing.T, c *client.Client, address string) (described, error) {
	t.Helper()
	b := xmltok.AppendAttr([]byte("<preview xmlns='urn:stonechat:preview:1'"), "url", address)
	st, err := c.IQ(t.Context(), jid.MustParse(uploadDomain), stanza.Get, string(b)+"/>")
	if err != nil {
		return described{}, err
	}
	var got struct {
		Preview struct {
			Description described `xml:"http://www.w3.org/1999/02/22-rdf-syntax-ns# Description"`
		} `xml:"urn:stonechat:preview:1 preview"`
	}
	if err := xml.Unmarshal([]byte("<iq>"+st.Inner()+"</iq>"), &got); err != nil {
		t.Fatal(err)
	}
	return got.Preview.Description, nil
}

// site is a web site of somebody else.
type site struct {
	*httptest.Server
	hits atomic.Int32
	stop chan struct{}
}

func newSite(t *testing.T) *site {
	t.Helper()
	x := &site{stop: make(chan struct{})}
	picture := photo(t, 1200, 800)
	mux := http.NewServeMux()
	html := func(path, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, text)
		})
	}
	endless := func(w http.ResponseWriter, text string) {
		for {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
		}
	}
	html("/page", `<head><meta property=og:title content="The &lt;Best&gt; Page"><meta property=og:description content="It's great"><meta property=og:image content=/a.jpg><meta property=og:image:alt content="A page">`)
	html("/bomb", `<title>Bomb</title><meta property=og:image content=/endless.jpg>`)
	html("/inside", `<title>Inside</title><meta property=og:image content="http://127.0.0.2/a.jpg">`)
	html("/empty", "<p>Nothing</p>")
	mux.HandleFunc("/a.jpg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		_, _ = io.WriteString(w, picture)
	})
	mux.HandleFunc("/endless.jpg", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		endless(w, picture)
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<title>Endless</title>")
		endless(w, "<meta name=a content=b>")
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-x.stop:
		}
	})
	mux.HandleFunc("/failing", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<title>No</title>", http.StatusForbidden) })
	mux.HandleFunc("/text", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "plain text") })
	mux.HandleFunc("/to/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.TrimPrefix(r.URL.Path, "/to"), http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/round", http.StatusMovedPermanently)
	})
	mux.HandleFunc("/out", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(x.URL, "127.0.0.1", "127.0.0.2", 1)+"/page", http.StatusFound)
	})
	x.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.hits.Add(1)
		if r.Header.Get("Cookie") != "" || !strings.Contains(r.UserAgent(), "Stonechat") {
			t.Errorf("asks as %q", r.UserAgent())
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		close(x.stop)
		x.Close()
	})
	return x
}

// previewing is a server that may reach such a site.
func previewing(t *testing.T, change func(*config.Config)) *running {
	return startWith(t, uploadDomain, func(c *config.Config) {
		c.Outbound.Allow, c.Previews.PerMinute, c.Previews.PageBytes, c.Previews.ImageBytes = []string{"127.0.0.1"}, 100, 4<<10, 1<<20
		if change != nil {
			change(c)
		}
	})
}

func TestPreview(t *testing.T) {
	r, x := previewing(t, nil), newSite(t)
	alice := r.dial("alice", nil)
	for _, path := range []string{"/page#part", "/to/to/page"} {
		got, err := askPreview(t, alice, x.URL+path)
		if err != nil || got.About != x.URL+path || got.Title != "The <Best> Page" || got.Text != "It's great" || got.Width != 267 || got.Alt != "A page" {
			t.Fatalf("%s: %+v, %v", path, got, err)
		}
		a, small := r.do("GET", got.Image, nil, nil)
		if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "image/jpeg" || strings.Contains(small, whereItWas) {
			t.Errorf("image: %s %v", a.Status, a.Header)
		}
		about, err := askAbout(t, alice, got.Image)
		if err != nil || about.File.Width != 267 || about.File.Height != 400 || len(about.File.Thumbs) != 1 {
			t.Errorf("image is known as %+v, %v", about, err)
		}
	}
	// What is remembered is fetched once, and is a file of whoever sends it.
	hits := x.hits.Load()
	bob := r.dial("bob", nil)
	if got, err := askPreview(t, bob, x.URL+"/page"); err != nil || got.Title == "" || got.Image == "" || x.hits.Load() != hits {
		t.Errorf("%+v, %v, %d hits", got, err, x.hits.Load()-hits)
	}
	answer, err := io.ReadAll(r.control("GET", "/users/bob/files").Body)
	if err != nil || !strings.Contains(string(answer), `"purpose":"message","files":1`) {
		t.Errorf("bob has %s, %v", answer, err)
	}
	got, err := askPreview(t, bob, x.URL+"/a.jpg")
	if err != nil || got.Title != "" || got.Image == "" {
		t.Errorf("a picture: %+v, %v", got, err)
	}
	r.hasMetrics(`stonechat_previews_total{outcome="fetched"} 3`, `stonechat_previews_total{outcome="remembered"} 1`)
}

// Whoever has chosen an address gains nothing by it.
func TestPreviewOfHarm(t *testing.T) {
	r, x := previewing(t, func(c *config.Config) { c.Previews.Time = config.Duration(2 * time.Second) }), newSite(t)
	alice := r.dial("alice", nil)
	for path, title := range map[string]string{"/endless": "Endless", "/bomb": "Bomb", "/inside": "Inside"} {
		if got, err := askPreview(t, alice, x.URL+path); err != nil || got.Title != title || got.Image != "" {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
	}
	other := strings.Replace(x.URL, "127.0.0.1", "127.0.0.2", 1) + "/page"
	for _, address := range []string{x.URL + "/slow", x.URL + "/failing", x.URL + "/text", x.URL + "/round", x.URL + "/out", x.URL + "/empty", x.URL + "/none", other, "http://localhost/", "http://[::1]/"} {
		if got, err := askPreview(t, alice, address); condition(err) != stanza.ItemNotFound {
			t.Errorf("%s: %+v, %v", address, got, err)
		}
	}
	for _, address := range []string{"", "file:///etc/passwd", "https://a:b@example.org/", "example.org"} {
		if _, err := askPreview(t, alice, address); condition(err) != stanza.BadRequest {
			t.Errorf("%q: %v", address, err)
		}
	}
	hits := x.hits.Load()
	if _, err := askPreview(t, alice, x.URL+"/round?again"); condition(err) != stanza.ItemNotFound || x.hits.Load() != hits+5 {
		t.Errorf("it went round %d times: %v", x.hits.Load()-hits, err)
	}
	hits = x.hits.Load()
	if _, err := askPreview(t, alice, x.URL+"/empty"); condition(err) != stanza.ItemNotFound || x.hits.Load() != hits {
		t.Errorf("a failure is not remembered: %v", err)
	}
}

// One account does not have all fetches for itself, and not as many as it likes.
func TestPreviewsAreBounded(t *testing.T) {
	r, x := previewing(t, func(c *config.Config) {
		c.Previews.PerMinute, c.Previews.AtOnce, c.Upload.Quota = 3, 1, 1000
	}), newSite(t)
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	done := make(chan error, 1)
	go func() {
		_, err := askPreview(t, alice, x.URL+"/slow")
		done <- err
	}()
	eventually(t, "it is asked", func() bool { return x.hits.Load() == 1 })
	if _, err := askPreview(t, bob, x.URL+"/page"); condition(err) != stanza.ResourceConstraint {
		t.Errorf("too many at once: %v", err)
	}
	x.stop <- struct{}{}
	if err := <-done; condition(err) != stanza.ItemNotFound {
		t.Errorf("slow: %v", err)
	}
	// The picture does not fit into the quota: the rest is told all the same.
	if got, err := askPreview(t, bob, x.URL+"/page"); err != nil || got.Title == "" || got.Image != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := askPreview(t, bob, x.URL+"/page"); err != nil {
		t.Error(err)
	}
	if _, err := askPreview(t, bob, x.URL+"/page"); condition(err) != stanza.ResourceConstraint {
		t.Errorf("too often: %v", err)
	}
	off := startWith(t, uploadDomain, func(c *config.Config) { c.Previews.PerMinute = 0 })
	if _, err := askPreview(t, off.dial("alice", nil), x.URL+"/page"); condition(err) != stanza.ServiceUnavailable {
		t.Errorf("off: %v", err)
	}
	r.hasMetrics(`stonechat_previews_total{outcome="refused"} ` + strconv.Itoa(2))
}
