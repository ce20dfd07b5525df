package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"stonechat/xmpp/client"
	"stonechat/xmpp/jid"
)

// web asks the HTTPS listener.
func (r *running) web(method, path string, header map[string]string) (*http.Response, string) {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), method, "https://"+r.Addresses("https")[0].String()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	q.Host = r.domain
	for k, v := range header {
		if q.Header.Set(k, v); k == "Host" {
			q.Host = v
		}
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport, Timeout: 20 * time.Second}).Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return answer, ""
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Error(err)
	}
	return answer, string(body)
}

func (r *running) overWebSocket(c *client.Config) {
	c.Address, c.TLS = "wss://"+r.Addresses("https")[0].String()+"/ws", &tls.Config{InsecureSkipVerify: true}
}

// One port takes WebSockets, and direct TLS for those who ask for it by ALPN; a session goes on over another way than it began.
func TestOnePort(t *testing.T) {
	r := start(t, "example.org")
	alice := r.dial("alice", r.overWebSocket)
	bob := r.dial("bob", func(c *client.Config) { c.DirectTLS, c.Address = true, r.Addresses("https")[0].String() })
	for _, c := range []*client.Client{alice, bob} {
		if _, err := c.SendPresence(t.Context(), client.Presence{}); err != nil {
			t.Fatal(err)
		}
	}
	said := func(from, to *client.Client, text string) {
		t.Helper()
		ticket, err := from.Message(t.Context(), to.JID(), text)
		if err == nil {
			err = ticket.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		if st := next(t, to); !strings.Contains(st.Inner(), text) {
			t.Errorf("got %s", st.Raw())
		}
	}
	said(alice, bob, "over WebSocket")
	said(bob, alice, "and back")
	alice.Cut()
	token := alice.Token()
	again := r.dial("alice", func(c *client.Config) { c.Resume = token })
	if again.JID() != alice.JID() {
		t.Errorf("%s goes on as %s", alice.JID(), again.JID())
	}
	said(bob, again, "over TCP now")
	again.Cut()
	token = again.Token()
	third := r.dial("alice", func(c *client.Config) { r.overWebSocket(c); c.Resume = token })
	if third.JID() != alice.JID() {
		t.Errorf("%s goes on as %s", alice.JID(), third.JID())
	}
	said(bob, third, "and over WebSocket again")
	said(third, bob, "to the end")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := third.Close(ctx); err != nil {
		t.Error(err)
	}
}

// A client without its line has ended when it has no way to come back.
func TestWebSocketInTheClear(t *testing.T) {
	r := start(t, "localhost")
	clear := "ws://" + r.Addresses("http")[0].String() + "/ws"
	r.dial("alice", func(c *client.Config) { c.Address, c.AllowCleartext = clear, true })
	_, err := client.Dial(t.Context(), client.Config{JID: jid.MustParse("alice@localhost"), Password: "wrong", Address: clear, AllowCleartext: true})
	if err == nil {
		t.Error("a wrong password is taken")
	}
}

const hostMeta = "<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n" +
	"  <Link rel='urn:xmpp:alt-connections:websocket' href='wss://example.org:PORT/ws'/>\n</XRD>\n"

// The web's listener answers what is listed, and nothing else; only discovery may be read by pages of other sites.
func TestWeb(t *testing.T) {
	r := start(t, "example.org")
	address := r.Addresses("https")[0].String()
	port := address[strings.LastIndex(address, ":")+1:]
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/.well-known/host-meta", 200, strings.Replace(hostMeta, "PORT", port, 1)},
		{"HEAD", "/.well-known/host-meta", 200, ""},
		{"GET", "/.well-known/host-meta.json", 200, `{"links":[{"rel":"urn:xmpp:alt-connections:websocket","href":"wss://example.org:` + port + `/ws"}]}` + "\n"},
		{"POST", "/.well-known/host-meta", 405, "Method Not Allowed\n"},
		{"GET", "/ws", 426, "this address speaks WebSocket\n"},
		{"GET", "/xmpp-websocket", 426, "this address speaks WebSocket\n"},
		{"GET", "/", 404, "404 page not found\n"},
		{"GET", "/metrics", 404, "404 page not found\n"},
		{"GET", "/health/ready", 404, "404 page not found\n"},
		{"GET", "/debug/pprof/", 404, "404 page not found\n"},
		{"GET", "/example.org/users", 404, "404 page not found\n"},
		{"GET", "/.well-known/other", 404, "404 page not found\n"},
		{"GET", "/ws/", 404, "404 page not found\n"},
	} {
		answer, body := r.web(c.method, c.path, nil)
		if answer.StatusCode != c.status || body != c.body {
			t.Errorf("%s %s: %s %q", c.method, c.path, answer.Status, body)
		}
		everybody := answer.Header.Get("Access-Control-Allow-Origin") == "*"
		if everybody != (c.status == 200) || answer.Header.Get("X-Content-Type-Options") != "nosniff" || answer.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s %s: %v", c.method, c.path, answer.Header)
		}
	}
}

// Pages of other sites may open no WebSocket.
func TestOrigins(t *testing.T) {
	r := start(t, "example.org")
	for _, c := range []struct {
		origin, host string
		allowed      bool
	}{
		{"", "example.org", true},
		{"https://example.org", "127.0.0.1:5443", true},
		{"https://chat.example.org", "chat.example.org", true},
		{"https://chat.example.org", "chat.example.org:443", true},
		{"https://chat.example.org:8443", "chat.example.org:8443", true},
		{"https://chat.example.org:8443", "chat.example.org", false},
		{"https://evil.example", "chat.example.org", false},
		{"https://example.org.evil.example", "chat.example.org", false},
		{"null", "example.org", false},
		{"file://", "example.org", false},
	} {
		header := map[string]string{
			"Host": c.host, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "xmpp",
		}
		if c.origin != "" {
			header["Origin"] = c.origin
		}
		want := http.StatusForbidden
		if c.allowed {
			want = http.StatusSwitchingProtocols
		}
		if answer, _ := r.web("GET", "/ws", header); answer.StatusCode != want {
			t.Errorf("%s at %s: %s", c.origin, c.host, answer.Status)
		}
	}
}

// Whoever does the handshake for its own sake, as an authority that proves a domain, is let go.
func TestForeignALPN(t *testing.T) {
	r := start(t, "example.org")
	c, err := tls.Dial("tcp", r.Addresses("https")[0].String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.ConnectionState().NegotiatedProtocol; p != "http/1.1" {
		t.Errorf("speaks %q", p)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	_, err = tls.Dial("tcp", r.Addresses("https")[0].String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"other"}})
	if err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Error(err)
	}
}
