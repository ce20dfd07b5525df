package notices

import (
	"context"
	"errors"
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
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// house is the ports that the host needs.
type house struct{}

func (house) Subscription(*core.Account, jid.JID) core.Subscription { return 0 }
func (house) Groups(*core.Account, jid.JID) []string                { return nil }
func (house) Lists(*core.Account, jid.JID) bool                     { return false }
func (house) Each(*core.Account, func(jid.JID, core.Subscription))  {}
func (house) Secret() []byte                                        { return nil }
func (house) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}

// world is a host with the module, as long as one process lives; the store outlives it.
type world struct {
	*testing.T
	host  *core.Host
	db    *sqlstore.DB
	clock time.Time
	shut  func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), t.TempDir(), sqlstore.Options{Sync: sqlstore.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"juliet", "romeo"} {
		if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: name}); err != nil {
			t.Fatal(err)
		}
	}
	v := &world{T: t, db: db, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	v.begin()
	t.Cleanup(func() {
		v.shut()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// begin is the start of a process.
func (v *world) begin() {
	v.Helper()
	if v.shut != nil {
		v.shut()
	}
	cfg, o, pool := config.Default(), obs.Discard(), core.NewPool()
	v.host = core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: &cfg, Obs: o, Router: core.NewRouter(), Pool: pool, Metrics: core.NewMetrics(o), Accounts: v.db.Accounts, Holdings: v.db.Holdings,
		Now: func() time.Time { return v.clock },
	})
	v.host.Ports.Authenticator, v.host.Ports.Contacts = house{}, house{}
	m := New(Stores{v.db.Secrets, v.db.Activity}, o)
	m.Install(v.host)
	if err := m.Prepare(v.Context()); err != nil {
		v.Fatal(err)
	}
	if err := v.host.Start(); err != nil {
		v.Fatal(err)
	}
	v.shut = func() {
		v.host.Close()
		pool.Close()
	}
}

// screen is the client of a session.
type screen struct {
	v    *world
	s    *core.Session
	mu   sync.Mutex
	text string
}

// Write is core.Sink.
func (c *screen) Write(b []byte) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text += string(b)
	return true, nil
}

// Close is core.Sink.
func (c *screen) Close(*stanza.StreamError) {}

// comes begins a session of an account, available unless it is to be silent.
func (v *world) comes(name string, available bool) *screen {
	v.Helper()
	c, w := &screen{v: v}, core.NewWork(v.host.Pool())
	s, err := v.host.Bind(v.Context(), w, core.Binding{
		Account: jid.MustParse(name + "@example.org"), Resource: "r" + v.clock.Format("150405"), Sink: c, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		v.Fatal(err)
	}
	c.s = s
	w.Run()
	if available {
		c.says("<presence/>")
	}
	return c
}

func (c *screen) says(text string) {
	c.v.Helper()
	st, err := stanza.Parse(text)
	if err != nil {
		c.v.Fatal(err)
	}
	w := core.NewWork(c.v.host.Pool())
	if fail := c.s.Receive(w, c, st); fail != nil {
		c.v.Fatal(fail)
	}
	w.Run()
}

// goes ends the session a minute later, and has the store know.
func (c *screen) goes() {
	c.v.Helper()
	c.v.clock = c.v.clock.Add(time.Minute)
	id := c.s.Account.ID
	w := core.NewWork(c.v.host.Pool())
	c.s.Lose(w, c, core.LostClosed)
	w.Run()
	if err := c.v.db.Activity.SetLastSeen(id, c.v.clock, "").Wait(c.v.Context()); err != nil {
		c.v.Fatal(err)
	}
	c.v.clock = c.v.clock.Add(time.Minute)
}

// shows compares what the domain has said since it was asked last.
func (c *screen) shows(want ...string) {
	c.v.Helper()
	if err := c.v.host.Drain(c.v.Context()); err != nil {
		c.v.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	got := []string{}
	for _, st := range strings.Split(c.text, "<message")[1:] {
		if !strings.Contains(st, "type='headline'") || !strings.Contains(st, "from='example.org'") {
			c.v.Errorf("came as %s", st)
		}
		_, body, _ := strings.Cut(st, "<body>")
		body, _, _ = strings.Cut(body, "</body>")
		got = append(got, body)
	}
	c.text = ""
	if !slices.Equal(got, append([]string{}, want...)) {
		c.v.Errorf("shown %q and not %q", got, want)
	}
}

// asks is a request of somebody with a role.
func (v *world) asks(role store.Role, pattern, notice string, body any) (n Notice, err error) {
	actor := core.Actor{JID: jid.MustParse("someone@example.org"), Role: role}
	return n, v.host.HTTP.Call(v.Context(), actor, pattern, map[string]string{"notice": notice}, body, &n)
}

func (v *world) sets(notice, text string, edit bool) {
	v.Helper()
	if _, err := v.asks(store.RoleAdmin, "PUT /notices/{notice}", notice, newText{text, edit}); err != nil {
		v.Fatal(err)
	}
}

// Everybody is shown the message of the day once: at once, or when they come; also behind a restart.
func TestMessageOfTheDay(t *testing.T) {
	v := newWorld(t)
	juliet := v.comes("juliet", true)
	juliet.shows()
	v.sets(motd, "tea & cake", false)
	juliet.shows("tea &amp; cake")
	silent := v.comes("romeo", false)
	silent.shows()
	silent.says("<presence/>")
	silent.shows("tea &amp; cake")
	v.clock = v.clock.Add(time.Second)
	again := v.comes("romeo", true) // another session while the first is there
	again.shows()
	again.goes()
	silent.goes()
	v.comes("romeo", true).shows()
	juliet.goes()
	v.begin()
	v.comes("juliet", true).shows()
	v.clock = v.clock.Add(time.Minute)
	v.sets(motd, "tea and cake", true) // corrected: nobody who knew it is told
	seen := v.comes("juliet", true)
	seen.shows()
	v.clock = v.clock.Add(time.Minute)
	v.sets(motd, "news", false)
	seen.shows("news")
	if _, err := v.asks(store.RoleAdmin, "DELETE /notices/{notice}", motd, nil); err != nil {
		t.Fatal(err)
	}
	v.begin()
	v.comes("romeo", true).shows()
	if n, err := v.asks(store.RoleAdmin, "GET /notices/{notice}", motd, nil); err != nil || n.Text != "" {
		t.Errorf("deleted, and yet %+v, %v", n, err)
	}
}

// Who comes for the first time is welcomed, once.
func TestWelcome(t *testing.T) {
	v := newWorld(t)
	romeo := v.comes("romeo", true)
	v.sets(welcome, "hello", false)
	romeo.shows()
	romeo.goes()
	v.comes("romeo", true).shows()
	juliet := v.comes("juliet", true)
	juliet.shows("hello")
	v.clock = v.clock.Add(time.Second)
	v.comes("juliet", true).shows()
	juliet.goes()
	v.begin()
	v.comes("juliet", true).shows()
}

// An announcement is for who is here now.
func TestAnnouncement(t *testing.T) {
	v := newWorld(t)
	juliet, silent := v.comes("juliet", true), v.comes("romeo", false)
	if _, err := v.asks(store.RoleAdmin, "POST /announcements", "", newText{Text: "two\nlines"}); err != nil {
		t.Fatal(err)
	}
	juliet.shows("two\nlines")
	silent.shows()
	silent.says("<presence/>")
	silent.shows()
}

func TestRefused(t *testing.T) {
	v := newWorld(t)
	for _, c := range []struct {
		role            store.Role
		pattern, notice string
		text            string
		want            stanza.Condition
	}{
		{store.RoleModerator, "POST /announcements", "", "x", stanza.Forbidden},
		{store.RoleMember, "PUT /notices/{notice}", motd, "x", stanza.Forbidden},
		{"", "DELETE /notices/{notice}", welcome, "", stanza.Forbidden},
		{store.RoleOwner, "PUT /notices/{notice}", "other", "x", stanza.ItemNotFound},
		{store.RoleOwner, "GET /notices/{notice}", "other", "", stanza.ItemNotFound},
		{store.RoleOwner, "POST /announcements", "", " \n", stanza.NotAcceptable},
		{store.RoleOwner, "PUT /notices/{notice}", motd, strings.Repeat("x", maxText+1), stanza.NotAcceptable},
	} {
		_, err := v.asks(c.role, c.pattern, c.notice, newText{Text: c.text})
		var refused *stanza.Error
		if !errors.As(err, &refused) || refused.Condition != c.want {
			t.Errorf("%s: %s %s %.5q: %v", c.role, c.pattern, c.notice, c.text, err)
		}
	}
}
