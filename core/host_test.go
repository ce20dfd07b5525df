package core_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/cluster"
	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// house is one domain with a real store, and the smallest modules that core needs: on one node, or on several that share the store.
type house struct {
	t      *testing.T
	rooms  []*room
	links  *cluster.Memory // nil with one node
	config *config.Config
	db     *sqlstore.DB
	all    everybody
	more   func(h *core.Host, db *sqlstore.DB)
	now    func() time.Time // nil: time.Now
	kept   store.Sessions   // nil: those of db
}

// room is one node of a house.
type room struct {
	host    *core.Host
	pool    *core.Pool
	cluster cluster.Cluster
}

// builder opens a house with these accounts; more installs further hooks and rows on each of its nodes.
type builder func(t *testing.T, names []string, more func(h *core.Host, db *sqlstore.DB)) *house

// everyHouse runs a test on one node, and on two where every socket sits on the node that does not own its session.
func everyHouse(t *testing.T, f func(t *testing.T, build builder)) {
	t.Run("one node", func(t *testing.T) { f(t, build) })
	t.Run("two nodes", func(t *testing.T) { f(t, buildTwo) })
}

var domain = jid.MustParse("example.org")

// everybody is subscribed to everybody of a list.
type everybody []jid.JID

func (everybody) Subscription(_ *core.Account, _ jid.JID) core.Subscription {
	return core.SubscribedTo | core.SubscribedFrom
}

func (everybody) Groups(*core.Account, jid.JID) []string { return nil }
func (everybody) Lists(*core.Account, jid.JID) bool      { return true }

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

// build is the builder for one node.
func build(t *testing.T, names []string, more func(h *core.Host, db *sqlstore.DB)) *house {
	t.Helper()
	return open(t, nil, []cluster.Cluster{nil}, names, more)
}

// buildTwo is the builder for two nodes.
func buildTwo(t *testing.T, names []string, more func(h *core.Host, db *sqlstore.DB)) *house {
	t.Helper()
	return buildLinked(t, cluster.MemoryOptions{}, names, more)
}

// buildLinked is buildTwo with links of a certain kind.
func buildLinked(t *testing.T, o cluster.MemoryOptions, names []string, more func(h *core.Host, db *sqlstore.DB)) *house {
	t.Helper()
	m := cluster.NewMemory(o, "north", "south")
	return open(t, m, []cluster.Cluster{m.Member("north"), m.Member("south")}, names, more)
}

func open(t *testing.T, m *cluster.Memory, members []cluster.Cluster, names []string, more func(h *core.Host, db *sqlstore.DB)) *house {
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
		all = append(all, address(n))
	}
	cfg := config.Default()
	x := &house{t: t, db: db, config: &cfg, links: m, all: all, more: more}
	for _, c := range members {
		x.furnish(c)
	}
	t.Cleanup(x.close)
	return x
}

// furnish begins a node. One that is alone keeps sessions on disk.
func (x *house) furnish(c cluster.Cluster) {
	x.t.Helper()
	o := obs.Discard()
	r := &room{pool: core.NewPool(), cluster: c}
	parts := core.Parts{
		Config: x.config, Obs: o, Router: core.NewRouter(), Pool: r.pool, Metrics: core.NewMetrics(o), Accounts: x.db.Accounts, Holdings: x.db.Holdings, Cluster: c, Now: x.now,
	}
	if c == nil {
		if _, err := x.db.Sessions.Begin(x.t.Context()); err != nil {
			x.t.Fatal(err)
		}
		if parts.Sessions = x.kept; x.kept == nil {
			parts.Sessions = x.db.Sessions
		}
	}
	r.host = core.NewHost(domain, parts)
	r.host.Ports.Contacts, r.host.Ports.Authenticator = x.all, nobody{}
	if x.more != nil {
		x.more(r.host, x.db)
	}
	if err := r.host.Start(); err != nil {
		x.t.Fatal(err)
	}
	x.rooms = append(x.rooms, r)
}

func (x *house) close() {
	if x.links != nil {
		x.links.Close()
	}
	for _, r := range x.rooms {
		r.host.Close()
		r.pool.Close()
	}
	if err := x.db.Close(); err != nil {
		x.t.Error(err)
	}
}

// owner is the node that owns the account of that name.
func (x *house) owner(name string) *room {
	if x.links != nil {
		node, _ := x.rooms[0].cluster.Owner(address(name))
		for _, r := range x.rooms {
			if r.cluster.Self() == node {
				return r
			}
		}
	}
	return x.rooms[0]
}

// door is where the sockets of that name sit: never at the owner, if there is another node.
func (x *house) door(name string) *room {
	for _, r := range x.rooms {
		if r != x.owner(name) {
			return r
		}
	}
	return x.rooms[0]
}

func address(name string) jid.JID { return jid.MustParse(name + "@" + domain.Domain()) }

// client is a sink that records what a session is sent, and the door of that session.
type client struct {
	x       *house
	address netip.AddrPort
	work    *core.Work
	session *core.Session
	fences  int

	mu     sync.Mutex
	got    strings.Builder
	writes int
	grew   chan struct{}
	closed *stanza.StreamError
	ended  bool
}

func (c *client) Write(p []byte) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got.Write(p)
	c.writes++
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
	select {
	case c.grew <- struct{}{}:
	default:
	}
}

func (c *client) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.String()
}

// bind makes a session of name/resource.
func (x *house) bind(name, resource string) *client {
	x.t.Helper()
	return x.bindAt(x.door(name), name, resource)
}

func (x *house) bindAt(r *room, name, resource string) *client {
	x.t.Helper()
	c := &client{x: x, work: core.NewWork(r.pool), grew: make(chan struct{}, 1)}
	s, err := r.host.Bind(x.t.Context(), c.work, core.Binding{
		Account: address(name), Resource: resource, Sink: c, First: func(jid.JID) string { return "" },
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

// owned is the session as its owner has it.
func (c *client) owned() *core.Session {
	c.x.t.Helper()
	var found *core.Session
	err := c.x.owner(c.session.JID.Local()).host.Ask(c.x.t.Context(), c.session.JID.Bare(), func(_ *core.Work, a *core.Account) error {
		for _, s := range a.Sessions() {
			if s.JID == c.session.JID {
				found = s
			}
		}
		return nil
	})
	if err != nil || found == nil {
		c.x.t.Fatalf("%s has no session: %v", c.session.JID, err)
	}
	return found
}

// waitClosed returns the reason for which the connection was closed.
func (c *client) waitClosed() *stanza.StreamError {
	c.x.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		c.mu.Lock()
		ended, reason := c.ended, c.closed
		c.mu.Unlock()
		if ended {
			return reason
		}
		select {
		case <-c.grew:
		case <-deadline:
			c.x.t.Fatalf("%s: not closed\ngot: %s", c.session.JID, c.text())
		}
	}
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
