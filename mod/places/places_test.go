package places

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
)

// noting is a store that says when it is written to.
type noting struct {
	store.Places
	written []store.Ticket
}

func (n *noting) SetPlace(owner store.Owner, network []byte, seen time.Time, keep int) store.Ticket {
	t := n.Places.SetPlace(owner, network, seen, keep)
	n.written = append(n.written, t)
	return t
}

func TestPlaces(t *testing.T) {
	folder := t.TempDir()
	db, err := sqlstore.Open(t.Context(), folder, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"juliet", "romeo"} {
		if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: name}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Unix(1_000_000, 0)
	cfg, o := config.Default(), obs.Discard()
	h := core.NewHost(jid.MustParse("example.org"), core.Parts{
		Config: &cfg, Obs: o, Router: core.NewRouter(), Pool: core.NewPool(), Metrics: core.NewMetrics(o), Accounts: db.Accounts, Holdings: db.Holdings, Now: func() time.Time { return now },
	})
	juliet, romeo, nobody := jid.MustParse("juliet@example.org"), jid.MustParse("romeo@example.org"), jid.MustParse("nobody@example.org")
	home, away := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:1::/48")
	n := &noting{Places: db.Places}
	m := New(n, []byte("0123456789abcdef"), 16)
	m.Install(h)
	login := func(account jid.JID, network netip.Prefix) (known bool, writes int) {
		t.Helper()
		before := len(n.written)
		p := m.Place(t.Context(), account, network)
		m.LoggedIn(account, network, p)
		for _, ticket := range n.written[before:] {
			if err := ticket.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		return !p.Seen.IsZero(), len(n.written) - before
	}
	for i, step := range []struct {
		account jid.JID
		network netip.Prefix
		after   time.Duration
		known   bool
		writes  int
	}{
		{juliet, home, 0, false, 1},
		{juliet, home, time.Hour, true, 0},
		{juliet, away, time.Hour, false, 1},
		{romeo, home, 0, false, 1},
		{juliet, home, 23 * time.Hour, true, 1},
		{juliet, home, time.Hour, true, 0},
		{nobody, home, 0, false, 0},
		{nobody, home, 0, false, 0},
	} {
		now = now.Add(step.after)
		if known, writes := login(step.account, step.network); known != step.known || writes != step.writes {
			t.Errorf("step %d: known %v, %d writes", i, known, writes)
		}
	}
	if bytes.Equal(m.hash(juliet, home), m.hash(romeo, home)) || bytes.Equal(m.hash(juliet, home), New(n, []byte("another"), 16).hash(juliet, home)) {
		t.Error("the table tells who was where somebody else was")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = sqlstore.Open(t.Context(), folder, sqlstore.Options{}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m.store = db.Places
	if m.Place(t.Context(), juliet, home).Seen.IsZero() {
		t.Error("forgotten with a restart")
	}
}
