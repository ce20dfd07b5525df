package archive

import (
	"context"
	"errors"
	"fmt"
	"regexp"
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

const (
	awaited = 10 * time.Second // for what must happen; nothing is measured with it
	domain  = "example.org"
)

// world is a host with a real store on a real disk, and the accounts that a test names.
type world struct {
	*testing.T
	folder string
	db     *sqlstore.DB
	disk   *disk
	host   *core.Host
	pool   *core.Pool
	names  []string
	config config.Config
	peers  peers
	seen   *kept
	more   func(*core.Host) // nil: nothing more is installed
	finder func(*world) Finder

	mu    sync.Mutex
	clock time.Time
}

// peers are contacts of everybody.
type peers map[string]bool

func (p peers) Subscription(_ *core.Account, j jid.JID) core.Subscription {
	if p[j.String()] {
		return core.SubscribedTo
	}
	return 0
}
func (p peers) Groups(*core.Account, jid.JID) []string             { return nil }
func (p peers) Lists(_ *core.Account, j jid.JID) bool              { return p[j.String()] }
func (peers) Each(*core.Account, func(jid.JID, core.Subscription)) {}

// locked lets nobody in: these tests bind without logging in.
type locked struct{}

func (locked) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}
func (locked) Secret() []byte { return nil }

// kept notes what modules behind the archive see of messages.
type kept struct {
	mu   sync.Mutex
	sent []string // ids in Sent
}

func (k *kept) Name() string { return "kept" }
func (k *kept) Install(h *core.Host) {
	h.Hooks.Sent.Add("kept", func(e *core.Event) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.sent = append(k.sent, e.Kept)
	})
}

func (k *kept) ids() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]string(nil), k.sent...)
}

// disk is the real store with a switch: what is appended fails as on a full disk, or waits.
type disk struct {
	store.Archive
	mu    sync.Mutex
	full  bool
	pause bool
	held  []func()
}

func (d *disk) Append(e store.Entry) (store.Key, store.Ticket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.full && !d.pause {
		return d.Archive.Append(e)
	}
	p := new(store.Promise)
	if d.full {
		key := store.KeyAt(time.Now())
		if d.pause {
			d.held = append(d.held, func() { p.Settle(store.ErrFull) })
		} else {
			p.Settle(store.ErrFull)
		}
		return key, p.Ticket()
	}
	key, t := d.Archive.Append(e)
	d.held = append(d.held, func() { t.Done(p.Settle) })
	return key, p.Ticket()
}

func (d *disk) set(full, pause bool) {
	d.mu.Lock()
	d.full, d.pause = full, pause
	held := d.held
	if !pause {
		d.held = nil
	}
	d.mu.Unlock()
	if !pause {
		for _, f := range held {
			f()
		}
	}
}

func newWorld(t *testing.T, names ...string) *world {
	t.Helper()
	return newWorldWith(t, nil, names...)
}

// newWorldWith is newWorld with more on the host.
func newWorldWith(t *testing.T, more func(*core.Host), names ...string) *world {
	t.Helper()
	return newWorldOf(t, more, nil, names...)
}

// newWorldOf is newWorldWith with searches.
func newWorldOf(t *testing.T, more func(*core.Host), finder func(*world) Finder, names ...string) *world {
	t.Helper()
	v := &world{more: more, finder: finder, T: t, folder: t.TempDir(), names: names, config: config.Default(), peers: peers{}, clock: time.Now()}
	v.open()
	t.Cleanup(v.close)
	for _, name := range names {
		if _, err := v.db.Accounts.Create(context.Background(), store.NewAccount{Domain: domain, Local: name}); err != nil {
			t.Fatal(err)
		}
	}
	v.start()
	return v
}

func (v *world) now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.clock
}

func (v *world) move(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clock = v.clock.Add(d)
}

func (v *world) open() {
	v.Helper()
	db, err := sqlstore.Open(context.Background(), v.folder, sqlstore.Options{Sync: sqlstore.SyncOff, Now: v.now})
	if err != nil {
		v.Fatal(err)
	}
	v.db, v.disk = db, &disk{Archive: db.Archive}
}

func (v *world) start() {
	v.Helper()
	o := obs.Discard()
	v.pool, v.seen = core.NewPool(), new(kept)
	v.host = core.NewHost(jid.MustParse(domain), core.Parts{
		Config: &v.config, Obs: o, Router: core.NewRouter(), Pool: v.pool, Metrics: core.NewMetrics(o), Accounts: v.db.Accounts, Holdings: v.db.Holdings, Sessions: v.db.Sessions,
		Now: v.now,
	})
	if _, err := v.db.Sessions.Begin(context.Background()); err != nil {
		v.Fatal(err)
	}
	v.host.Ports.Authenticator, v.host.Ports.Contacts = locked{}, v.peers
	m := New(Stores{v.disk, v.db.Fastenings, v.db.Offline, v.db.Prefs}, v.config.Archive, o)
	if v.finder != nil {
		m.WithSearch(v.finder(v))
	}
	m.Install(v.host)
	v.seen.Install(v.host)
	if v.more != nil {
		v.more(v.host)
	}
	if err := v.host.Start(); err != nil {
		v.Fatal(err)
	}
}

func (v *world) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), awaited)
	defer cancel()
	if err := errors.Join(v.host.Drain(ctx), v.host.End(ctx), v.host.Keep(ctx)); err != nil {
		v.Error(err)
	}
	v.halt()
	if v.host.Intact(ctx) {
		if err := v.db.Sessions.End().Wait(ctx); err != nil {
			v.Error(err)
		}
	}
}

// halt stops at once: no session is told, as if the process had died with everything it had promised on disk.
func (v *world) halt() {
	v.host.Close()
	v.pool.Close()
}

func (v *world) close() {
	v.stop()
	if err := v.db.Close(); err != nil {
		v.Error(err)
	}
}

// restart is an orderly one, or not.
func (v *world) restart(orderly bool) {
	v.Helper()
	if orderly {
		v.stop()
	} else {
		v.halt()
	}
	if err := v.db.Close(); err != nil {
		v.Fatal(err)
	}
	v.open()
	v.start()
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
	slow bool // every write fills the socket, until reads
}

// arrived is how many elements have been written, whether all are or not.
func (c *client) arrived() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

// reads makes room in the socket of a slow client.
func (c *client) reads() {
	c.s.Writable(c.w)
	c.w.Run()
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
	return !c.slow, nil
}

// Close is core.Sink.
func (c *client) Close(*stanza.StreamError) {}

func (v *world) bind(account, resource string) *client {
	v.Helper()
	c := &client{world: v, w: core.NewWork(v.pool)}
	s, err := v.host.Bind(context.Background(), c.w, core.Binding{
		Account: jid.MustParse(account + "@" + domain), Resource: resource, Sink: c, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		v.Fatal(err)
	}
	c.s = s
	return c
}

func (v *world) online(account, resource string) *client {
	v.Helper()
	c := v.bind(account, resource)
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

// leave ends the session as an orderly client does.
func (c *client) leave() {
	c.Helper()
	c.s.Lose(c.w, c, core.LostClosed)
	c.w.Run()
	c.quiet()
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
		all := c.all()
		return fmt.Sprintf("%s: nothing holds %q behind element %d; the last are\n%s", c.s.JID, parts, c.seen, strings.Join(all[max(0, len(all)-8):], "\n"))
	})
	return found
}

func (c *client) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.got...)
}

// bodies of all messages so far, in order, once everything that was begun is over.
func (c *client) bodies() []string {
	c.Helper()
	c.quiet()
	var out []string
	for _, x := range c.all() {
		if strings.HasPrefix(x, "<message") && !strings.Contains(x, "type='error'") {
			if m := bodyText.FindStringSubmatch(x); m != nil {
				out = append(out, m[1])
			}
		}
	}
	return out
}

var (
	bodyText = regexp.MustCompile(`<body>([^<]*)</body>`)
	resultID = regexp.MustCompile(`<result xmlns='urn:xmpp:mam:2'[^>]* id='([^']*)'`)
)

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
	for end := time.Now().Add(awaited); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			v.Fatal(why())
		}
	}
}

// quiet waits until nothing is in hand, looked at several times since what one turn brings to another account is a turn there.
func (v *world) quiet() {
	v.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), awaited)
	defer cancel()
	for range 4 {
		if err := v.host.Drain(ctx); err != nil {
			v.Fatal(err)
		}
		done := make(chan struct{})
		v.pool.Do(func(*core.Work) { close(done) })
		<-done
		for _, name := range v.names {
			v.turn(name, func(*core.Account) {})
		}
		time.Sleep(time.Millisecond)
	}
}

// turn calls f in a turn of an account.
func (v *world) turn(name string, f func(*core.Account)) {
	v.Helper()
	err := v.host.Ask(context.Background(), jid.MustParse(name+"@"+domain), func(_ *core.Work, a *core.Account) error {
		f(a)
		return nil
	})
	if err != nil {
		v.Fatal(err)
	}
}

// ask sends an IQ and returns its answer.
func (c *client) ask(typ, payload string) string {
	c.Helper()
	c.ids++
	id := fmt.Sprintf("q%d", c.ids)
	c.send("<iq type='" + typ + "' id='" + id + "'>" + payload + "</iq>")
	return c.expect("<iq", "id='"+id+"'")
}

// page is what a query gave.
type page struct {
	fin    string
	ids    []string
	bodies []string
	rows   []string
}

// history asks the archive; fields are name, value pairs, paging the inside of the paging element.
func (c *client) history(paging, more string, fields ...string) page {
	c.Helper()
	c.mu.Lock()
	from := len(c.got)
	c.seen = from
	c.mu.Unlock()
	b := "<query xmlns='urn:xmpp:mam:2' queryid='x1'>"
	if len(fields) > 0 {
		b += "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
		for i := 0; i < len(fields); i += 2 {
			b += "<field var='" + fields[i] + "'>"
			for value := range strings.SplitSeq(fields[i+1], ",") {
				b += "<value>" + value + "</value>"
			}
			b += "</field>"
		}
		b += "</x>"
	}
	if paging != "" {
		b += "<set xmlns='http://jabber.org/protocol/rsm'>" + paging + "</set>"
	}
	p := page{fin: c.ask("set", b+more+"</query>")}
	for _, x := range c.all()[from:] {
		if m := resultID.FindStringSubmatch(x); m != nil {
			p.ids, p.rows = append(p.ids, m[1]), append(p.rows, x)
			body := ""
			if m := bodyText.FindStringSubmatch(x); m != nil {
				body = m[1]
			}
			p.bodies = append(p.bodies, body)
		}
	}
	return p
}

func chat(to, body, more string) string {
	return "<message type='chat' to='" + to + "'><body>" + body + "</body>" + more + "</message>"
}
