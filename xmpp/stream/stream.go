// Package stream carries XMPP streams over TCP, TLS and WebSocket in both roles
// (RFC 6120 sections 4 to 7, RFC 7395): framing, headers, features, STARTTLS, the
// closing handshake, and the log-in of the initiating side.
//
// Over WebSocket a Conn is used as over TCP. What is written is cut into elements,
// each of which becomes a message that stands alone; each message that comes must
// be one element. SendHeader, ReadHeader, End and the end of Read speak of <open/>
// and <close/> then.
//
// A Conn yields one *stanza.Stanza for each top-level element. It is made to be
// idle cheaply: while nothing arrives it holds no read buffer, no scanner
// memory and no left-over of the TLS handshake; served by a Poller on Linux not
// even a goroutine.
//
// A connection is read either by calling Read in a loop, which is simple, or by
// a Poller, for servers of many connections of which most are silent.
//
// Read, Buffered, ReadHeader, Restart, StartTLS, SetLimits, SetReadTimeout and
// the receiving half of the closing handshake belong to the reading goroutine;
// everything that writes, and Close, may be called from any goroutine.
package stream

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// Limits bound what the peer may send.
type Limits struct {
	// Limits bound one element and the header.
	xmltok.Limits
	// Total bounds all bytes received on the connection until SetLimits is
	// called; 0 means no bound.
	Total int
}

// BeforeLogin returns the limits for a peer that nobody knows yet: 10 kB per
// element, 8 kB for the header, 64 kB altogether.
func BeforeLogin() Limits {
	return Limits{
		Limits: xmltok.Limits{Bytes: 10_000, HeaderBytes: 8_000, Depth: 100, Attrs: 256, Namespaces: 64},
		Total:  64_000,
	}
}

// AfterLogin returns the limits for an authenticated peer: 256 kB per element
// and no bound on the total.
func AfterLogin() Limits {
	return Limits{
		Limits: xmltok.Limits{Bytes: 256_000, HeaderBytes: 8_000, Depth: 100, Attrs: 256, Namespaces: 64},
	}
}

// Options describe one end of a stream.
type Options struct {
	// Initiating says that this side opened the connection.
	Initiating bool
	// Space is the content namespace, ns.Client when empty (RFC 6120
	// section 4.8.2). A header with another one is refused.
	Space string
	// Limits bound the peer; the zero value means BeforeLogin for the receiving
	// and AfterLogin for the initiating side.
	Limits Limits
	// WriteTimeout ends the connection when bytes that did not fit into the
	// socket make no progress for so long; 0 means 30 seconds.
	WriteTimeout time.Duration
	// WebSocket says that the WebSocket handshake is done and frames follow (RFC
	// 7395); see Upgrade.
	WebSocket bool
	// Early are bytes that were read from the connection already.
	Early []byte
}

// Conn is one XML stream.
type Conn struct {
	t   *Transport
	tls *tls.Conn // nil while the stream is in the clear
	ws  *framing  // nil unless the stream is framed by WebSocket

	initiating bool
	space      string // expected content namespace

	sc       *xmltok.Scanner
	buf      []byte // bytes not consumed yet are buf[r:w]; nil while idle
	r, w     int
	elem     int   // where the last event began, before r
	attached bool  // the scanner has working memory
	pooled   bool  // buf belongs to the pool
	tight    bool  // white space is a mistake; see ReadTight
	dry      bool  // the last read attempt found nothing: wait first
	readErr  error // found by Buffered, told by the next Read
	received int   // counts towards Limits.Total
	total    int
	maxElem  int // greatest element or header, bounds the buffer

	timeout time.Duration // see SetReadTimeout
	armed   time.Time     // when the read deadline was last set for it

	serving

	out  sync.Mutex // keeps header, error and end tag in order
	sent atomic.Uint32
}

// Bits of Conn.sent.
const (
	sentHeader = 1 << iota
	sentEnd
	sentClose // the close frame of WebSocket
)

// NewConn makes a Conn of a connection: a *Transport, a *tls.Conn made by
// ServerTLS or ClientTLS, or any other net.Conn, which then costs more memory
// while idle. The Conn owns it from now on.
func NewConn(nc net.Conn, o Options) *Conn {
	if o.Space == "" {
		o.Space = ns.Client
	}
	if o.Limits == (Limits{}) {
		o.Limits = BeforeLogin()
		if o.Initiating {
			o.Limits = AfterLogin()
		}
	}
	c := &Conn{initiating: o.Initiating, space: o.Space, sc: xmltok.NewScanner(o.Limits.Limits)}
	c.setLimits(o.Limits)
	switch nc := nc.(type) {
	case *Transport:
		c.t = nc
	case *tls.Conn:
		if t, ok := nc.NetConn().(*Transport); ok {
			c.t, c.tls = t, nc
			break
		}
		c.t = NewTransport(nc)
	default:
		c.t = NewTransport(nc)
	}
	if o.WebSocket {
		c.ws = &framing{}
		c.sc.Inherit(o.Space, nil)
	}
	if len(o.Early) > 0 {
		c.buf, c.w, c.received = append([]byte(nil), o.Early...), len(o.Early), len(o.Early)
	}
	c.t.park(o.WriteTimeout)
	return c
}

// SetLimits changes what the peer may send from the next element on, and
// begins to count anew towards the total.
func (c *Conn) SetLimits(l Limits) {
	c.setLimits(l)
	c.sc.SetLimits(l.Limits)
}

func (c *Conn) setLimits(l Limits) {
	c.total, c.received = l.Total, 0
	c.maxElem = max(l.Bytes, l.HeaderBytes)
	if c.maxElem <= 0 {
		c.maxElem = xmltok.DefaultLimits.Bytes
	}
}

// Transport returns what the stream runs on, for flow control and socket
// options.
func (c *Conn) Transport() *Transport { return c.t }

// TLS returns the state of the TLS connection; ok is false while the stream is
// in the clear.
func (c *Conn) TLS() (cs tls.ConnectionState, ok bool) {
	if c.tls == nil {
		return tls.ConnectionState{}, false
	}
	return c.tls.ConnectionState(), true
}

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.t.RemoteAddr() }

// LocalAddr returns the own address.
func (c *Conn) LocalAddr() net.Addr { return c.t.LocalAddr() }

// SetReadTimeout makes Read fail with os.ErrDeadlineExceeded when nothing at
// all, not even white space, arrives for d (give or take an eighth); Read may
// then be called again. 0 takes the limit away.
func (c *Conn) SetReadTimeout(d time.Duration) {
	c.timeout, c.armed = d, time.Time{}
	if d == 0 {
		c.t.SetReadDeadline(time.Time{})
	}
}

// SetReadDeadline makes Read fail with os.ErrDeadlineExceeded at that time,
// whatever arrives until then, and replaces SetReadTimeout. The zero time takes
// the limit away.
func (c *Conn) SetReadDeadline(at time.Time) error {
	c.timeout = 0
	return c.t.SetReadDeadline(at)
}

// Close ends the connection at once, without a word to the peer. A Read in
// progress returns an error.
func (c *Conn) Close() error { return c.t.Close() }
