package c2s

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"stonechat/obs"
	"stonechat/xmpp/stream"
)

// arrival is a connection that was let in, and how far it is.
type arrival struct {
	nc     net.Conn
	how    beginning
	early  []byte // read from it already
	hidden bool   // its TLS, if it has any, ends at a proxy: nothing can be bound to it
}

// beginning is what comes first on a connection.
type beginning uint8

const (
	startTLS  beginning = iota // a stream in the clear
	directTLS                  // TLS (XEP-0368)
	inTLS                      // a stream: TLS is done
	framed                     // a stream over WebSocket (RFC 7395): what is below it is done
)

// berth is whom a connection comes from, and what it takes of the limits.
type berth struct {
	addr    netip.AddrPort
	present *stay // among the connections
	shaking *stay // among the handshakes, as what speaks HTTP is all the time; ended when it is none any more
}

func (b *berth) leave() {
	b.shaking.leave()
	b.present.leave()
}

// admit finds out whom a connection comes from, behind a proxy by what that says, and counts it. Otherwise it closes the connection. It may
// wait for a proxy.
func (d *Door) admit(nc net.Conn) (b berth, ok bool) {
	addr := remote(nc)
	if among(d.proxies, addr) {
		claimed, err := d.introduced(nc)
		if err != nil {
			d.hosts.Refused("proxy")
			d.obs.Log.Warn("connection of a proxy refused", obs.Peer, addr.String(), obs.Err, err)
			_ = nc.Close()
			return b, false
		}
		if claimed.IsValid() {
			addr = claimed
		}
	}
	b.addr = addr
	if !d.enter(&b, d.dropping(nc)) {
		_ = nc.Close()
		return b, false
	}
	return b, true
}

func remote(nc net.Conn) (addr netip.AddrPort) {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		addr = a.AddrPort()
	}
	return addr
}

// introduced reads the header of a proxy. Those who wait for one count as handshakes of nobody.
func (d *Door) introduced(nc net.Conn) (netip.AddrPort, error) {
	stay := d.handshakes.enter(netip.AddrPort{}, true, func() { _ = nc.Close() })
	if stay == nil {
		return netip.AddrPort{}, errors.New("too many handshakes")
	}
	defer stay.leave()
	return readProxy(nc)
}

// shared tells whether many people come from the address: a proxy, to which the limits for one source do not apply.
func (d *Door) shared(addr netip.AddrPort) bool {
	return !d.config.RateLimits || among(d.proxies, addr) || among(d.forwarders, addr)
}

// dropping closes a connection for the sake of newer ones. It does not wait.
func (d *Door) dropping(nc net.Conn) func() {
	return func() {
		d.hosts.Refused("handshakes_dropped")
		_ = nc.Close()
	}
}

// enter counts a connection and its handshake, unless there are too many. drop is called when it has to make room.
func (d *Door) enter(b *berth, drop func()) bool {
	off := d.shared(b.addr)
	if b.present = d.connections.enter(b.addr, off, nil); b.present == nil {
		d.hosts.Refused("connections")
		return false
	}
	if b.shaking = d.handshakes.enter(b.addr, off, drop); b.shaking == nil {
		d.hosts.Refused("handshakes")
		b.present.leave()
		return false
	}
	d.metrics.accepted.Inc()
	return true
}

// register has Wait wait for a connection; false when the door has ended.
func (d *Door) register(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return false
	}
	d.conns[c] = struct{}{}
	d.wait.Add(1)
	return true
}

// Visitors is a listener for an HTTP server that shares its limits, and its port, with the clients of a door.
type Visitors struct {
	door   *Door
	l      net.Listener
	secure bool
	come   chan net.Conn
	ended  chan struct{}
	end    sync.Once
}

// Visitors accepts on l. secure: TLS begins at once; who asks for xmpp-client by ALPN is served here, as by direct TLS (XEP-0368), everybody
// else comes out of Accept. Not secure, everybody does. Serve must be called.
func (d *Door) Visitors(l net.Listener, secure bool) *Visitors {
	return &Visitors{door: d, l: l, secure: secure, come: make(chan net.Conn), ended: make(chan struct{})}
}

// Serve accepts until the listener is closed.
func (v *Visitors) Serve() error {
	defer v.end.Do(func() { close(v.ended) })
	return v.door.each(v.l, func(nc net.Conn) { go v.receive(nc) })
}

// Accept returns the next connection for HTTP.
func (v *Visitors) Accept() (net.Conn, error) {
	select {
	case nc := <-v.come:
		return nc, nil
	case <-v.ended:
		return nil, net.ErrClosed
	}
}

// Close closes the listener.
func (v *Visitors) Close() error { return v.l.Close() }

// Addr is where it listens.
func (v *Visitors) Addr() net.Addr { return v.l.Addr() }

// receive takes one connection as far as it is known what it wants.
func (v *Visitors) receive(nc net.Conn) {
	d := v.door
	b, ok := d.admit(nc)
	if !ok {
		return
	}
	addr := b.addr
	g := &visitor{Conn: stream.NewTransport(nc), door: d, berth: b, proxied: among(d.forwarders, addr)}
	if v.secure {
		protocol, err := g.secure()
		switch {
		case err != nil:
			d.obs.Log.Debug("connection ended", obs.Peer, addr.String(), obs.Err, err)
			_ = g.Close()
			return
		case protocol == stream.ALPNClient:
			d.take(g, arrival{nc: g.Conn, how: inTLS})
			return
		case protocol != "" && protocol != protocolHTTP:
			_ = g.Close() // it was the handshake that mattered, as in acme-tls/1 (RFC 8737 section 3)
			return
		}
	}
	// It stays among the handshakes: whoever has not logged in can be made to make room, or idle connections for HTTP would fill that of everybody.
	select {
	case v.come <- g:
	case <-v.ended:
		_ = g.Close()
	}
}

const protocolHTTP = "http/1.1"

// visitor is a connection that an HTTP server has, until it becomes a client's.
type visitor struct {
	net.Conn // a *stream.Transport, or a *tls.Conn on one
	berth
	door    *Door
	proxied bool // an HTTP proxy has made it

	mu   sync.Mutex
	left bool // its place is another's, or free
}

// secure does the TLS handshake and returns the protocol that was chosen.
func (g *visitor) secure() (string, error) {
	ctx, cancel := context.WithTimeout(g.door.ctx, g.door.config.Limits.LoginTime.D())
	defer cancel()
	tc, err := stream.ServerTLS(ctx, g.Conn.(*stream.Transport), g.door.web)
	if err != nil {
		return "", err
	}
	g.Conn = tc
	return tc.ConnectionState().NegotiatedProtocol, tc.SetDeadline(time.Time{})
}

// Close ends the connection.
func (g *visitor) Close() error {
	g.mu.Lock()
	left := g.left
	g.left = true
	g.mu.Unlock()
	if !left {
		g.berth.leave()
	}
	return g.Conn.Close()
}

// take makes a client's connection of a visitor's, which counts as a handshake.
func (d *Door) take(g *visitor, a arrival) {
	g.mu.Lock()
	g.left = true // its place is the client's now
	b := g.berth
	g.mu.Unlock()
	if c := d.conn(b, a); c != nil {
		c.serve(a)
	}
}

// conn makes a client's connection of what has arrived; nil when the door has ended, and the connection is closed.
func (d *Door) conn(b berth, a arrival) *conn {
	c := &conn{door: d, number: d.numbers.Add(1), berth: b, from: source(b.addr), nc: a.nc, closed: make(chan struct{})}
	if !d.register(c) {
		b.leave()
		_ = a.nc.Close()
		return nil
	}
	b.shaking.dropBy(c.makeRoom)
	return c
}
