package web

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/obs"
)

// said answers with what it is and what it was asked for.
func said(what string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, what+" "+r.URL.EscapedPath()+" "+string(b))
	}
}

// Pages are those of the domain that was asked; their paths are what the client wrote, and they take bodies, which nothing else does.
func TestPages(t *testing.T) {
	site := Site{
		Domains: []string{"example.org", "example.net"}, WebSocket: func(w http.ResponseWriter, _ *http.Request) {},
		Pages: map[string]core.Pages{
			"example.org": {{Path: "/files/", Action: core.ActFetch, Serve: said("org")}},
			"example.net": {{Path: "/files/", Action: core.ActFetch, Serve: said("net")}, {Path: "/shut/", Action: core.ActUpload, Serve: said("shut")}},
		},
	}
	h := site.Handler(New(obs.Discard()))
	for _, x := range []struct {
		host, path string
		status     int
		want       string
	}{
		{"example.org", "/files/a", http.StatusOK, "org /files/a body"},
		{"example.net:5443", "/files/../a//b", http.StatusOK, "net /files/../a//b body"},
		{"files.example.org", "/files/%2e%2e/a", http.StatusOK, "org /files/%2e%2e/a body"},
		{"example.org", "/%66iles/a", http.StatusNotFound, ""},
		{"example.org", "/files", http.StatusNotFound, ""},
		{"example.org", "/shut/a", http.StatusNotFound, ""},
		{"example.net", "/shut/a", http.StatusForbidden, ""},
	} {
		q := httptest.NewRequest(http.MethodPut, x.path, strings.NewReader("body"))
		q.Host = x.host
		a := httptest.NewRecorder()
		h.ServeHTTP(a, q)
		if a.Code != x.status || x.want != "" && a.Body.String() != x.want || a.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s%s: %d %q", x.host, x.path, a.Code, a.Body)
		}
	}
}

// Behind the end of a body its deadline is gone: a client that waits for its answer is not cut off, unless the door closes.
func TestPaceRests(t *testing.T) {
	ending, end := context.WithCancel(t.Context())
	defer end()
	var last time.Time
	p := pace{ending: ending, set: func(at time.Time) error {
		last = at
		return nil
	}}
	for range 2 {
		if _, err := io.ReadAll(&pacedBody{io.NopCloser(strings.NewReader("x")), &p}); err != nil {
			t.Fatal(err)
		}
		if want := ending.Err() == nil; last.IsZero() != want {
			t.Errorf("the deadline is %v, want none %v", last, want)
		}
		end()
	}
}

// A deadline moves on when enough has passed, and not for every byte.
func TestPace(t *testing.T) {
	var set []time.Time
	p := pace{ending: t.Context(), set: func(at time.Time) error {
		set = append(set, at)
		return nil
	}}
	body := pacedBody{io.NopCloser(bytes.NewReader(make([]byte, 2*paceBytes))), &p}
	one := make([]byte, 1)
	for range paceBytes {
		if _, err := body.Read(one); err != nil {
			t.Fatal(err)
		}
	}
	if len(set) != 1 {
		t.Errorf("%d deadlines for what fits one", len(set))
	}
	if n, err := body.Read(make([]byte, 4*paceBytes)); n != paceBytes || err != nil || len(set) != 2 {
		t.Errorf("then %d bytes, %v, %d deadlines", n, err, len(set))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	p.ending, p.passed = ended, paceBytes
	p.next()
	if last := set[len(set)-1]; last.After(time.Now()) {
		t.Errorf("after the end there is time until %v", last)
	}
}

// A door that closes does not wait for a client that stands still.
func TestClosingCutsPages(t *testing.T) {
	d := New(obs.Discard())
	reads, ended := make(chan struct{}), make(chan error, 1)
	site := Site{Domains: []string{"example.org"}, WebSocket: func(http.ResponseWriter, *http.Request) {}, Pages: map[string]core.Pages{"example.org": {{
		Path: "/files/", Action: core.ActFetch, Serve: func(_ http.ResponseWriter, r *http.Request) {
			close(reads)
			_, err := io.ReadAll(r.Body)
			ended <- err
		},
	}}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	run := d.ServeSite(l, site.Handler(d))
	done := make(chan error, 1)
	go func() { done <- run() }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PUT /files/a HTTP/1.1\r\nHost: example.org\r\nContent-Length: 100\r\n\r\nx"); err != nil {
		t.Fatal(err)
	}
	<-reads
	if err := d.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("the body was read to an end that it does not have")
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
