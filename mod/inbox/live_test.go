package inbox

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// memory is a store in which juliet has an account, and in each chat as much to read as a test says.
type memory struct {
	store.Accounts
	unread, reads atomic.Int64
}

func (m *memory) Get(context.Context, string, string) (store.Account, error) {
	return store.Account{ID: 7, Domain: "example.org", Local: "juliet"}, nil
}

func (m *memory) Held(context.Context, store.Owner) (store.Held, error) { return 0, nil }

// lists are its chats.
type lists struct{ *memory }

func (l lists) Chats(_ context.Context, _ store.Owner, q store.ChatsQuery) (out []store.Chat, err error) {
	l.reads.Add(1)
	for _, peer := range q.Only {
		out = append(out, store.Chat{Peer: peer, Unread: int(l.unread.Load()), LastID: "x"})
	}
	return out, nil
}

func (lists) Last(context.Context, store.Owner, []store.Chat) ([]store.Row, error) { return nil, nil }

func (lists) News(_ context.Context, all []store.Chat) ([][]store.Row, error) {
	return make([][]store.Row, len(all)), nil
}

type anyNodes = store.Nodes // a field of its own name would hide its method

// nodes are its nodes, with nothing on them.
type nodes struct{ anyNodes }

func (nodes) Items(context.Context, store.Owner, string, store.NodeQuery) (store.NodePage, error) {
	return store.NodePage{}, nil
}

// ports are what a host needs to have sessions.
type ports struct{}

func (ports) Subscription(*core.Account, jid.JID) core.Subscription { return 0 }
func (ports) Groups(*core.Account, jid.JID) []string                { return nil }
func (ports) Lists(*core.Account, jid.JID) bool                     { return false }
func (ports) Each(*core.Account, func(jid.JID, core.Subscription))  {}
func (ports) Secret() []byte                                        { return nil }
func (ports) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}

// sink counts the entries that a session is sent.
type sink struct{ entries atomic.Int64 }

func (s *sink) Write(p []byte) (bool, error) {
	s.entries.Add(int64(strings.Count(string(p), "<entry ")))
	return true, nil
}
func (s *sink) Close(*stanza.StreamError) {}

// However often a chat changes, it is told once a second, to those who follow, and not when nothing is different in the end.
func TestTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, cfg, o := new(memory), config.Default(), obs.Discard()
		pool := core.NewPool()
		h := core.NewHost(jid.MustParse("example.org"), core.Parts{
			Config: &cfg, Obs: o, Router: core.NewRouter(), Pool: pool, Metrics: core.NewMetrics(o), Accounts: m, Holdings: m, Now: time.Now,
		})
		h.Ports.Authenticator, h.Ports.Contacts = ports{}, ports{}
		x := &live{Module: New(Stores{Chats: lists{m}, Nodes: nodes{}}, o), host: h, news: core.NewSlot[news](h)}
		if err := h.Start(); err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		defer h.Close()
		own := jid.MustParse("juliet@example.org")
		sinks := map[string]*sink{"desk": {}, "phone": {}}
		for name, s := range sinks {
			w := core.NewWork(pool)
			session, err := h.Bind(t.Context(), w, core.Binding{Account: own, Resource: name, Sink: s, First: func(jid.JID) string { return "" }})
			if err != nil {
				t.Fatal(err)
			}
			w.Run()
			if err := h.Ask(t.Context(), own, func(*core.Work, *core.Account) error {
				session.Follow(name == "phone")
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		change := func(peer string) {
			t.Helper()
			if err := h.Ask(t.Context(), own, func(_ *core.Work, a *core.Account) error {
				x.kept(&core.Event{Host: h, Account: a, Kept: "id"}, jid.MustParse(peer))
				x.kept(&core.Event{Host: h, Account: a}, jid.MustParse("not-kept@example.org"))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		want := func(what string, told, reads int64) {
			t.Helper()
			if got := sinks["phone"].entries.Load(); got != told || m.reads.Load() != reads || sinks["desk"].entries.Load() != 0 {
				t.Errorf("%s: %d told by %d reads, want %d by %d; %d to who does not follow", what, got, m.reads.Load(), told, reads, sinks["desk"].entries.Load())
			}
		}
		for range 500 { // ten seconds
			m.unread.Add(1)
			change("romeo@example.org/r")
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		first := m.reads.Load()
		if first < 5 || first > 12 {
			t.Errorf("%d reads in ten seconds", first)
		}
		want("a flood", first, first)
		change("romeo@example.org")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want("nothing new", first, first+1)
		change("nurse@example.org")
		change("romeo@example.org")
		m.unread.Add(1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want("two chats at once", first+2, first+2)
		if err := h.Ask(t.Context(), own, func(_ *core.Work, a *core.Account) error {
			for _, s := range a.Sessions() {
				s.Follow(false)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		m.unread.Add(1)
		change("romeo@example.org")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		want("nobody follows", first+2, first+2)
	})
}

// What somebody publishes about a chat is told of that chat.
func TestPublished(t *testing.T) {
	for _, c := range []struct {
		node, item string
		want       string
	}{
		{ns.Displayed, "Romeo@example.org", "romeo@example.org"},
		{ns.Chats, "draft/romeo@example.org", "romeo@example.org"},
		{ns.Chats, "settings/romeo@example.org", "romeo@example.org"},
		{ns.Bookmarks, "hall@rooms.example.org", "hall@rooms.example.org"},
		{ns.Chats, "draft", ""},
		{"else", "romeo@example.org", ""},
	} {
		if got := chatOf(c.node, c.item); got != c.want {
			t.Errorf("%s %s: %q", c.node, c.item, got)
		}
	}
}
