package profile

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// away is a store whose vCards cannot be read for some times.
type away struct {
	store.Personal
	times atomic.Int32
}

func (s *away) VCard(ctx context.Context, owner store.Owner) ([]byte, error) {
	if s.times.Add(-1) >= 0 {
		return nil, errors.New("the database is away")
	}
	return s.Personal.VCard(ctx, owner)
}

// nodes are the nodes of one account, with one item each.
type nodes struct{ items map[string]string }

func (n *nodes) Publish(_ *core.Work, _ *core.Account, node, _, payload string, _ map[string]string) store.Ticket {
	n.items[node] = payload
	return store.Settled(nil)
}

func (n *nodes) Retract(*core.Work, *core.Account, string, string) store.Ticket {
	return store.Settled(nil)
}

func (n *nodes) Items(_ context.Context, _ *core.Account, node string) ([]store.NodeItem, error) {
	if n.items[node] == "" {
		return nil, nil
	}
	return []store.NodeItem{{ID: "current", Payload: []byte(n.items[node])}}, nil
}

func (n *nodes) Access(*core.Account, string) string { return "presence" }

// TestFormsWaitForTheDatabase: a change that was kept, behind which the database is away for a moment, is done when all forms say the same.
func TestFormsWaitForTheDatabase(t *testing.T) {
	db, err := sqlstore.Open(t.Context(), t.TempDir(), sqlstore.Options{Sync: sqlstore.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: "juliet"}); err != nil {
		t.Fatal(err)
	}
	c, o, pool := config.Default(), obs.Discard(), core.NewPool()
	h := core.NewHost(domain, core.Parts{
		Config: &c, Obs: o, Router: core.NewRouter(), Pool: pool, Metrics: core.NewMetrics(o), Accounts: db.Accounts, Holdings: db.Holdings,
	})
	t.Cleanup(func() {
		h.Close()
		pool.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	shown, kept := &nodes{items: make(map[string]string)}, &away{Personal: db.Personal}
	h.Ports.Publisher = shown
	m := New(kept, c.Personal, o)
	m.host = h
	change := func(f func(*core.Work, *core.Account, *store.Promise)) {
		t.Helper()
		kept.times.Store(2)
		done := new(store.Promise)
		err := h.Ask(t.Context(), jid.MustParse("juliet@example.org"), func(w *core.Work, a *core.Account) error {
			f(w, a, done)
			return nil
		})
		if err == nil {
			err = done.Ticket().Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	holds := func(name string) {
		t.Helper()
		if got, want := shown.items[ns.VCard4], "<vcard xmlns='"+ns.VCard4Element+"'><fn><text>"+name+"</text></fn></vcard>"; got != want {
			t.Errorf("on the node is %s, want %s", got, want)
		}
	}
	change(func(w *core.Work, a *core.Account, done *store.Promise) {
		m.faces.Of(a).under = m.store.SetVCard(a.ID, []byte("<vCard xmlns='vcard-temp'><FN>Juliet</FN></vCard>"))
		m.follow(w, a, done)
	})
	holds("Juliet")
	change(func(w *core.Work, a *core.Account, done *store.Promise) {
		m.edit(w, a, 0, func(*xmltok.Node) *xmltok.Node { return tree(t, temp("<FN>Capulet</FN>")) }, done)
	})
	holds("Capulet")
	change(func(w *core.Work, a *core.Account, done *store.Promise) {
		m.edit(w, a, -1, func(*xmltok.Node) *xmltok.Node { return tree(t, temp("<FN>Montague</FN>")) }, done)
	})
	holds("Capulet") // the vCard was set since that was published
}
