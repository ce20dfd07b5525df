package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// A server that has no time now says nothing of the token: it is not given up, and nothing else is tried meanwhile. One that does not understand what it
// was sent is tried without.
func TestTokenOutlivesARestart(t *testing.T) {
	cfg, roots := certificate(t)
	for _, x := range []struct {
		condition stanza.StreamCondition
		password  string
		attempts  int32
	}{
		{stanza.StreamSystemShutdown, password, 1},
		{stanza.StreamResourceConstraint, password, 1},
		{stanza.StreamConnectionTimeout, "", 1},
		{stanza.StreamUnsupportedStanzaType, password, 2},
		{stanza.StreamUnsupportedStanzaType, "", 2}, // whether the server would want a password is worth knowing
	} {
		var attempts atomic.Int32
		_, err := Connect(t.Context(), Login{
			JID: jid.MustParse("juliet@" + domain), Password: x.password, DirectTLS: true, TLS: &tls.Config{RootCAs: roots},
			Agent: UserAgent{ID: "d4565fa7-4d72-4749-b3d3-740edbf87770"},
			Token: Token{Mechanism: sasl.HTNone, Secret: "secret", Expires: time.Now().Add(time.Hour)},
			Dial: func(context.Context, string, string) (net.Conn, error) {
				attempts.Add(1)
				client, server := sockets(t)
				go func() {
					tc, err := ServerTLS(t.Context(), NewTransport(server), cfg)
					if err != nil {
						return
					}
					c := NewConn(tc, Options{})
					if _, err := c.ReadHeader(); err == nil {
						_ = c.Fail(&stanza.StreamError{Condition: x.condition}, Header{From: jid.MustParse(domain)})
					}
				}()
				return client, nil
			},
		})
		var peer *PeerError
		if !errors.As(err, &peer) || peer.Err.Condition != x.condition || errors.Is(err, sasl.ErrPassword) || attempts.Load() != x.attempts {
			t.Errorf("%s, password %q: %d attempts, %v", x.condition, x.password, attempts.Load(), err)
		}
	}
}
