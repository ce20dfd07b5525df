package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// ALPNClient is the protocol name of direct TLS for clients (XEP-0368
// section 3).
const ALPNClient = "xmpp-client"

// Login is how a client comes to a session.
type Login struct {
	// JID is the account. Its resource, if there is one, is asked for.
	JID jid.JID
	// Password is the password of the account.
	Password string
	// Address is host:port, or the address of a WebSocket: wss://host:port/path, or
	// ws:// with AllowCleartext. Empty means the domain of the account with port
	// 5222, or 5223 for direct TLS; SRV records are not looked up. A server may send a
	// client from one WebSocket to another (RFC 7395 section 3.6.1).
	Address string
	// Dial opens the connection; nil means a plain TCP dialler.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// DirectTLS begins with TLS (XEP-0368) instead of STARTTLS.
	DirectTLS bool
	// TLS is the configuration, copied; nil means the defaults. An empty
	// ServerName becomes the domain of the account, or the host of the WebSocket.
	TLS *tls.Config
	// AllowCleartext goes on without TLS when the server does not offer it. It
	// is for tests on one machine.
	AllowCleartext bool
	// AllowPlain lets the password itself be sent (RFC 4616), on TLS only.
	AllowPlain bool
	// Classic logs in by RFC 6120 also where the server offers XEP-0388.
	Classic bool
	// Agent is what the server is told of this installation (XEP-0388). Without an
	// ID there are no tokens.
	Agent UserAgent
	// Tag names the client in its resource, the rest of which the server chooses
	// (XEP-0386), and goes before a resource in JID where that is offered. Offline
	// messages are not sent then: whoever sets a Tag reads the archive.
	Tag string
	// KeepToken asks for a Token to come back with (XEP-0484).
	KeepToken bool
	// Token is tried first. With it nothing is awaited inside of TLS before the
	// session is asked for. When it is refused and there is no Password the error is a
	// *LoginError and sasl.ErrPassword.
	Token Token
	// Lang is the language for texts of the server.
	Lang string
	// Manage asks for acknowledgements and resumption (XEP-0198).
	Manage bool
	// Resume, if its ID is set, is tried first; a new resource is bound when the
	// server refuses, over another connection when it finds the count impossible.
	Resume Resumption
	// Register, if set, makes the account first, or sets its password.
	Register *Registration
	// Limits bound the server; the zero value means AfterLogin.
	Limits Limits
}

// Session is a stream that is logged in.
type Session struct {
	// Conn is the stream.
	Conn *Conn
	// JID is the full address; zero after a resumption, which keeps the old one.
	JID jid.JID
	// Features are the features offered after the log-in; by XEP-0388 a resumption
	// leaves those from before it.
	Features *stanza.Stanza
	// Early are stanzas that came before management was enabled and are not
	// counted.
	Early []*stanza.Stanza
	// Managed says that stanzas are counted from now on, or still.
	Managed bool
	// Resumed says that the old session goes on.
	Resumed bool
	// Resumption is what the server said when it enabled management.
	Resumption Resumption
	// Token is a new one, which takes the place of any other; nil when there is none.
	Token *Token
	// TokenRefused says that Login.Token is of no use any more.
	TokenRefused bool
	// PeerHandled is the server's count of the old session, if PeerCounted.
	PeerHandled uint32
	// PeerCounted says that the server told the count, also when it refused.
	PeerCounted bool
}

// Errors of Connect.
var (
	// ErrNoTLS: the server offers no TLS and Login does not allow to go on.
	ErrNoTLS = errors.New("stream: server does not offer TLS")
	// ErrNegotiation: the server said something that does not fit its place.
	ErrNegotiation = errors.New("stream: unexpected element during negotiation")
)

// LoginError is a refused log-in (RFC 6120 section 6.5).
type LoginError struct {
	// Condition is the failure condition.
	Condition sasl.Condition
	// Text is the server's explanation, or "".
	Text string
}

// Error returns condition and text.
func (e *LoginError) Error() string {
	if e.Text == "" {
		return "stream: log-in refused: " + string(e.Condition)
	}
	return "stream: log-in refused: " + string(e.Condition) + ": " + e.Text
}

// Connect opens a connection and negotiates until stanzas can flow: TLS, SASL,
// and either a resumption or a new resource. Cancelling ctx ends the attempt;
// it has no influence afterwards. Among its errors are *LoginError, ErrNoTLS,
// *PeerError, and those of package sasl and of the network.
func Connect(ctx context.Context, l Login) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for moves := 0; ; moves++ {
		s, err := connectOnce(ctx, l)
		var moved *MovedError
		if moves == maxMoves || !errors.As(err, &moved) || !MayMove(l.Address, moved.URI) {
			return s, err
		}
		l.Address = moved.URI
	}
}

// maxMoves is how often a server may send a client elsewhere before the log-in.
const maxMoves = 5

// connectOnce is Connect to one address. What the server ends the stream for is left out then: a session of which it counts otherwise, or a
// token that confuses it.
func connectOnce(ctx context.Context, l Login) (*Session, error) {
	s, err := attempt(ctx, l)
	var peer *PeerError
	if errors.As(err, &peer) && l.Resume.ID != "" && strings.HasPrefix(peer.Err.App, "<handled-count-too-high") && ctx.Err() == nil {
		l.Resume = Resumption{} // XEP-0198 section 6: it would say so again
		s, err = attempt(ctx, l)
	}
	if l.Token.Secret != "" && !l.Classic && confused(err) && ctx.Err() == nil {
		// The server may have forgotten how to read what was sent without awaiting its offer, or take no password behind a token.
		l.Token = Token{}
		if s, err = attempt(ctx, l); err == nil {
			s.TokenRefused = s.Token == nil
		}
	}
	return s, err
}

// confused tells whether the token may be the reason for which it did not work: a server that goes down, or has no room, would say so to everybody.
func confused(err error) bool {
	var peer *PeerError
	var refused *LoginError
	var moved *MovedError
	switch {
	case errors.As(err, &moved), errors.Is(err, sasl.ErrPassword):
		return false // there is an answer, and nothing else to try
	case errors.As(err, &peer):
		switch peer.Err.Condition {
		case stanza.StreamConnectionTimeout, stanza.StreamReset, stanza.StreamResourceConstraint, stanza.StreamSystemShutdown:
			return false
		}
		return true
	}
	return errors.As(err, &refused) && refused.Condition == sasl.InvalidMechanism
}

// attempt is one connection.
func attempt(ctx context.Context, l Login) (*Session, error) {
	n := &negotiation{ctx: ctx, l: l}
	if err := n.dial(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { n.nc.Close() })
	s, err := n.run()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		n.giveUp()
		return nil, err
	}
	return s, nil
}

// connectTimeout bounds Connect, also when its context has no deadline.
const connectTimeout = 2 * time.Minute

// maxEarly bounds what a server may say between bind and enable.
const maxEarly = 32

// negotiation is one run of Connect.
type negotiation struct {
	ctx  context.Context
	l    Login
	nc   net.Conn
	ws   *url.URL // of a WebSocket
	conn *Conn

	features *stanza.Stanza // before the log-in
}

func (n *negotiation) dial() error {
	address := n.l.Address
	switch {
	case IsWebSocket(address):
		u, err := ParseWebSocket(address)
		if err != nil {
			return err
		}
		if u.Scheme != "wss" && !n.l.AllowCleartext {
			return ErrNoTLS
		}
		n.ws, address = u, hostPort(u)
	case address == "":
		port := "5222"
		if n.l.DirectTLS {
			port = "5223"
		}
		address = net.JoinHostPort(n.l.JID.Domain(), port)
	}
	dial := n.l.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	nc, err := dial(n.ctx, "tcp", address)
	n.nc = nc
	return err
}

// giveUp closes politely what is still open.
func (n *negotiation) giveUp() {
	if n.conn == nil {
		n.nc.Close()
		return
	}
	_ = n.conn.End(nil)
	n.conn.Close()
}

func (n *negotiation) run() (*Session, error) {
	opt := Options{Initiating: true, Space: ns.Client, Limits: n.l.Limits}
	nc := net.Conn(NewTransport(n.nc))
	if n.l.DirectTLS && n.ws == nil || n.ws != nil && n.ws.Scheme == "wss" {
		tc, err := ClientTLS(n.ctx, nc.(*Transport), n.tlsConfig(true))
		if err != nil {
			return nil, err
		}
		nc = tc
	}
	if n.ws != nil {
		early, err := dialUpgrade(n.ctx, nc, n.ws)
		if err != nil {
			return nil, err
		}
		opt.WebSocket, opt.Early = true, early
	}
	n.conn = NewConn(nc, opt)
	if n.conn.tls == nil {
		return n.outside()
	}
	return n.inside()
}

// outside begins where anybody can listen, and goes on inside TLS if there is any.
func (n *negotiation) outside() (*Session, error) {
	features, err := n.open(nil)
	// RFC 7395 section 3.9: TLS is below the WebSocket, and what is said of it within is ignored.
	if err == nil && n.ws == nil {
		err = n.encrypt(features)
	}
	switch {
	case err != nil:
		return nil, err
	case n.conn.tls != nil:
		return n.inside()
	case n.l.Register != nil:
		return nil, ErrNoTLS
	}
	return n.classic(features)
}

// inside goes on where nobody can listen: with a token at once, or as the server offers.
func (n *negotiation) inside() (*Session, error) {
	quick := n.byToken()
	var ahead []byte
	if quick != nil {
		ahead = quick.wish.AppendXML(nil)
	}
	var err error
	if n.features, err = n.open(ahead); err != nil {
		return nil, err
	}
	var refused *LoginError
	if quick != nil {
		s, err := quick.run()
		if !errors.As(err, &refused) || refused.Condition == sasl.TemporaryAuthFailure {
			return s, err
		}
	}
	s, err := n.slow()
	switch {
	case quick == nil:
	case err == nil:
		s.TokenRefused = s.Token == nil
	case n.l.Password == "":
		err = fmt.Errorf("%w: %w", refused, err) // the token was all there was
	}
	return s, err
}

// slow logs in with the password, after registering if that is wanted.
func (n *negotiation) slow() (*Session, error) {
	if n.l.Register != nil {
		if err := n.register(n.features); err != nil {
			return nil, err
		}
	}
	o, ok := ParseSASL2Offer(n.features)
	if !ok || n.l.Classic {
		return n.classic(n.features)
	}
	_, types, err := offered(n.features)
	if err != nil {
		return nil, err
	}
	x, err := n.byPassword(o, types)
	if err != nil {
		return nil, err
	}
	if _, err := n.conn.Write(x.wish.AppendXML(nil)); err != nil {
		return nil, err
	}
	return x.run()
}

// classic logs in and begins by RFC 6120.
func (n *negotiation) classic(features *stanza.Stanza) (*Session, error) {
	if err := n.authenticate(features); err != nil {
		return nil, err
	}
	n.conn.Restart()
	features, err := n.open(nil)
	if err != nil {
		return nil, err
	}
	s := &Session{Conn: n.conn, Features: features}
	return s, n.begin(s, true)
}

func (n *negotiation) tlsConfig(direct bool) *tls.Config {
	cfg := &tls.Config{}
	if n.l.TLS != nil {
		cfg = n.l.TLS.Clone()
	}
	switch {
	case cfg.ServerName != "":
	case n.ws != nil:
		// XEP-0156 section 2.2: who chose the address has trusted its host.
		cfg.ServerName = n.ws.Hostname()
	default:
		cfg.ServerName = n.l.JID.Domain()
	}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	switch {
	case n.ws != nil:
		cfg.NextProtos = []string{"http/1.1"}
	case direct && len(cfg.NextProtos) == 0:
		cfg.NextProtos = []string{ALPNClient}
	}
	return cfg
}

// open exchanges headers and reads the features. ahead follows our own in the same write.
func (n *negotiation) open(ahead []byte) (*stanza.Stanza, error) {
	h := Header{To: n.l.JID.DomainJID(), Lang: n.l.Lang}
	if n.conn.tls != nil {
		// RFC 6120 section 4.7.1: the own address only where nobody listens.
		h.From = n.l.JID.Bare()
	}
	if err := n.conn.sendHeader(h, ahead); err != nil {
		return nil, err
	}
	if _, err := n.conn.ReadHeader(); err != nil {
		return nil, err
	}
	return n.expect(ns.Streams, "features")
}

// read is Read for a place where the peer may not close.
func (n *negotiation) read() (*stanza.Stanza, error) {
	st, err := n.conn.Read()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return st, err
}

func (n *negotiation) expect(space, local string) (*stanza.Stanza, error) {
	st, err := n.read()
	if err != nil {
		return nil, err
	}
	if st.Space != space || st.Local != local {
		return nil, fmt.Errorf("%w: %s instead of %s", ErrNegotiation, st.Local, local)
	}
	return st, nil
}

// encrypt does STARTTLS (RFC 6120 section 5).
func (n *negotiation) encrypt(features *stanza.Stanza) error {
	if !features.Has(ns.TLS, "starttls") {
		if n.l.AllowCleartext {
			return nil
		}
		return ErrNoTLS
	}
	if err := n.conn.SendXML("<starttls xmlns='" + ns.TLS + "'/>"); err != nil {
		return err
	}
	if _, err := n.expect(ns.TLS, "proceed"); err != nil {
		return err
	}
	return n.conn.StartTLS(n.ctx, n.tlsConfig(false))
}

// authenticate does SASL (RFC 6120 section 6).
func (n *negotiation) authenticate(features *stanza.Stanza) error {
	login := sasl.Login{Username: n.l.JID.Local(), Password: n.l.Password}
	if n.conn.tls != nil {
		login.AllowPlain = n.l.AllowPlain
		login.Bindings = n.conn.Bindings(nil)
	}
	mechanisms, bindingTypes, err := offered(features)
	if err != nil {
		return err
	}
	login.ServerBindings = bindingTypes
	client, err := sasl.NewClient(mechanisms, login)
	if err != nil {
		return err
	}
	if _, err := n.conn.Write(appendAuth(nil, client.Mechanism(), client.Start())); err != nil {
		return err
	}
	for {
		st, err := n.read()
		if err != nil {
			return err
		}
		if st.Space != ns.SASL {
			return fmt.Errorf("%w: %s", ErrNegotiation, st.Local)
		}
		if done, err := n.saslStep(client, st); done || err != nil {
			return err
		}
	}
}

func (n *negotiation) saslStep(client *sasl.Client, st *stanza.Stanza) (done bool, err error) {
	if st.Local == "failure" {
		return true, loginError(st)
	}
	data, err := ParseSASL(st)
	if err != nil {
		return true, err
	}
	switch st.Local {
	case "success":
		return true, client.Finish(data)
	case "challenge":
		response, err := client.Next(data)
		if err != nil {
			_ = n.conn.SendXML("<abort xmlns='" + ns.SASL + "'/>")
			return true, err
		}
		if len(response) == 0 {
			response = nil
		}
		_, err = n.conn.Write(AppendSASL(nil, "response", response))
		return false, err
	}
	return true, fmt.Errorf("%w: %s", ErrNegotiation, st.Local)
}

// begin resumes, if that was not tried yet, or binds (RFC 6120 section 7,
// XEP-0198 sections 3 and 5).
func (n *negotiation) begin(s *Session, resume bool) error {
	managed := s.Features.Has(ns.StreamManagement, "sm")
	if resume && n.l.Resume.ID != "" && managed {
		if err := n.resume(s); err != nil || s.Resumed {
			return err
		}
	}
	if err := n.bind(s); err != nil {
		return err
	}
	if n.l.Manage && managed {
		return n.enable(s)
	}
	return nil
}

func (n *negotiation) resume(s *Session) error {
	if err := n.conn.SendXML(resumeRequest(n.l.Resume)); err != nil {
		return err
	}
	st, err := n.read()
	if err != nil {
		return err
	}
	s.PeerHandled, s.PeerCounted = Handled(st)
	switch {
	case st.Space == ns.StreamManagement && st.Local == "resumed" && s.PeerCounted:
		s.Resumed, s.Managed, s.Resumption = true, true, n.l.Resume
		return nil
	case st.Space == ns.StreamManagement && st.Local == "failed":
		return nil
	}
	return fmt.Errorf("%w: %s instead of resumed", ErrNegotiation, st.Local)
}
