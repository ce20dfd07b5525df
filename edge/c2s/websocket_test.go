package c2s

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"stonechat/config"
	"stonechat/xmpp/ns"
)

// web serves the door's WebSockets in the clear.
func (r *rig) web() (address string) {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	v := r.door.Visitors(l, false)
	s := &http.Server{Handler: http.HandlerFunc(r.door.WebSocket)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := v.Serve(); err != nil {
			r.t.Error(err)
		}
	}()
	go func() { _ = s.Serve(v) }()
	r.t.Cleanup(func() {
		_ = s.Close()
		<-ended
		r.door.StopReading()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := r.door.Wait(ctx); err != nil {
			r.t.Error(err)
		}
		if n := r.door.connections.size() + r.door.handshakes.size(); n != 0 {
			r.t.Errorf("%d places are never given back", n)
		}
	})
	return l.Addr().String()
}

func (r *rig) counted(source string) int {
	r.door.connections.mu.Lock()
	defer r.door.connections.mu.Unlock()
	return r.door.connections.sources[netip.MustParsePrefix(source)]
}

// dial opens a WebSocket and a stream on it.
func (r *rig) dial(address string, header http.Header) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws://"+address+"/ws", &websocket.DialOptions{Subprotocols: []string{"xmpp"}, HTTPHeader: header})
	if err != nil {
		return nil, err
	}
	r.t.Cleanup(func() { _ = ws.CloseNow() })
	if err := ws.Write(ctx, websocket.MessageText, []byte("<open xmlns='"+ns.Framing+"' to='example.org' version='1.0'/>")); err != nil {
		return nil, err
	}
	_, got, err := ws.Read(ctx)
	if err == nil && !strings.HasPrefix(string(got), "<open xmlns='"+ns.Framing+"' from='example.org' id='") {
		r.t.Errorf("answered with %s", got)
	}
	return ws, err
}

// Behind an HTTP proxy a client counts by the address that the proxy names; nobody else is believed one.
func TestForwardedWebSocket(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.HTTP.Proxies, r.cfg.Limits.HandshakesPerSource = []string{"127.0.0.0/8"}, 2 })
	address := r.web()
	behind := http.Header{"X-Forwarded-For": {"198.51.100.1, 203.0.113.7"}}
	for range 2 {
		if _, err := r.dial(address, behind); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.counted("203.0.113.7/32"); n != 2 {
		t.Errorf("%d count for the client", n)
	}
	if n := r.counted("127.0.0.1/32") + r.counted("198.51.100.1/32"); n != 0 {
		t.Errorf("%d count for others", n)
	}
	if _, err := r.dial(address, behind); err == nil {
		t.Error("one client takes as many places as it likes")
	}
	if _, err := r.dial(address, http.Header{"X-Forwarded-For": {"203.0.113.8"}}); err != nil {
		t.Errorf("another client of the proxy: %v", err)
	}
}

func TestForgedForwardedFor(t *testing.T) {
	r := newRig(t, nil)
	if _, err := r.dial(r.web(), http.Header{"X-Forwarded-For": {"203.0.113.7"}}); err != nil {
		t.Fatal(err)
	}
	if r.counted("203.0.113.7/32") != 0 || r.counted("127.0.0.1/32") != 1 {
		t.Error("anybody may say who he is")
	}
}

// A PROXY header stands before the request.
func TestProxiedVisitor(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Listen.Proxies = []string{"127.0.0.1"} })
	address := r.web()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, header2(0x21, 0x11, four)+"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 12)
	if _, err := io.ReadFull(nc, answer); err != nil || string(answer) != "HTTP/1.1 426" {
		t.Errorf("%q, %v", answer, err)
	}
	if r.counted("203.0.113.7/32") != 1 {
		t.Error("counts for somebody else")
	}
}

// The time for logging in counts over WebSocket, and the client is told.
func TestLoginTimeOverWebSocket(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.Limits.LoginTime = config.Duration(200 * time.Millisecond) })
	ws, err := r.dial(r.web(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	said := ""
	for {
		_, got, err := ws.Read(ctx)
		if err != nil {
			if websocket.CloseStatus(err) == -1 {
				t.Error(err)
			}
			break
		}
		said += string(got)
	}
	if !strings.Contains(said, "<connection-timeout") || !strings.HasSuffix(said, "<close xmlns='"+ns.Framing+"'/>") {
		t.Errorf("said %s", said)
	}
}

func TestAllowed(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.cfg.Domains, r.cfg.HTTP.Origins = []string{"example.org", "bücher.example"}, []string{"https://App.example", "http://10.0.0.1:3000"}
	})
	for _, c := range []struct {
		origin         string
		allowed, local bool
	}{
		{"https://app.example", true, true},
		{"https://APP.example", true, true},
		{"https://app.example:444", false, false},
		{"http://10.0.0.1:3000", true, true},
		{"http://example.org", false, true},
		{"http://example.org:3000", false, true},
		{"https://example.org:3000", false, true},
		{"https://example.org", true, true},
		{"https://xn--bcher-kva.example", true, true},
		{"https://other.example", false, false},
		{"null", false, false},
		{"https://", false, false},
	} {
		for _, local := range []bool{false, true} {
			r.cfg.Local = local
			q := &http.Request{Host: "127.0.0.1:5280", Header: http.Header{"Origin": {c.origin}}}
			if want := c.allowed || local && c.local; r.door.allowed(q) != want {
				t.Errorf("%s, local %v: not %v", c.origin, local, want)
			}
		}
	}
}
