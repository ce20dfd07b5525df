package pubsub

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/disco"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// world is a host with the module, on which everybody who is in friends is a contact of juliet, both ways.
type world struct {
	testing.TB
	host    *core.Host
	module  *Module
	db      *sqlstore.DB
	config  config.Config
	mu      sync.Mutex
	clock   time.Time
	friends []jid.JID
	groups  map[jid.JID][]string
	heard   []core.Publication
	held    bool // something outside turns waits for the test, so there is no rest but that of turns
}

var juliet = jid.MustParse("juliet@example.org")

func newWorld(t testing.TB, friends int, edit func(*config.Pubsub)) *world {
	t.Helper()
	return newWorldWith(t, friends, edit, func(*world) {})
}

// newWorldWith is newWorld with more modules than one.
func newWorldWith(t testing.TB, friends int, edit func(*config.Pubsub), install func(*world)) *world {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), t.TempDir(), sqlstore.Options{Sync: sqlstore.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	v := &world{TB: t, db: db, config: config.Default(), clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), groups: map[jid.JID][]string{}}
	if edit != nil {
		edit(&v.config.Pubsub)
	}
	rosters := map[string][]store.Contact{"juliet": nil, "nurse": nil}
	for i := range friends {
		j := jid.MustParse(fmt.Sprintf("friend%d@example.org", i))
		v.friends = append(v.friends, j)
		rosters["juliet"] = append(rosters["juliet"], store.Contact{JID: j, Subscription: store.SubscriptionBoth})
		rosters[j.Local()] = []store.Contact{{JID: juliet, Subscription: store.SubscriptionBoth}}
	}
	for name, contacts := range rosters {
		if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: name, Contacts: contacts}); err != nil {
			t.Fatal(err)
		}
	}
	o, pool := obs.Discard(), core.NewPool()
	v.host = core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: &v.config, Obs: o, Router: core.NewRouter(), Pool: pool, Metrics: core.NewMetrics(o), Accounts: db.Accounts, Holdings: db.Holdings,
		Now: v.now,
	})
	v.host.Ports.Authenticator, v.host.Ports.Contacts = v, v
	v.module = New(Stores{Personal: db.Personal, Nodes: db.Nodes, Rooms: db.Rooms}, v.config.Personal, v.config.Pubsub, o)
	v.module.Install(v.host)
	v.host.Hooks.Published = append(v.host.Hooks.Published, core.PublishedHook{Module: "test", Do: func(_ *core.Event, p *core.Publication) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.heard = append(v.heard, *p)
	}})
	install(v)
	if err := v.host.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.host.Close()
		pool.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func (v *world) now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.clock
}

// Subscription is core.Contacts, like the methods that follow.
func (v *world) Subscription(a *core.Account, contact jid.JID) core.Subscription {
	if a.JID == juliet && slices.Contains(v.friends, contact) || contact == juliet && slices.Contains(v.friends, a.JID) {
		return core.SubscribedTo | core.SubscribedFrom
	}
	return 0
}

func (v *world) Lists(a *core.Account, contact jid.JID) bool      { return v.Subscription(a, contact) != 0 }
func (v *world) Groups(_ *core.Account, contact jid.JID) []string { return v.groups[contact] }
func (v *world) Secret() []byte                                   { return nil }
func (v *world) Each(a *core.Account, f func(jid.JID, core.Subscription)) {
	if a.JID == juliet {
		for _, j := range v.friends {
			f(j, core.SubscribedTo|core.SubscribedFrom)
		}
	} else if slices.Contains(v.friends, a.JID) {
		f(juliet, core.SubscribedTo|core.SubscribedFrom)
	}
}

func (v *world) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}

// client is a session whose client answers for its capabilities.
type client struct {
	*world
	s     *core.Session
	info  *disco.Info
	mu    sync.Mutex
	got   string
	asked int
}

// Write is core.Sink.
func (c *client) Write(p []byte) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got += string(p)
	return true, nil
}

// Close is core.Sink.
func (c *client) Close(*stanza.StreamError) {}

// bind makes a session that wants to hear of nodes; it is not available yet.
func (v *world) bind(account jid.JID, resource string, wants ...string) *client {
	v.Helper()
	c := &client{world: v, info: &disco.Info{Identities: []disco.Identity{{Category: "client", Type: "pc"}}}}
	for _, node := range wants {
		c.info.Features = append(c.info.Features, node+"+notify")
	}
	w := core.NewWork(v.host.Pool())
	s, err := v.host.Bind(v.Context(), w, core.Binding{Account: account, Resource: resource, Sink: c, First: func(jid.JID) string { return "" }})
	if err != nil {
		v.Fatal(err)
	}
	c.s = s
	w.Run()
	return c
}

func (c *client) say(text string) {
	c.Helper()
	w := core.NewWork(c.host.Pool())
	c.receive(w, text)
	w.Run()
}

// receive is say for what arrives together.
func (c *client) receive(w *core.Work, text string) {
	c.Helper()
	st, err := stanza.Parse(text)
	if err != nil {
		c.Fatal(err)
	}
	if fail := c.s.Receive(w, c, st); fail != nil {
		c.Fatal(fail)
	}
}

// caps is the note of its capabilities; the true one, if ver is empty.
func (c *client) caps(ver string) string {
	if ver == "" {
		var err error
		if ver, err = c.info.Ver("sha-1"); err != nil {
			c.Fatal(err)
		}
	}
	return string(disco.Caps{Hash: "sha-1", Node: "urn:example:client", Ver: ver}.AppendXML(nil))
}

// online shows presence and answers what the server asks about it.
func (c *client) online(ver string) {
	c.Helper()
	c.take()
	c.say("<presence>" + c.caps(ver) + "</presence>")
	for _, id := range c.questions() {
		c.asked++
		c.say("<iq type='result' id='" + id + "' to='example.org'>" + string(c.info.AppendXML(nil)) + "</iq>")
	}
}

// questions are the ids of requests for capabilities that have come.
func (c *client) questions() (ids []string) {
	c.rest()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range regexp.MustCompile(`<iq [^>]*type='get'[^>]*><query xmlns='`+ns.DiscoInfo).FindAllString(c.got, -1) {
		ids = append(ids, regexp.MustCompile(` id='([^']*)'`).FindStringSubmatch(q)[1])
	}
	return ids
}

// rest waits until nothing is under way.
func (v *world) rest() {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.Context(), 30*time.Second)
	defer cancel()
	for range 2 {
		if err := v.host.Pool().Rest(ctx); err != nil {
			v.Fatal(err)
		}
		if v.held {
			continue
		}
		if err := v.host.Drain(ctx); err != nil {
			v.Fatal(err)
		}
	}
}

// take is what has come since it was last called.
func (c *client) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = ""
	return got
}

// events are how many notifications have come.
func (c *client) events() int {
	c.rest()
	return strings.Count(c.take(), "<event ")
}

// ask sends a request about juliet's nodes and returns everything that came by its answer.
func (c *client) ask(typ, space, inner string) string {
	c.Helper()
	c.take()
	c.say("<iq type='" + typ + "' id='ask' to='juliet@example.org'><pubsub xmlns='" + space + "'>" + inner + "</pubsub></iq>")
	deadline := time.Now().Add(30 * time.Second)
	for got := ""; time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		c.mu.Lock()
		got = c.got
		c.mu.Unlock()
		if strings.Contains(got, "id='ask'") {
			c.rest()
			return c.take()
		}
	}
	c.Fatal("no answer")
	return ""
}

// publish publishes to a node of juliet, which must succeed.
func (c *client) publish(node, id, payload string) {
	c.Helper()
	if got := c.ask("set", ns.PubSub, "<publish node='"+node+"'><item id='"+id+"'>"+payload+"</item></publish>"); !strings.Contains(got, "id='ask' type='result'") {
		c.Fatalf("not published: %s", got)
	}
}

func discard() obs.Obs { return obs.Discard() }
