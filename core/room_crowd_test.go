package core_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// audience counts what all occupants of a room were written.
type audience struct {
	left atomic.Int64
	all  chan struct{} // a token when nothing is left
}

// seat is the sink of one of them.
type seat struct {
	counter
	in *audience
}

func (s *seat) Write(p []byte) (bool, error) {
	if s.in.left.Add(-1) == 0 {
		s.in.all <- struct{}{}
	}
	return s.counter.Write(p)
}

// crowd is a room with that many occupants; say has one of them say something, and returns when all have heard it.
func crowd(tb testing.TB, n int) (say func(), sinks []*seat, done func()) {
	tb.Helper()
	o := obs.Discard()
	cfg := config.Default()
	pool := core.NewPool()
	parts := core.Parts{Config: &cfg, Obs: o, Router: core.NewRouter(), Pool: pool, Metrics: core.NewMetrics(o), Accounts: inMemory{}, Holdings: nothing{}}
	h := core.NewHost(domain, parts)
	h.Ports.Contacts, h.Ports.Authenticator = everybody(nil), nobody{}
	hall := &audience{all: make(chan struct{}, 1)}
	slots := core.NewSlot[[]jid.JID](h)
	room := jid.MustParse(cave)
	st := said(room, "J", "m")
	h.Serve(core.Rooms{
		Module: "crowd", Domain: denDomain,
		Load:     func(context.Context, *core.Room) error { return nil },
		Standing: func(*core.Room, jid.JID) core.Standing { return 0 },
		Vacant:   func(*core.Room) bool { return false },
		Receive: func(e *core.Event) core.Verdict {
			r := e.Room
			if e.Stanza.Kind == stanza.Presence {
				*slots.Of(r) = append(*slots.Of(r), e.Stanza.From.Clone())
				return core.Next
			}
			r.Stand(e.Work, func(w *core.Work, _ error) { r.Tell(w, st, *slots.Of(r)...) })
			return core.Next
		},
	})
	if err := h.Start(); err != nil {
		tb.Fatal(err)
	}
	w := core.NewWork(pool)
	enter, err := stanza.Parse("<presence xmlns='jabber:client' to='" + cave + "/x'/>")
	if err != nil {
		tb.Fatal(err)
	}
	var first *core.Session
	for i := range n {
		sink := &seat{in: hall}
		s, err := h.Bind(context.Background(), w, core.Binding{
			Account: jid.MustParse(fmt.Sprintf("u%d@%s", i, domain.Domain())), Resource: "r", Sink: sink, First: func(jid.JID) string { return "" },
		})
		if err != nil {
			tb.Fatal(err)
		}
		if fail := s.Receive(w, sink, enter.Stamped(s.JID)); fail != nil {
			tb.Fatal(fail)
		}
		w.Run()
		sinks = append(sinks, sink)
		if first == nil {
			first = s
		}
	}
	text, err := stanza.Parse("<message xmlns='jabber:client' type='groupchat' id='m' to='" + cave + "'><body>hello there</body></message>")
	if err != nil {
		tb.Fatal(err)
	}
	text = text.Stamped(first.JID)
	if err := pool.Rest(context.Background()); err != nil {
		tb.Fatal(err)
	}
	say = func() {
		hall.left.Store(int64(n))
		if fail := first.Receive(w, sinks[0], text); fail != nil {
			tb.Fatal(fail)
		}
		w.Run()
		<-hall.all
	}
	return say, sinks, func() {
		h.Close()
		pool.Close()
	}
}

// inMemory has every account.
type inMemory struct{ store.Accounts }

func (inMemory) Get(_ context.Context, domain, local string) (store.Account, error) {
	return store.Account{ID: 1, Domain: domain, Local: local, Role: store.RoleMember}, nil
}

type nothing struct{}

func (nothing) Held(context.Context, store.Owner) (store.Held, error) { return 0, nil }

// A message costs each occupant one place in an outbox: no goroutine, no hook, no copy of the stanza.
func TestAllocationsPerOccupant(t *testing.T) {
	const n = 300
	say, sinks, done := crowd(t, n)
	defer done()
	say()
	before := sinks[n-1].writes.Load()
	if got := testing.AllocsPerRun(50, say) / n; got > 1.1 && !raceDetector {
		t.Errorf("%.2f allocations for each occupant", got)
	}
	if got := sinks[n-1].writes.Load() - before; got != 51 {
		t.Errorf("the last occupant was written to %d times", got)
	}
}

// BenchmarkRoom is a message to 1,000 occupants, down to the encoded bytes at the sink: ns and allocations for each delivery.
func BenchmarkRoom(b *testing.B) {
	const n = 1000
	say, _, done := crowd(b, n)
	defer done()
	say()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		say()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/delivery")
}
