package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
)

// proceed tells the initiating side to begin TLS (RFC 6120 section 5.4.2.3).
const proceed = "<proceed xmlns='" + ns.TLS + "'/>"

// ServerTLS does the handshake of the receiving side on a connection on which
// nothing has been read yet, for direct TLS (XEP-0368). The result can be read
// and written like any connection, for another protocol chosen by ALPN, or be
// given to NewConn. The handshake runs in a goroutine of its own, so that its
// deep stack does not stay with the caller.
func ServerTLS(ctx context.Context, t *Transport, cfg *tls.Config) (*tls.Conn, error) {
	return handshake(ctx, t, tls.Server(t, cfg))
}

// ClientTLS is ServerTLS for the initiating side. cfg needs a ServerName.
func ClientTLS(ctx context.Context, t *Transport, cfg *tls.Config) (*tls.Conn, error) {
	return handshake(ctx, t, tls.Client(t, cfg))
}

// StartTLS begins TLS in the middle of a stream. The receiving side calls it
// when it has read <starttls/>: it answers <proceed/> and does the handshake.
// The initiating side calls it when it has read <proceed/>. Both then need new
// headers (RFC 6120 section 5.4.3.3); Restart has been called. Bytes that
// arrived early end the attempt with ErrInjected.
func (c *Conn) StartTLS(ctx context.Context, cfg *tls.Config) error {
	if c.tls != nil || c.r < c.w || c.t.inHand() > 0 {
		return ErrInjected
	}
	if !c.initiating {
		if err := c.SendXML(proceed); err != nil {
			return err
		}
	}
	c.release()
	// The answer must be out before the transport blocks again.
	if err := c.t.Flush(closeWait); err != nil {
		return err
	}
	tc := tls.Server
	if c.initiating {
		tc = tls.Client
	}
	c.t.parked = false
	conn, err := handshake(ctx, c.t, tc(c.t, cfg))
	c.t.parked = true
	if err != nil {
		return err
	}
	c.tls, c.dry = conn, false
	c.Restart()
	return nil
}

// Bindings lists the channel bindings of the stream, the preferred first; none
// in the clear. certificate is the one that the receiving side showed, for
// tls-server-end-point (XEP-0440 section 4); nil means the one that the
// transport was told of there (Transport.Showed), and the peer's own on the
// initiating side. Where none is known that type is left out.
func (c *Conn) Bindings(certificate *x509.Certificate) []sasl.Binding {
	if c.tls == nil {
		return nil
	}
	cs := c.tls.ConnectionState()
	if certificate == nil {
		certificate = c.t.showed
	}
	if certificate == nil && c.initiating && len(cs.PeerCertificates) > 0 {
		certificate = cs.PeerCertificates[0]
	}
	var list []sasl.Binding
	if b, ok := sasl.ExporterBinding(&cs); ok {
		list = append(list, b)
	}
	if certificate != nil {
		if b, ok := sasl.EndPointBinding(certificate); ok {
			list = append(list, b)
		}
	}
	return list
}

func handshake(ctx context.Context, t *Transport, conn *tls.Conn) (*tls.Conn, error) {
	done := make(chan error, 1)
	go func() { done <- conn.HandshakeContext(ctx) }()
	if err := <-done; err != nil {
		return nil, err
	}
	// A deadline that crypto/tls set for the context must not stay. That of
	// reading is the caller's.
	if err := t.nc.SetWriteDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return conn, nil
}
