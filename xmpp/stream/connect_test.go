package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

func TestConnect(t *testing.T) {
	cfg, roots := certificate(t)
	for _, tc := range []struct {
		name      string
		tls       *tls.Config
		direct    bool
		login     Login
		mechanism string
	}{
		{name: "clear", login: Login{AllowCleartext: true, Manage: true}},
		{name: "starttls", tls: cfg, login: Login{Manage: true}},
		{name: "direct", tls: cfg, direct: true, login: Login{Manage: true, DirectTLS: true}},
		{name: "tls 1.2", tls: &tls.Config{Certificates: cfg.Certificates, MaxVersion: tls.VersionTLS12}, login: Login{Manage: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newReceiver(t, tc.tls)
			r.direct = tc.direct
			tc.login.TLS = &tls.Config{RootCAs: roots}
			s, far, err := connect(t, r, tc.login)
			if err != nil || far.err != nil {
				t.Fatalf("client: %v, server: %v", err, far.err)
			}
			if s.JID.String() != "juliet@example.net/balcony" || !s.Managed || s.Resumed {
				t.Errorf("session %+v", s)
			}
			if want := (Resumption{ID: "resume-me", Max: 300 * time.Second, Location: "[::1]:99"}); s.Resumption != want {
				t.Errorf("resumption %+v", s.Resumption)
			}
			if len(s.Early) != 1 || s.Early[0].ID != "early" {
				t.Errorf("early stanzas %v", s.Early)
			}
			cs, ok := s.Conn.TLS()
			if ok != (tc.tls != nil) || tc.direct && cs.NegotiatedProtocol != ALPNClient {
				t.Errorf("TLS %v, protocol %q", ok, cs.NegotiatedProtocol)
			}
			converse(t, s.Conn, far.conn)
			converse(t, far.conn, s.Conn)
		})
	}
}

// converse sends small and large stanzas one way.
func converse(t *testing.T, from, to *Conn) {
	t.Helper()
	done := make(chan error, 1)
	sizes := []int{1, 100, 20_000, 150_000, 3}
	go func() {
		for _, n := range sizes {
			st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.Chat}, "<body>"+string(letters(n))+"</body>")
			if err == nil {
				err = from.Send(st)
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for _, n := range sizes {
		st, err := to.Read()
		if err != nil {
			t.Fatal(err)
		}
		body, _ := st.Child("jabber:client", "body")
		if body.Text() != string(letters(n)) {
			t.Fatalf("body of %d bytes came as %d", n, len(body.Text()))
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func letters(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return b
}

func TestResume(t *testing.T) {
	for _, tc := range []struct {
		handled, peer uint32
		resumed       bool
	}{{7, 5, true}, {8, 3, false}} {
		r := newReceiver(t, nil)
		s, far, err := connect(t, r, Login{AllowCleartext: true, Manage: true, Resume: Resumption{ID: "a'b", Handled: tc.handled}})
		if err != nil || far.err != nil {
			t.Fatalf("client: %v, server: %v", err, far.err)
		}
		if s.Resumed != tc.resumed || s.PeerHandled != tc.peer || !s.PeerCounted || !s.Managed || s.JID.IsZero() != tc.resumed {
			t.Errorf("h=%d: %+v", tc.handled, s)
		}
	}
}

func TestConnectRefused(t *testing.T) {
	cfg, roots := certificate(t)
	t.Run("no TLS", func(t *testing.T) {
		if _, _, err := connect(t, newReceiver(t, nil), Login{}); !errors.Is(err, ErrNoTLS) {
			t.Error(err)
		}
	})
	t.Run("unknown certificate", func(t *testing.T) {
		var unknown *tls.CertificateVerificationError
		if _, _, err := connect(t, newReceiver(t, cfg), Login{}); !errors.As(err, &unknown) {
			t.Error(err)
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		_, far, err := connect(t, newReceiver(t, cfg), Login{TLS: &tls.Config{RootCAs: roots}, Password: "wrong"})
		var refused *LoginError
		if !errors.As(err, &refused) || refused.Condition != sasl.NotAuthorized {
			t.Error(err)
		}
		var told *sasl.Error
		if !errors.As(far.err, &told) || told.Condition != sasl.NotAuthorized {
			t.Error(far.err)
		}
	})
	t.Run("injection", func(t *testing.T) {
		r := newReceiver(t, cfg)
		r.inject = "<stream:features/>"
		if _, _, err := connect(t, r, Login{TLS: &tls.Config{RootCAs: roots}}); !errors.Is(err, ErrInjected) {
			t.Error(err)
		}
	})
	t.Run("management refused", func(t *testing.T) {
		r := newReceiver(t, nil)
		r.sm = ""
		s, _, err := connect(t, r, Login{AllowCleartext: true, Manage: true})
		if err != nil || s.Managed || s.Resumption.ID != "" {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

func TestConnectCancelled(t *testing.T) {
	client, _ := sockets(t)
	ctx, cancel := context.WithCancel(context.Background())
	l := Login{JID: jid.MustParse("juliet@example.net"), Password: password}
	l.Dial = func(context.Context, string, string) (net.Conn, error) {
		// The server says nothing; the attempt ends when the caller gives up.
		time.AfterFunc(20*time.Millisecond, cancel)
		return client, nil
	}
	if _, err := Connect(ctx, l); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
