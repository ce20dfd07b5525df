package core_test

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

var smID = regexp.MustCompile(`<enabled[^>]* id='([^']+)'`)

// nonza brings an element of XEP-0198.
func (c *client) nonza(text string) {
	c.x.t.Helper()
	st, err := stanza.Parse(text)
	if err != nil {
		c.x.t.Fatal(err)
	}
	if fail := c.session.Receive(c.work, c, st); fail != nil {
		c.x.t.Fatal(fail)
	}
	c.work.Run()
}

func (c *client) enable() string {
	c.nonza("<enable xmlns='" + ns.StreamManagement + "' resume='true'/>")
	c.wait("<enabled")
	return smID.FindStringSubmatch(c.text())[1]
}

// resumedFrom is where clients are when they resume.
var resumedFrom = netip.MustParseAddrPort("192.0.2.7:4321")

// Address is where the client is.
func (c *client) Address() netip.AddrPort { return c.address }

// resume attaches a new client to a lost session.
func (x *house) resume(name, id string, h int) (*client, error) {
	return x.resumeAt(x.door(name), name, id, h)
}

func (x *house) resumeAt(r *room, name, id string, h int) (*client, error) {
	c := &client{x: x, address: resumedFrom, work: core.NewWork(r.pool), grew: make(chan struct{}, 1)}
	s, err := r.host.Resume(x.t.Context(), c.work, address(name), id, uint32(h), c)
	c.session = s
	c.work.Run()
	return c, err
}

func TestResumeSendsExactlyWhatIsMissing(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, keeping)
		juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
		romeo.wait("from='juliet@example.org/j'") // counted from now on: messages alone
		romeo.fence()
		id := romeo.enable()
		send := func(i int) {
			juliet.say(fmt.Sprintf("<message to='romeo@example.org/r' type='chat' id='m-%d'><body>b</body></message>", i))
		}
		for i := range 3 {
			send(i)
		}
		romeo.wait("id='m-2'")
		romeo.session.Lose(romeo.work, romeo, core.LostLine)
		romeo.work.Run()
		for i := 3; i < 6; i++ {
			send(i)
		}
		juliet.fence()
		again, err := x.resume("romeo", id, 1) // it has seen m-0 only
		if err != nil {
			t.Fatal(err)
		}
		again.wait("<resumed", "id='m-5'")
		var got []string
		for _, m := range ids.FindAllStringSubmatch(again.text(), -1) {
			got = append(got, m[1])
		}
		if want := "[m-1 m-2 m-3 m-4 m-5]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
		if !strings.HasPrefix(again.text(), "<resumed") {
			t.Errorf("something came before <resumed/>: %s", again.text())
		}
		if strings.Contains(juliet.text(), "type='unavailable'") {
			t.Error("contacts saw the session go")
		}
	})
}

// Whoever lists the sessions sees where a client is now, not where it was before its line was cut.
func TestResumedSessionComesFromItsNewAddress(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, nil)
		romeo := x.online("romeo", "r")
		id := romeo.enable()
		romeo.session.Lose(romeo.work, romeo, core.LostLine)
		romeo.work.Run()
		if _, err := x.resume("romeo", id, 0); err != nil {
			t.Fatal(err)
		}
		var from netip.AddrPort
		if err := x.owner("romeo").host.Ask(t.Context(), address("romeo"), func(_ *core.Work, a *core.Account) error {
			from = a.Sessions()[0].Address
			return nil
		}); err != nil || from != resumedFrom {
			t.Errorf("comes from %s, not from %s: %v", from, resumedFrom, err)
		}
	})
}

func TestResumeRefusals(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, nil)
		romeo := x.online("romeo", "r")
		id := romeo.enable()
		if _, err := x.resume("juliet", id, 0); !errors.Is(err, core.ErrNotResumed) {
			t.Errorf("another account: %v", err)
		}
		if _, err := x.resume("romeo", "made-up", 0); !errors.Is(err, core.ErrNotResumed) {
			t.Errorf("unknown id: %v", err)
		}
		var broken *stanza.StreamError
		if _, err := x.resume("romeo", id, 99); !errors.As(err, &broken) || !strings.Contains(broken.App, "handled-count-too-high") {
			t.Errorf("impossible count: %v", err)
		}
		if _, err := x.resume("romeo", id, 0); err != nil {
			t.Errorf("the session did not survive the refusals: %v", err)
		}
	})
}

// A live session that is resumed loses its old connection with conflict, and what the old one still says does not count.
func TestResumeReplacesALiveConnection(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"romeo"}, nil)
		old := x.online("romeo", "r")
		id := old.enable()
		again, err := x.resume("romeo", id, 0)
		if err != nil {
			t.Fatal(err)
		}
		if why := old.waitClosed(); why == nil || why.Condition != stanza.StreamConflict {
			t.Errorf("the old connection was closed with %v", why)
		}
		before := again.owned().Handled()
		old.say("<message to='romeo@example.org' type='chat' id='stale-1'/>")
		again.fence()
		if n := again.owned().Handled(); strings.Contains(again.text(), "stale-1") || n != before+1 {
			t.Errorf("a dead connection was heard: handled %d, was %d", n, before)
		}
	})
}

// The answer to <r/> counts durable stanzas only, and <a/> follows by itself when the disk has caught up.
func TestAcknowledgedMeansDurable(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		var disk store.Promise
		x := build(t, []string{"juliet", "romeo"}, func(h *core.Host, _ *sqlstore.DB) {
			h.Hooks.Sending.Add("keep", func(e *core.Event) core.Verdict {
				e.Wait(disk.Ticket())
				return core.Next
			})
		})
		juliet := x.online("juliet", "j")
		juliet.enable()
		juliet.say("<message to='romeo@example.org' type='chat' id='kept-1'/>")
		juliet.nonza("<r xmlns='" + ns.StreamManagement + "'/>")
		juliet.wait("h='0'")
		disk.Settle(nil)
		juliet.wait("<a xmlns='" + ns.StreamManagement + "' h='1'/>")
	})
}

// The answer to <r/> waits a moment for the disk, and so is the count of everything that was sent before it; also while more is sent.
func TestFirstAnswerCountsAll(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		var first, second store.Promise
		x := build(t, []string{"juliet", "romeo"}, keepBy(map[string]*store.Promise{"first": &first, "second": &second}))
		juliet := x.online("juliet", "j")
		juliet.enable()
		juliet.say("<message to='romeo@example.org' type='chat' id='first'/>")
		asked := time.Now()
		juliet.nonza("<r xmlns='" + ns.StreamManagement + "'/>")
		juliet.say("<message to='romeo@example.org' type='chat' id='second'/>")
		juliet.nonza("<r xmlns='" + ns.StreamManagement + "'/>")
		first.Settle(nil)
		juliet.wait("<a xmlns='" + ns.StreamManagement + "' h='1'/>")
		second.Settle(nil)
		juliet.wait("<a xmlns='" + ns.StreamManagement + "' h='2'/>")
		if time.Since(asked) < 400*time.Millisecond && strings.Contains(juliet.text(), "h='0'") {
			t.Error("answered before the disk had it")
		}
	})
}

// An answer that became due while the line was cut is older than the count in <resumed/>, and is not given any more.
func TestNoOlderCountBehindResumed(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		var first, second store.Promise
		x := build(t, []string{"juliet", "romeo"}, keepBy(map[string]*store.Promise{"first": &first, "second": &second}))
		juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
		id := juliet.enable()
		juliet.say("<message to='romeo@example.org' type='chat' id='first'/>")
		juliet.nonza("<r xmlns='" + ns.StreamManagement + "'/>")
		juliet.say("<message to='romeo@example.org' type='chat' id='second'/>")
		juliet.session.Lose(juliet.work, juliet, core.LostLine)
		juliet.work.Run()
		first.Settle(nil)
		romeo.wait("id='first'")
		second.Settle(nil)
		romeo.wait("id='second'")
		again, err := x.resume("juliet", id, 0)
		if err != nil {
			t.Fatal(err)
		}
		again.fence()
		if got := again.text(); !strings.Contains(got, "h='2'/>") || strings.Contains(got, "h='1'/>") {
			t.Errorf("counts went back: %s", got)
		}
	})
}

// What was said before <enable/> is not counted, also when the disk has it later than what is said behind.
func TestCountBeginsBehindEnable(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		var disk store.Promise
		x := build(t, []string{"juliet", "romeo"}, func(h *core.Host, _ *sqlstore.DB) {
			h.Hooks.Sending.Add("keep", func(e *core.Event) core.Verdict {
				if e.Stanza.ID == "early" {
					e.Wait(disk.Ticket())
				}
				return core.Next
			})
		})
		juliet := x.online("juliet", "j")
		juliet.say("<message to='romeo@example.org' type='chat' id='early'/>")
		juliet.enable()
		juliet.say("<message to='romeo@example.org' type='headline' id='late'/>")
		juliet.nonza("<r xmlns='" + ns.StreamManagement + "'/>")
		juliet.wait("<a xmlns='" + ns.StreamManagement + "' h='0'/>")
		disk.Settle(nil)
		juliet.wait("<a xmlns='" + ns.StreamManagement + "' h='1'/>")
	})
}

// The answers to <r/> never go back, whoever counted first, and one that comes in the same breath as <enable/> is answered.
func TestCountsNeverGoBack(t *testing.T) {
	x := build(t, []string{"juliet", "romeo"}, keeping)
	juliet := x.bind("juliet", "j")
	for _, text := range []string{"<enable xmlns='" + ns.StreamManagement + "'/>", "<r xmlns='" + ns.StreamManagement + "'/>"} {
		st, err := stanza.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if fail := juliet.session.Receive(juliet.work, juliet, st); fail != nil {
			t.Fatal(fail)
		}
	}
	juliet.work.Run()
	juliet.wait("h='0'")
	const messages = 300
	for i := range messages {
		juliet.say(fmt.Sprintf("<message to='romeo@example.org' type='chat' id='m-%d'><body>b</body></message>", i))
		juliet.nonza("<r xmlns='" + ns.StreamManagement + "'/>")
		if err := juliet.session.Room(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	juliet.wait(fmt.Sprintf("h='%d'", messages))
	last := 0
	for _, m := range regexp.MustCompile(`<a [^>]*h='(\d+)'`).FindAllStringSubmatch(juliet.text(), -1) {
		h, err := strconv.Atoi(m[1])
		if err != nil || h < last {
			t.Fatalf("h %s after %d", m[1], last)
		}
		last = h
	}
}

func TestTooHighAnAcknowledgement(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"romeo"}, nil)
		romeo := x.online("romeo", "r")
		romeo.enable()
		romeo.nonza("<a xmlns='" + ns.StreamManagement + "' h='7'/>")
		if why := romeo.waitClosed(); why == nil || !strings.Contains(why.App, "send-count='0'") {
			t.Errorf("closed with %v", why)
		}
	})
}

// After the window of resumption the session is gone and contacts know.
func TestDetachedSessionExpires(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, nil)
		x.config.Limits.Resume = 0
		juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
		id := romeo.enable()
		juliet.wait("from='romeo@example.org/r'")
		romeo.session.Lose(romeo.work, romeo, core.LostLine)
		romeo.work.Run()
		juliet.wait("type='unavailable'")
		if _, err := x.resume("romeo", id, 0); !errors.Is(err, core.ErrNotResumed) {
			t.Errorf("resumed after its time: %v", err)
		}
	})
}

// A client that asks seldom is asked: eight unacknowledged stanzas make an <r/>.
func TestServerAsksForAcknowledgement(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, nil)
		juliet, romeo := x.online("juliet", "j"), x.online("romeo", "r")
		romeo.enable()
		for i := range 8 {
			juliet.say("<message to='romeo@example.org/r' type='chat' id='m-" + strconv.Itoa(i) + "'/>")
		}
		romeo.wait("<r xmlns=")
	})
}

// A client that does not read is detached when its outbox is full; others go on.
func TestFullOutbox(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, nil)
		x.config.Limits.OutboxBytes = 64 << 10
		stuck := &stuckSink{make(chan *stanza.StreamError, 1)}
		door := x.door("romeo")
		_, err := door.host.Bind(t.Context(), core.NewWork(door.pool), core.Binding{
			Account: jid.MustParse("romeo@example.org"), Resource: "stuck", Sink: stuck, First: func(jid.JID) string { return "<first/>" },
		})
		if err != nil {
			t.Fatal(err)
		}
		juliet := x.online("juliet", "j")
		body := strings.Repeat("x", 4000)
		for i := range 40 {
			juliet.say(fmt.Sprintf("<message to='romeo@example.org/stuck' type='chat' id='m-%d'><body>%s</body></message>", i, body))
		}
		select {
		case why := <-stuck.closed:
			if why == nil || why.Condition != stanza.StreamResourceConstraint {
				t.Errorf("closed with %v", why)
			}
		case <-time.After(10 * time.Second):
			t.Error("not closed")
		}
		juliet.fence()
	})
}

// stuckSink takes one write and no more.
type stuckSink struct{ closed chan *stanza.StreamError }

func (*stuckSink) Write([]byte) (bool, error)         { return false, nil }
func (s *stuckSink) Close(reason *stanza.StreamError) { s.closed <- reason }
