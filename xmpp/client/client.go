// Package client is a logged-in XMPP client for programs: sending with
// acknowledgement, requests with their answers, roster, presence, messages,
// archive, and sessions that survive a cut line (XEP-0198).
//
// A Client has one goroutine, the reader, whatever it does; thousands of them
// fit in one process. All functions in Config are called by that goroutine, or
// by Dial and Resume before it starts, one at a time: they may call Send, but
// nothing that waits for an answer from the server, such as IQ. Send waits when
// too much is unacknowledged, so they should give it a context with a deadline.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

// Config says how to log in and what to do with what comes.
type Config struct {
	// JID is the account.
	JID jid.JID
	// Password is the password of the account.
	Password string
	// Address is host:port, or the address of a WebSocket (wss://…); empty means the
	// domain's standard port.
	Address string
	// Dial opens the connection; nil means TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// DirectTLS begins with TLS instead of STARTTLS (XEP-0368).
	DirectTLS bool
	// TLS is the TLS configuration; nil means the defaults.
	TLS *tls.Config
	// AllowCleartext goes on without TLS if the server offers none. For tests.
	AllowCleartext bool
	// AllowPlain lets the password be sent as it is, over TLS only.
	AllowPlain bool
	// Resource is the resource to ask for; empty leaves it to the server or to JID.
	Resource string
	// Lang is the language for texts of the server.
	Lang string
	// Classic logs in by RFC 6120 also where the server offers XEP-0388.
	Classic bool
	// Agent is what the server is told of this installation (XEP-0388). Its ID is
	// a UUID that stays the same; without one there are no tokens.
	Agent stream.UserAgent
	// Tag names the client in its resource, where the server lets it (XEP-0386).
	// With it the server sends no offline messages: read the archive.
	Tag string
	// Fast is a token of an earlier Client to log in with (XEP-0484).
	Fast stream.Token
	// KeepFast, if set, gets every new token, which takes the place of any other,
	// and the zero Token when the last one is of no use any more. Dial calls it
	// before it returns.
	KeepFast func(stream.Token)

	// Register, if set, makes the account before the first log-in, or sets its
	// password.
	Register *stream.Registration

	// StreamManagement asks for acknowledgements and resumption (XEP-0198).
	StreamManagement bool
	// Resume takes up a session of an earlier Client; see Client.Token.
	Resume Token
	// MaxUnacked bounds how many stanzas wait for acknowledgement; Send waits
	// beyond it. 0 means 1000.
	MaxUnacked int
	// Reconnect, if set, connects again when the line is cut.
	Reconnect *Backoff
	// KeepAlive asks the server for a sign of life after that much silence, and
	// takes the line for cut after as much again. 0 means never.
	KeepAlive time.Duration

	// Handle gets every message and presence that is not dealt with otherwise.
	// If it is nil they come through Incoming.
	Handle func(*stanza.Stanza)
	// Queue is the size of the Incoming channel; 0 means 256. A full channel
	// stops the reader, and so the server.
	Queue int
	// IQ answers requests: with a payload, which may be empty, or an error, of
	// which a *stanza.Error goes out as it is. If it is nil they are refused.
	// Pings and roster pushes do not come here.
	IQ func(*stanza.Stanza) (payload string, err error)
	// Carbon gets copies of messages of other resources (XEP-0280), proven to
	// come from the own account.
	Carbon func(message *stanza.Stanza, sent bool)
	// RosterPush gets changes of the roster, proven to come from the own account.
	RosterPush func(RosterItem)
	// Acked gets every stanza that the server has acknowledged.
	Acked func(*stanza.Stanza)
	// Online is called when a session has begun or goes on after a cut, but not
	// by Dial itself. After a new session (resumed is false) presence and
	// carbons must be asked for again.
	Online func(resumed bool)
	// Offline is called when the line was cut or the session has ended.
	Offline func(err error)
}

// Errors of a Client.
var (
	// ErrClosed: the Client was closed.
	ErrClosed = errors.New("client: closed")
	// ErrOffline: there is no connection and nothing may be kept for later.
	ErrOffline = errors.New("client: not connected")
	// ErrLost: the session ended before the server acknowledged or answered.
	ErrLost = errors.New("client: session lost")
	// ErrUnmanaged: the session has no stream management, so nothing is
	// acknowledged.
	ErrUnmanaged = errors.New("client: no stream management")
	// ErrOnline: the line is not cut.
	ErrOnline = errors.New("client: connected")
)

// state of a Client.
type state uint8

const (
	online  state = iota
	cut           // may be resumed
	closing       // Close was called
	ended
)

// Client is one account's session. All methods may be called from any
// goroutine, but see Config for the functions it calls.
type Client struct {
	cfg      *Config
	incoming chan *stanza.Stanza // nil when Config.Handle is set
	done     chan struct{}       // closed when the session has ended for good

	mu       sync.Mutex
	state    state
	conn     *stream.Conn
	moved    string // where the server wants us, instead of Config.Address
	jid      jid.JID
	bare     jid.JID
	features *stanza.Stanza
	err      error
	out      []byte // not handed to conn yet
	writing  bool   // somebody is handing over
	wake     chan struct{}

	managed    bool
	asked      bool // <r/> is on its way
	handled    uint32
	acked      uint32
	unacked    []*Ticket
	resumption stream.Resumption
	fast       stream.Token
	inHand     bool // the reader is at a stanza that does not count yet
	leaving    bool // say goodbye when it does
	refused    bool // the one in hand shall not count
	left       bool // nothing counts any more
	parting    bool // the end tag follows what is in out, and nothing follows it
	parted     bool // the end tag is on its way

	seq     uint64
	prefix  string
	calls   map[string]*call
	queries map[string]*page
	cancel  context.CancelFunc // ends reconnecting
	ctx     context.Context
}

// Dial connects and logs in. ctx bounds only that. Errors are those of
// stream.Connect.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	if cfg.MaxUnacked <= 0 {
		cfg.MaxUnacked = 1000
	}
	c := &Client{cfg: &cfg, done: make(chan struct{}), prefix: newID()[:8]}
	if cfg.Handle == nil {
		if cfg.Queue <= 0 {
			cfg.Queue = 256
		}
		c.incoming = make(chan *stanza.Stanza, cfg.Queue)
	}
	c.bare = cfg.JID.Bare()
	c.fast = cfg.Fast
	c.adopt(cfg.Resume)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	s, err := c.connect(ctx)
	if err != nil {
		c.cancel()
		return nil, err
	}
	c.mu.Lock()
	settled := c.attach(s)
	c.mu.Unlock()
	c.tell(settled)
	go c.run(s)
	return c, nil
}

// login makes the wish of stream.Connect; mu is held.
func (c *Client) login() (stream.Login, error) {
	cfg := c.cfg
	l := stream.Login{
		JID: cfg.JID, Password: cfg.Password, Address: cfg.Address, Dial: cfg.Dial,
		DirectTLS: cfg.DirectTLS, TLS: cfg.TLS, AllowCleartext: cfg.AllowCleartext, AllowPlain: cfg.AllowPlain,
		Lang: cfg.Lang, Manage: cfg.StreamManagement, Resume: c.resumption,
		Classic: cfg.Classic, Agent: cfg.Agent, Tag: cfg.Tag, Token: c.fast, KeepToken: cfg.KeepFast != nil,
	}
	if c.moved != "" {
		l.Address = c.moved
	}
	l.Resume.Handled = c.handled
	if c.conn == nil {
		l.Register = cfg.Register // once, not with each new connection
	}
	resource := cfg.Resource
	if r := c.jid.Resource(); resource == "" && r != "" {
		resource = r
	}
	if resource == "" {
		return l, nil
	}
	full, err := cfg.JID.WithResource(resource)
	l.JID = full
	return l, err
}

// connect opens a connection, where the server would like it at first.
func (c *Client) connect(ctx context.Context) (*stream.Session, error) {
	c.mu.Lock()
	l, err := c.login()
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	// XEP-0198 section 3: the preferred place, and if that fails the usual one.
	if at := l.Resume.Location; at != "" && l.Resume.ID != "" && !stream.IsWebSocket(l.Address) {
		there := l
		there.Address = withPort(at, l.DirectTLS)
		if s, err := stream.Connect(ctx, there); err == nil {
			c.keepFast(s)
			return s, nil
		}
	}
	s, err := stream.Connect(ctx, l)
	if err == nil {
		c.keepFast(s)
	}
	return s, err
}

// keepFast takes over what a log-in has changed about the token. It must not be
// lost: the old one may be good for nothing once the new one was used.
func (c *Client) keepFast(s *stream.Session) {
	fresh := stream.Token{}
	if s.Token != nil {
		fresh = *s.Token
	} else if !s.TokenRefused {
		return
	}
	c.mu.Lock()
	c.fast = fresh
	c.mu.Unlock()
	if c.cfg.KeepFast != nil {
		c.cfg.KeepFast(fresh)
	}
}

func withPort(location string, direct bool) string {
	if _, _, err := net.SplitHostPort(location); err == nil {
		return location
	}
	port := "5222"
	if direct {
		port = "5223"
	}
	if n := len(location); n > 1 && location[0] == '[' && location[n-1] == ']' {
		location = location[1 : n-1]
	}
	return net.JoinHostPort(location, port)
}

// JID returns the full address of the session.
func (c *Client) JID() jid.JID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jid
}

// Features returns what the server offered after the log-in.
func (c *Client) Features() *stanza.Stanza {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.features
}

// Incoming returns the messages and presence that came when Config.Handle is
// nil. It is closed when the session has ended for good.
func (c *Client) Incoming() <-chan *stanza.Stanza { return c.incoming }

// Done is closed when the session has ended for good; Err then tells why.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the line was cut or the session ended; nil while connected,
// ErrClosed after Close.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == online {
		return nil
	}
	return c.err
}

// Close ends the session: what was sent goes out, the stream is closed, and the
// server is given a short time to do the same. What the server hears to have
// arrived is exactly what Config.Handle has had and returned from. Close waits
// for the reader, so the functions in Config must not call it; see Leave.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	if c.state == ended {
		c.mu.Unlock()
		return nil
	}
	was, conn := c.state, c.conn
	c.state, c.err = closing, ErrClosed
	now := was == online && !c.inHand
	if now {
		c.left = true
	} else if was == online {
		c.leaving = true
	}
	c.mu.Unlock()
	c.cancel()
	if was == cut && c.cfg.Reconnect == nil {
		c.finish(ErrClosed)
		return nil
	}
	if now {
		c.sayGoodbye()
	}
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	}
	conn.Close()
	<-c.done
	return ctx.Err()
}

// Leave ends the session like Close, as of the stanza in hand, of which took
// says whether it still counts as arrived. Nothing behind it is handled or
// counted, so that the server keeps it for the next session. Leave is for the
// functions in Config that get a stanza, and does not wait; see Done. Elsewhere
// it does nothing.
func (c *Client) Leave(took bool) {
	c.mu.Lock()
	if c.inHand && (c.state == online || c.state == closing) {
		c.state, c.err, c.leaving, c.refused = closing, ErrClosed, true, !took
	}
	c.mu.Unlock()
}

// closeWait is how long Close waits for the reader, which waits for the server
// for less than that; see stream.Conn.CloseStream.
const closeWait = 4 * time.Second

// sayGoodbye tells the server what arrived, as XEP-0198 section 4 recommends,
// and has the stream closed behind it.
func (c *Client) sayGoodbye() {
	c.mu.Lock()
	if c.managed {
		c.out = stream.AppendAck(c.buffer(), c.handled)
	}
	c.parting = true
	c.flush()
	c.mu.Unlock()
}

// part closes the stream once everything has been handed over, and wakes the
// reader, which waits for the server to do the same. mu is held, and given back
// meanwhile.
func (c *Client) part() {
	conn := c.conn
	c.mu.Unlock()
	// The reader finds out if the line is broken.
	_ = conn.End(nil)
	c.mu.Lock()
	c.parted = true
	_ = conn.Transport().SetReadDeadline(time.Now())
}

// Cut breaks the connection without a word, as a failing network would. The
// session goes on at the server for a while; see Resume.
func (c *Client) Cut() {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	conn.Close()
}

// finish ends everything for good.
func (c *Client) finish(err error) {
	c.mu.Lock()
	if c.state == ended {
		c.mu.Unlock()
		return
	}
	c.state, c.err = ended, err
	tickets, calls := c.unacked, c.calls
	c.unacked, c.calls, c.queries, c.out = nil, nil, nil, nil
	for _, t := range tickets {
		t.settle(ErrLost)
	}
	c.progress()
	c.mu.Unlock()
	c.cancel()
	for _, call := range calls {
		close(call.answer)
	}
	if c.incoming != nil {
		close(c.incoming)
	}
	close(c.done)
}
