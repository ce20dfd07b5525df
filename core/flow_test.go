package core_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// keeping installs an archive in its smallest form: every message is kept by both sides.
func keeping(h *core.Host, db *sqlstore.DB) {
	keep := func(e *core.Event, d store.Direction) core.Verdict {
		if e.Stanza.Kind == stanza.Message {
			key, ticket := db.Archive.Append(store.Entry{
				Owner: e.Account.ID, Peer: e.Stanza.From.Bare().String(), Direction: d, Stanza: []byte(e.Stanza.Standalone()),
			})
			e.Key, e.Kept = key, db.Archive.ID(e.Account.ID, key)
			e.Wait(ticket)
		}
		return core.Next
	}
	h.Hooks.Sending.Add("keep", func(e *core.Event) core.Verdict { return keep(e, store.Outgoing) })
	h.Hooks.Receiving.Add("keep", func(e *core.Event) core.Verdict { return keep(e, store.Incoming) })
}

var ids = regexp.MustCompile(`id=.([a-z]+-\d+).`)

// Eight senders to one user: the archive and the client see the same order, and each sender's own order holds.
func TestArchiveOrderIsDeliveryOrder(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		const senders, each = 8, 500
		names := []string{"romeo"}
		for i := range senders {
			names = append(names, "s"+string(rune('a'+i)))
		}
		x := build(t, names, keeping)
		romeo := x.online("romeo", "orchard")
		var wait sync.WaitGroup
		for _, n := range names[1:] {
			c := x.bind(n, "x")
			wait.Go(func() {
				for i := range each {
					c.say(fmt.Sprintf("<message to='romeo@example.org' type='chat' id='%s-%d'><body>b</body></message>", n, i))
					if err := c.session.Room(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		last := make(map[string]int)
		var live []string
		for len(live) < senders*each {
			<-romeo.grew
			live = live[:0]
			for _, m := range ids.FindAllStringSubmatch(romeo.text(), -1) {
				live = append(live, m[1])
			}
		}
		for _, id := range live {
			n, number, _ := strings.Cut(id, "-")
			if fmt.Sprint(last[n]) != number {
				t.Fatalf("%s came where %s-%d was due", id, n, last[n])
			}
			last[n]++
		}
		owner, err := x.db.Accounts.Get(t.Context(), domain.Domain(), "romeo")
		if err != nil {
			t.Fatal(err)
		}
		var kept []string
		for after := ""; len(kept) < len(live); {
			page, err := x.db.Archive.Page(t.Context(), owner.ID, store.Query{Max: store.MaxPage, After: after})
			if err != nil || len(page.Rows) == 0 {
				t.Fatalf("page: %d rows, %v", len(page.Rows), err)
			}
			for _, r := range page.Rows {
				kept = append(kept, ids.FindStringSubmatch(string(r.Stanza))[1])
			}
			after = page.Rows[len(page.Rows)-1].ID
		}
		for i := range live {
			if live[i] != kept[i] {
				t.Fatalf("position %d: delivered %s, kept %s", i, live[i], kept[i])
			}
		}
	})
}

// What is kept is shown only when its ticket is done, and what the same sender says meanwhile does not overtake it; others do.
func TestKeptStanzasStandInTheLine(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		var disk store.Promise
		x := build(t, []string{"juliet", "romeo", "nurse"}, func(h *core.Host, _ *sqlstore.DB) {
			h.Hooks.Receiving.Add("keep", func(e *core.Event) core.Verdict {
				if e.Stanza.ID == "kept" {
					e.Wait(disk.Ticket())
				}
				return core.Next
			})
		})
		romeo, juliet, nurse := x.online("romeo", "r"), x.online("juliet", "j"), x.online("nurse", "n")
		romeo.wait("nurse@example.org/n")
		juliet.say("<message to='romeo@example.org' type='chat' id='kept'/>", "<message to='romeo@example.org' type='chat' id='behind'/>")
		nurse.say("<message to='romeo@example.org' type='chat' id='other'/>")
		romeo.wait("id='other'")
		if got := romeo.text(); strings.Contains(got, "id='kept'") || strings.Contains(got, "id='behind'") {
			t.Fatalf("shown before it was durable: %s", got)
		}
		if n := juliet.owned().Handled(); n != 1 { // her presence
			t.Errorf("handled %d stanzas", n)
		}
		disk.Settle(nil)
		romeo.wait("id='behind'")
		if got := romeo.text(); strings.Index(got, "id='kept'") > strings.Index(got, "id='behind'") {
			t.Errorf("overtaken: %s", got)
		}
		juliet.fence()
		if n := juliet.owned().Handled(); n != 4 {
			t.Errorf("handled %d stanzas of 4", n)
		}
		if n := juliet.session.Handled(); n != 4 {
			t.Errorf("her door knows of %d stanzas of 4", n)
		}
	})
}

// A disk that is full: the sender gets an error, nobody gets the message.
func TestFailedTicket(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, func(h *core.Host, _ *sqlstore.DB) {
			h.Hooks.Sending.Add("keep", func(e *core.Event) core.Verdict {
				e.Wait(store.Settled(store.ErrFull))
				return core.Next
			})
		})
		romeo, juliet := x.online("romeo", "r"), x.online("juliet", "j")
		juliet.say("<message to='romeo@example.org' type='chat' id='lost'><body>b</body></message>")
		juliet.wait("resource-constraint")
		romeo.fence()
		if strings.Contains(romeo.text(), "id='lost'") {
			t.Error("a message that could not be kept was delivered")
		}
		if n := strings.Count(juliet.text(), "resource-constraint"); n != 1 {
			t.Errorf("%d errors", n)
		}
	})
}

// A hook that panics hurts one stanza.
func TestPanicCostsOneStanza(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, func(h *core.Host, _ *sqlstore.DB) {
			h.Hooks.Receiving.Add("bad", func(e *core.Event) core.Verdict {
				if e.Stanza.ID == "bad" && e.Stanza.Type == stanza.Chat {
					panic("a mistake")
				}
				return core.Next
			})
		})
		romeo, juliet := x.online("romeo", "r"), x.online("juliet", "j")
		juliet.say("<message to='romeo@example.org' type='chat' id='bad'/>", "<message to='romeo@example.org' type='chat' id='good'/>")
		romeo.wait("id='good'")
		juliet.wait("internal-server-error")
		if strings.Contains(romeo.text(), "id='bad'") {
			t.Error("delivered")
		}
	})
}

// What was to come after the disk and panics costs its request an error, and the next one is answered.
func TestPanicBehindTheDisk(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet"}, func(h *core.Host, _ *sqlstore.DB) {
			h.IQ.Handle(core.IQ{
				Space: "test", Local: "q", Type: stanza.Set, To: core.ToOwn, Action: core.ActUseAccount, Module: "bad",
				Do: func(_ context.Context, e *core.Event) (core.Answer, error) {
					p, id := new(store.Promise), e.Stanza.ID
					e.Wait(p.Ticket())
					e.After(func(*core.Event) {
						if id == "bad" {
							panic("a mistake")
						}
					})
					p.Settle(nil)
					return core.Answer{}, nil
				},
			})
		})
		juliet := x.online("juliet", "j")
		juliet.say("<iq type='set' id='bad'><q xmlns='test'/></iq>", "<iq type='set' id='good'><q xmlns='test'/></iq>")
		juliet.wait("internal-server-error")
		juliet.wait("type='result'")
	})
}

// The whole way of a one-to-one message allocates little.
func TestAllocationsPerMessage(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, nil)
	romeo, juliet := x.online("romeo", "r"), x.online("juliet", "j")
	sink := &counter{}
	s, err := x.rooms[0].host.Bind(t.Context(), juliet.work, core.Binding{
		Account: romeo.session.Account.JID, Resource: "counted", Sink: sink, First: func(jid.JID) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	st, err := stanza.Parse("<message xmlns='jabber:client' to='romeo@example.org/counted' type='chat' id='m1'><body>hello there</body></message>")
	if err != nil {
		t.Fatal(err)
	}
	st = st.Stamped(juliet.session.JID)
	one := func() {
		if fail := juliet.session.Receive(juliet.work, juliet, st); fail != nil {
			t.Fatal(fail)
		}
		juliet.work.Run()
	}
	for before := int64(-1); sink.writes.Load() != before+1; {
		// Who has bound the session may still be about to write to it, and would write these messages as well.
		time.Sleep(time.Millisecond)
		before = sink.writes.Load()
		one()
	}
	before := sink.writes.Load()
	if n := testing.AllocsPerRun(200, one); n > 3 && !raceDetector { // which has pools forget what they hold
		t.Errorf("%v allocations from the door to the sink; decoding has 3 of its own", n)
	}
	if n := sink.writes.Load() - before; n < 200 {
		t.Errorf("%d writes to %s", n, s.JID)
	}
}

type counter struct{ writes atomic.Int64 }

func (c *counter) Write([]byte) (bool, error) { c.writes.Add(1); return true, nil }
func (*counter) Close(*stanza.StreamError)    {}

// lateSink takes its time to take what it is given, and notes what happens to it.
type lateSink struct {
	begun, free chan struct{}
	order       chan string
}

func (s *lateSink) Write(p []byte) (bool, error) {
	if strings.Contains(string(p), "id='last'") {
		close(s.begun)
		<-s.free
		s.order <- "written"
	}
	return true, nil
}

func (s *lateSink) Close(*stanza.StreamError) { s.order <- "closed" }

// What is being written when a session is ended goes out before its end.
func TestEndComesBehindWhatIsWritten(t *testing.T) {
	x := build(t, []string{"juliet"}, func(h *core.Host, _ *sqlstore.DB) {
		h.IQ.Handle(core.IQ{
			Space: "test", Local: "q", Type: stanza.Set, To: core.ToOwn, Action: core.ActUseAccount, Module: "test",
			Do: func(context.Context, *core.Event) (core.Answer, error) { return core.Answer{}, nil },
		})
	})
	sink, h, juliet := &lateSink{begun: make(chan struct{}), free: make(chan struct{}), order: make(chan string, 2)}, x.rooms[0].host, jid.MustParse("juliet@example.org")
	work := x.online("juliet", "other").work
	s, err := h.Bind(t.Context(), work, core.Binding{Account: juliet, Resource: "slow", Sink: sink, First: func(jid.JID) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	st, err := stanza.Parse("<iq type='set' id='last'><q xmlns='test'/></iq>")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if fail := s.Receive(work, sink, st); fail != nil {
			t.Error(fail.Condition)
		}
		work.Run()
	}()
	<-sink.begun
	if err := h.Ask(t.Context(), juliet, func(w *core.Work, a *core.Account) error { a.Depart(w); return nil }); err != nil {
		t.Fatal(err)
	}
	select {
	case what := <-sink.order:
		close(sink.free)
		t.Fatalf("%s while an answer is being written", what)
	default:
	}
	close(sink.free)
	if first, then := <-sink.order, <-sink.order; first != "written" || then != "closed" {
		t.Errorf("%s, then %s", first, then)
	}
}

// Presence goes to contacts in memory only: a contact that is not costs no read of the store.
func TestAbsentContactsCostNoRead(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		names := []string{"juliet"}
		for i := range 200 {
			names = append(names, fmt.Sprintf("c%d", i))
		}
		var loads atomic.Int32
		x := build(t, names, func(h *core.Host, _ *sqlstore.DB) {
			h.Hooks.Loading.Add("count", func(context.Context, *core.Account, store.Held) error { loads.Add(1); return nil })
		})
		c0 := x.online("c0", "x")
		juliet := x.online("juliet", "j")
		c0.wait("from='juliet@example.org/j'")
		juliet.wait("from='c0@example.org/x'")
		juliet.say("<presence type='unavailable'/>")
		c0.wait("type='unavailable'")
		if n := loads.Load(); n != 2 {
			t.Errorf("%d accounts were read, 2 are online", n)
		}
	})
}

// RFC 6120 section 10.1: between two entities nothing overtakes, whatever kind it is of, although only messages wait for the disk.
func TestNothingOvertakesBetweenTwo(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, keeping)
	romeo, juliet := x.online("romeo", "r"), x.online("juliet", "j")
	romeo.wait("from='juliet@example.org/j'")
	for i := range 50 {
		juliet.say(
			fmt.Sprintf("<message to='romeo@example.org/r' type='chat' id='m-%d'/>", 3*i),
			fmt.Sprintf("<iq to='romeo@example.org/r' type='get' id='m-%d'><q xmlns='urn:q'/></iq>", 3*i+1),
			fmt.Sprintf("<presence to='romeo@example.org/r' id='m-%d'/>", 3*i+2),
		)
	}
	romeo.wait("id='m-149'")
	for i, m := range ids.FindAllStringSubmatch(romeo.text(), -1) {
		if want := fmt.Sprintf("m-%d", i); m[1] != want {
			t.Fatalf("%s came where %s was due", m[1], want)
		}
	}
}
