package c2s

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stream"
)

// alone has no contacts and lets nobody log in.
type alone struct{}

func (alone) Subscription(*core.Account, jid.JID) core.Subscription { return 0 }
func (alone) Each(*core.Account, func(jid.JID, core.Subscription))  {}
func (alone) Lists(*core.Account, jid.JID) bool                     { return false }
func (alone) Secret() []byte                                        { return nil }
func (alone) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}

// windowBytes reads the gauge of what all windows hold.
func windowBytes(t *testing.T, o obs.Obs) int {
	t.Helper()
	all, err := o.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.GetName() == "stonechat_window_bytes" {
			return int(m.Metric[0].GetGauge().GetValue())
		}
	}
	t.Fatal("no gauge of the windows")
	return 0
}

// What arrives together becomes turns together, but not more of it than the client's window holds.
func TestABurstEndsWithTheWindow(t *testing.T) {
	db, err := sqlstore.Open(t.Context(), t.TempDir(), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: "juliet"}); err != nil {
		t.Fatal(err)
	}
	cfg, o := config.Default(), obs.Discard()
	cfg.Limits.WindowStanzas = 4
	pool, metrics, router := core.NewPool(), core.NewMetrics(o), core.NewRouter()
	h := core.NewHost(jid.MustParse("example.org"), core.Parts{Config: &cfg, Obs: o, Router: router, Pool: pool, Metrics: metrics, Accounts: db.Accounts})
	h.Ports.Contacts, h.Ports.Authenticator = alone{}, alone{}
	var disk store.Promise
	held := make(chan int, 100)
	h.Hooks.Sending.Add("keep", func(e *core.Event) core.Verdict {
		held <- windowBytes(t, o)
		e.Wait(disk.Ticket())
		return core.Next
	})
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	door, err := New(Parts{Config: &cfg, Router: router, Pool: pool, Core: metrics, Obs: o, TLS: &tls.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	client, server := sockets(t)
	message := "<message to='juliet@example.org' type='chat' id='m'><body>one of many</body></message>"
	if _, err := fmt.Fprint(client, "<stream:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
		strings.Repeat(message, 40)); err != nil {
		t.Fatal(err)
	}
	c := &conn{door: door, host: h, stream: stream.NewConn(server, stream.Options{}), closed: make(chan struct{})}
	if _, err := c.stream.ReadHeader(); err != nil {
		t.Fatal(err)
	}
	c.session, err = h.Bind(t.Context(), core.NewWork(pool), core.Binding{
		Account: jid.MustParse("juliet@example.org"), Resource: "balcony", Sink: c, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	door.poller.Serve(c.stream, c.receive, func() { close(served) })
	if first, most := <-held, 4*(len(message)+200); first > most {
		t.Errorf("%d bytes were read before the first message was handled; four messages are less than %d", first, most)
	}
	disk.Settle(nil)
	for range 39 {
		<-held
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	<-served
	if err := door.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	h.Close()
	pool.Close()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// sockets returns the two ends of a connection.
func sockets(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err == nil {
		server, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	return client, server
}
