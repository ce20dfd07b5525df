package component

import (
	"context"
	"crypto/sha1"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
	"stonechat/xmpp/xmltok"
)

const (
	turnsAtOnce = 32 // stanzas that become turns before they are worked
	lastWords   = 2 * time.Second
)

// keepAlive finds out that the machine of a silent component is gone, which would keep its successor out.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// conn is one connection. Its goroutine owns everything but what mu guards; it is the sink of its link.
type conn struct {
	door *Door
	nc   net.Conn
	tls  *tls.Config // nil: in the clear

	mu     sync.Mutex
	stream *stream.Conn // nil until TLS is done

	pace pace
}

// serve is the life of a connection.
func (c *conn) serve() {
	defer c.door.leave(c)
	defer func() {
		if r := recover(); r != nil {
			c.door.figures.Panics()
			c.door.obs.Log.Error("panic in a connection of a component", obs.Err, r, "stack", string(debug.Stack()))
		}
		_ = c.nc.Close()
	}()
	ctx, cancel := context.WithTimeout(c.door.ctx, c.door.config.Limits.LoginTime.D())
	defer cancel()
	of, err := c.open(ctx)
	if err != nil {
		c.refuse(err)
		return
	}
	c.door.known(c)
	c.attend(of)
}

// open takes the connection as far as a component that has shown its secret.
func (c *conn) open(ctx context.Context) (*core.Component, error) {
	deadline, _ := ctx.Deadline()
	t := stream.NewTransport(c.nc)
	limits := &c.door.config.Limits
	if err := t.SetOptions(stream.SocketOptions{UserTimeout: limits.Stall.D(), KeepAlive: keepAlive}); err != nil {
		c.door.obs.Log.Debug("socket options", obs.Err, err)
	}
	var nc net.Conn = t
	if c.tls != nil {
		tc, err := stream.ServerTLS(ctx, t, c.tls)
		if err != nil {
			return nil, err
		}
		nc = tc
	}
	s := stream.NewConn(nc, stream.Options{Space: ns.ComponentAccept, WriteTimeout: limits.Stall.D(), Limits: stream.Limits{Limits: xmltok.Limits{
		Bytes: limits.StanzaBytesLogin, HeaderBytes: min(8_000, limits.StanzaBytesLogin),
		Depth: limits.Depth, Attrs: limits.Attributes, Namespaces: limits.Namespaces,
	}, Total: limits.LoginBytes}})
	c.mu.Lock()
	c.stream = s
	c.mu.Unlock()
	if err := s.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err // the interruption may have come before the deadline that replaced it
	}
	of, err := c.shake()
	if err != nil {
		return nil, err
	}
	s.SetLimits(stream.Limits{Limits: xmltok.Limits{
		Bytes: limits.StanzaBytes, HeaderBytes: 8_000, Depth: limits.Depth, Attrs: limits.Attributes, Namespaces: limits.Namespaces,
	}})
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return of, c.door.ctx.Err()
}

// shake is XEP-0114 section 3.
func (c *conn) shake() (*core.Component, error) {
	h, err := c.stream.ReadHeader()
	if err != nil {
		return nil, err
	}
	of, key := c.door.router.Component(h.To.Domain()), c.door.keys[h.To.Domain()]
	if of == nil || key == "" || !h.To.IsDomain() {
		return nil, &stanza.StreamError{Condition: stanza.StreamHostUnknown}
	}
	id := stream.NewID()
	if err := c.stream.SendHeader(stream.Header{From: of.Domain, ID: id, NoVersion: true}, ""); err != nil {
		return nil, err
	}
	st, err := c.stream.Read()
	switch {
	case err != nil:
		return nil, err
	case st.Local != "handshake" || st.Kind != stanza.Nonza || st.Space != ns.ComponentAccept:
		return nil, &stanza.StreamError{Condition: stanza.StreamNotAuthorized}
	}
	if !proves(strings.TrimSpace(st.Inner()), id, key) {
		c.door.figures.Refused("component_secret")
		c.door.obs.Log.Warn("wrong secret of a component", "component", of.Domain.String(), obs.Peer, c.nc.RemoteAddr().String())
		return nil, &stanza.StreamError{Condition: stanza.StreamNotAuthorized}
	}
	return of, nil
}

// proves tells whether a handshake was made with the secret.
func proves(handshake, id, key string) bool {
	sum := sha1.Sum([]byte(id + key))
	return subtle.ConstantTimeCompare([]byte(handshake), []byte(hex.EncodeToString(sum[:]))) == 1
}

// refuse ends a connection that never became a component's.
func (c *conn) refuse(err error) {
	c.door.obs.Log.Debug("connection of a component ended", obs.Peer, c.nc.RemoteAddr().String(), obs.Err, err)
	if c.stream == nil {
		return
	}
	if c.door.ctx.Err() != nil {
		err = &stanza.StreamError{Condition: stanza.StreamSystemShutdown}
	}
	_ = c.stream.Fail(err, stream.Header{ID: stream.NewID(), NoVersion: true})
}

// attend connects the component, and reads until the connection ends.
func (c *conn) attend(of *core.Component) {
	log := c.door.obs.Log.With("component", of.Domain.String(), obs.Peer, c.nc.RemoteAddr().String())
	w := core.NewWork(c.door.pool)
	link, err := of.Connect(w, c)
	if err != nil {
		// The first connection stays: a second one is a mistake in somebody's configuration, and replacing would let the two fight for ever.
		c.door.figures.Refused("component_conflict")
		log.Warn("component refused", obs.Err, err)
		_ = c.stream.Fail(&stanza.StreamError{Condition: stanza.StreamConflict, Text: err.Error()}, stream.Header{})
		return
	}
	log.Info("component connected")
	c.stream.Transport().OnWritable(func() { c.door.pool.Do(link.Writable) })
	if err = c.stream.SendXML("<handshake/>"); err == nil {
		link.Writable(w)
		err = c.read(w, link)
	}
	if c.door.ctx.Err() != nil {
		<-c.door.over // what is told meanwhile, such as who has left, it still gets
		err = &stanza.StreamError{Condition: stanza.StreamSystemShutdown}
	}
	link.End(w)
	w.Run()
	log.Info("component disconnected", obs.Err, err)
	if errors.Is(err, io.EOF) {
		_ = c.stream.CloseStream(true, nil)
		return
	}
	_ = c.stream.Fail(err, stream.Header{})
}

// read brings what the component says on its way. What arrives together becomes turns together.
func (c *conn) read(w *core.Work, link *core.Link) error {
	w.Run()
	for held := 0; ; {
		st, err := c.stream.Read()
		if err != nil {
			return err
		}
		c.pace.spend(len(st.Raw()))
		if fail := link.Receive(w, st); fail != nil {
			w.Run()
			return fail
		}
		if held++; held < turnsAtOnce && c.stream.Buffered() {
			continue
		}
		held = 0
		w.Run()
		if err := link.Room(c.door.ctx); err != nil {
			return err
		}
		if err := c.rest(); err != nil {
			return err
		}
	}
}

// rest waits while the component has sent faster than it may.
func (c *conn) rest() error {
	if !c.door.config.RateLimits {
		return nil
	}
	wait := c.pace.wait(&c.door.config.Components, time.Now())
	if wait == 0 {
		return nil
	}
	c.door.figures.Refused("component_rate")
	return core.Sleep(c.door.ctx, wait)
}

// Write is the link's sink: p goes out without waiting for the network.
func (c *conn) Write(p []byte) (ready bool, err error) {
	if _, err := c.stream.Write(p); err != nil {
		return false, err
	}
	return c.stream.Transport().Writable(), nil
}

// Close ends the connection. It does not wait: whoever reads has the link told.
func (c *conn) Close(*stanza.StreamError) { _ = c.nc.Close() }

// interrupt makes a blocked Read return.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		_ = c.stream.Transport().Interrupt()
		return
	}
	_ = c.nc.SetReadDeadline(time.Now())
}
