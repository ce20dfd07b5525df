package activity

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// world is a host with the module, juliet, and romeo, who sees her.
type world struct {
	*testing.T
	host  *core.Host
	db    *sqlstore.DB
	clock time.Time
}

// house is the ports that the host needs.
type house struct{}

func (house) Subscription(_ *core.Account, contact jid.JID) core.Subscription {
	if contact.Local() == "romeo" {
		return core.SubscribedFrom
	}
	return 0
}
func (house) Groups(*core.Account, jid.JID) []string               { return nil }
func (house) Lists(*core.Account, jid.JID) bool                    { return false }
func (house) Each(*core.Account, func(jid.JID, core.Subscription)) {}
func (house) Secret() []byte                                       { return nil }
func (house) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
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
	cfg, o, pool := config.Default(), obs.Discard(), core.NewPool()
	v := &world{T: t, db: db, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	v.host = core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: &cfg, Obs: o, Router: core.NewRouter(), Pool: pool, Metrics: core.NewMetrics(o), Accounts: db.Accounts, Holdings: db.Holdings, Sessions: db.Sessions,
		Now: func() time.Time { return v.clock },
	})
	v.host.Ports.Authenticator, v.host.Ports.Contacts = house{}, house{}
	New(db.Activity, o).Install(v.host)
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

// Write is core.Sink; what is sent does not matter here.
func (v *world) Write([]byte) (bool, error) { return true, nil }

// Close is core.Sink.
func (v *world) Close(*stanza.StreamError) {}

// bind makes a session of juliet, which says what is given.
func (v *world) bind(resource string, say ...string) *core.Session {
	v.Helper()
	w := core.NewWork(v.host.Pool())
	s, err := v.host.Bind(v.Context(), w, core.Binding{Account: jid.MustParse("juliet@example.org"), Resource: resource, Sink: v, First: func(jid.JID) string { return "" }})
	if err != nil {
		v.Fatal(err)
	}
	for _, text := range say {
		st, err := stanza.Parse(text)
		if err != nil {
			v.Fatal(err)
		}
		if fail := s.Receive(w, v, st); fail != nil {
			v.Fatal(fail)
		}
	}
	w.Run()
	return s
}

// lose ends a session, or its line.
func (v *world) lose(s *core.Session, why core.Lost) {
	w := core.NewWork(v.host.Pool())
	s.Lose(w, v, why)
	w.Run()
}

// asks is what somebody learns of juliet.
func (v *world) asks(who string) string {
	v.Helper()
	st, err := stanza.New(stanza.Head{Kind: stanza.IQ, Type: stanza.Get, ID: "i", From: jid.MustParse(who + "@example.org/r"), To: jid.MustParse("juliet@example.org")},
		"<query xmlns='"+ns.LastActivity+"'/>")
	if err != nil {
		v.Fatal(err)
	}
	var out string
	for _, row := range v.host.IQ.Rows() {
		if row.Space != ns.LastActivity || row.To != core.ToContact {
			continue
		}
		if err := v.host.Ask(v.Context(), jid.MustParse("juliet@example.org"), func(w *core.Work, a *core.Account) error {
			ans, err := row.Do(v.Context(), &core.Event{Host: v.host, Work: w, Account: a, Stanza: st})
			var refused *stanza.Error
			if errors.As(err, &refused) {
				out = string(refused.Condition)
				return nil
			}
			out = ans.Payload
			return err
		}); err != nil {
			v.Fatal(err)
		}
	}
	return out
}

func (v *world) learns(who, want string) {
	v.Helper()
	if strings.HasPrefix(want, "seconds") {
		want = "<query xmlns='jabber:iq:last' " + want + "</query>"
	}
	if got := v.asks(who); got != want {
		v.Errorf("%s learns %s, not %s", who, got, want)
	}
}

// The time counts from the last goodbye, or from when the line broke; while anybody of the account is there it is zero.
func TestLastSeen(t *testing.T) {
	v := newWorld(t)
	v.learns("romeo", "item-not-found")
	v.learns("tybalt", "forbidden")
	desk, phone := v.bind("desk", "<presence/>"), v.bind("phone")
	v.learns("romeo", "seconds='0'>")
	v.clock = v.clock.Add(time.Minute)
	w := core.NewWork(v.host.Pool())
	goodbye, err := stanza.Parse("<presence type='unavailable'><status>a &lt; b</status></presence>")
	if err != nil {
		t.Fatal(err)
	}
	if fail := desk.Receive(w, v, goodbye); fail != nil {
		t.Fatal(fail)
	}
	w.Run()
	v.lose(desk, core.LostClosed)
	v.clock = v.clock.Add(time.Minute)
	v.learns("romeo", "seconds='0'>")
	v.lose(phone, core.LostLine)
	v.clock = v.clock.Add(903 * time.Second)
	v.learns("romeo", "seconds='903'>a &lt; b")
	v.learns("tybalt", "forbidden")

	// A line that broke: since then, although contacts were told later.
	lost := v.bind("lost", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "<presence/>")
	v.lose(lost, core.LostLine)
	v.learns("romeo", "seconds='0'>")
	v.clock = v.clock.Add(5 * time.Minute)
	if err := v.host.Ask(t.Context(), jid.MustParse("juliet@example.org"), func(w *core.Work, a *core.Account) error {
		a.EndSessions(w, nil)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	v.learns("romeo", "seconds='300'>")
}

// What is kept is there before the process ends, also for those who may come back behind it.
func TestLastSeenOfParked(t *testing.T) {
	v := newWorld(t)
	v.bind("r", "<enable xmlns='urn:xmpp:sm:3' resume='true'/>", "<presence/>")
	if err := errors.Join(v.host.Drain(t.Context()), v.host.End(t.Context()), v.host.Keep(t.Context())); err != nil {
		t.Fatal(err)
	}
	a, err := v.db.Accounts.Get(t.Context(), "example.org", "juliet")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.db.Sessions.End().Wait(t.Context()); err != nil { // behind everything that was written
		t.Fatal(err)
	}
	if seen, err := v.db.Activity.LastSeen(t.Context(), a.ID); err != nil || !seen.At.Equal(v.clock) {
		t.Errorf("kept: %+v, %v", seen, err)
	}
}

// An administrator may set who may know; a moderator may only look.
func TestShownByAdministrator(t *testing.T) {
	v := newWorld(t)
	v.lose(v.bind("r"), core.LostClosed)
	request := func(method, name, body string, role store.Role) error {
		r := httptest.NewRequest(method, "/users/"+name+"/last-seen", bytes.NewReader([]byte(body)))
		mux := http.NewServeMux()
		var failure error
		for _, route := range v.host.HTTP {
			mux.HandleFunc(route.Pattern, func(_ http.ResponseWriter, r *http.Request) {
				_, failure = route.Do(t.Context(), core.Actor{JID: jid.MustParse("admin@example.org"), Role: role}, r)
			})
		}
		mux.ServeHTTP(httptest.NewRecorder(), r)
		return failure
	}
	v.learns("romeo", "seconds='0'>")
	if err := request("PUT", "juliet", `{"shown":"nobody"}`, store.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	v.learns("romeo", "forbidden")
	v.learns("juliet", "seconds='0'>")
	if err := request("GET", "juliet", "", store.RoleAdmin); err != nil {
		t.Error(err)
	}
	for what, c := range map[string]struct{ name, body string }{
		"nobody of that name": {"paris", `{"shown":"nobody"}`}, "no such value": {"juliet", `{"shown":"all"}`},
		"another key": {"juliet", `{"hidden":true}`}, "no name": {"%20", `{"shown":"nobody"}`},
	} {
		if err := request("PUT", c.name, c.body, store.RoleAdmin); err == nil {
			t.Errorf("%s: done", what)
		}
	}
	if err := request("PUT", "juliet", `{"shown":"contacts"}`, store.RoleModerator); err == nil {
		t.Error("a moderator has set it")
	}
	v.learns("romeo", "forbidden")
}
