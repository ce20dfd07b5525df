package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stonechat/certs"
	"stonechat/obs"
	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
)

// control sends a request to the control socket.
func (r *running) control(method, path string) *http.Response {
	r.t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(r.data, "ctl.sock"))
	}}}
	q, err := http.NewRequest(method, "http://ctl/"+r.domain+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := c.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// line reads one line of a stream, which must come now.
func line(t *testing.T, in *bufio.Reader, into any) bool {
	t.Helper()
	text, err := in.ReadBytes('\n')
	if err == io.EOF {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return true
}

const privateWords = "meet me at nine"

// A trace over the control socket: bit by bit, without the text, bounded, noted in the log, and no hindrance to an orderly end.
func TestTraceOverTheControlSocket(t *testing.T) {
	r := start(t, "example.org")
	for _, bad := range []string{"", "?of=example.org", "?of=alice@other.example", "?of=alice@example.org&count=0", "?of=alice@example.org&count=1001", "?of=alice@example.org&for=11m", "?of=a@b@c"} {
		if resp := r.control("GET", "/trace"+bad); resp.StatusCode == http.StatusOK {
			t.Errorf("%q was taken", bad)
		}
	}
	alice, bob := r.dial("alice", nil), r.dial("bob", nil)
	if _, err := bob.SendPresence(t.Context(), client.Presence{}); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(r.control("GET", "/trace?of=alice@example.org&count=1").Body)
	var begin struct{ Watching string }
	if line(t, in, &begin); begin.Watching != "alice@example.org" {
		t.Fatalf("begins with %+v", begin)
	}
	ticket, err := alice.Message(t.Context(), jid.MustParse("bob@example.org"), privateWords)
	if err != nil {
		t.Fatal(err)
	}
	if err := ticket.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	next(t, bob)
	hops, ended := map[int]obs.Span{}, ""
	for {
		var s struct {
			obs.Span
			Ended string
		}
		if !line(t, in, &s) {
			break
		}
		if s.Hop > 0 && hops[s.Hop].Name == "" {
			hops[s.Hop] = s.Span
		}
		ended = s.Ended
		if b, err := json.Marshal(s); err != nil || strings.Contains(string(b), privateWords) {
			t.Errorf("the trace has the text: %s %v", b, err)
		}
	}
	if len(hops) != 9 || ended != "count" {
		t.Errorf("ended by %q after %v", ended, hops)
	}
	if h := hops[3].Hooks; len(h) == 0 || h[0].Point != "Sending" {
		t.Errorf("hooks: %+v", h)
	}
	if hops[2].Outcome == "" || !strings.HasPrefix(hops[9].Owner, "bob@example.org/") {
		t.Errorf("hops: %+v", hops)
	}
	log := r.log.String()
	if !strings.Contains(log, `msg="trace begins" jid=alice@example.org by=example.org role=owner`) || !strings.Contains(log, `msg="trace ends"`) {
		t.Errorf("not noted:\n%s", log)
	}
	// As many as are possible, and one that somebody gives up: then there is room again.
	var open []*http.Response
	for range obs.MaxWatches {
		resp := r.control("GET", "/trace?of=bob@example.org")
		line(t, bufio.NewReader(resp.Body), &begin)
		open = append(open, resp)
	}
	if resp := r.control("GET", "/trace?of=bob@example.org"); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one too many: %s", resp.Status)
	}
	_ = open[0].Body.Close()
	for end := time.Now().Add(10 * time.Second); r.control("GET", "/trace?of=bob@example.org").StatusCode != http.StatusOK; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("who has gone is still watching")
		}
	}
	r.stop() // fails when it does not end in order
}

// The certificate is changed under a running server: who is connected stays, and log-ins bind to the one that they were shown.
func TestCertificateOverTheControlSocket(t *testing.T) {
	r := start(t, "example.org")
	var list []certs.Certificate
	if err := json.NewDecoder(r.control("GET", "/certificates").Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Name != "example.org" || list[0].Source != certs.OwnMade || list[0].Expires.Before(time.Now()) {
		t.Errorf("list: %+v", list)
	}
	if resp := r.control("POST", "/certificates/reload"); resp.StatusCode != http.StatusOK {
		t.Errorf("reload: %s", resp.Status)
	}
	// Without tls-exporter the log-in is bound to the certificate of this connection.
	c := r.dial("alice", func(c *client.Config) { c.TLS.MaxVersion = tls.VersionTLS12 })
	_ = c.Close(t.Context())
	if !strings.Contains(r.log.String(), "mechanism=SCRAM-SHA-512-PLUS") {
		t.Errorf("not bound:\n%s", r.log.String())
	}
}
