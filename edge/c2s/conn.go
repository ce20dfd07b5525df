package c2s

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
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

// lastWords is how long a client gets to take what is said to it last.
const lastWords = 2 * time.Second

// turnsAtOnce is how many stanzas of one burst become turns before they are worked.
const turnsAtOnce = 32

// conn is one client connection. Its reading goroutine owns everything but what mu guards; the sink methods Write and Close may be called by anybody.
type conn struct {
	door   *Door
	number uint64
	berth
	from netip.Prefix // what limits are counted by

	stream  *stream.Conn
	host    *core.Host
	session *core.Session
	guest   jid.JID        // let in without an account; zero: it was none
	account jid.JID        // proven by SASL
	lang    string         // of stanzas that name none
	before  *core.Stranger // what modules keep of it until it is logged in
	hurry   *time.Timer    // ends the way to a log-in
	hidden  bool           // see arrival
	failed  int            // wrong passwords
	waited  time.Duration  // before the last word on a password
	work    *core.Work     // while a burst is read
	held    int            // turns brought and not worked yet
	pinged  bool           // the client was silent and is asked for a sign of life
	lost    bool           // the session was told that nothing more is read
	stanzas bucket
	bytes   bucket

	modern     bool           // by XEP-0388: there is no stream restart
	introduced jid.JID        // from of the client's last header
	claimed    jid.JID        // whom the log-in must prove, if it is anybody
	entrance   *core.Entrance // of a log-in that has no resource yet; see core.Binding

	mu      sync.Mutex
	nc      net.Conn            // until the stream has it
	why     *stanza.StreamError // what Close was told
	closing sync.Once
	closed  chan struct{} // closed when Close has done its work
	halves  atomic.Int32  // see half
}

// serve takes the connection as far as a session, on a goroutine whose deep stack does not stay. What stays is a fresh one.
func (c *conn) serve(a arrival) {
	c.mu.Lock()
	c.nc = a.nc
	c.mu.Unlock()
	if !c.begin(a) {
		c.leave()
		return
	}
	c.attend()
}

// attend has the session's connection read until it ends. It does not wait.
func (c *conn) attend() {
	c.door.poller.Serve(c.stream, c.receive, func() {
		c.half()
		c.leave()
	})
}

// leave ends the connection for the door, and for the session unless that knows already: after a mistake of ours, or when the line broke as
// soon as there was a session.
func (c *conn) leave() {
	if c.session != nil && !c.lost && c.door.ctx.Err() == nil {
		w := core.NewWork(c.door.pool)
		c.session.Lose(w, c, core.LostLine)
		w.Run()
	}
	if c.session == nil && !c.guest.IsZero() {
		c.host.DismissGuest(c.guest)
	}
	c.door.forget(c)
}

// begin tells whether there is a session; otherwise the connection is closed.
func (c *conn) begin(a arrival) (bound bool) {
	defer c.guard()
	ctx, cancel := context.WithCancelCause(c.door.ctx)
	defer cancel(nil)
	within := c.door.config.Limits.LoginTime.D()
	c.hurry = time.AfterFunc(within, func() { cancel(context.DeadlineExceeded) })
	defer c.hurry.Stop()
	if err := c.open(ctx, a, time.Now().Add(within)); err != nil {
		if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			err = context.DeadlineExceeded
		}
		c.refuse(err)
		return false
	}
	c.settleIn()
	c.stream.SetReadTimeout(c.patience())
	return true
}

// guard keeps a mistake on one connection from ending the process.
func (c *conn) guard() {
	if r := recover(); r != nil {
		c.panicked(r, debug.Stack())
		c.work = nil // nobody knows in which state it is
		c.sever()
	}
}

// panicked counts and logs a mistake of ours.
func (c *conn) panicked(value any, stack []byte) {
	c.door.hosts.Panics()
	c.door.obs.Log.Error("panic in a connection", obs.Conn, c.number, obs.Err, value, "stack", string(stack))
}

// open takes the connection as far as a bound or resumed session.
func (c *conn) open(ctx context.Context, a arrival, deadline time.Time) error {
	t := transport(a.nc)
	limits := c.door.config.Limits
	// A line that takes our bytes and never confirms them is dead, however much still fits into the socket.
	if err := t.SetOptions(stream.SocketOptions{UserTimeout: limits.Stall.D()}); err != nil {
		c.door.obs.Log.Debug("socket options", obs.Conn, c.number, obs.Err, err)
	}
	options := stream.Options{WebSocket: a.how == framed, Early: a.early, WriteTimeout: limits.Stall.D(), Limits: stream.Limits{Limits: xmltok.Limits{
		Bytes: limits.StanzaBytesLogin, HeaderBytes: min(8_000, limits.StanzaBytesLogin),
		Depth: limits.Depth, Attrs: limits.Attributes, Namespaces: limits.Namespaces,
	}, Total: limits.LoginBytes}}
	nc := a.nc
	switch a.how {
	case startTLS:
		nc = t
	case directTLS:
		tc, err := stream.ServerTLS(ctx, t, c.door.direct)
		if err != nil {
			_ = t.Close()
			return err
		}
		nc = tc
	}
	s := stream.NewConn(nc, options)
	c.hidden = a.hidden
	c.mu.Lock()
	c.stream = s
	c.mu.Unlock()
	if err := s.SetReadDeadline(deadline); err != nil {
		return err
	}
	if err := c.door.ctx.Err(); err != nil {
		return err // the interruption of reading may have come before the deadline that replaced it
	}
	if err := c.negotiate(ctx, a.how != startTLS); err != nil {
		return err
	}
	s.SetLimits(stream.Limits{Limits: xmltok.Limits{
		Bytes: limits.StanzaBytes, HeaderBytes: 8_000, Depth: limits.Depth, Attrs: limits.Attributes, Namespaces: limits.Namespaces,
	}})
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return c.door.ctx.Err()
}

// transport is what a connection runs on.
func transport(nc net.Conn) *stream.Transport {
	if tc, ok := nc.(*tls.Conn); ok {
		nc = tc.NetConn()
	}
	if t, ok := nc.(*stream.Transport); ok {
		return t
	}
	return stream.NewTransport(nc)
}

// settleIn ends the counting as a handshake.
func (c *conn) settleIn() {
	if c.shaking != nil {
		c.shaking.leave()
	}
}

// makeRoom ends a handshake for the sake of newer ones.
func (c *conn) makeRoom() {
	c.door.hosts.Refused("handshakes_dropped")
	c.sever()
}

// receive brings one stanza to the owner, as long as the client is within its rates and its window. Stanzas that arrive together become
// turns together: they are worked when nothing more is in hand, which neither a stanza nor an error says. It returns false when nothing
// more is to be read.
func (c *conn) receive(st *stanza.Stanza, err error) (more bool) {
	defer c.guard()
	if st == nil && err == nil {
		if c.work == nil {
			return true
		}
		more = c.settle()
		c.rest()
		return more
	}
	if c.work == nil {
		c.work = c.door.work()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.pinged && c.door.ctx.Err() == nil:
		c.ping(c.work)
		c.rest()
		return true
	case err != nil:
		var mistake *stream.PanicError
		if errors.As(err, &mistake) {
			c.panicked(mistake.Value, mistake.Stack)
		}
		c.work.Run()
		c.lose(c.work, err)
		return false
	case c.pinged:
		c.pinged = false
		c.stream.SetReadTimeout(c.patience())
	}
	st.DefaultLang(c.lang)
	if fail := c.session.Receive(c.work, c, st); fail != nil {
		c.work.Run()
		c.lose(c.work, fail)
		return false
	}
	if st.Space == ns.ClientState {
		c.stream.SetReadTimeout(c.patience())
	}
	c.count(st)
	c.held++
	if c.held < turnsAtOnce && !c.session.Full() {
		return true
	}
	return c.settle()
}

// settle works the turns of what was received, and returns when the client may send more; false when nothing more is to be read.
func (c *conn) settle() bool {
	c.held = 0
	c.work.Run()
	if err := c.pace(); err != nil {
		c.lose(c.work, err)
		return false
	}
	return true
}

// rest gives back what an idle connection need not hold.
func (c *conn) rest() {
	c.door.works.Put(c.work)
	c.work = nil
}

// patience is how long the client may be silent before it is pinged: a ping wakes a telephone that nobody looks at.
func (c *conn) patience() time.Duration {
	if c.session.Inactive() {
		return c.door.config.Limits.IdlePingInactive.D()
	}
	return c.door.config.Limits.IdlePing.D()
}

// ping asks a silent client for a sign of life (XEP-0199).
func (c *conn) ping(w *core.Work) {
	if err := c.session.Request(w, "<ping xmlns='"+ns.Ping+"'/>", nil); err != nil {
		c.door.obs.Log.Debug("no ping", obs.Conn, c.number, obs.Err, err) // it is asked when it has been silent for as long again
		return
	}
	c.pinged = true
	c.stream.SetReadTimeout(pingPatience)
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
	return core.Sleep(c.door.ctx, wait)
}

// lose tells the session why nothing more is read.
func (c *conn) lose(w *core.Work, err error) {
	var broken *stanza.StreamError
	var peer *stream.PeerError
	c.lost = true
	c.door.obs.Log.Debug("connection ended", obs.Conn, c.number, obs.JID, c.session.JID.String(), obs.Peer, c.addr.String(), obs.Err, c.cause(err))
	switch {
	case c.door.ctx.Err() != nil:
		select {
		case <-c.closed: // shutting down: the session is still written to, and closed by its host
			c.stream.Linger()
		case <-c.door.severed:
		}
		return
	case errors.Is(err, io.EOF):
		c.session.Lose(w, c, core.LostClosed)
		if c.stream.Framed() {
			w.Run()
			c.part() // the close frame of the client is on its way
		}
	case errors.As(err, &peer):
		c.session.Lose(w, c, core.LostError)
	case errors.As(err, &broken):
		c.session.Fail(w, c, broken)
		w.Run()
		c.part()
	default:
		c.session.Lose(w, c, core.LostLine)
	}
	w.Run()
}

// part gives the client a moment to hear what is said to it last.
func (c *conn) part() {
	select {
	case <-c.closed:
		c.stream.Linger()
	case <-time.After(lastWords):
	}
}

// cause is why nothing more is read: if we have closed the connection it is not what the read says then.
func (c *conn) cause(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return c.why
	}
	return err
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

// Address is where the client is.
func (c *conn) Address() netip.AddrPort { return c.addr }

// Close ends the connection, with a stream error if there is a reason. It does not wait. A client that is told a reason gets a moment to
// read it: closing a socket with unread bytes in it would take back what was sent last, so they are read until then.
func (c *conn) Close(reason *stanza.StreamError) {
	c.closing.Do(func() {
		c.mu.Lock()
		c.why = reason
		c.mu.Unlock()
		go func() {
			defer close(c.closed)
			_ = c.stream.End(reason)
			if (reason == nil && !c.stream.Framed()) || c.stream.CloseWrite() != nil {
				_ = c.stream.Transport().Flush(lastWords)
				_ = c.stream.Close()
				return
			}
			time.AfterFunc(lastWords, func() { _ = c.stream.Close() })
			c.half()
		}()
	})
}

// half is called when everything is said and when everything is read; the second of them closes the socket.
func (c *conn) half() {
	if c.halves.Add(1) == 2 {
		_ = c.stream.Close()
	}
}

// interrupt makes a blocked Read return.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stream != nil:
		_ = c.stream.Transport().Interrupt()
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
