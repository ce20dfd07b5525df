package bookmarks

import (
	"context"
	"errors"
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
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// shelf publishes to nodes in memory, for an account that knows nobody.
type shelf struct {
	mu     sync.Mutex
	module *Module
	items  map[string][]store.NodeItem
	full   error // of the next publication
	away   int   // how often items cannot be read
}

func (p *shelf) Publish(w *core.Work, a *core.Account, node, item, payload string, _ map[string]string) store.Ticket {
	p.mu.Lock()
	if p.full != nil {
		defer p.mu.Unlock()
		return store.Settled(p.full)
	}
	p.items[node] = append(p.items[node], store.NodeItem{Node: node, ID: item, Payload: []byte(payload)})
	p.mu.Unlock()
	return p.told(w, a, &core.Publication{Node: node, Item: item, Payload: payload})
}

func (p *shelf) told(w *core.Work, a *core.Account, x *core.Publication) store.Ticket {
	done := new(store.Promise)
	err := p.module.host.Do(a.JID, func(w *core.Work, a *core.Account) {
		p.module.published(&core.Event{Host: p.module.host, Work: w, Account: a}, x)
		done.Settle(nil)
	})
	if err != nil {
		done.Settle(err)
	}
	return done.Ticket()
}

func (p *shelf) Retract(w *core.Work, a *core.Account, node, item string) store.Ticket {
	p.mu.Lock()
	for i, x := range p.items[node] {
		if x.ID == item {
			p.items[node] = append(p.items[node][:i], p.items[node][i+1:]...)
			break
		}
	}
	p.mu.Unlock()
	return p.told(w, a, &core.Publication{Node: node, Retracted: []string{item}})
}

func (p *shelf) Items(_ context.Context, _ *core.Account, node string) ([]store.NodeItem, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away > 0 {
		p.away--
		return nil, errors.New("the database is away")
	}
	return append([]store.NodeItem(nil), p.items[node]...), nil
}

func (p *shelf) Access(*core.Account, string) string { return "" }

func (*shelf) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}
func (*shelf) Secret() []byte                                                 { return nil }
func (*shelf) Subscription(*core.Account, jid.JID) core.Subscription          { return 0 }
func (*shelf) Groups(*core.Account, jid.JID) []string                         { return nil }
func (*shelf) Lists(*core.Account, jid.JID) bool                              { return false }
func (*shelf) Each(*core.Account, func(contact jid.JID, s core.Subscription)) {}

// Write and Close are core.Sink; what is said to the client is not looked at.
func (*shelf) Write([]byte) (bool, error) { return true, nil }
func (*shelf) Close(*stanza.StreamError)  {}

var juliet = jid.MustParse("juliet@example.org")

// arrive is a server on which juliet has a document in private storage from before, and logs in.
func arrive(t *testing.T, before string, p *shelf) (*core.Host, *sqlstore.DB, store.Owner) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), t.TempDir(), sqlstore.Options{Sync: sqlstore.SyncOff})
	if err != nil {
		t.Fatal(err)
	}
	a, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: "juliet"})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Personal.SetPrivate(a.ID, []store.PrivateData{{PrivateName: document, XML: []byte(before)}}, 10, 10_000).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg, o, pool := config.Default(), obs.Discard(), core.NewPool()
	h := core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: &cfg, Obs: o, Router: core.NewRouter(), Pool: pool, Metrics: core.NewMetrics(o), Accounts: db.Accounts, Holdings: db.Holdings,
	})
	p.module = New(db.Personal, cfg.Personal, o)
	h.Ports.Authenticator, h.Ports.Contacts, h.Ports.Publisher = p, p, p
	p.module.Install(h)
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		pool.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w := core.NewWork(pool)
	if _, err := h.Bind(t.Context(), w, core.Binding{Account: juliet, Resource: "r", Sink: p, First: func(jid.JID) string { return "" }}); err != nil {
		t.Fatal(err)
	}
	w.Run()
	rest(t, h)
	return h, db, a.ID
}

func rest(t *testing.T, h *core.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for range 4 {
		if err := h.Pool().Rest(ctx); err != nil {
			t.Fatal(err)
		}
		if err := h.Drain(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// A document from before there were items becomes items when its owner logs in, once; items that are there are not touched by an older document.
func TestFromBefore(t *testing.T) {
	before := storage("<conference jid='a@rooms.example' name='A'/><conference jid='b@rooms.example'/>")
	p := &shelf{items: map[string][]store.NodeItem{}}
	arrive(t, before, p)
	if got := p.items[ns.Bookmarks]; len(got) != 2 || got[0].ID != "a@rooms.example" || got[1].ID != "b@rooms.example" {
		t.Errorf("items: %+v", got)
	}
	if got := p.items[ns.BookmarksLegacy]; len(got) != 1 || !strings.Contains(string(got[0].Payload), "name='A'") {
		t.Errorf("the older node: %+v", got)
	}
	c := "<conference xmlns='urn:xmpp:bookmarks:1'/>"
	p = &shelf{items: map[string][]store.NodeItem{ns.Bookmarks: {{ID: "c@rooms.example", Payload: []byte(c)}}}}
	arrive(t, before, p)
	if got := p.items[ns.Bookmarks]; len(got) != 1 {
		t.Errorf("items that were there: %+v", got)
	}
}

// A document of which nothing becomes items, because there is no room for them, stays: it is the only one that has its rooms.
func TestNoRoom(t *testing.T) {
	before := storage("<conference jid='a@rooms.example'/>")
	p := &shelf{items: map[string][]store.NodeItem{}, full: stanza.NewError(stanza.ResourceConstraint, "")}
	_, db, owner := arrive(t, before, p)
	kept, err := db.Personal.Private(t.Context(), owner, document)
	if err != nil || string(kept) != before {
		t.Errorf("private storage has %q, %v", kept, err)
	}
}

// A bookmark that was kept, behind which the database is away for a moment, is confirmed when all forms have it.
func TestFormsWaitForTheDatabase(t *testing.T) {
	p := &shelf{items: map[string][]store.NodeItem{}}
	h, db, owner := arrive(t, storage(""), p)
	p.items[ns.Bookmarks] = []store.NodeItem{{ID: "a@rooms.example", Payload: []byte("<conference xmlns='urn:xmpp:bookmarks:1' name='A'/>")}}
	p.away = 2
	var done store.Ticket
	err := h.Ask(t.Context(), juliet, func(_ *core.Work, a *core.Account) error {
		done = p.module.spreadSoon(a)
		return nil
	})
	if err == nil {
		err = done.Wait(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := db.Personal.Private(t.Context(), owner, document); err != nil || !strings.Contains(string(kept), "name='A'") {
		t.Errorf("private storage has %q, %v", kept, err)
	}
	if got := p.items[ns.BookmarksLegacy]; len(got) == 0 || !strings.Contains(string(got[len(got)-1].Payload), "name='A'") {
		t.Errorf("the older node: %+v", got)
	}
}
