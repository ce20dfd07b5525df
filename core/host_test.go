package core_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// house is one host with a real store, and the smallest modules that core needs.
type house struct {
	t    *testing.T
	host *core.Host
	pool *core.Pool
	db   *sqlstore.DB
}

var domain = jid.MustParse("example.org")

// everybody is subscribed to everybody of a list.
type everybody []jid.JID

func (everybody) Subscription(_ *core.Account, _ jid.JID) core.Subscription {
	return core.SubscribedTo | core.SubscribedFrom
}

func (e everybody) Each(a *core.Account, f func(jid.JID, core.Subscription)) {
	for _, j := range e {
		if j != a.JID {
			f(j, core.SubscribedTo|core.SubscribedFrom)
		}
	}
}

// nobody can log in: the tests bind sessions themselves.
type nobody struct{}

func (nobody) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}
func (nobody) Secret() []byte { return nil }

// build opens a house with these accounts; more installs further hooks and rows.
func build(t *testing.T, names []string, more func(h *core.Host, db *sqlstore.DB)) *house {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), t.TempDir(), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all everybody
	for _, n := range names {
		if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: domain.Domain(), Local: n}); err != nil {
			t.Fatal(err)
		}
		all = append(all, jid.MustParse(n+"@"+domain.Domain()))
	}
	cfg := config.Default()
	o := obs.Discard()
	x := &house{t: t, pool: core.NewPool(), db: db}
	x.host = core.NewHost(domain, core.Parts{
		Config: &cfg, Obs: o, Router: core.NewRouter(), Pool: x.pool, Metrics: core.NewMetrics(o), Accounts: db.Accounts,
	})
	x.host.Ports.Contacts, x.host.Ports.Authenticator = all, nobody{}
	if more != nil {
		more(x.host, db)
	}
	if err := x.host.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		x.host.Close()
		x.pool.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

// client is a sink that records what a session is sent, and the door of that session.
type client struct {
	x       *house
	work    *core.Work
	session *core.Session
	fences  int

	mu     sync.Mutex
	got    strings.Builder
	grew   chan struct{}
	closed *stanza.StreamError
	ended  bool
}

func (c *client) Write(p []byte) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got.Write(p)
	select {
	case c.grew <- struct{}{}:
	default:
	}
	return true, nil
}

func (c *client) Close(reason *stanza.StreamError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.ended = reason, true
}

func (c *client) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.String()
}

// bind makes a session of name/resource.
func (x *house) bind(name, resource string) *client {
	x.t.Helper()
	c := &client{x: x, work: core.NewWork(x.pool), grew: make(chan struct{}, 1)}
	s, err := x.host.Bind(x.t.Context(), c.work, core.Binding{
		Account: jid.MustParse(name + "@example.org"), Resource: resource, Sink: c, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		x.t.Fatal(err)
	}
	c.session = s
	return c
}

// online is bind and initial presence.
func (x *house) online(name, resource string) *client {
	c := x.bind(name, resource)
	c.say("<presence/>")
	return c
}

// say brings stanzas as the client's own and works them.
func (c *client) say(xml ...string) {
	c.x.t.Helper()
	for _, text := range xml {
		st, err := stanza.Parse(strings.Replace(text, " ", " xmlns='jabber:client' ", 1))
		if err != nil {
			// No blank in it: <presence/>.
			st, err = stanza.Parse(strings.Replace(text, "/>", " xmlns='jabber:client'/>", 1))
		}
		if err != nil {
			c.x.t.Fatalf("%s: %v", text, err)
		}
		if fail := c.session.Receive(c.work, c, st); fail != nil {
			c.x.t.Fatalf("%s: %v", text, fail)
		}
	}
	c.work.Run()
}

// wait returns when the client has got everything of want.
func (c *client) wait(want ...string) {
	c.x.t.Helper()
	deadline := time.After(10 * time.Second)
	for _, w := range want {
		for !strings.Contains(c.text(), w) {
			select {
			case <-c.grew:
			case <-deadline:
				c.x.t.Fatalf("%s: not got: %s\ngot: %s", c.session.JID, w, c.text())
			}
		}
	}
}

// fence returns when everything that the client has said before is settled and what it caused here has arrived.
func (c *client) fence() {
	c.x.t.Helper()
	c.fences++
	id := fmt.Sprintf("fence%d", c.fences)
	c.say("<iq type='get' id='" + id + "'><fence xmlns='urn:test'/></iq>")
	c.wait("id='" + id + "'")
}
