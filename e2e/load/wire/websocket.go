package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

const nsFraming = "urn:ietf:params:xml:ns:xmpp-framing"

// framed is a WebSocket as a connection: each write is one element and becomes one message (RFC 7395).
type framed struct{ net.Conn }

// Write sends one element, with the namespace that it needs to stand alone.
func (f framed) Write(p []byte) (int, error) {
	b := p
	for _, name := range []string{"<iq", "<message", "<presence"} {
		if bytes.HasPrefix(p, []byte(name)) {
			b = append(append([]byte(name), " xmlns='jabber:client'"...), p[len(name):]...)
		}
	}
	if _, err := f.Conn.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}

// upgrade goes over to WebSocket on a connection with TLS.
func (s *Session) upgrade(ctx context.Context) error {
	tcp := s.conn
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn := tls.Client(tcp, &tls.Config{
			ServerName: s.login.Host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
			CurvePreferences: []tls.CurveID{tls.X25519}, NextProtos: []string{"http/1.1"},
		})
		return conn, conn.HandshakeContext(ctx)
	}
	ws, _, err := websocket.Dial(ctx, "wss://"+s.login.Host+"/ws", &websocket.DialOptions{
		Subprotocols: []string{"xmpp"}, HTTPClient: &http.Client{Transport: &http.Transport{DialTLSContext: dial}},
	})
	if err != nil {
		return err
	}
	ws.SetReadLimit(-1)
	// The context of the dialling must not end the connection.
	s.use(framed{websocket.NetConn(context.WithoutCancel(ctx), ws, websocket.MessageText)})
	return nil
}
