package core_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"stonechat/cluster"
	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
)

// keepBy has the messages of a client wait for the promise that their id begins with.
func keepBy(promises map[string]*store.Promise) func(h *core.Host, _ *sqlstore.DB) {
	return func(h *core.Host, _ *sqlstore.DB) {
		h.Hooks.Sending.Add("keep", func(e *core.Event) core.Verdict {
			name, _, _ := strings.Cut(e.Stanza.ID, "-")
			if p := promises[name]; p != nil {
				e.Wait(p.Ticket())
			}
			return core.Next
		})
	}
}

// kept has a client say messages to itself that wait for a promise, and returns how many bytes each takes. To somebody else they would stand
// in a line behind those of others.
func (c *client) kept(promise string, messages int) (each int64) {
	door := c.x.door(c.session.JID.Local()).host
	before, _ := core.Windows(door)
	for range messages {
		c.say(fmt.Sprintf("<message to='%s' type='chat' id='%s-00'/>", c.session.JID.Bare(), promise))
	}
	after, _ := core.Windows(door)
	return (after - before) / int64(messages)
}

// together finds the names of two accounts that one node owns, where there are two.
func together(t *testing.T) (one, other string) {
	t.Helper()
	m := cluster.NewMemory(cluster.MemoryOptions{}, "north", "south").Member("north")
	for i := 0; other == ""; i++ {
		name := fmt.Sprintf("user%d", i)
		if node, _ := m.Owner(address(name)); node != "north" {
			continue
		}
		one, other = name, one
	}
	return one, other
}

// becomes waits for something that another goroutine brings about.
func becomes(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("does not happen: %s", what)
		}
	}
}

// A disk that stalls fills the windows of all. When that is too much, all of them shrink to 8 stanzas, and they grow again afterwards.
func TestWindowsShrinkTogether(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		var first, second store.Promise
		x := build(t, []string{"juliet", "romeo"}, keepBy(map[string]*store.Promise{"one": &first, "two": &second}))
		a, b, c := x.bind("juliet", "a"), x.bind("juliet", "b"), x.bind("juliet", "c")
		each := a.kept("one", 10)
		x.config.Limits.WindowTotal = int(12 * each)
		b.kept("one", 1)
		if a.session.Full() || b.session.Full() {
			t.Fatal("full below the budget")
		}
		b.kept("one", 1)
		if !a.session.Full() || b.session.Full() || c.session.Full() {
			t.Errorf("with the budget used up, 10 stanzas of 8 are full: %v, 2 of 8: %v, none: %v", a.session.Full(), b.session.Full(), c.session.Full())
		}
		b.kept("one", 5)
		c.kept("one", 7)
		if b.session.Full() || c.session.Full() {
			t.Error("7 stanzas of 8 are full")
		}
		b.kept("one", 1)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.session.Room(ended); err == nil || !b.session.Full() {
			t.Error("room for more than 8 stanzas")
		}
		if _, shrunk := core.Windows(x.door("juliet").host); shrunk != 1 {
			t.Errorf("%d doors had to wait", shrunk)
		}
		first.Settle(nil)
		for _, s := range []*client{a, b, c} {
			if err := s.session.Room(t.Context()); err != nil {
				t.Error(err)
			}
		}
		becomes(t, "all is settled", func() bool { held, _ := core.Windows(x.door("juliet").host); return held == 0 })
		a.kept("two", 11)
		if a.session.Full() {
			t.Error("the windows do not grow again")
		}
		second.Settle(nil)
	})
}

// A door that waits only because others hold so much is let go when they do not any more, though nothing of its own client is settled.
func TestADoorIsLetGoByOthers(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		var own, others store.Promise
		who, other := together(t)
		x := build(t, []string{who, other, "romeo"}, keepBy(map[string]*store.Promise{"own": &own, "others": &others}))
		a, b := x.bind(who, "a"), x.bind(other, "b")
		each := a.kept("own", 9)
		x.config.Limits.WindowTotal = int(16 * each)
		b.kept("others", 9)
		door := x.door(who).host
		room := make(chan error)
		go func() { room <- a.session.Room(t.Context()) }()
		becomes(t, "the door waits", func() bool { _, shrunk := core.Windows(door); return shrunk == 1 })
		others.Settle(nil)
		select {
		case err := <-room:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the door waits on")
		}
		if n := a.session.Handled(); n != 0 {
			t.Errorf("%d stanzas of its own are settled", n)
		}
		own.Settle(nil)
	})
}

// Whatever becomes of a stanza, the windows do not hold it for good.
func TestWindowsGiveEverythingBack(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		var done, fails store.Promise
		x := build(t, []string{"juliet", "romeo"}, keepBy(map[string]*store.Promise{"done": &done, "fails": &fails}))
		romeo := x.online("romeo", "r")
		replaced, lost := x.bind("juliet", "same"), x.bind("juliet", "lost")
		replaced.kept("done", 3)
		now := x.bind("juliet", "same")
		replaced.waitClosed()
		replaced.say("<presence/>", "<message to='romeo@example.org' id='unheard'/>") // nobody hears that connection
		now.say("<iq type='get' id='1'><query xmlns='urn:nobody'/></iq>", "<message to='@' id='bad'/>", "<message to='nobody@example.org' type='chat' id='x'/>")
		lost.kept("fails", 3)
		lost.session.Lose(lost.work, lost, core.LostLine)
		lost.work.Run()
		lost.waitClosed()
		lost.kept("done", 2)
		done.Settle(nil)
		fails.Settle(store.ErrFull)
		romeo.fence()
		for _, r := range x.rooms {
			becomes(t, "nothing is held", func() bool { held, _ := core.Windows(r.host); return held == 0 })
		}
	})
}
