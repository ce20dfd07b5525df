package server_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/store"
	"stonechat/store/sqlstore"
)

// appendTo sends a piece of a file to its slot.
func (r *running) appendTo(s slot, offset, piece string, change func(*http.Request)) *http.Response {
	r.t.Helper()
	a, _ := r.do("PATCH", s.Put.URL, strings.NewReader(piece), func(q *http.Request) {
		q.Header.Set("Content-Type", "application/partial-upload")
		q.Header.Set("Upload-Offset", offset)
		if change != nil {
			change(q)
		}
	})
	return a
}

// has is how much of a file has arrived.
func (r *running) has(s slot, want int, complete string) {
	r.t.Helper()
	a, _ := r.do("HEAD", s.Put.URL, nil, nil)
	if a.StatusCode != http.StatusNoContent || a.Header.Get("Upload-Offset") != strconv.Itoa(want) || a.Header.Get("Upload-Complete") != complete || a.Header.Get("Cache-Control") != "no-store" {
		r.t.Errorf("HEAD: %s %v, want %d", a.Status, a.Header, want)
	}
}

// An upload goes on where it broke off, behind a start as well; then it is a file like any other.
func TestUploadResumes(t *testing.T) {
	r := start(t, uploadDomain)
	s := mustAsk(t, r.dial("alice", nil), "a.txt", 11, "text/plain")
	r.has(s, 0, "?0")
	if a := r.appendTo(s, "0", "hel", saying("Upload-Complete", "?0")); a.StatusCode != http.StatusNoContent || a.Header.Get("Upload-Offset") != "3" {
		t.Errorf("first: %s %v", a.Status, a.Header)
	}
	for name, x := range map[string]struct {
		offset, piece string
		change        func(*http.Request)
		status        int
		says          string
	}{
		"behind a gap":    {"4", "x", nil, http.StatusConflict, "3"},
		"once more":       {"0", "hel", nil, http.StatusConflict, "3"},
		"negative":        {"-1", "x", nil, http.StatusBadRequest, ""},
		"behind the end":  {"12", "", nil, http.StatusBadRequest, ""},
		"no offset":       {"", "x", nil, http.StatusBadRequest, ""},
		"too long":        {"3", "lo world!", nil, http.StatusRequestEntityTooLarge, ""},
		"not complete":    {"3", "lo", saying("Upload-Complete", "?1"), http.StatusBadRequest, ""},
		"another type":    {"3", "lo", saying("Content-Type", "text/plain"), http.StatusUnsupportedMediaType, ""},
		"of no length":    {"3", "lo", func(q *http.Request) { q.ContentLength, q.Body = -1, io.NopCloser(strings.NewReader("lo")) }, http.StatusLengthRequired, ""},
		"without a right": {"3", "lo", func(q *http.Request) { q.URL.RawQuery = "" }, http.StatusForbidden, ""},
	} {
		if a := r.appendTo(s, x.offset, x.piece, x.change); a.StatusCode != x.status || a.Header.Get("Upload-Offset") != x.says {
			t.Errorf("%s: %s %v", name, a.Status, a.Header)
		}
	}
	r.has(s, 3, "?0")
	if a, _ := r.do("GET", s.Get.URL, nil, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("before it is there: %s", a.Status)
	}
	r.stop()
	again := open(t, uploadDomain, r.data)
	again.has(s, 3, "?0")
	if a := again.appendTo(s, "3", "lo world", saying("Upload-Complete", "?1")); a.StatusCode != http.StatusCreated || a.Header.Get("Upload-Complete") != "?1" {
		t.Errorf("the rest: %s %v", a.Status, a.Header)
	}
	if a, body := again.do("GET", s.Get.URL, nil, nil); a.StatusCode != http.StatusOK || body != "hello world" || a.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("GET: %s %q", a.Status, body)
	}
	again.has(s, 11, "?1")
	if a := again.appendTo(s, "11", "", nil); a.StatusCode != http.StatusConflict {
		t.Errorf("behind the end: %s", a.Status)
	}
	if left := incoming(t, again.data); len(left) != 0 {
		t.Errorf("%v lies about", left)
	}
}

// What has arrived goes with its slot; a PUT of all of it is still possible, and what a crash left on its way is a slot again.
func TestUploadIsNotResumed(t *testing.T) {
	r := startWith(t, uploadDomain, func(c *config.Config) { c.Accounts.Grace = 0 })
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	hers, his := mustAsk(t, alice, "a.txt", 5, ""), mustAsk(t, bob, "b.txt", 5, "")
	for _, s := range []slot{hers, his} {
		if a := r.appendTo(s, "0", "he", nil); a.StatusCode != http.StatusNoContent {
			t.Fatalf("append: %s", a.Status)
		}
	}
	if a := r.control("DELETE", "/users/alice"); a.StatusCode != http.StatusOK {
		t.Fatalf("erasing: %s", a.Status)
	}
	eventually(t, "the slot goes", func() bool { a, _ := r.do("HEAD", hers.Put.URL, nil, nil); return a.StatusCode == http.StatusNotFound })
	r.stop()
	r.crashedWhile(his)
	again := open(t, uploadDomain, r.data)
	eventually(t, "what had arrived goes", func() bool { return len(incoming(t, r.data)) == 1 })
	again.has(his, 2, "?0")
	if a, _ := again.do("PUT", his.Put.URL, strings.NewReader("world"), nil); a.StatusCode != http.StatusCreated {
		t.Errorf("PUT: %s", a.Status)
	}
	if a := again.appendTo(his, "2", "llo", nil); a.StatusCode != http.StatusConflict {
		t.Errorf("append to what is there: %s", a.Status)
	}
	off := startWith(t, uploadDomain, func(c *config.Config) { c.Upload.ResumeTime = 0 })
	if a := off.appendTo(mustAsk(t, off.dial("alice", nil), "a", 5, ""), "0", "he", nil); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("switched off: %s", a.Status)
	}
}

// crashedWhile makes a file one that arrived when the server was killed.
func (r *running) crashedWhile(s slot) {
	r.t.Helper()
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, r.data, sqlstore.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	id, _, _ := strings.Cut(strings.SplitAfter(s.Get.URL, "/files/")[1], "/")
	if err := db.Files.Arrive(store.File{ID: id}, time.Now(), time.Now().Add(time.Hour)).Wait(ctx); err != nil {
		r.t.Error(err)
	}
	if err := db.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// When the line breaks what has arrived stays, and is gone on with.
func TestUploadResumesBehindABrokenLine(t *testing.T) {
	r := start(t, uploadDomain)
	s := mustAsk(t, r.dial("alice", nil), "a.txt", 11, "")
	conn := r.beginRequest("PATCH", s, 11, "Content-Type: application/partial-upload\r\nUpload-Offset: 0\r\n", "hello")
	eventually(t, "it arrives", func() bool {
		all := incoming(t, r.data)
		if len(all) != 1 {
			return false
		}
		info, err := os.Stat(all[0])
		return err == nil && info.Size() == 5
	})
	if a, _ := r.do("HEAD", s.Put.URL, nil, nil); a.StatusCode != http.StatusConflict {
		t.Errorf("while it arrives: %s", a.Status)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it can be gone on with", func() bool {
		a, _ := r.do("HEAD", s.Put.URL, nil, nil)
		return a.StatusCode == http.StatusNoContent && a.Header.Get("Upload-Offset") == "5"
	})
	if a := r.appendTo(s, "5", " world", nil); a.StatusCode != http.StatusCreated {
		t.Errorf("the rest: %s", a.Status)
	}
	if a, body := r.do("GET", s.Get.URL, nil, nil); a.StatusCode != http.StatusOK || body != "hello world" {
		t.Errorf("GET: %s %q", a.Status, body)
	}
}
