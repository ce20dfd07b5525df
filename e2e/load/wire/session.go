package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Security is how a connection is protected.
type Security int

// The ways to protect a connection.
const (
	Plain     Security = iota // no TLS at all
	DirectTLS                 // TLS from the first byte (XEP-0368)
	StartTLS                  // RFC 6120 section 5
	WebSocket                 // with TLS below (RFC 7395)
)

// Login says who logs in where and how.
type Login struct {
	Addr     string // host:port
	From     string // address to come from; empty: whichever the system takes
	Host     string // XMPP domain
	User     string
	Password string
	Resource string
	Security Security
	Acks     bool // enable XEP-0198
	// Resumable asks for a session that can be resumed, with Acks. Previous is one that this log-in resumes if the server lets it; otherwise a new
	// one is bound.
	Resumable bool
	Previous  *Session
	Floor     bool // the one-line login of the floor programs instead of XMPP
	Keys      *Keys
}

// Session is a bound session. One goroutine reads; any may send.
type Session struct {
	JID     string // full address as the server bound it
	SM      string // id by which it can be resumed; empty: it cannot
	Resumed bool   // it is the continuation of login.Previous, whose counts go on
	login   Login
	conn    net.Conn
	scan    *Scanner
	acks    bool
	handled uint32        // stanzas received since <enabled/>
	acked   atomic.Uint32 // stanzas the server has acknowledged
	answer  []byte
}

const (
	nsAck       = "urn:xmpp:sm:3"
	readBuffer  = 4096
	closingWait = 5 * time.Second
)

// ErrRefused says that the answer to a request is an error (RFC 6120 section
// 8.3.1).
var ErrRefused = errors.New("wire: request refused")

// Dial connects and logs in, through binding and, when asked, XEP-0198. No
// presence is sent. The whole takes until ctx ends at most.
func Dial(ctx context.Context, login Login) (*Session, error) {
	return connect(ctx, login, func(s *Session) error { return s.negotiate(ctx) })
}

// connect opens a connection and has negotiate do the rest.
func connect(ctx context.Context, login Login, negotiate func(*Session) error) (*Session, error) {
	var dialer net.Dialer
	if ip := net.ParseIP(login.From); ip != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: ip}
	}
	conn, err := dialer.DialContext(ctx, "tcp", login.Addr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	s := &Session{login: login}
	s.use(conn)
	if err := negotiate(s); err != nil {
		return nil, errors.Join(fmt.Errorf("log-in of %s: %w", login.User, err), conn.Close())
	}
	return s, s.conn.SetDeadline(time.Time{})
}

func (s *Session) use(conn net.Conn) {
	s.conn = conn
	s.scan = NewScanner(conn, readBuffer)
}

func (s *Session) negotiate(ctx context.Context) error {
	switch s.login.Security {
	case WebSocket:
		if err := s.upgrade(ctx); err != nil {
			return err
		}
	case DirectTLS:
		if err := s.startTLS(ctx); err != nil {
			return err
		}
	}
	if s.login.Floor {
		return s.floorLogin()
	}
	if s.login.Security == StartTLS {
		if err := s.open(); err != nil {
			return err
		}
		if _, err := s.exchange("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "proceed"); err != nil {
			return err
		}
		if err := s.startTLS(ctx); err != nil {
			return err
		}
	}
	if err := s.open(); err != nil {
		return err
	}
	if err := s.authenticate(); err != nil {
		return err
	}
	s.scan = NewScanner(s.conn, readBuffer)
	if err := s.open(); err != nil {
		return err
	}
	if p := s.login.Previous; p != nil && p.SM != "" {
		if done, err := s.resume(p); done || err != nil {
			return err
		}
	}
	return s.bind()
}

// resume is XEP-0198 section 5. What the server had of ours is in Acked then.
func (s *Session) resume(p *Session) (resumed bool, err error) {
	request := "<resume xmlns='" + nsAck + "' previd='" + p.SM + "' h='" + strconv.FormatUint(uint64(p.handled), 10) + "'/>"
	if err := s.Send([]byte(request)); err != nil {
		return false, err
	}
	element, err := s.scan.Next()
	switch {
	case err != nil:
		return false, err
	case Named(element, "failed"):
		return false, nil
	case !Named(element, "resumed"):
		return false, fmt.Errorf("wire: want <resumed/>, got %.300s", element)
	}
	h, err := strconv.ParseUint(string(Attr(element, "h")), 10, 32)
	if err != nil {
		return false, fmt.Errorf("wire: resumption %.100s: %w", element, err)
	}
	s.acked.Store(uint32(h))
	s.acks, s.handled, s.JID, s.SM, s.Resumed = true, p.handled, p.JID, p.SM, true
	return true, nil
}

func (s *Session) startTLS(ctx context.Context) error {
	// The servers under test show a throw-away certificate on loopback. The
	// group is fixed so that all of them do the same key exchange.
	conn := tls.Client(s.conn, &tls.Config{
		ServerName:         s.login.Host,
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS13,
		CurvePreferences:   []tls.CurveID{tls.X25519},
		NextProtos:         []string{"xmpp-client"},
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	s.use(conn)
	return nil
}

func (s *Session) floorLogin() error {
	if err := s.Send([]byte(s.login.User + "\n")); err != nil {
		return err
	}
	_, err := s.exchange("", "ok")
	s.JID = s.login.User
	return err
}

// open sends a stream header and reads the server's and its features.
func (s *Session) open() error {
	if s.login.Security == WebSocket {
		if _, err := s.exchange("<open xmlns='"+nsFraming+"' to='"+s.login.Host+"' version='1.0'/>", "open"); err != nil {
			return err
		}
		_, err := s.exchange("", "stream:features")
		return err
	}
	_, err := s.exchange("<?xml version='1.0'?><stream:stream to='"+s.login.Host+
		"' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", "stream:stream")
	if err != nil {
		return err
	}
	_, err = s.exchange("", "stream:features")
	return err
}

// exchange sends text and wants an element called name next.
func (s *Session) exchange(text, name string) ([]byte, error) {
	if text != "" {
		if err := s.Send([]byte(text)); err != nil {
			return nil, err
		}
	}
	element, err := s.scan.Next()
	if err != nil {
		return nil, err
	}
	if !Named(element, name) {
		return nil, fmt.Errorf("wire: want <%s/>, got %.300s", name, element)
	}
	return element, nil
}

func (s *Session) authenticate() error {
	exchange := newScram(s.login.Keys, s.login.User, s.login.Password)
	challenge, err := s.exchange("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>"+
		exchange.first()+"</auth>", "challenge")
	if err != nil {
		return err
	}
	answer, err := exchange.final(string(Between(challenge, ">", "<")))
	if err != nil {
		return err
	}
	success, err := s.exchange("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"+answer+"</response>", "success")
	if err != nil {
		return err
	}
	return exchange.verify(string(Between(success, ">", "<")))
}

func (s *Session) bind() error {
	result, err := s.IQ("bind", "set", "", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>"+
		s.login.Resource+"</resource></bind>")
	if err != nil {
		return err
	}
	s.JID = string(Between(result, "<jid>", "</jid>"))
	if s.JID == "" {
		return fmt.Errorf("wire: bound to no address: %.300s", result)
	}
	if !s.login.Acks {
		return nil
	}
	enable := "<enable xmlns='" + nsAck + "'/>"
	if s.login.Resumable {
		enable = "<enable xmlns='" + nsAck + "' resume='true'/>"
	}
	enabled, err := s.exchange(enable, "enabled")
	if err != nil {
		return err
	}
	s.SM = string(Attr(enabled, "id"))
	s.acks, s.handled = true, 0
	return nil
}

// Send writes bytes as they are. It is safe for concurrent use.
func (s *Session) Send(b []byte) error {
	_, err := s.conn.Write(b)
	return err
}

// Next returns the next stanza; acknowledgements are answered and taken in on
// the way (XEP-0198 section 4). The slice is valid until the next call.
func (s *Session) Next() ([]byte, error) {
	for {
		element, err := s.scan.Next()
		if err != nil {
			return nil, err
		}
		switch {
		case Named(element, "r"):
			if err := s.acknowledge(); err != nil {
				return nil, err
			}
		case Named(element, "a"):
			n, err := strconv.ParseUint(string(Attr(element, "h")), 10, 32)
			if err != nil {
				return nil, fmt.Errorf("wire: acknowledgement %.100s: %w", element, err)
			}
			s.acked.Store(uint32(n))
			return element, nil
		case Named(element, "stream:error"):
			return nil, fmt.Errorf("wire: stream error %.300s", element)
		default:
			s.handled++
			return element, nil
		}
	}
}

func (s *Session) acknowledge() error {
	s.answer = append(s.answer[:0], "<a xmlns='"+nsAck+"' h='"...)
	s.answer = strconv.AppendUint(s.answer, uint64(s.handled), 10)
	s.answer = append(s.answer, "'/>"...)
	return s.Send(s.answer)
}

// RequestAck asks how many stanzas the server has taken charge of; Next
// returns the answer as an element named "a".
func (s *Session) RequestAck() error { return s.Send([]byte("<r xmlns='" + nsAck + "'/>")) }

// Acked returns the number of stanzas the server has acknowledged so far.
func (s *Session) Acked() uint32 { return s.acked.Load() }

// IQ sends a request and returns its result; other stanzas that arrive before
// it are dropped. An error answer is an error. The slice is valid until the
// next read.
func (s *Session) IQ(id, kind, to, payload string) ([]byte, error) {
	return s.Query(id, kind, to, payload, nil)
}

// Query is IQ with a function that sees every stanza that arrives before the
// result.
func (s *Session) Query(id, kind, to, payload string, before func([]byte)) ([]byte, error) {
	var text strings.Builder
	text.WriteString("<iq id='" + id + "' type='" + kind + "'")
	if to != "" {
		text.WriteString(" to='" + to + "'")
	}
	text.WriteString(">" + payload + "</iq>")
	if err := s.Send([]byte(text.String())); err != nil {
		return nil, err
	}
	for {
		element, err := s.Next()
		if err != nil {
			return nil, err
		}
		if !Named(element, "iq") || !bytes.Equal(Attr(element, "id"), []byte(id)) {
			if before != nil {
				before(element)
			}
			continue
		}
		if bytes.Equal(Attr(element, "type"), []byte("error")) {
			return nil, fmt.Errorf("%w: %s: %.300s", ErrRefused, id, element)
		}
		return element, nil
	}
}

// SetReadDeadline bounds the following reads.
func (s *Session) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// Close logs out in order (RFC 6120 section 4.4): it closes the stream, waits
// for the server to do the same and closes the connection. Nobody else may be
// reading.
func (s *Session) Close() error {
	if s.login.Floor {
		return s.conn.Close()
	}
	deadline := s.conn.SetDeadline(time.Now().Add(closingWait))
	last := []string{"<presence type='unavailable'/></stream:stream>"}
	if s.login.Security == WebSocket {
		last = []string{"<presence type='unavailable'/>", "<close xmlns='" + nsFraming + "'/>"}
	}
	var err error
	for _, text := range last {
		err = errors.Join(err, s.Send([]byte(text)))
	}
	for err == nil {
		_, err = s.scan.Next()
	}
	if errors.Is(err, ErrStreamEnd) || errors.Is(err, io.EOF) {
		err = nil
	}
	// The server may have closed the connection already; then TLS cannot say
	// good-bye, which is no failure of the log-out.
	_ = s.conn.Close()
	return errors.Join(deadline, err)
}

// Drop closes the connection without a word, for sessions whose end is not
// part of a figure. A reader of the session then gets an error.
func (s *Session) Drop() error { return s.conn.Close() }
