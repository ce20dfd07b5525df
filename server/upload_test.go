package server_test

import (
	"crypto/tls"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const uploadDomain = "example.org"

// slot is what a client gets.
type slot struct {
	Put struct {
		URL string `xml:"url,attr"`
	} `xml:"put"`
	Get struct {
		URL string `xml:"url,attr"`
	} `xml:"get"`
}

// ask asks for a slot; inner is what stands in the request.
func ask(t *testing.T, c *client.Client, name, size, kind, inner string) (slot, error) {
	t.Helper()
	b := xmltok.AppendAttr([]byte("<request xmlns='urn:xmpp:http:upload:0'"), "filename", name)
	b = xmltok.AppendAttr(b, "size", size)
	if kind != "" {
		b = xmltok.AppendAttr(b, "content-type", kind)
	}
	st, err := c.IQ(t.Context(), jid.MustParse("upload."+uploadDomain), stanza.Get, string(b)+">"+inner+"</request>")
	if err != nil {
		return slot{}, err
	}
	var got struct {
		Slot slot `xml:"slot"`
	}
	if err := xml.Unmarshal([]byte("<iq>"+st.Inner()+"</iq>"), &got); err != nil {
		t.Fatal(err)
	}
	return got.Slot, nil
}

func mustAsk(t *testing.T, c *client.Client, name string, size int, kind string) slot {
	t.Helper()
	s, err := ask(t, c, name, strconv.Itoa(size), kind, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// browser talks to the web site whatever its name.
func (r *running) browser() *http.Client {
	return &http.Client{
		Timeout:       time.Minute,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// do sends a request to an address of the site, at the listener's port.
func (r *running) do(method, address string, body io.Reader, change func(*http.Request)) (*http.Response, string) {
	r.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		r.t.Fatal(err)
	}
	host := u.Host
	u.Host = r.Addresses("https")[0].String()
	q, err := http.NewRequestWithContext(r.t.Context(), method, u.String(), body)
	if err != nil {
		r.t.Fatal(err)
	}
	q.Host = host
	if change != nil {
		change(q)
	}
	a, err := r.browser().Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return a, string(b)
}

func saying(name, value string) func(*http.Request) {
	return func(q *http.Request) { q.Header.Set(name, value) }
}

// upload brings a file all the way and returns where it is.
func (r *running) upload(c *client.Client, name, kind, body string) string {
	r.t.Helper()
	s := mustAsk(r.t, c, name, len(body), kind)
	if a, text := r.do("PUT", s.Put.URL, strings.NewReader(body), saying("Content-Type", kind)); a.StatusCode != http.StatusCreated {
		r.t.Fatalf("PUT: %s %s", a.Status, text)
	}
	return s.Get.URL
}

func TestUpload(t *testing.T) {
	r := start(t, uploadDomain)
	alice := r.dial("alice", nil)
	s := mustAsk(t, alice, "très cool.jpg", 11, "image/jpeg")
	if !strings.HasPrefix(s.Get.URL, "https://"+uploadDomain+":") || !strings.HasSuffix(s.Get.URL, "/tr%C3%A8s%20cool.jpg") || !strings.HasPrefix(s.Put.URL, s.Get.URL+"?put=") {
		t.Errorf("slot %+v", s)
	}
	if a, _ := r.do("GET", s.Get.URL, nil, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("before it is there: %s", a.Status)
	}
	a, _ := r.do("OPTIONS", s.Put.URL, nil, saying("Access-Control-Request-Method", "PUT"))
	if a.StatusCode != http.StatusNoContent || a.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "PUT") ||
		!strings.Contains(a.Header.Get("Access-Control-Allow-Headers"), "Content-Type") || a.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("OPTIONS: %s %v", a.Status, a.Header)
	}
	if a, body := r.do("PUT", s.Put.URL, strings.NewReader("hello world"), saying("Content-Type", "image/jpeg")); a.StatusCode != http.StatusCreated || a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Fatalf("PUT: %s %s", a.Status, body)
	}
	a, body := r.do("GET", s.Get.URL, nil, nil)
	if a.StatusCode != http.StatusOK || body != "hello world" {
		t.Fatalf("GET: %s %q", a.Status, body)
	}
	for name, want := range map[string]string{
		"Content-Type": "image/jpeg", "Content-Length": "11", "X-Content-Type-Options": "nosniff", "Accept-Ranges": "bytes",
		"Content-Disposition":       "inline; filename*=utf-8''tr%C3%A8s%20cool.jpg",
		"Content-Security-Policy":   "default-src 'none'; frame-ancestors 'none'; sandbox",
		"Cache-Control":             "private, max-age=31536000, immutable",
		"Set-Cookie":                "",
		"Strict-Transport-Security": "",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	tag := a.Header.Get("ETag")
	for _, x := range []struct {
		name, value, body string
		status            int
	}{
		{"Range", "bytes=6-", "world", http.StatusPartialContent},
		{"Range", "bytes=-5", "world", http.StatusPartialContent},
		{"Range", "bytes=0-0,2-2,4-4", "hello world", http.StatusOK}, // many small ones are not worth it
		{"Range", "bytes=99-", "", http.StatusRequestedRangeNotSatisfiable},
		{"If-None-Match", tag, "", http.StatusNotModified},
		{"If-None-Match", `"other"`, "hello world", http.StatusOK},
	} {
		a, body := r.do("GET", s.Get.URL, nil, saying(x.name, x.value))
		if a.StatusCode != x.status || x.body != "" && body != x.body {
			t.Errorf("%s %s: %s %q", x.name, x.value, a.Status, body)
		}
	}
	if a, body := r.do("HEAD", s.Get.URL, nil, nil); a.StatusCode != http.StatusOK || body != "" || a.ContentLength != 11 {
		t.Errorf("HEAD: %s %q %d", a.Status, body, a.ContentLength)
	}
	if a, _ := r.do("DELETE", s.Get.URL, nil, nil); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") == "" {
		t.Errorf("DELETE: %s", a.Status)
	}
	r.hasMetrics("stonechat_upload_stored_total 1", "stonechat_upload_stored_bytes_total 11", `stonechat_upload_refused_total{reason="method"} 1`)
}

func (r *running) hasMetrics(lines ...string) {
	r.t.Helper()
	a, err := http.Get("http://" + r.Addresses("http")[0].String() + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, line := range lines {
		if !strings.Contains(string(b), line+"\n") {
			r.t.Errorf("metrics have no %s", line)
		}
	}
}

// What a page would run is given as nothing that a page would run, and to be saved.
func TestUploadedPagesRunNowhere(t *testing.T) {
	r := start(t, uploadDomain)
	alice := r.dial("alice", nil)
	for name, kind := range map[string]string{
		"a.html": "text/html", "a.svg": "image/svg+xml", "a.xhtml": "application/xhtml+xml", "a.js": "text/javascript", "a.css": "text/css", "a.xml": "application/xml",
		"x.png": "text/html; charset=utf-8",
	} {
		a, _ := r.do("GET", r.upload(alice, name, kind, "<script>alert(1)</script>"), nil, nil)
		if a.Header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") ||
			a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasSuffix(a.Header.Get("Content-Security-Policy"), "; sandbox") {
			t.Errorf("%s as %s: %v", name, kind, a.Header)
		}
	}
	// A name cannot add a header, and a picture that is a page is called a picture.
	a, _ := r.do("GET", r.upload(alice, "\"; x=\r\nSet-Cookie: a=b\u202egpj.exe", "image/png", "<script>alert(1)</script>"), nil, nil)
	if a.Header.Get("Content-Type") != "image/png" || a.Header.Get("Set-Cookie") != "" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "inline; filename") {
		t.Errorf("%v", a.Header)
	}
}

func TestUploadRefuses(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Upload.SlotsPerMinute = 1000 })
	alice := r.dial("alice", nil)
	for name, x := range map[string]struct {
		kind, body string
		change     func(*http.Request)
		edit       func(slot) string
		status     int
	}{
		"too long":   {body: "hello world, and more", status: http.StatusRequestEntityTooLarge},
		"too short":  {body: "hello", status: http.StatusBadRequest},
		"no length":  {body: "hello world", change: func(q *http.Request) { q.ContentLength, q.Body = -1, io.NopCloser(strings.NewReader("hello world")) }, status: http.StatusLengthRequired},
		"other type": {kind: "image/png", body: "hello world", change: saying("Content-Type", "text/html"), status: http.StatusUnsupportedMediaType},
		"no type":    {body: "hello world", change: saying("Content-Type", "none"), status: http.StatusUnsupportedMediaType},
		"packed":     {body: "hello world", change: saying("Content-Encoding", "gzip"), status: http.StatusUnsupportedMediaType},
		"no right":   {body: "hello world", edit: func(s slot) string { return s.Get.URL }, status: http.StatusForbidden},
		"forged":     {body: "hello world", edit: func(s slot) string { return s.Get.URL + "?put=zzzzzz.AAAAAAAAAAAAAAAAAAAAAA" }, status: http.StatusForbidden},
		"later":      {body: "hello world", edit: func(s slot) string { return strings.Replace(s.Put.URL, "?put=", "?put=1", 1) }, status: http.StatusForbidden},
		"elsewhere":  {body: "hello world", edit: func(s slot) string { return strings.Replace(s.Put.URL, "/a.txt", "/b.txt", 1) }, status: http.StatusNotFound},
		"other file": {body: "hello world", edit: func(s slot) string {
			_, right, _ := strings.Cut(s.Put.URL, "?")
			return mustAsk(t, alice, "a.txt", 11, "").Get.URL + "?" + right
		}, status: http.StatusForbidden},
		"climbing":      {body: "hello world", edit: func(s slot) string { return strings.Replace(s.Put.URL, "/a.txt", "/..%2fa.txt", 1) }, status: http.StatusNotFound},
		"climbing dots": {body: "hello world", edit: func(s slot) string { return strings.Replace(s.Put.URL, "/a.txt", "/%2e%2e/a.txt", 1) }, status: http.StatusNotFound},
	} {
		s := mustAsk(t, alice, "a.txt", 11, x.kind)
		to := s.Put.URL
		if x.edit != nil {
			to = x.edit(s)
		}
		if a, _ := r.do("PUT", to, strings.NewReader(x.body), x.change); a.StatusCode != x.status || a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s", name, a.Status)
		}
		// None of it has used up the slot.
		if a, _ := r.do("PUT", s.Put.URL, strings.NewReader("hello world"), saying("Content-Type", x.kind)); a.StatusCode != http.StatusCreated {
			t.Errorf("after %s: %s", name, a.Status)
		}
		if a, _ := r.do("PUT", s.Put.URL, strings.NewReader("HELLO WORLD"), nil); a.StatusCode != http.StatusConflict {
			t.Errorf("after %s, once more: %s", name, a.Status)
		}
		if a, body := r.do("GET", s.Get.URL, nil, nil); a.StatusCode != http.StatusOK || body != "hello world" {
			t.Errorf("after %s it is %s %q", name, a.Status, body)
		}
	}
	if got := contents(t, r.data); len(got) != 1 { // all are the same
		t.Errorf("%d contents are kept", len(got))
	}
	for _, path := range []string{
		"/files/", "/files", "/files/../stonechat.db", "/files/%2e%2e/%2e%2e/stonechat.db", "/files//x", "/files/x/y", "/files/incoming/part-1",
		"/files/" + strings.Repeat("A", 32) + "/a.txt", "/files/" + strings.Repeat("A", 32) + "/",
	} {
		if a, body := r.do("GET", "https://"+uploadDomain+path, nil, nil); a.StatusCode != http.StatusNotFound || strings.Contains(body, "href") {
			t.Errorf("GET %s: %s %q", path, a.Status, body)
		}
	}
}

// incoming are the files of what is not whole.
func incoming(t *testing.T, data string) (all []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(data, "files", "incoming", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// contents are the files of contents in a data folder.
func contents(t *testing.T, data string) (all []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(data, "files", "[0-9a-f][0-9a-f]", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestUploadIsLate(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Upload.SlotTime = config.Duration(time.Nanosecond) })
	s := mustAsk(t, r.dial("alice", nil), "a.txt", 1, "")
	if a, _ := r.do("PUT", s.Put.URL, strings.NewReader("x"), nil); a.StatusCode != http.StatusGone {
		t.Errorf("too late: %s", a.Status)
	}
}

func TestUploadQuota(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) {
		c.Upload.Quota, c.Upload.Files, c.Upload.ProfileQuota, c.Upload.SlotsPerMinute = 100, 3, 50, 8
	})
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	const profile = "<profile xmlns='urn:xmpp:http:upload:purpose:0'/>"
	for i, x := range []struct {
		size, inner string
		want        stanza.Condition
	}{
		{"60", "", ""},
		{"41", "", stanza.ResourceConstraint}, // a slot counts before it is used
		{"30", "<permanent xmlns='urn:xmpp:http:upload:purpose:0'/>", ""},
		{"50", profile, ""},
		{"1", profile, stanza.ResourceConstraint},
		{"1", "", ""},
		{"1", "", stanza.ResourceConstraint}, // too many
		{"x", "", stanza.BadRequest},
		{"1", "", stanza.ResourceConstraint}, // too many again
		{"1", "", stanza.ResourceConstraint}, // too often
	} {
		if _, err := ask(t, alice, "a", x.size, "", x.inner); condition(err) != x.want {
			t.Errorf("%d: %v, want %q", i, err, x.want)
		}
	}
	mustAsk(t, bob, "a", 100, "")
	answer, err := io.ReadAll(r.control("GET", "/users/alice/files").Body)
	const used = `[{"purpose":"message","files":2,"bytes":61,"quota":100},{"purpose":"permanent","files":1,"bytes":30,"quota":100},{"purpose":"profile","files":1,"bytes":50,"quota":50}]`
	if err != nil || strings.TrimSpace(string(answer)) != used {
		t.Errorf("alice has %s, %v", answer, err)
	}
	if a := r.control("GET", "/users/nobody/files"); a.StatusCode != http.StatusNotFound {
		t.Errorf("nobody has files: %s", a.Status)
	}
	r.hasMetrics(`stonechat_upload_refused_total{reason="quota"} 4`, `stonechat_upload_refused_total{reason="too often"} 1`, `stonechat_upload_refused_total{reason="malformed"} 1`)
}

// However many use one address at once, one of them is taken.
func TestUploadOnce(t *testing.T) {
	r := start(t, uploadDomain)
	s := mustAsk(t, r.dial("alice", nil), "a.txt", 5, "")
	var created atomic.Int32
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			switch a, _ := r.do("PUT", s.Put.URL, strings.NewReader(strings.Repeat(strconv.Itoa(i), 5)), nil); a.StatusCode {
			case http.StatusCreated:
				created.Add(1)
			case http.StatusConflict:
			default:
				t.Errorf("PUT: %s", a.Status)
			}
		})
	}
	all.Wait()
	if created.Load() != 1 {
		t.Errorf("%d were taken", created.Load())
	}
}

// beginUpload sends the head of a request and a little of its body, and waits until that arrives.
func (r *running) beginUpload(s slot, size int) *tls.Conn {
	r.t.Helper()
	conn := r.beginRequest("PUT", s, size, "", "xxxx")
	eventually(r.t, "it arrives", func() bool { return len(incoming(r.t, r.data)) == 1 })
	return conn
}

// beginRequest sends the head of a request and some of its body.
func (r *running) beginRequest(method string, s slot, size int, head, body string) *tls.Conn {
	r.t.Helper()
	conn, err := tls.Dial("tcp", r.Addresses("https")[0].String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	u, err := url.Parse(s.Put.URL)
	if err == nil {
		_, err = io.WriteString(conn, method+" "+u.RequestURI()+" HTTP/1.1\r\nHost: "+uploadDomain+"\r\n"+head+"Content-Length: "+strconv.Itoa(size)+"\r\n\r\n"+body)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// One account does not have all uploads for itself.
func TestUploadsAtOnce(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Upload.AtOnce, c.Upload.AtOnceTotal = 1, 2 })
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	conn := r.beginUpload(mustAsk(t, alice, "a", 1<<20, ""), 1<<20)
	s := mustAsk(t, alice, "b", 5, "")
	if a, _ := r.do("PUT", s.Put.URL, strings.NewReader("hello"), nil); a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("a second one: %s", a.Status)
	}
	r.upload(bob, "a", "text/plain", "hello")
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is room again", func() bool {
		a, _ := r.do("PUT", s.Put.URL, strings.NewReader("hello"), nil)
		return a.StatusCode == http.StatusCreated
	})
}

// An upload that breaks off leaves nothing, and may be done again.
func TestUploadBreaksOff(t *testing.T) {
	r := start(t, uploadDomain)
	s := mustAsk(t, r.dial("alice", nil), "a.txt", 1<<20, "")
	conn := r.beginUpload(s, 1<<20)
	if a, _ := r.do("PUT", s.Put.URL, strings.NewReader(strings.Repeat("y", 1<<20)), nil); a.StatusCode != http.StatusConflict {
		t.Errorf("while it arrives: %s", a.Status)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing lies about", func() bool { return len(incoming(t, r.data)) == 0 })
	eventually(t, "it may be done again", func() bool {
		a, _ := r.do("PUT", s.Put.URL, strings.NewReader(strings.Repeat("y", 1<<20)), nil)
		return a.StatusCode == http.StatusCreated
	})
	if a, body := r.do("GET", s.Get.URL, nil, nil); a.StatusCode != http.StatusOK || body != strings.Repeat("y", 1<<20) {
		t.Errorf("then it is %s", a.Status)
	}
}

// What was uploaded is there after a start, and a large file takes no more memory than a small one.
func TestUploadLarge(t *testing.T) {
	r := start(t, uploadDomain)
	alice := r.dial("alice", nil)
	const size = 128 << 20
	s := mustAsk(t, alice, "a.bin", size, "")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, _ := r.do("PUT", s.Put.URL, &zeros{size}, func(q *http.Request) { q.ContentLength = size })
	if a.StatusCode != http.StatusCreated {
		t.Fatalf("PUT: %s", a.Status)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
		t.Errorf("client and server took %d bytes of memory for %d", took, size)
	}
	r.stop()
	again := open(t, uploadDomain, r.data)
	if a, body := again.do("GET", s.Get.URL, nil, saying("Range", "bytes=134217700-")); a.StatusCode != http.StatusPartialContent || len(body) != 28 {
		t.Errorf("after a start: %s, %d bytes", a.Status, len(body))
	}
}

// zeros is a body of so many of them.
type zeros struct{ left int }

func (z *zeros) Read(p []byte) (int, error) {
	n := min(len(p), z.left)
	clear(p[:n])
	if z.left -= n; n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// With the account its files go: at once from their addresses, and with the next round from the disk.
func TestUploadOfErasedAccount(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Accounts.Grace = 0 })
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	hers, both := r.upload(alice, "a.txt", "text/plain", "hers"), r.upload(alice, "b.txt", "text/plain", "both")
	his := r.upload(bob, "b.txt", "text/plain", "both")
	if a := r.control("DELETE", "/users/alice"); a.StatusCode != http.StatusOK {
		t.Fatalf("erasing: %s", a.Status)
	}
	for address, want := range map[string]int{hers: http.StatusNotFound, both: http.StatusNotFound, his: http.StatusOK} {
		eventually(t, address+" is "+http.StatusText(want), func() bool {
			a, _ := r.do("GET", address, nil, nil)
			return a.StatusCode == want
		})
	}
	old := time.Now().Add(-time.Hour)
	for _, name := range contents(t, r.data) {
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	again := open(t, uploadDomain, r.data)
	eventually(t, "what nobody has goes", func() bool { return len(contents(t, r.data)) == 1 })
	if a, body := again.do("GET", his, nil, nil); a.StatusCode != http.StatusOK || body != "both" {
		t.Errorf("what another has as well: %s", a.Status)
	}
}

func TestNoUpload(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Upload.FileBytes = 0 })
	if _, err := ask(t, r.dial("alice", nil), "a", "1", "", ""); condition(err) != stanza.RemoteServerNotFound {
		t.Errorf("asked for a slot: %v", err)
	}
	if a, _ := r.do("GET", "https://"+uploadDomain+"/files/", nil, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("GET: %s", a.Status)
	}
}

// Nothing is taken that would leave the disk fuller than the configuration allows.
func TestUploadKeepsTheDiskFree(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Upload.KeepFree = 1 << 60 })
	if _, err := ask(t, r.dial("alice", nil), "a", "1", "", ""); condition(err) != stanza.ResourceConstraint {
		t.Errorf("asked for a slot: %v", err)
	}
}
