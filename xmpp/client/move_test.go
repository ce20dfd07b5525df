package client

import (
	"testing"

	"stonechat/xmpp/jid"
)

// A server may send its client from one WebSocket to another, never to a less secure one (RFC 7395 section 3.6.1).
func TestMove(t *testing.T) {
	c := &Client{cfg: &Config{JID: jid.MustParse("juliet@example.net"), Address: "wss://a.example/ws"}}
	for _, step := range []struct{ uri, want string }{
		{"ws://b.example/ws", "wss://a.example/ws"},
		{"https://b.example/http-bind", "wss://a.example/ws"},
		{"wss://b.example/ws", "wss://b.example/ws"},
		{"ws://c.example/ws", "wss://b.example/ws"},
	} {
		c.move(step.uri)
		if l, err := c.login(); err != nil || l.Address != step.want {
			t.Errorf("behind %s connects to %s, %v", step.uri, l.Address, err)
		}
	}
}
