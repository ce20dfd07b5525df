package wire

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
)

// fastMechanism is the token mechanism without channel binding (XEP-0484
// section 3).
const fastMechanism = "HT-SHA-256-NONE"

// Ticket is what a session needs to come back in one round trip behind TLS.
type Ticket struct {
	device string // a UUID, which the token is bound to
	token  string // of XEP-0484
	id     string // of XEP-0198
	login  Login
	jid    string
}

// DialTicket is Dial by SASL2 and Bind 2 (XEP-0388, XEP-0386), with a session
// that can be resumed and a token for the way back.
func DialTicket(ctx context.Context, login Login) (*Session, Ticket, error) {
	ticket := Ticket{device: uuid(), login: login}
	s, err := dialTLS(ctx, login, func(s *Session) error { return s.begin(&ticket) })
	return s, ticket, err
}

// Back comes back with a ticket: header, token and
// resumption in one write. It fails when the session is not resumed; the new
// ticket has the new token, if there is one.
func Back(ctx context.Context, t Ticket, handled uint32) (*Session, Ticket, error) {
	s, err := dialTLS(ctx, t.login, func(s *Session) error { return s.back(&t, handled) })
	return s, t, err
}

// Handled is the number of stanzas received, for Back. The reader must have
// ended.
func (s *Session) Handled() uint32 { return s.handled }

// dialTLS connects with TLS and has negotiate do the rest.
func dialTLS(ctx context.Context, login Login, negotiate func(*Session) error) (*Session, error) {
	return connect(ctx, login, func(s *Session) error {
		if err := s.startTLS(ctx); err != nil {
			return err
		}
		return negotiate(s)
	})
}

// authenticate2 sends the header and the beginning of the log-in together.
func (s *Session) authenticate2(t *Ticket, mechanism string, initial []byte, inline string) error {
	return s.Send([]byte("<?xml version='1.0'?><stream:stream to='" + s.login.Host + "' version='1.0' xmlns='jabber:client' " +
		"xmlns:stream='http://etherx.jabber.org/streams'><authenticate xmlns='urn:xmpp:sasl:2' mechanism='" + mechanism + "'><initial-response>" +
		base64.StdEncoding.EncodeToString(initial) + "</initial-response><user-agent id='" + t.device + "'><software>load</software></user-agent>" + inline + "</authenticate>"))
}

// opened reads the server's header and features.
func (s *Session) opened() error {
	_, err := s.exchange("", "stream:stream")
	if err == nil {
		_, err = s.exchange("", "stream:features")
	}
	return err
}

func (s *Session) begin(t *Ticket) error {
	scram := newScram(s.login.Keys, s.login.User, s.login.Password)
	err := s.authenticate2(t, "SCRAM-SHA-1", []byte("n,,"+scram.bare), "<bind xmlns='urn:xmpp:bind:0'><tag>load</tag><enable xmlns='"+nsAck+
		"' resume='true'/></bind><request-token xmlns='urn:xmpp:fast:0' mechanism='"+fastMechanism+"'/>")
	if err != nil {
		return err
	}
	if err := s.opened(); err != nil {
		return err
	}
	challenge, err := s.exchange("", "challenge")
	if err != nil {
		return err
	}
	answer, err := scram.final(string(Between(challenge, ">", "<")))
	if err != nil {
		return err
	}
	success, err := s.exchange("<response xmlns='urn:xmpp:sasl:2'>"+answer+"</response>", "success")
	if err != nil {
		return err
	}
	if err := scram.verify(string(Between(success, "<additional-data>", "<"))); err != nil {
		return err
	}
	t.jid = string(Between(success, "<authorization-identifier>", "<"))
	t.token = attrOf(success, "<token ", "token")
	t.id = attrOf(success, "<enabled ", "id")
	if t.jid == "" || t.token == "" || t.id == "" {
		return fmt.Errorf("wire: no token or no session that can be resumed: %.600s", success)
	}
	s.JID, s.acks, s.handled = t.jid, true, 0
	_, err = s.exchange("", "stream:features")
	return err
}

func (s *Session) back(t *Ticket, handled uint32) error {
	mac := hmac.New(sha256.New, []byte(t.token))
	mac.Write([]byte("Initiator"))
	initial := append([]byte(s.login.User+"\x00"), mac.Sum(nil)...)
	err := s.authenticate2(t, fastMechanism, initial, "<fast xmlns='urn:xmpp:fast:0'/><resume xmlns='"+nsAck+"' previd='"+t.id+"' h='"+
		strconv.FormatUint(uint64(handled), 10)+"'/>")
	if err != nil {
		return err
	}
	if err := s.opened(); err != nil {
		return err
	}
	success, err := s.exchange("", "success")
	if err != nil {
		return err
	}
	if !bytes.Contains(success, []byte("<resumed ")) {
		return fmt.Errorf("%w: not resumed: %.600s", ErrRefused, success)
	}
	if token := attrOf(success, "<token ", "token"); token != "" {
		t.token = token
	}
	s.JID, s.acks, s.handled = t.jid, true, handled
	return nil
}

// attrOf is an attribute of the first tag within b that begins like this.
func attrOf(b []byte, tag, name string) string {
	i := bytes.Index(b, []byte(tag))
	if i < 0 {
		return ""
	}
	return string(Attr(b[i:], name))
}

// uuid returns a UUID version 4, as XEP-0388 section 2.2 wants it.
func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
