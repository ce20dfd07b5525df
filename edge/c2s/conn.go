package c2s

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
	"stonechat/xmpp/xmltok"
)

// pingPatience is how long a silent client may take to answer a ping.
const pingPatience = time.Minute

// turnsAtOnce is how many stanzas of one burst become turns before they are worked.
const turnsAtOnce = 32

// conn is one client connection. Its read goroutine runs serve; the sink methods Write and Close may be called by anybody.
type conn struct {
	door   *Door
	number uint64
	addr   netip.AddrPort
	from   netip.Prefix

	stream  *stream.Conn
	host    *core.Host
	session *core.Session
	account jid.JID // proven by SASL
	shaking bool    // counts as a handshake
	failed  int     // wrong passwords
	stanzas bucket
	bytes   bucket

	mu      sync.Mutex
	nc      net.Conn // until the stream has it
	closing sync.Once
	closed  chan struct{} // closed when Close has done its work
}

// serve is the life of the connection.
func (c *conn) serve(nc net.Conn, direct bool) {
	defer c.door.forget(c)
	c.mu.Lock()
	c.nc = nc
	c.mu.Unlock()
	defer func() {
		if r := recover(); r != nil {
			c.door.hosts.Panics()
			c.door.obs.Log.Error("panic in a connection", obs.Conn, c.number, obs.Err, r)
			c.sever()
		}
	}()
	deadline := time.Now().Add(c.door.config.Limits.LoginTime.D())
	ctx, cancel := context.WithDeadline(c.door.ctx, deadline)
	defer cancel()
	if err := c.open(ctx, nc, direct, deadline); err != nil {
		c.refuse(err)
		return
	}
	c.settleIn()
	cancel()
	c.readLoop()
}

// open takes the connection as far as a bound or resumed session.
func (c *conn) open(ctx context.Context, nc net.Conn, direct bool, deadline time.Time) error {
	t := stream.NewTransport(nc)
	limits := c.door.config.Limits
	options := stream.Options{Limits: stream.Limits{Limits: xmltok.Limits{
		Bytes: limits.StanzaBytesLogin, HeaderBytes: min(8_000, limits.StanzaBytesLogin),
		Depth: limits.Depth, Attrs: limits.Attributes, Namespaces: limits.Namespaces,
	}, Total: limits.LoginBytes}}
	if direct {
		cfg := c.door.tls.Clone()
		cfg.NextProtos = []string{"xmpp-client"} // XEP-0368 section 3
		tc, err := stream.ServerTLS(ctx, t, cfg)
		if err != nil {
			_ = t.Close()
			return err
		}
		nc = tc
	} else {
		nc = t
	}
	s := stream.NewConn(nc, options)
	c.mu.Lock()
	c.stream = s
	c.mu.Unlock()
	if err := s.SetReadDeadline(deadline); err != nil {
		return err
	}
	if err := c.negotiate(ctx, direct); err != nil {
		return err
	}
	s.SetLimits(stream.Limits{Limits: xmltok.Limits{
		Bytes: limits.StanzaBytes, HeaderBytes: 8_000, Depth: limits.Depth, Attrs: limits.Attributes, Namespaces: limits.Namespaces,
	}})
	return s.SetReadDeadline(time.Time{})
}

// settleIn ends the counting as a handshake.
func (c *conn) settleIn() {
	if c.shaking {
		c.shaking = false
		c.door.handshakes.leave(c.from)
	}
}

// readLoop brings stanza by stanza to the owner, as long as the client is within its rates and its window.
func (c *conn) readLoop() {
	c.stream.SetReadTimeout(c.door.config.Limits.IdlePing.D())
	w := c.door.work()
	held := 0
	pinged := false
	for {
		if held > 0 && (held >= turnsAtOnce || !c.stream.Buffered()) {
			held = 0
			w.Run()
			if err := c.pace(); err != nil {
				c.lose(w, err)
				return
			}
		}
		if held == 0 && w != nil && !c.stream.Buffered() {
			c.door.works.Put(w)
			w = nil
		}
		st, err := c.stream.Read()
		if w == nil {
			w = c.door.work()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !pinged && c.door.ctx.Err() == nil {
			pinged = true
			c.ping(w)
			continue
		}
		if err != nil {
			w.Run()
			c.lose(w, err)
			return
		}
		if pinged {
			pinged = false
			c.stream.SetReadTimeout(c.door.config.Limits.IdlePing.D())
		}
		if fail := c.session.Receive(w, c, st); fail != nil {
			w.Run()
			c.lose(w, fail)
			return
		}
		c.count(st)
		held++
	}
}

// ping asks a silent client for a sign of life (XEP-0199).
func (c *conn) ping(w *core.Work) {
	c.stream.SetReadTimeout(pingPatience)
	if err := c.session.Request(w, "<ping xmlns='"+ns.Ping+"'/>", nil); err != nil {
		c.door.obs.Log.Debug("no ping", obs.Conn, c.number, obs.Err, err)
	}
	w.Run()
}

// count pays for a stanza.
func (c *conn) count(st *stanza.Stanza) {
	c.stanzas.tokens--
	c.bytes.tokens -= int64(len(st.Raw()))
}

// pace waits until what the client has sent is settled far enough, and while its buckets are in debt.
func (c *conn) pace() error {
	if err := c.session.Room(c.door.ctx); err != nil {
		return err
	}
	if !c.door.config.RateLimits {
		return nil
	}
	l, now := &c.door.config.Limits, time.Now()
	wait := max(c.stanzas.take(0, l.StanzasPerSecond, l.StanzasBurst, now), c.bytes.take(0, l.BytesPerSecond, l.BytesBurst, now))
	if wait == 0 {
		return nil
	}
	c.door.hosts.Refused("rate")
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.door.ctx.Done():
		return c.door.ctx.Err()
	}
}

// lose tells the session why nothing more is read.
func (c *conn) lose(w *core.Work, err error) {
	var broken *stanza.StreamError
	var peer *stream.PeerError
	switch {
	case c.door.ctx.Err() != nil:
		<-c.closed // shutting down: the session is still written to, and closed by its host
		return
	case errors.Is(err, io.EOF):
		c.session.Lose(w, c, core.LostClosed)
	case errors.As(err, &peer):
		c.session.Lose(w, c, core.LostError)
	case errors.As(err, &broken):
		c.session.Fail(w, c, broken)
	default:
		c.session.Lose(w, c, core.LostLine)
	}
	w.Run()
}

// refuse ends a connection that never became a session.
func (c *conn) refuse(err error) {
	if c.stream == nil {
		c.door.obs.Log.Debug("connection ended", obs.Conn, c.number, obs.Peer, c.addr.String(), obs.Err, err)
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		c.door.hosts.Refused("login_time")
		err = &stanza.StreamError{Condition: stanza.StreamConnectionTimeout}
	}
	if c.door.ctx.Err() != nil {
		err = &stanza.StreamError{Condition: stanza.StreamSystemShutdown}
	}
	c.door.obs.Log.Debug("connection ended", obs.Conn, c.number, obs.Peer, c.addr.String(), obs.Err, err)
	if errors.Is(err, io.EOF) {
		_ = c.stream.CloseStream(true, nil)
		return
	}
	_ = c.stream.Fail(err, c.header(stream.Header{}))
}

// Write is the session's sink: p goes out without waiting for the network.
func (c *conn) Write(p []byte) (ready bool, err error) {
	if _, err := c.stream.Write(p); err != nil {
		return false, err
	}
	return c.stream.Transport().Writable(), nil
}

// Close ends the connection, with a stream error if there is a reason. It does not wait.
func (c *conn) Close(reason *stanza.StreamError) {
	c.closing.Do(func() {
		go func() {
			defer close(c.closed)
			if reason != nil {
				_ = c.stream.Fail(reason, stream.Header{})
				return
			}
			_ = c.stream.End()
			_ = c.stream.Transport().Flush(2 * time.Second)
			_ = c.stream.Close()
		}()
	})
}

// interrupt makes a blocked Read return.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stream != nil:
		_ = c.stream.Transport().SetReadDeadline(time.Now())
	case c.nc != nil:
		_ = c.nc.SetReadDeadline(time.Now())
	}
}

// sever closes the socket.
func (c *conn) sever() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stream != nil:
		_ = c.stream.Close()
	case c.nc != nil:
		_ = c.nc.Close()
	}
}
