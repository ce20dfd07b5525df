package c2s

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

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
func (alone) Groups(*core.Account, jid.JID) []string                { return nil }
func (alone) Lists(*core.Account, jid.JID) bool                     { return false }
func (alone) Secret() []byte                                        { return nil }
func (alone) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}

var juliet = jid.MustParse("juliet@example.org")

// rig is a door with one host and the account juliet@example.org behind it.
type rig struct {
	t    *testing.T
	cfg  *config.Config
	obs  obs.Obs
	host *core.Host
	pool *core.Pool
	door *Door
}

// newRig makes one; set changes its configuration and adds to the host, before that starts.
func newRig(t *testing.T, set func(*rig)) *rig {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), t.TempDir(), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: "juliet"}); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	r := &rig{t: t, cfg: &cfg, obs: obs.Discard(), pool: core.NewPool()}
	metrics, router := core.NewMetrics(r.obs), core.NewRouter()
	r.host = core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: r.cfg, Obs: r.obs, Router: router, Pool: r.pool, Metrics: metrics, Accounts: db.Accounts, Holdings: db.Holdings,
	})
	r.host.Ports.Contacts, r.host.Ports.Authenticator = alone{}, alone{}
	if set != nil {
		set(r)
	}
	if err := r.host.Start(); err != nil {
		t.Fatal(err)
	}
	r.door, err = New(Parts{Config: r.cfg, Router: router, Pool: r.pool, Core: metrics, Obs: r.obs, TLS: ownCertificate(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.host.Close()
		r.pool.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// ownCertificate is one for example.org that nobody trusts.
func ownCertificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}}
}

// header opens a client's stream.
const header = "<stream:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

// accept makes the door's end of a connection, as accept does.
func (r *rig) accept() (client, server net.Conn, c *conn) {
	client, server = sockets(r.t)
	c = &conn{door: r.door, number: r.door.numbers.Add(1), closed: make(chan struct{})}
	if a, ok := server.RemoteAddr().(*net.TCPAddr); ok {
		c.addr = a.AddrPort()
		c.from = source(c.addr)
	}
	c.present = r.door.connections.enter(c.addr, true, nil)
	r.door.mu.Lock()
	r.door.conns[c] = struct{}{}
	r.door.wait.Add(1)
	r.door.mu.Unlock()
	return client, server, c
}

// bound is a connection with a session; first is what the client has sent by then. It is not served yet.
func (r *rig) bound(first string) (client net.Conn, c *conn) {
	r.t.Helper()
	client, server, c := r.accept()
	if _, err := fmt.Fprint(client, header, first); err != nil {
		r.t.Fatal(err)
	}
	c.host, c.stream = r.host, stream.NewConn(server, stream.Options{})
	if _, err := c.stream.ReadHeader(); err != nil {
		r.t.Fatal(err)
	}
	var err error
	c.session, err = r.host.Bind(r.t.Context(), core.NewWork(r.pool), core.Binding{
		Account: juliet, Resource: "balcony", Sink: c, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return client, c
}

// sessions counts those of juliet.
func (r *rig) sessions() (n int) {
	r.t.Helper()
	err := r.host.Ask(r.t.Context(), juliet, func(_ *core.Work, a *core.Account) error {
		n = len(a.Sessions())
		return nil
	})
	if err != nil {
		r.t.Error(err)
	}
	return n
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
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}
