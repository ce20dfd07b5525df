package strangers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/mod/archive"
	"stonechat/mod/roster"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	patience = 10 * time.Second // for what must happen; nothing is measured with it
	me       = "me@example.org"
)

type locked struct{}

func (locked) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}
func (locked) Secret() []byte { return nil }

// world is a host with the modules that meet here, and the account me.
type world struct {
	*testing.T
	db     *sqlstore.DB
	folder string
	cfg    config.Config
	host   *core.Host
	pool   *core.Pool
	module *Module

	mu    sync.Mutex
	clock time.Time
}

func newWorld(t *testing.T, change func(*config.Config)) *world {
	t.Helper()
	v := &world{T: t, folder: t.TempDir(), cfg: config.Default(), clock: time.Now()}
	v.cfg.Strangers.Default, v.cfg.Strangers.Members = "quiet", false
	change(&v.cfg)
	v.start()
	t.Cleanup(v.halt)
	if _, err := v.db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: "me"}); err != nil {
		t.Fatal(err)
	}
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

func (v *world) start() {
	v.Helper()
	db, err := sqlstore.Open(context.Background(), v.folder, sqlstore.Options{Sync: sqlstore.SyncOff, Now: v.now})
	if err != nil {
		v.Fatal(err)
	}
	o := obs.Discard()
	v.db, v.pool = db, core.NewPool()
	v.host = core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: &v.cfg, Obs: o, Router: core.NewRouter(), Pool: v.pool, Metrics: core.NewMetrics(o), Accounts: db.Accounts, Holdings: db.Holdings, Now: v.now,
	})
	v.host.Ports.Authenticator = locked{}
	v.module = New(Stores{db.Strangers, db.Archive}, v.cfg.Strangers, o)
	v.module.Install(v.host)
	roster.New(db.Rosters, db.Blocks, o).Install(v.host)
	archive.New(archive.Stores{Archive: db.Archive, Offline: db.Offline, Prefs: db.Prefs}, v.cfg.Archive, o).Install(v.host)
	if err := v.host.Start(); err != nil {
		v.Fatal(err)
	}
}

// halt ends at once, as if the process had died with everything it had promised on disk.
func (v *world) halt() {
	v.host.Close()
	v.pool.Close()
	if err := v.db.Close(); err != nil {
		v.Error(err)
	}
}

// client is a session of me and everything that it was sent.
type client struct {
	*world
	s   *core.Session
	w   *core.Work
	ids int

	mu  sync.Mutex
	got []string
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

func (v *world) online() *client {
	v.Helper()
	c := &client{world: v, w: core.NewWork(v.pool)}
	s, err := v.host.Bind(context.Background(), c.w, core.Binding{
		Account: jid.MustParse(me), Resource: "x", Sink: c, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		v.Fatal(err)
	}
	c.s = s
	c.send("<presence/>")
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

// ask sends an IQ and returns its answer.
func (c *client) ask(typ, payload string) string {
	c.Helper()
	c.ids++
	id := fmt.Sprintf("id='q%d'", c.ids)
	c.send("<iq type='" + typ + "' " + id + ">" + payload + "</iq>")
	var found string
	c.await(func() bool {
		found = c.find(id)
		return found != ""
	}, payload)
	return found
}

func (c *client) find(part string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.got {
		if strings.Contains(x, part) {
			return x
		}
	}
	return ""
}

func (c *client) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.got, "\n")
}

func (v *world) await(done func() bool, what string) {
	v.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			v.Fatalf("never: %s", what)
		}
	}
}

// arrives brings a message from elsewhere and waits until me has dealt with it.
func (v *world) arrives(from, inner string) {
	v.Helper()
	st, err := stanza.Parse("<message type='chat' from='" + from + "' to='" + me + "'>" + inner + "</message>")
	if err != nil {
		v.Fatal(err)
	}
	done := make(chan struct{})
	v.pool.Do(func(w *core.Work) {
		v.host.Router.Route(w, st.Seal())
		close(done)
	})
	<-done
	v.settle()
}

// settle waits for the turns of me and for the disk.
func (v *world) settle() {
	v.Helper()
	for range 3 {
		err := v.host.Ask(context.Background(), jid.MustParse(me), func(_ *core.Work, a *core.Account) error { return nil })
		if err != nil {
			v.Fatal(err)
		}
		if err := v.db.Secrets.Put(context.Background(), "settle", nil); err != nil {
			v.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func (v *world) waiting() int {
	v.Helper()
	a, err := v.db.Accounts.Get(context.Background(), "example.org", "me")
	if err != nil {
		v.Fatal(err)
	}
	rows, err := v.db.Strangers.Waiting(context.Background(), a.ID, jid.JID{})
	if err != nil {
		v.Fatal(err)
	}
	return len(rows)
}

func body(text string) string { return "<body>" + text + "</body>" }

func TestLimitsOfTheBox(t *testing.T) {
	v := newWorld(t, func(c *config.Config) {
		c.Strangers.MessagesPerSender, c.Strangers.Messages, c.Strangers.BytesPerSender = 2, 3, 1000
	})
	v.online()
	for range 3 {
		v.arrives("iago@example.net/x", body("a"))
	}
	if n := v.waiting(); n != 2 {
		t.Errorf("%d of one sender", n)
	}
	v.arrives("emilia@example.net/x", body(strings.Repeat("x", 1000)))
	if n := v.waiting(); n != 2 {
		t.Errorf("%d, one of them too large", n)
	}
	v.arrives("emilia@example.net/x", body("b"))
	v.arrives("bianca@example.net/x", body("c"))
	if n := v.waiting(); n != 3 {
		t.Errorf("%d of all", n)
	}
	// Expiry makes room, which is noticed.
	if n, err := v.db.Strangers.ExpireWaiting(t.Context(), v.now().Add(time.Hour)); err != nil || n != 3 {
		t.Fatalf("%d expired, %v", n, err)
	}
	v.move(2 * countAgain)
	v.arrives("bianca@example.net/x", body("d"))
	if n := v.waiting(); n != 1 {
		t.Errorf("%d after expiry", n)
	}
}

// An invitation by a room is the inviter's; one that a client has written is the client's.
func TestWhoInvites(t *testing.T) {
	v := newWorld(t, func(*config.Config) {})
	c := v.online()
	c.ask("set", "<query xmlns='jabber:iq:roster'><item jid='emilia@example.net'/></query>")
	invite := func(by string) string {
		return "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='" + by + "'/></x>"
	}
	v.arrives("room@rooms.example.net", invite("emilia@example.net/x"))
	v.await(func() bool { return c.find("emilia@example.net/x") != "" }, "a friend's invitation")
	v.arrives("iago@example.net/x", body("spam")+invite("emilia@example.net/x"))
	v.arrives("room@rooms.example.net", invite("iago@example.net/x"))
	if n := v.waiting(); n != 2 {
		t.Errorf("%d wait", n)
	}
	if c.find("spam") != "" || c.find("iago") != "" {
		t.Errorf("a stranger came through:\n%s", c.all())
	}
}

// A room where the account is may speak, also in private.
func TestRoomsWhereOneIs(t *testing.T) {
	v := newWorld(t, func(*config.Config) {})
	other := core.NewHost(jid.MustParse("rooms.example.org"), core.Parts{
		Config: &v.cfg, Obs: obs.Discard(), Router: v.host.Router, Pool: v.pool, Metrics: v.host.Metrics(), Accounts: v.db.Accounts, Holdings: v.db.Holdings,
	})
	t.Cleanup(other.Close)
	c := v.online()
	c.send("<presence to='room@rooms.example.org/nick'/>")
	v.arrives("room@rooms.example.org/iago", body("psst"))
	v.await(func() bool { return c.find("psst") != "" }, "what is said in private in a room")
}

// What was accepted when the process died is given by the next one, and what a first gift has not reached is not given twice.
func TestReleaseSurvives(t *testing.T) {
	v := newWorld(t, func(*config.Config) {})
	c := v.online()
	v.arrives("iago@example.net/x", body("one"))
	a, err := v.db.Accounts.Get(t.Context(), "example.org", "me")
	if err != nil {
		t.Fatal(err)
	}
	// As if the process had died between the two steps.
	if err := v.db.Strangers.AddAcquaintance(a.ID, jid.MustParse("iago@example.net")).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.find(body("one")) != "" {
		t.Fatal("given to early")
	}
	v.halt()
	v.start()
	c = v.online()
	v.await(func() bool { return c.find(body("one")) != "" }, "what was accepted")
	v.await(func() bool { v.settle(); return v.waiting() == 0 }, "an empty box")
	if n := strings.Count(c.all(), body("one")); n != 1 {
		t.Errorf("given %d times", n)
	}
}

// A contact that is only added to the roster gets in with the next message or log-on.
func TestAddedToTheRoster(t *testing.T) {
	v := newWorld(t, func(*config.Config) {})
	c := v.online()
	v.arrives("iago@example.net/x", body("one"))
	c.ask("set", "<query xmlns='jabber:iq:roster'><item jid='iago@example.net'/></query>")
	v.arrives("iago@example.net/x", body("two"))
	for _, want := range []string{"one", "two"} {
		v.await(func() bool { return c.find(body(want)) != "" }, want)
	}
	v.await(func() bool { v.settle(); return v.waiting() == 0 }, "an empty box")
}

// Whoever blocks a sender sees nothing of theirs in the box, and gets nothing of it.
func TestBlockedInTheBox(t *testing.T) {
	v := newWorld(t, func(*config.Config) {})
	c := v.online()
	v.arrives("iago@example.net/x", body("one"))
	c.ask("set", "<block xmlns='urn:xmpp:blocking'><item jid='iago@example.net'/></block>")
	if got := c.ask("get", "<requests xmlns='"+Space+"'/>"); strings.Contains(got, "iago") {
		t.Errorf("shown: %s", got)
	}
	c.ask("set", "<accept xmlns='"+Space+"' jid='iago@example.net'/>")
	v.settle()
	if c.find(body("one")) != "" {
		t.Error("given although its sender is blocked")
	}
}

// Open accounts that never chose have no state.
func TestOpenCostsNothing(t *testing.T) {
	v := newWorld(t, func(c *config.Config) { c.Strangers.Default = "open" })
	c := v.online()
	v.arrives("iago@example.net/x", body("one"))
	v.await(func() bool { return c.find(body("one")) != "" }, "a message of a stranger")
	err := v.host.Ask(t.Context(), jid.MustParse(me), func(_ *core.Work, a *core.Account) error {
		if _, has := v.module.boxes.Has(a); has {
			return errors.New("it has a box")
		}
		e := &core.Event{Host: v.host, Account: a}
		if n := testing.AllocsPerRun(100, func() { v.module.receiving(e); v.module.sending(e) }); n != 0 {
			return fmt.Errorf("%v allocations", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func FuzzTalks(f *testing.F) {
	f.Add("<body>x</body>")
	f.Add("<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>")
	f.Add("<composing xmlns='http://jabber.org/protocol/chatstates'/><encryption xmlns='urn:xmpp:eme:0'/>")
	f.Fuzz(func(t *testing.T, inner string) {
		for _, from := range []string{"iago@example.net", "iago@example.net/x"} {
			st, err := stanza.Parse("<message xmlns='jabber:client' type='chat' from='" + from + "'>" + inner + "</message>")
			if err != nil {
				return
			}
			by := author(st)
			if by.IsZero() || by.IsFull() || st.From.IsFull() && by != st.From.Bare() {
				t.Fatalf("%s by %v", st.Standalone(), by)
			}
			if again, err := stanza.Parse(st.Standalone()); err != nil || talks(again) != talks(st) {
				t.Fatalf("judged in two ways: %s, %v", st.Standalone(), err)
			}
		}
	})
}
