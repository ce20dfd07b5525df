package wire

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// script is a server that plays its part word by word.
type script struct {
	t    *testing.T
	conn net.Conn
	scan *Scanner
}

// serve runs play for the one connection to the address returned; what it
// returns comes through the channel.
func serve(t *testing.T, play func(*script) error) (string, <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	result := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			result <- err
			return
		}
		defer conn.Close()
		result <- errors.Join(conn.SetDeadline(time.Now().Add(20*time.Second)), play(&script{t: t, conn: conn, scan: NewScanner(conn, 64)}))
	}()
	return listener.Addr().String(), result
}

func (s *script) say(text string) error {
	_, err := s.conn.Write([]byte(text))
	return err
}

// want reads an element and checks that it contains every text.
func (s *script) want(texts ...string) (string, error) {
	element, err := s.scan.Next()
	if err != nil {
		return "", fmt.Errorf("waiting for %q: %w", texts, err)
	}
	for _, text := range texts {
		if !strings.Contains(string(element), text) {
			return "", fmt.Errorf("no %q in %s", text, element)
		}
	}
	return string(element), nil
}

// turns alternates between reading (texts to find) and saying.
func (s *script) turns(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] != "" {
			if _, err := s.want(pairs[i]); err != nil {
				return err
			}
		}
		if err := s.say(pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

const header = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' id='1'><stream:features><x/></stream:features>"

// login plays SCRAM-SHA-1 (RFC 5802) as a server does, from stored keys.
func (s *script) login(password string) error {
	keys, err := DeriveKeys(password, []byte("salt"), 100)
	if err != nil {
		return err
	}
	if err := s.turns("to='example.org'", header); err != nil {
		return err
	}
	auth, err := s.want("mechanism='SCRAM-SHA-1'")
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(string(Between([]byte(auth), ">", "<")))
	if err != nil {
		return err
	}
	bare := strings.TrimPrefix(string(raw), "n,,")
	_, nonce, _ := strings.Cut(bare, ",r=")
	first := "r=" + nonce + "more,s=" + encode("salt") + ",i=100"
	if err := s.say("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + encode(first) + "</challenge>"); err != nil {
		return err
	}
	response, err := s.want("<response")
	if err != nil {
		return err
	}
	raw, err = base64.StdEncoding.DecodeString(string(Between([]byte(response), ">", "<")))
	if err != nil {
		return err
	}
	without, proof, _ := strings.Cut(string(raw), ",p=")
	given, err := base64.StdEncoding.DecodeString(proof)
	if err != nil {
		return err
	}
	message := bare + "," + first + "," + without
	for i, b := range sign(keys.StoredKey, message) {
		given[i] ^= b
	}
	if stored := sha1.Sum(given); !hmac.Equal(stored[:], keys.StoredKey) {
		return s.say("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")
	}
	return s.say("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + encode("v="+base64.StdEncoding.EncodeToString(sign(keys.ServerKey, message))) + "</success>")
}

func dial(t *testing.T, address, password string) (*Session, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return Dial(ctx, Login{Addr: address, Host: "example.org", User: "juliet", Password: password, Resource: "load", Acks: true, Keys: NewKeys()})
}

// XEP-0198 section 4: exactly the stanzas after <enabled/> are counted, and
// what the server acknowledges is taken in.
func TestSessionCountsStanzas(t *testing.T) {
	address, played := serve(t, func(s *script) error {
		if err := s.login("secret"); err != nil {
			return err
		}
		s.scan = NewScanner(s.conn, 64)
		err := s.turns("<stream:stream", header,
			"urn:ietf:params:xml:ns:xmpp-bind", "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>juliet@example.org/load</jid></bind></iq>",
			"<enable ", "<enabled xmlns='urn:xmpp:sm:3'/><r xmlns='urn:xmpp:sm:3'/>",
			"h='0'", "<message><body>1</body></message><presence/><r xmlns='urn:xmpp:sm:3'/><message><body>2</body></message><a xmlns='urn:xmpp:sm:3' h='7'/>",
			"h='2'", "",
			"id='q'", "<message/><r xmlns='urn:xmpp:sm:3'/><iq type='result' id='q'/>")
		if err != nil {
			return err
		}
		if _, err := s.want("h='4'"); err != nil {
			return err
		}
		if _, err := s.want("<presence type='unavailable'/>"); err != nil {
			return err
		}
		if _, err := s.scan.Next(); !errors.Is(err, ErrStreamEnd) {
			return fmt.Errorf("after the last presence: %w", err)
		}
		return s.say("</stream:stream>")
	})
	session, err := dial(t, address, "secret")
	if err != nil {
		t.Fatal(err)
	}
	if session.JID != "juliet@example.org/load" {
		t.Errorf("bound to %q", session.JID)
	}
	for _, want := range []string{"<message><body>1</body></message>", "<presence/>", "<message><body>2</body></message>", "<a xmlns='urn:xmpp:sm:3' h='7'/>"} {
		stanza, err := session.Next()
		if err != nil || string(stanza) != want {
			t.Fatalf("got %q, %v; want %q", stanza, err, want)
		}
	}
	if session.Acked() != 7 {
		t.Errorf("acknowledged %d, want 7", session.Acked())
	}
	if _, err := session.IQ("q", "get", "", "<x/>"); err != nil {
		t.Fatal(err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	if err := <-played; err != nil {
		t.Error(err)
	}
}

func TestSessionRefused(t *testing.T) {
	address, played := serve(t, func(s *script) error { return s.login("another") })
	if _, err := dial(t, address, "secret"); err == nil || !strings.Contains(err.Error(), "not-authorized") {
		t.Errorf("log-in with a false password: %v", err)
	}
	if err := <-played; err != nil {
		t.Error(err)
	}
}
