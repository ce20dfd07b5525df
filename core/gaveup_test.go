package core_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
)

// held keeps the turns of an account from going on until the function returned is called.
func held(t *testing.T, h *core.Host, name string) (release func()) {
	t.Helper()
	in, out := make(chan struct{}), make(chan struct{})
	if err := h.Do(address(name), func(*core.Work, *core.Account) { close(in); <-out }); err != nil {
		t.Fatal(err)
	}
	<-in
	return func() { close(out) }
}

// A binding for which its door does not wait leaves no session behind.
func TestBindingGivenUp(t *testing.T) {
	x := build(t, []string{"juliet"}, nil)
	door := x.door("juliet")
	release := held(t, door.host, "juliet")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &client{x: x, work: core.NewWork(door.pool), grew: make(chan struct{}, 1)}
	_, err := door.host.Bind(ctx, c.work, core.Binding{
		Account: address("juliet"), Resource: "j", Sink: c, First: func(jid.JID) string { return "" },
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	release()
	c.waitClosed()
	err = door.host.Ask(t.Context(), address("juliet"), func(_ *core.Work, a *core.Account) error {
		if n := len(a.Sessions()); n > 0 {
			t.Errorf("%d sessions live on a connection that has given up", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A door that waits for room is let go when what it brought is dropped, since its session has ended.
func TestRoomAfterDrop(t *testing.T) {
	x := build(t, []string{"juliet"}, nil)
	juliet := x.bind("juliet", "j")
	door := x.door("juliet").host
	release := held(t, door, "juliet")
	if err := door.Do(address("juliet"), func(w *core.Work, a *core.Account) { a.EndSessions(w, nil) }); err != nil {
		t.Fatal(err)
	}
	juliet.say("<message to='juliet@example.org' id='m'><body>" + strings.Repeat("x", 70_000) + "</body></message>")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	room := make(chan error, 1)
	go func() { room <- juliet.session.Room(ctx) }()
	release()
	if err := <-room; err != nil {
		t.Errorf("the door waits on for a session that has ended: %v", err)
	}
}

// A client that loses its line again and again and never resumes keeps nobody out: the oldest of what it has left makes room.
func TestLostSessionsMakeRoom(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		x := build(t, []string{"juliet", "romeo"}, nil)
		live := x.online("juliet", "here")
		var ids []string
		for i := range 60 {
			c := x.online("juliet", fmt.Sprintf("lost-%d", i))
			ids = append(ids, c.enable())
			c.session.Lose(c.work, c, core.LostLine)
			c.work.Run()
		}
		live.fence()
		if _, err := x.resume("juliet", ids[0], 0); !errors.Is(err, core.ErrNotResumed) {
			t.Errorf("the oldest: %v", err)
		}
		if _, err := x.resume("juliet", ids[59], 0); err != nil {
			t.Errorf("the newest: %v", err)
		}
	})
}

// Drain ends with its context, whatever a turn does.
func TestDrainHeedsItsContext(t *testing.T) {
	x := build(t, []string{"juliet"}, nil)
	door := x.door("juliet").host
	release := held(t, door, "juliet")
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := door.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drained: %v", err)
	}
}

// What was open when a session was resumed is said again by its client, and counts once (XEP-0198 section 5).
func TestWhatIsSaidAgainCountsOnce(t *testing.T) {
	everyHouse(t, func(t *testing.T, build builder) {
		var disk store.Promise
		x := build(t, []string{"juliet", "romeo"}, keepBy(map[string]*store.Promise{"kept": &disk}))
		juliet := x.online("juliet", "j")
		id := juliet.enable()
		juliet.say("<message to='romeo@example.org' type='chat' id='kept'/>")
		juliet.session.Lose(juliet.work, juliet, core.LostLine)
		juliet.work.Run()
		again, err := x.resume("juliet", id, 0) // waits for the disk as long as a resumption does
		if err != nil {
			t.Fatal(err)
		}
		again.wait("<resumed", "h='0'")
		again.say("<message to='romeo@example.org' type='chat' id='kept'/>")
		disk.Settle(nil)
		again.say("<message to='romeo@example.org' type='headline' id='more'/>")
		again.nonza("<r xmlns='" + ns.StreamManagement + "'/>")
		again.wait("h='2'/>")
		again.fence()
		if strings.Contains(again.text(), "h='3'") {
			t.Errorf("two stanzas said, three acknowledged: %s", again.text())
		}
	})
}
