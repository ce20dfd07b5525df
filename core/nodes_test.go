package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/cluster"
	"stonechat/core"
	"stonechat/store"
	"stonechat/store/sqlstore"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// apart are names of accounts with different owners in the house of buildTwo.
func apart(t *testing.T) (north, south string) {
	t.Helper()
	m := cluster.NewMemory(cluster.MemoryOptions{}, "north", "south").Member("north")
	for i := 0; north == "" || south == ""; i++ {
		name := fmt.Sprintf("user%d", i)
		if node, _ := m.Owner(address(name)); node == "north" {
			north = name
		} else {
			south = name
		}
	}
	return north, south
}

// keepOnly has messages wait for a promise on one side.
func keepOnly(hooks func(*core.Hooks) *core.Deciding, disk *store.Promise) func(h *core.Host, _ *sqlstore.DB) {
	return func(h *core.Host, _ *sqlstore.DB) {
		hooks(&h.Hooks).Add("keep", func(e *core.Event) core.Verdict {
			if e.Stanza.Kind == stanza.Message && e.Stanza.Type == stanza.Chat {
				e.Wait(disk.Ticket())
			}
			return core.Next
		})
	}
}

func sending(h *core.Hooks) *core.Deciding   { return &h.Sending }
func receiving(h *core.Hooks) *core.Deciding { return &h.Receiving }

// The sender's stanza counts only when the owner of its addressee, another node, has it durable; it is shown only then.
func TestSettledByTheRemoteOwner(t *testing.T) {
	t.Run("not kept by the sender", func(t *testing.T) { settledByTheRemoteOwner(t, nil) })
	t.Run("kept by the sender", func(t *testing.T) {
		settledByTheRemoteOwner(t, func(h *core.Host) {
			h.Hooks.Sending.Add("keep", func(e *core.Event) core.Verdict {
				e.Wait(store.Settled(nil))
				return core.Next
			})
		})
	})
}

func settledByTheRemoteOwner(t *testing.T, more func(*core.Host)) {
	var disk store.Promise
	from, to := apart(t)
	x := buildTwo(t, []string{from, to}, func(h *core.Host, db *sqlstore.DB) {
		keepOnly(receiving, &disk)(h, db)
		if more != nil {
			more(h)
		}
	})
	a, b := x.online(from, "a"), x.online(to, "b")
	a.wait("from='" + b.session.JID.String())
	a.enable()
	a.say("<message to='" + to + "@example.org' type='chat' id='kept-1'/>")
	a.nonza("<r xmlns='" + ns.StreamManagement + "'/>")
	a.wait("h='0'")
	a.say("<iq to='" + to + "@example.org' type='get' id='behind'><query xmlns='urn:test'/></iq>")
	a.wait("id='behind'") // requests to an account do not wait for its disk: the message has arrived
	if strings.Contains(b.text(), "kept-1") {
		t.Fatal("shown before it was durable")
	}
	if n := a.owned().Handled(); n != 0 {
		t.Errorf("%d settled before the remote owner's disk", n)
	}
	disk.Settle(nil)
	b.wait("id='kept-1'")
	a.wait("<a xmlns='" + ns.StreamManagement + "' h='2'/>")
	if _, _, sent := core.Attachments(x.owner(from).host); sent != 0 {
		t.Errorf("%d deliveries are kept for nothing", sent)
	}
}

// The remote owner's disk is full: the sender hears of it, and the stanza is settled.
func TestRemoteTicketFails(t *testing.T) {
	var disk store.Promise
	from, to := apart(t)
	x := buildTwo(t, []string{from, to}, keepOnly(receiving, &disk))
	a, b := x.online(from, "a"), x.online(to, "b")
	a.say("<message to='" + to + "@example.org' type='chat' id='lost-1'/>")
	disk.Settle(store.ErrFull)
	a.wait("resource-constraint")
	a.fence()
	if n := strings.Count(a.text(), "resource-constraint"); n != 1 || strings.Contains(b.text(), "lost-1") {
		t.Errorf("%d errors, delivered: %v", n, strings.Contains(b.text(), "lost-1"))
	}
	waitHandled(t, a, 3)
}

// waitHandled returns when the owner has settled n stanzas of the client.
func waitHandled(t *testing.T, c *client, n uint32) {
	t.Helper()
	eventually(t, func() string {
		if is := c.owned().Handled(); is != n {
			return fmt.Sprintf("%d of %d stanzas are settled", is, n)
		}
		return ""
	})
}

// eventually returns when f has nothing to complain of.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for complaint := f(); complaint != ""; complaint = f() {
		if time.Now().After(deadline) {
			t.Fatal(complaint)
		}
		time.Sleep(time.Millisecond)
	}
}

// What the sender keeps leaves for another node when it is durable here, and what the sender says behind it does not overtake.
func TestLeavesWhenTheSendersTicketIsDone(t *testing.T) {
	var disk store.Promise
	var arrived atomic.Int32
	from, to := apart(t)
	x := buildTwo(t, []string{from, to}, func(h *core.Host, db *sqlstore.DB) {
		keepOnly(sending, &disk)(h, db)
		h.Hooks.Receiving.Add("count", func(*core.Event) core.Verdict { arrived.Add(1); return core.Next })
	})
	a, b := x.online(from, "a"), x.online(to, "b")
	a.wait("from='" + b.session.JID.String())
	b.wait("from='" + a.session.JID.String())
	full := b.session.JID.String()
	a.say("<message to='"+full+"' type='chat' id='m-1'/>",
		"<message to='"+full+"' type='normal' id='m-2'/>",
		"<iq to='"+full+"' type='get' id='m-3'><query xmlns='urn:test'/></iq>",
		"<presence to='"+full+"' id='m-4'/>")
	a.fence()
	b.fence()
	if arrived.Load() != 0 || strings.Contains(b.text(), "id='m-") {
		t.Fatalf("%d messages left before the sender's copy was durable: %s", arrived.Load(), b.text())
	}
	disk.Settle(nil)
	b.wait("id='m-4'")
	var order []string
	for _, m := range ids.FindAllStringSubmatch(b.text(), -1) {
		order = append(order, m[1])
	}
	if got := strings.Join(order, " "); got != "m-1 m-2 m-3 m-4" {
		t.Errorf("order at the other node: %s", got)
	}
	waitHandled(t, a, 6)
}

// Presence, probes and directed presence between accounts of different nodes; whoever is not in memory there is not loaded for them.
func TestPresenceAcrossNodes(t *testing.T) {
	here, there := apart(t)
	x := buildTwo(t, []string{here, there}, nil)
	a := x.online(here, "a")
	a.fence()
	if l := x.owner(there).host.Loaded(); len(l) != 0 {
		t.Errorf("presence loaded %v", l)
	}
	b := x.online(there, "b")
	a.wait("from='" + b.session.JID.String()) // broadcast
	b.wait("from='" + a.session.JID.String()) // answer to the probe
	seen := strings.Count(a.text(), "from='"+b.session.JID.String())
	if err := x.owner(here).host.Ask(t.Context(), address(here), func(w *core.Work, acc *core.Account) error {
		acc.FetchPresence(w, address(there))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if strings.Count(a.text(), "from='"+b.session.JID.String()) == seen {
			return "presence was not fetched"
		}
		return ""
	})
	b.session.Lose(b.work, b, core.LostClosed)
	b.work.Run()
	a.wait("type='unavailable'")
	if why := b.waitClosed(); why != nil {
		t.Errorf("closed with %v", why)
	}
}

// Requests find the account or session wherever it lives, with the asker's role, and their answers find back.
func TestIQAcrossNodes(t *testing.T) {
	here, there := apart(t)
	x := buildTwo(t, []string{here, there}, func(h *core.Host, _ *sqlstore.DB) {
		h.IQ.Handle(core.IQ{
			Space: "urn:test", Local: "sessions", Type: stanza.Get, To: core.ToContact, Action: core.ActSeeSessions, Module: "test",
			Do: func(context.Context, *core.Event) (core.Answer, error) {
				return core.Answer{Payload: "<seen xmlns='urn:test'/>"}, nil
			},
		})
	})
	a, b := x.online(here, "a"), x.online(there, "b")
	full := b.session.JID.String()
	ask := func(id string) {
		a.say("<iq to='" + there + "@example.org' type='get' id='" + id + "'><sessions xmlns='urn:test'/></iq>")
	}
	ask("member")
	a.wait("service-unavailable")
	if err := x.owner(here).host.Ask(t.Context(), address(here), func(_ *core.Work, acc *core.Account) error {
		acc.SetRole(store.RoleModerator)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ask("moderator")
	a.wait("<seen xmlns='urn:test'/>")
	a.say("<iq to='" + full + "' type='get' id='direct'><sessions xmlns='urn:test'/></iq>")
	b.wait("id='direct'")
	b.say("<iq to='" + a.session.JID.String() + "' type='result' id='direct'><answer xmlns='urn:test'/></iq>")
	a.wait("<answer xmlns='urn:test'/>")
	a.say("<iq to='" + full + "x' type='get' id='nobody'><sessions xmlns='urn:test'/></iq>")
	a.wait("id='nobody'")
}

// A session goes from door to door: the wrong node, its owner, the wrong node again. Nothing is lost, doubled or counted twice.
func TestResumeFromAnotherNode(t *testing.T) {
	from, to := apart(t)
	x := buildTwo(t, []string{from, to}, nil)
	a, b := x.bind(from, "a"), x.bind(to, "b")
	id := b.enable()
	doors := []*room{x.owner(to), x.door(to), x.owner(to)}
	for i, door := range doors {
		a.say(fmt.Sprintf("<message to='%s@example.org/b' type='chat' id='m-%d'/>", to, i))
		b.wait(fmt.Sprintf("id='m-%d'", i))
		b.say(fmt.Sprintf("<message to='%s@example.org/a' type='chat' id='n-%d'/>", from, i))
		b.session.Lose(b.work, b, core.LostLine)
		b.work.Run()
		b.waitClosed()
		again, err := x.resumeAt(door, to, id, i) // the last one was seen, but never acknowledged
		if err != nil {
			t.Fatal(err)
		}
		again.wait("<resumed", fmt.Sprintf("id='m-%d'", i))
		if !strings.HasPrefix(again.text(), "<resumed") || !strings.Contains(again.text(), fmt.Sprintf("h='%d'", i+1)) {
			t.Errorf("%d: %s", i, again.text())
		}
		if err := again.session.Room(t.Context()); err != nil {
			t.Error(err)
		}
		b = again
	}
	a.wait("id='n-2'")
	b.fence()
	if n := b.owned().Handled(); n != 4 {
		t.Errorf("handled %d of 4", n)
	}
	for _, r := range x.rooms {
		doors, sockets, _ := core.Attachments(r.host)
		if want := 0; r == x.door(from) && (doors != 1 || sockets != want) {
			t.Errorf("%d doors and %d sockets are kept", doors, sockets)
		}
	}
}

// The greeting comes before everything else, whatever a module sends to a session that was just bound.
func TestGreetingIsFirstAtAnotherNode(t *testing.T) {
	name, _ := apart(t)
	x := buildTwo(t, []string{name}, func(h *core.Host, _ *sqlstore.DB) {
		h.Hooks.Bound.Add("eager", func(e *core.Event) {
			if err := e.Session.Request(e.Work, "<eager xmlns='urn:test'/>", nil); err != nil {
				t.Error(err)
			}
		})
	})
	door := x.door(name)
	c := &client{x: x, work: core.NewWork(door.pool), grew: make(chan struct{}, 1)}
	s, err := door.host.Bind(t.Context(), c.work, core.Binding{
		Account: address(name), Sink: c, First: func(full jid.JID) string { return "<first jid='" + full.String() + "'/>" },
	})
	if err != nil {
		t.Fatal(err)
	}
	c.session = s
	c.wait("<eager")
	if want := "<first jid='" + s.JID.String() + "'/>"; !strings.HasPrefix(c.text(), want) || c.owned().JID != s.JID {
		t.Errorf("got %s, want %s first", c.text(), want)
	}
}

func TestBindRefusalsAcrossNodes(t *testing.T) {
	name, other := apart(t)
	x := buildTwo(t, []string{name, other}, nil)
	x.config.Limits.Sessions = 2
	door := x.door(name)
	bind := func(account, resource string) error {
		c := &client{x: x, grew: make(chan struct{}, 1)}
		_, err := door.host.Bind(t.Context(), core.NewWork(door.pool), core.Binding{
			Account: address(account), Resource: resource, Sink: c, First: func(jid.JID) string { return "" },
		})
		if c.ended {
			t.Errorf("%s/%s: a refused connection was closed", account, resource)
		}
		return err
	}
	absent := "absent"
	for x.owner(absent) != x.owner(name) {
		absent += "x"
	}
	first := x.bind(name, "a")
	for _, c := range []struct {
		account, resource string
		want              error
	}{{absent, "a", core.ErrNoAccount}, {name, "\x01", core.ErrBadResource}, {name, "b", nil}, {name, "c", core.ErrTooMany}, {name, "a", nil}} {
		if err := bind(c.account, c.resource); !errors.Is(err, c.want) {
			t.Errorf("%s/%q: %v, want %v", c.account, c.resource, err, c.want)
		}
	}
	if why := first.waitClosed(); why == nil || why.Condition != stanza.StreamConflict {
		t.Errorf("the replaced session was closed with %v", why)
	}
	if doors, _, _ := core.Attachments(door.host); doors != 2 {
		t.Errorf("%d doors for 2 sessions", doors)
	}
}

// A door that does not wait for the answer leaves no session behind.
func TestAbandonedBind(t *testing.T) {
	name, _ := apart(t)
	x := buildLinked(t, cluster.MemoryOptions{Delay: 20 * time.Millisecond}, []string{name}, nil)
	door := x.door(name)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := door.host.Bind(ctx, core.NewWork(door.pool), core.Binding{
		Account: address(name), Resource: "gone", Sink: &counter{}, First: func(jid.JID) string { return "" },
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	c := x.bind(name, "here")
	c.fence()
	var left []string
	if err := x.owner(name).host.Ask(t.Context(), address(name), func(_ *core.Work, a *core.Account) error {
		for _, s := range a.Sessions() {
			left = append(left, s.JID.Resource())
		}
		return nil
	}); err != nil || len(left) != 1 || left[0] != "here" {
		t.Errorf("sessions %v, %v", left, err)
	}
}

// What cannot be read, or is not allowed, is answered as on one node.
func TestBadStanzasAcrossNodes(t *testing.T) {
	name, _ := apart(t)
	x := buildTwo(t, []string{name}, nil)
	c := x.bind(name, "a")
	c.say("<message to='@@' type='chat' id='bad-1'/>")
	c.wait("jid-malformed")
	st, err := stanza.Parse("<message xmlns='jabber:client' from='other@example.org' id='bad-2'/>")
	if err != nil {
		t.Fatal(err)
	}
	if fail := c.session.Receive(c.work, c, st); fail == nil || fail.Condition != stanza.StreamInvalidFrom {
		t.Errorf("a forged sender: %v", fail)
	}
	if err := c.session.Request(c.work, "<ping xmlns='"+ns.Ping+"'/>", nil); err != nil {
		t.Error(err)
	}
	c.wait("<ping")
	if err := c.session.Request(c.work, "<ping xmlns='"+ns.Ping+"'/>", func(*core.Work, *stanza.Stanza) {}); !errors.Is(err, core.ErrElsewhere) {
		t.Errorf("an answer that cannot come here: %v", err)
	}
	c.nonza("<unknown xmlns='urn:test'/>")
	if why := c.waitClosed(); why == nil || why.Condition != stanza.StreamUnsupportedStanzaType {
		t.Errorf("closed with %v", why)
	}
	if err := c.session.Room(t.Context()); err != nil {
		t.Error(err)
	}
}

// A door reads no further than its window while the owner's disk is slow, and goes on when that has caught up.
func TestWindowAcrossNodes(t *testing.T) {
	var disk store.Promise
	from, to := apart(t)
	x := buildTwo(t, []string{from, to}, keepOnly(sending, &disk))
	x.config.Limits.WindowStanzas = 4
	a := x.bind(from, "a")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 4 {
		if err := a.session.Room(ended); err != nil {
			t.Fatalf("no room for stanza %d: %v", i, err)
		}
		a.say(fmt.Sprintf("<message to='%s@example.org' type='chat' id='m-%d'/>", to, i))
	}
	if err := a.session.Room(ended); err == nil {
		t.Fatal("room for more than the window")
	}
	disk.Settle(nil)
	if err := a.session.Room(t.Context()); err != nil {
		t.Error(err)
	}
	if a.session.Handled() == 0 {
		t.Error("room without anything settled")
	}
}

// What was said through an earlier door makes no room at a later one.
func TestWindowOfALaterDoor(t *testing.T) {
	var disk store.Promise
	from, to := apart(t)
	x := buildLinked(t, cluster.MemoryOptions{Delay: 20 * time.Millisecond}, []string{from, to}, keepOnly(sending, &disk))
	x.config.Limits.WindowStanzas = 5
	old := x.bindAt(x.owner(from), from, "a")
	id := old.enable()
	for range 3 {
		old.say("<presence/>")
	}
	a, err := x.resume(from, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	a.say("<presence/>")
	for i := range 4 {
		a.say(fmt.Sprintf("<message to='%s@example.org' type='chat' id='m-%d'/>", to, i))
	}
	a.fence() // the presence is settled, four messages and the fence are not
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if n := a.session.Handled(); n != 1 {
		t.Errorf("%d stanzas of this door are settled", n)
	}
	if err := a.session.Room(ended); err == nil {
		t.Error("room for more than the window")
	}
	disk.Settle(nil)
	if err := a.session.Room(t.Context()); err != nil {
		t.Error(err)
	}
}

// slowSink takes everything but says that it is full; the test says when it takes more.
type slowSink struct {
	bytes  atomic.Int64
	closed atomic.Bool
	full   atomic.Bool
}

func (s *slowSink) Write(p []byte) (bool, error) {
	s.bytes.Add(int64(len(p)))
	return !s.full.Load(), nil
}
func (s *slowSink) Close(*stanza.StreamError) { s.closed.Store(true) }

// The owner writes no more than a bounded number of bytes to a socket at another node that takes none, and goes on when it does.
func TestBackPressureAcrossNodes(t *testing.T) {
	from, to := apart(t)
	x := buildTwo(t, []string{from, to}, nil)
	door, sink := x.door(to), &slowSink{}
	sink.full.Store(true)
	w := core.NewWork(door.pool)
	s, err := door.host.Bind(t.Context(), w, core.Binding{
		Account: address(to), Resource: "slow", Sink: sink, First: func(jid.JID) string { return "<first/>" },
	})
	if err != nil {
		t.Fatal(err)
	}
	a := x.bind(from, "a")
	const messages, size = 100, 4000
	for i := range messages {
		a.say(fmt.Sprintf("<message to='%s@example.org/slow' type='chat' id='m-%d'><body>%s</body></message>", to, i, strings.Repeat("x", size)))
	}
	waitHandled(t, a, messages)
	flush(t, x, from, to)
	if n := sink.bytes.Load(); n > 200<<10 {
		t.Errorf("%d bytes were written to a socket that takes none", n)
	}
	sink.full.Store(false)
	s.Writable(w)
	eventually(t, func() string {
		if n := sink.bytes.Load(); n < messages*size {
			return fmt.Sprintf("only %d bytes were written", n)
		}
		return ""
	})
	if sink.closed.Load() {
		t.Error("closed")
	}
}

// flush returns when what these accounts had to say to each other's nodes has arrived.
func flush(t *testing.T, x *house, names ...string) {
	t.Helper()
	for _, n := range names {
		x.bind(n, "flush").fence()
	}
}

// A broken link: the sender of a message gets an error and its stanza is settled, nothing is bound, sockets behind the link are closed.
func TestBrokenLink(t *testing.T) {
	from, to := apart(t)
	x := buildTwo(t, []string{from, to}, nil)
	local := x.bindAt(x.owner(from), from, "local")
	far := x.bind(from, "far")
	far.enable()
	x.links.Cut("north", "south")
	local.say("<message to='" + to + "@example.org' type='chat' id='lost-1'/>")
	local.wait("id='lost-1'", "remote-server-timeout")
	local.say("<iq to='" + to + "@example.org/x' type='get' id='lost-2'><query xmlns='urn:test'/></iq>")
	local.wait("id='lost-2'")
	if n := local.owned().Handled(); n != 2 {
		t.Errorf("handled %d of 2", n)
	}
	door := x.door(to)
	var told *stanza.StreamError
	_, err := door.host.Bind(t.Context(), core.NewWork(door.pool), core.Binding{
		Account: address(to), Resource: "r", Sink: &counter{}, First: func(jid.JID) string { return "" },
	})
	if !errors.Is(err, core.ErrUnreachable) || !errors.As(err, &told) {
		t.Errorf("bound behind a broken link: %v", err)
	}
	far.say("<message to='" + to + "@example.org' type='chat' id='lost-3'/>")
	if why := far.waitClosed(); why == nil || why.Condition != stanza.StreamRemoteConnectionFailed {
		t.Errorf("closed with %v", why)
	}
	local.say("<message to='" + far.session.JID.String() + "' type='chat' id='waits-1'/>")
	eventually(t, func() string {
		complaint := ""
		if err := x.owner(from).host.Ask(t.Context(), address(from), func(_ *core.Work, acc *core.Account) error {
			for _, s := range acc.Sessions() {
				if s.JID == far.session.JID && s.State() != "detached" {
					complaint = "the session behind the broken link is " + s.State()
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return complaint
	})
	x.links.Mend("north", "south")
	again, err := x.resume(from, smID.FindStringSubmatch(far.text())[1], 0)
	if err != nil {
		t.Fatal(err)
	}
	again.wait("id='waits-1'")
}

// A delivery whose answer is lost with the link is given up: the sender hears of it and its stanza is settled.
func TestLostAnswer(t *testing.T) {
	var disk store.Promise
	from, to := apart(t)
	x := buildTwo(t, []string{from, to}, keepOnly(receiving, &disk))
	a, b := x.bindAt(x.owner(from), from, "a"), x.bindAt(x.owner(to), to, "b")
	a.say("<message to='" + b.session.JID.String() + "' type='chat' id='kept-1'/>")
	a.say("<iq to='" + to + "@example.org' type='get' id='fence-1'><query xmlns='urn:test'/></iq>")
	a.wait("id='fence-1'") // the message has arrived before
	x.links.Cut("north", "south")
	disk.Settle(nil)
	b.wait("id='kept-1'")
	if n := a.owned().Handled(); n != 0 {
		t.Errorf("handled %d stanzas without an answer", n)
	}
	core.GiveUpDeliveries(x.owner(from).host)
	a.wait("remote-server-timeout")
	waitHandled(t, a, 2)
}

// A node that goes down gives its sockets up; their sessions wait at their owner.
func TestDoorsNodeGoesDown(t *testing.T) {
	name, _ := apart(t)
	x := buildTwo(t, []string{name}, nil)
	c := x.bind(name, "a")
	id := c.enable()
	if err := x.door(name).host.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if why := c.waitClosed(); why == nil || why.Condition != stanza.StreamSystemShutdown {
		t.Errorf("closed with %v", why)
	}
	if _, err := x.resumeAt(x.owner(name), name, id, 0); err != nil {
		t.Error(err)
	}
}

// Functions do not travel.
func TestOnlyTheOwnerActs(t *testing.T) {
	name, _ := apart(t)
	x := buildTwo(t, []string{name}, nil)
	wrong := x.door(name).host
	called := func(*core.Work, *core.Account) { t.Error("called") }
	if err := wrong.Do(address(name), called); !errors.Is(err, core.ErrElsewhere) {
		t.Errorf("Do: %v", err)
	}
	if err := wrong.Ask(t.Context(), address(name), func(*core.Work, *core.Account) error { return nil }); !errors.Is(err, core.ErrElsewhere) {
		t.Errorf("Ask: %v", err)
	}
	erase := func(context.Context) error { t.Error("erased"); return nil }
	if err := wrong.DeleteAccount(t.Context(), address(name), erase); !errors.Is(err, core.ErrElsewhere) {
		t.Errorf("DeleteAccount: %v", err)
	}
	if l := wrong.Loaded(); len(l) != 0 {
		t.Errorf("loaded %v", l)
	}
}

// Frames that make no sense are refused or ignored.
func TestStrangeFrames(t *testing.T) {
	here, there := apart(t)
	x := buildTwo(t, []string{here, there}, nil)
	c := x.online(here, "a")
	c.fence()
	junk := [][]byte{nil, []byte("<"), []byte("<nonza xmlns='urn:test'/>"), []byte("<message xmlns='jabber:client' to='elsewhere.example'/>")}
	for op := cluster.Op(1); op.Kind() != 0; op++ {
		for _, data := range junk {
			for _, to := range []string{"", "@@", "example.org", there + "@example.org", here + "@example.org", here + "@example.org/a2"} {
				f := cluster.Frame{Op: op, Ref: 1 << 40, Count: 1 << 40, To: to, From: "@@", Data: data, Fault: cluster.Fault{Condition: "made-up"}}
				for _, r := range x.rooms {
					for _, other := range x.rooms {
						if err := r.cluster.Send(other.cluster.Self(), f); r != other && err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
	}
	d := x.online(there, "b")
	d.fence()
	c.say("<message to='" + d.session.JID.String() + "' type='chat' id='after-1'/>")
	d.wait("id='after-1'")
	for _, r := range x.rooms {
		if _, _, sent := core.Attachments(r.host); sent > 1 {
			t.Errorf("%d deliveries are open", sent)
		}
	}
}
