// Package mod_test keeps the module that everybody copies alive.
package mod_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/mod/_skeleton"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// strangers are the ports of a host on which nobody logs in and nobody knows anybody.
type strangers struct{}

func (strangers) Credential(context.Context, jid.JID, sasl.Hash) (sasl.Credential, bool, error) {
	return sasl.Credential{}, false, nil
}
func (strangers) Secret() []byte                                                 { return nil }
func (strangers) Subscription(*core.Account, jid.JID) core.Subscription          { return 0 }
func (strangers) Groups(*core.Account, jid.JID) []string                         { return nil }
func (strangers) Lists(*core.Account, jid.JID) bool                              { return false }
func (strangers) Each(*core.Account, func(contact jid.JID, s core.Subscription)) {}

// record is a sink.
type record struct {
	mu  sync.Mutex
	all string
}

func (r *record) Write(p []byte) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all += string(p)
	return true, nil
}

func (r *record) Close(*stanza.StreamError) {}

func (r *record) holds(part string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(r.all, part)
}

func TestSkeleton(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	db, err := sqlstore.Open(ctx, t.TempDir(), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Accounts.Create(ctx, store.NewAccount{Domain: "example.org", Local: "alice"}); err != nil {
		t.Fatal(err)
	}
	cfg, o, pool := config.Default(), obs.Discard(), core.NewPool()
	h := core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: &cfg, Obs: o, Router: core.NewRouter(), Pool: pool, Metrics: core.NewMetrics(o), Accounts: db.Accounts, Holdings: db.Holdings,
	})
	h.Ports.Authenticator, h.Ports.Contacts = strangers{}, strangers{}
	skeleton.New().Install(h)
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	defer h.Close()

	sink, w := &record{}, core.NewWork(pool)
	s, err := h.Bind(ctx, w, core.Binding{
		Account: jid.MustParse("alice@example.org"), Resource: "r", Sink: sink, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"one", "two"} {
		st, err := stanza.Parse("<iq type='get' id='" + id + "'><count xmlns='" + skeleton.Space + "'/></iq>")
		if err != nil {
			t.Fatal(err)
		}
		if se := s.Receive(w, sink, st); se != nil {
			t.Fatal(se.Condition)
		}
		w.Run()
	}
	for ctx.Err() == nil && !sink.holds(">2</count></iq>") {
		time.Sleep(time.Millisecond)
	}
	for _, want := range []string{"id='one' type='result'><count xmlns='" + skeleton.Space + "'>1</count></iq>", "id='two' type='result'>"} {
		if !sink.holds(want) {
			t.Errorf("no %s in %s", want, sink.all)
		}
	}
}
