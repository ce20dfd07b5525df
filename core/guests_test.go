package core_test

import (
	"context"
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

var here = netip.MustParsePrefix("192.0.2.1/32")

// welcoming has guests, who may talk to romeo.
func welcoming(h *core.Host, _ *sqlstore.DB) {
	h.Config.Guests = config.Guests{To: []string{"romeo@example.org"}, Idle: config.Duration(time.Hour), Most: 4, MostPerSource: 2}
	h.IQ.Handle(core.IQ{
		Space: "urn:test", Local: "fence", Type: stanza.Get, To: core.ToOwn, Action: core.ActUseSession, Module: "test",
		Do: func(context.Context, *core.Event) (core.Answer, error) { return core.Answer{}, nil },
	})
	h.IQ.Handle(core.IQ{
		Space: "urn:test", Local: "mine", Type: stanza.Get, To: core.ToOwn, Action: core.ActUseAccount, Module: "test",
		Do: func(context.Context, *core.Event) (core.Answer, error) { return core.Answer{}, nil },
	})
}

// guest admits one and binds its session.
func (x *house) guest(r *room) *client {
	x.t.Helper()
	j, err := r.host.AdmitGuest(here)
	if err != nil {
		x.t.Fatal(err)
	}
	return x.bindAt(r, j.Local(), "")
}

func TestGuestsAreBounded(t *testing.T) {
	x := build(t, nil, welcoming)
	h := x.rooms[0].host
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}@example\.org$`)
	sources := []string{"192.0.2.1/32", "192.0.2.1/32", "192.0.2.1/32", "192.0.2.2/32", "192.0.2.2/32", "192.0.2.3/32"}
	var all []jid.JID
	for i, s := range sources {
		j, err := h.AdmitGuest(netip.MustParsePrefix(s))
		if want := i == 2 || i == 5; errors.Is(err, core.ErrGuests) != want || !want && !uuid.MatchString(j.String()) {
			t.Errorf("%d from %s: %v, %v", i, s, j, err)
		}
		if err == nil {
			all = append(all, j)
		}
	}
	for range 2 {
		h.DismissGuest(all[0])
	}
	if _, err := h.AdmitGuest(here); err != nil {
		t.Errorf("after one has gone: %v", err)
	}
	if _, err := h.AdmitGuest(netip.MustParsePrefix("192.0.2.3/32")); !errors.Is(err, core.ErrGuests) {
		t.Errorf("one too many after one has gone twice: %v", err)
	}
	closed := build(t, nil, nil)
	if _, err := closed.rooms[0].host.AdmitGuest(here); !errors.Is(err, core.ErrGuests) {
		t.Errorf("where guests are not welcome: %v", err)
	}
}

// A guest talks to those who are listed and to nobody else, on one node and on two, and is gone with its session.
func TestGuest(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, welcoming)
		romeo, juliet := x.online("romeo", "orchard"), x.online("juliet", "balcony")
		for _, r := range x.rooms {
			g := x.guest(r)
			full := g.session.JID.String()
			g.say("<presence/>")
			g.say("<message to='romeo@example.org' type='chat' id='to-romeo'><body>x</body></message>",
				"<message to='juliet@example.org/balcony' type='chat' id='to-juliet'><body>x</body></message>",
				"<iq to='juliet@example.org/balcony' type='get' id='asked-juliet'><q xmlns='urn:q'/></iq>",
				"<presence to='juliet@example.org' type='subscribe' id='subscribed'/>",
				"<iq type='get' id='mine'><mine xmlns='urn:test'/></iq>",
				"<iq type='get' id='theirs' to='romeo@example.org/orchard'><q xmlns='urn:q'/></iq>")
			romeo.wait("from='"+full+"' id='to-romeo'", "from='"+full+"' id='theirs'")
			for _, id := range []string{"to-juliet", "asked-juliet", "subscribed", "mine"} {
				g.wait("id='" + id + "'")
			}
			if n := strings.Count(g.text(), "<forbidden "); n != 4 {
				t.Errorf("%d of 4 forbidden: %s", n, g.text())
			}
			romeo.say("<message to='" + full + "' type='chat' id='from-romeo'><body>y</body></message>")
			g.wait("id='from-romeo'")
			juliet.say("<message to='"+full+"' type='chat' id='from-juliet'><body>y</body></message>",
				"<iq to='"+full+"' type='get' id='guest-asked'><q xmlns='urn:q'/></iq>", "<presence to='"+full+"'/>")
			juliet.wait("id='guest-asked'")
			romeo.say("<message to='" + full + "' type='headline' id='fence-romeo'/>")
			g.wait("id='fence-romeo'")
			if strings.Contains(g.text(), "id='from-juliet'") || strings.Contains(g.text(), "<presence to='"+full+"' from='juliet") ||
				strings.Contains(g.text(), "id='guest-asked'") || strings.Contains(juliet.text(), "id='to-juliet'") {
				t.Errorf("juliet and the guest hear each other: %s", g.text())
			}
			g.session.Lose(g.work, g, core.LostLine)
			g.work.Run()
			g.waitClosed()
			_, err := r.host.Bind(t.Context(), core.NewWork(r.pool), core.Binding{
				Account: g.session.JID.Bare(), Sink: g, First: func(jid.JID) string { return "" },
			})
			if !errors.Is(err, core.ErrNoAccount) {
				t.Errorf("a guest that has gone is back: %v", err)
			}
			if _, err := x.db.Accounts.Get(t.Context(), "example.org", g.session.JID.Local()); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("in the store: %v", err)
			}
		}
		for range 2 { // both places of the source are free again
			if _, err := x.rooms[0].host.AdmitGuest(here); err != nil {
				t.Error(err)
			}
		}
	})
}

// Whoever sends something is not idle; whoever does not is sent away.
func TestIdleGuest(t *testing.T) {
	var now atomic.Int64
	x := build(t, []string{"romeo"}, func(h *core.Host, db *sqlstore.DB) {
		welcoming(h, db)
		h.Config.Guests.Idle = config.Duration(10 * time.Millisecond) // of the clock below; the timer asks it again and again
		h.Now = func() time.Time { return time.Unix(1_000_000, now.Load()) }
	})
	g := x.guest(x.rooms[0])
	for range 4 {
		now.Add(int64(8 * time.Millisecond))
		g.fence()
	}
	g.mu.Lock()
	ended := g.ended
	g.mu.Unlock()
	if ended {
		t.Fatal("sent away although it sends")
	}
	now.Add(int64(11 * time.Millisecond))
	if reason := g.waitClosed(); reason == nil || reason.Condition != stanza.StreamPolicyViolation {
		t.Errorf("sent away with %v", reason)
	}
}
