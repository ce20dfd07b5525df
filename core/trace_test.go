package core_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// spans are what a watch has told until nothing more came for a moment that a fence has passed.
func spans(w *obs.Watch) (all []obs.Span) {
	for {
		select {
		case s := <-w.Spans():
			all = append(all, s)
		default:
			return all
		}
	}
}

// until reads spans up to one of that name.
func until(t *testing.T, w *obs.Watch, name string) (all []obs.Span) {
	t.Helper()
	for late := time.After(10 * time.Second); ; {
		select {
		case s := <-w.Spans():
			all = append(all, s)
			if s.Name == name {
				return all
			}
		case <-late:
			t.Fatalf("no %s in %+v", name, all)
		}
	}
}

// tell writes spans without their times.
func tell(all []obs.Span, beside bool) string {
	var b strings.Builder
	for _, s := range all {
		if (s.Hop == 0) != beside {
			continue
		}
		fmt.Fprintf(&b, "%d %s %s", s.Hop, s.Name, s.Owner)
		for _, h := range s.Hooks {
			fmt.Fprintf(&b, " [%s %s %s]", h.Point, h.Module, h.Verdict)
		}
		if s.Outcome != "" {
			fmt.Fprintf(&b, " (%s)", s.Outcome)
		}
		if len(s.Targets) > 0 {
			fmt.Fprintf(&b, " to %v", s.Targets)
		}
		if h := s.Stanza; h != nil {
			fmt.Fprintf(&b, ": %s %s %s %s %s %q", h.Kind, h.Type, h.ID, h.From, h.To, h.Payload)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (x *house) watch(of string, count int) *obs.Watch {
	x.t.Helper()
	w, err := x.rooms[0].host.Obs.Trace.Watch(jid.MustParse(of), count)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(w.Close)
	return w
}

const secretWords = "meet me at nine"

const traced = "<message to='romeo@example.org' type='chat' id='m1'><body>" + secretWords + "</body><subject>" + secretWords + "</subject><x xmlns='urn:test:x' a='" + secretWords + "'>" + secretWords + "</x></message>"

// The way of a message is the one that ARCHITECTURE.md tells: eight hops, nine when it is kept.
func TestTraceOfOneMessage(t *testing.T) {
	const head = `: message chat m1 juliet@example.org/balcony romeo@example.org ["body jabber:client" "subject jabber:client" "x urn:test:x"]`
	for name, c := range map[string]struct {
		more func(*core.Host, *sqlstore.DB)
		way  string
	}{
		"passing": {nil, `1 Poller.Serve juliet@example.org/balcony` + head + `
2 conn.receive juliet@example.org/balcony
3 Account.receiveMessage juliet@example.org (next)
4 Router.route  (here)
5 Account.deliver romeo@example.org (next)
7 Account.show romeo@example.org (deliver) to [romeo@example.org/orchard]
8 Outbox.push romeo@example.org/orchard (queued)
9 Outbox.flush romeo@example.org/orchard (written)
`},
		"kept": {keeping, `1 Poller.Serve juliet@example.org/balcony` + head + `
2 conn.receive juliet@example.org/balcony
3 Account.receiveMessage juliet@example.org [Sending keep next] (next)
4 Router.route  (here)
5 Account.deliver romeo@example.org [Receiving keep next] (next)
6 Account.release romeo@example.org
7 Account.show romeo@example.org (deliver) to [romeo@example.org/orchard]
8 Outbox.push romeo@example.org/orchard (queued)
9 Outbox.flush romeo@example.org/orchard (written)
`},
	} {
		t.Run(name, func(t *testing.T) {
			x := build(t, []string{"romeo", "juliet"}, c.more)
			romeo, juliet := x.online("romeo", "orchard"), x.online("juliet", "balcony")
			romeo.wait("juliet@example.org/balcony") // her presence is not of interest
			juliet.wait("romeo@example.org/orchard")
			w := x.watch("juliet@example.org/balcony", 1)
			other := x.watch("somebody@example.org", 1)
			juliet.say(traced)
			romeo.wait(secretWords)
			all := until(t, w, "Outbox.flush")
			if got := tell(all, false); got != c.way {
				t.Errorf("way:\n%s\nwant:\n%s", got, c.way)
			}
			if said := fmt.Sprintf("%+v %+v", all, *all[0].Stanza); strings.Contains(said, secretWords) {
				t.Errorf("the trace has the text: %s", said)
			}
			if left := spans(other); len(left) > 0 || !w.Full() || other.Full() {
				t.Errorf("somebody else's watch has %v", left)
			}
		})
	}
}

// A stanza that ends early says where and why; the error that goes back belongs to it.
func TestTraceOfWhatIsRefused(t *testing.T) {
	x := build(t, []string{"romeo", "juliet"}, func(h *core.Host, _ *sqlstore.DB) {
		h.Hooks.Receiving.Add("block", func(e *core.Event) core.Verdict {
			if e.Account.JID.Local() == "romeo" {
				return e.Refuse(nil)
			}
			return core.Next
		})
	})
	juliet := x.bind("juliet", "balcony")
	w := x.watch("juliet@example.org", 10)
	juliet.say("<message to='romeo@example.org' type='chat' id='m1'><body>x</body></message>")
	if got := tell(until(t, w, "Account.deliver"), false); !strings.HasSuffix(got, "5 Account.deliver romeo@example.org [Receiving block drop] (drop)\n") {
		t.Errorf("way:\n%s", got)
	}
	juliet.say("<message to='nobody@example.org' type='chat' id='m2'><body>x</body></message>")
	if got := tell(until(t, w, "Outbox.flush"), false); !strings.Contains(got, "5 Account.deliver nobody@example.org (refuse)\n4 Router.route  (here)\n") || !strings.Contains(got, "8 Outbox.push juliet@example.org/balcony") {
		t.Errorf("way:\n%s", got)
	}
	juliet.say("<iq type='get' id='q'><nothing xmlns='urn:test'/></iq>")
	all := until(t, w, "Outbox.flush")
	if got := tell(all, true); !strings.Contains(got, "Account.answerIQ  (nobody answers this)") {
		t.Errorf("beside:\n%s", got)
	}
}

// What goes to a watched session is told, too, and when its client has said that it has it.
func TestTraceToTheWatched(t *testing.T) {
	x := build(t, []string{"romeo", "juliet"}, nil)
	romeo, juliet := x.online("romeo", "orchard"), x.online("juliet", "balcony")
	romeo.wait("juliet@example.org/balcony")
	romeo.managed("enable", "")
	romeo.wait("<enabled")
	w := x.watch("romeo@example.org/orchard", 1)
	juliet.say(traced)
	romeo.wait(secretWords)
	romeo.managed("a", " h='1'")
	if got := tell(until(t, w, "Outbox.acknowledged"), true); !strings.HasSuffix(got, "0 Outbox.acknowledged romeo@example.org/orchard\n") {
		t.Errorf("beside:\n%s", got)
	}
}

// managed says an element of stream management.
func (c *client) managed(name, attrs string) {
	c.x.t.Helper()
	st, err := stanza.Parse("<" + name + " xmlns='urn:xmpp:sm:3'" + attrs + "/>")
	if err != nil {
		c.x.t.Fatal(err)
	}
	if fail := c.session.Receive(c.work, c, st); fail != nil {
		c.x.t.Fatal(fail)
	}
	c.work.Run()
}

// Nobody watches: that costs no memory. Somebody watches somebody else: neither.
func TestNotTracingAllocatesNothing(t *testing.T) {
	cost := func(trace *obs.Trace, set func(x *house)) float64 {
		x := build(t, []string{"romeo", "juliet", "mercutio"}, func(h *core.Host, _ *sqlstore.DB) { h.Obs.Trace = trace })
		romeo, juliet := x.online("romeo", "orchard"), x.online("juliet", "balcony")
		romeo.wait("juliet@example.org/balcony")
		set(x)
		return testing.AllocsPerRun(200, func() { juliet.say("<message to='romeo@example.org' type='chat'><body>x</body></message>") })
	}
	never := cost(nil, func(*house) {})
	nobody := cost(&obs.Trace{}, func(*house) {})
	another := cost(&obs.Trace{}, func(x *house) { x.watch("mercutio@example.org", 1) })
	if (nobody > never || another > never) && !raceDetector {
		t.Errorf("%v allocations without tracing, %v when nobody watches, %v when somebody else is watched", never, nobody, another)
	}
}
