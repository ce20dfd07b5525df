package roster

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	"stonechat/xmpp/xmltok"
)

const patience = 10 * time.Second // for what must happen; nothing is measured with it

// world is a host with real parts and the accounts that a test names.
type world struct {
	*testing.T
	db     *sqlstore.DB
	disk   *disk
	host   *core.Host
	router *core.Router
	pool   *core.Pool
	roster *roster
	names  []string
	blocks func(store.Blocks) store.Blocks // what the host gets; nil: the store's own
}

// locked is an authenticator that lets nobody in: these tests bind without logging in.
type locked struct{}

func (locked) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}
func (locked) Secret() []byte { return nil }

func newWorld(t *testing.T, names ...string) *world {
	t.Helper()
	db, err := sqlstore.Open(context.Background(), t.TempDir(), sqlstore.Options{Sync: sqlstore.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	v := &world{T: t, db: db, disk: &disk{Rosters: db.Rosters, holdings: db.Holdings}, names: names}
	t.Cleanup(func() {
		v.stop()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, name := range names {
		if _, err := db.Accounts.Create(context.Background(), store.NewAccount{Domain: "example.org", Local: name}); err != nil {
			t.Fatal(err)
		}
	}
	v.start(func(*config.Config) {})
	return v
}

// start makes a host; stop ends it. Doing both is a restart of the server on the same disk.
func (v *world) start(change func(*config.Config)) {
	v.Helper()
	cfg := config.Default()
	change(&cfg)
	o := obs.Discard()
	v.pool, v.router = core.NewPool(), core.NewRouter()
	v.host = core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: &cfg, Obs: o, Router: v.router, Pool: v.pool, Metrics: core.NewMetrics(o), Accounts: v.db.Accounts, Holdings: v.disk,
	})
	v.host.Ports.Authenticator = locked{}
	blocks := v.db.Blocks
	if v.blocks != nil {
		blocks = v.blocks(blocks)
	}
	New(v.disk, blocks, o).Install(v.host)
	v.roster = v.host.Ports.Contacts.(*roster)
	if err := v.host.Start(); err != nil {
		v.Fatal(err)
	}
}

func (v *world) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(v.host.Drain(ctx), v.host.End(ctx)); err != nil {
		v.Error(err)
	}
	v.host.Close()
	v.pool.Close()
}

func (v *world) restart() {
	v.Helper()
	v.stop()
	v.start(func(*config.Config) {})
}

// client is a bound session and everything that it was sent, one element each.
type client struct {
	*world
	s    *core.Session
	w    *core.Work
	ids  int
	mu   sync.Mutex
	got  []string
	seen int
}

// Write is core.Sink: it records.
func (c *client) Write(p []byte) (bool, error) {
	all, err := xmltok.Tree("<all xmlns='jabber:client'>"+string(p)+"</all>", "")
	if err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range all.Children {
		c.got = append(c.got, string(n.AppendXML(nil, "jabber:client")))
	}
	return true, nil
}

// Close is core.Sink.
func (c *client) Close(*stanza.StreamError) {}

func (v *world) bind(account, resource string) *client {
	v.Helper()
	c := &client{world: v, w: core.NewWork(v.pool)}
	s, err := v.host.Bind(context.Background(), c.w, core.Binding{
		Account: jid.MustParse(account), Resource: resource, Sink: c, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		v.Fatal(err)
	}
	c.s = s
	return c
}

// online is a client as they usually are: it has asked for the roster and sent presence.
func (v *world) online(account, resource string) *client {
	v.Helper()
	c := v.bind(account, resource)
	c.roster()
	c.send("<presence/>")
	c.expect("<presence", "from='"+c.s.JID.String()+"'")
	return c
}

func (c *client) send(xml string) {
	c.Helper()
	st, err := stanza.Parse(xml)
	if err != nil {
		c.Fatal(err)
	}
	if se := c.s.Receive(c.w, c, st); se != nil {
		c.Fatal(se.Condition)
	}
	c.w.Run()
}

// expect waits for the next element, behind the one of the last call, that holds all the parts.
func (c *client) expect(parts ...string) string {
	c.Helper()
	var found string
	c.await(func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i := c.seen; i < len(c.got); i++ {
			if holds(c.got[i], parts) {
				found, c.seen = c.got[i], i+1
				return true
			}
		}
		return false
	}, func() string {
		return fmt.Sprintf("%s: nothing holds %q behind element %d of\n%s", c.s.JID, parts, c.seen, c.log())
	})
	return found
}

// none fails if anything since the last expect holds all the parts. Everything that was begun is over first.
func (c *client) none(parts ...string) {
	c.Helper()
	c.quiet()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.got[c.seen:] {
		if holds(x, parts) {
			c.Errorf("%s got %s", c.s.JID, x)
		}
	}
}

// skip lets expect look at what comes from now on.
func (c *client) skip() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = len(c.got)
}

func (c *client) log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.got, "\n")
}

func holds(x string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(x, p) {
			return false
		}
	}
	return true
}

func (v *world) await(done func() bool, why func() string) {
	v.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			v.Fatal(why())
		}
	}
}

// quiet waits until nothing is in hand: no stanza, and no change of a roster in three looks at every account in a row, since what one turn
// brings to another account is a turn there.
func (v *world) quiet() {
	v.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for looks := 0; looks < 3; looks++ {
		if err := v.host.Drain(ctx); err != nil {
			v.Fatal(err)
		}
		done := make(chan struct{})
		v.pool.Do(func(*core.Work) { close(done) })
		<-done
		for _, name := range v.names {
			err := v.host.Ask(ctx, jid.MustParse(name+"@example.org"), func(_ *core.Work, a *core.Account) error {
				if len(v.roster.books.Of(a).writing) > 0 {
					looks = -1
				}
				return nil
			})
			if err != nil {
				v.Fatal(err)
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// ask sends an IQ and returns its answer.
func (c *client) ask(typ, payload string) string {
	c.Helper()
	return c.expect("<iq", "id='"+c.begin(typ, payload)+"'")
}

// begin sends an IQ and returns its id.
func (c *client) begin(typ, payload string) string {
	c.Helper()
	c.ids++
	id := fmt.Sprintf("q%d", c.ids)
	c.send("<iq type='" + typ + "' id='" + id + "'>" + payload + "</iq>")
	return id
}

func (c *client) roster() string {
	c.Helper()
	return c.ask("get", "<query xmlns='jabber:iq:roster'/>")
}

func (c *client) set(item string) string {
	c.Helper()
	return c.ask("set", "<query xmlns='jabber:iq:roster'>"+item+"</query>")
}

func (c *client) presence(typ, to string) {
	c.Helper()
	c.send("<presence type='" + typ + "' to='" + to + "'/>")
}

// sameAsDisk compares what the account has in memory with what a restart would read.
func (v *world) sameAsDisk(account string) {
	v.Helper()
	v.quiet()
	err := v.host.Ask(context.Background(), jid.MustParse(account), func(_ *core.Work, a *core.Account) error {
		kept, err := v.db.Rosters.Load(context.Background(), a.ID)
		if err != nil {
			return err
		}
		var fresh book
		fresh.fill(kept)
		mine := v.roster.books.Of(a)
		switch {
		case !maps.Equal(fresh.contacts, mine.contacts):
			return fmt.Errorf("contacts in memory %v, on disk %v", mine.contacts, fresh.contacts)
		case !maps.Equal(fresh.requests, mine.requests):
			return fmt.Errorf("requests in memory %v, on disk %v", mine.requests, fresh.requests)
		case fresh.version != mine.version || fresh.items != mine.items || fresh.bytes != mine.bytes || fresh.waiting != mine.waiting:
			return fmt.Errorf("version, items, bytes, waiting: in memory %d %d %d %d, on disk %d %d %d %d",
				mine.version, mine.items, mine.bytes, mine.waiting, fresh.version, fresh.items, fresh.bytes, fresh.waiting)
		case len(mine.writing) > 0 || len(mine.busy) > 0:
			return fmt.Errorf("%d changes are open, %d contacts busy", len(mine.writing), len(mine.busy))
		}
		return nil
	})
	if err != nil {
		v.Errorf("%s: %v", account, err)
	}
}

const (
	alice = "alice@example.org"
	bob   = "bob@example.org"
)

// befriend makes both subscriptions.
func befriend(a, b *client, aJID, bJID string) {
	a.Helper()
	a.presence("subscribe", bJID)
	b.expect("type='subscribe'")
	b.presence("subscribed", aJID)
	a.expect("<item", "subscription='to'")
	b.presence("subscribe", aJID)
	a.expect("type='subscribe'")
	a.presence("subscribed", bJID)
	a.expect("<item", "subscription='both'")
	b.expect("<item", "subscription='both'")
	a.quiet()
	a.skip()
	b.skip()
}
