package client

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

// offline waits until the client has noticed that the line is cut.
func offline(t *testing.T, c *Client) {
	t.Helper()
	for c.Err() == nil {
		select {
		case <-deadline(t).Done():
			t.Fatal("still online")
		case <-time.After(time.Millisecond):
		}
	}
}

func numbers(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

func TestResumeSendsAgain(t *testing.T) {
	f := newFake(t)
	f.silent = true
	var acked atomic.Int32
	cfg := f.config()
	cfg.Acked = func(*stanza.Stanza) { acked.Add(1) }
	c := f.dial(cfg)
	var tickets []*Ticket
	send := func(from, to int) {
		for _, n := range numbers(from, to) {
			k, err := c.Message(deadline(t), romeo, n)
			if err != nil {
				t.Fatal(err)
			}
			tickets = append(tickets, k)
		}
	}
	send(0, 10)
	s := f.session("sm-1")
	waitFor(t, f, func() bool { return s.handled == 10 })
	f.locked(func() {
		// The server has three of them on disk and loses the rest.
		s.handled, s.received = 3, s.received[:3]
		s.send("<message id='m1' from='romeo@example.net/x'/>")
	})
	<-c.Incoming()
	c.Cut()
	offline(t, c)
	send(10, 12)
	f.locked(func() { s.send("<message id='m2' from='romeo@example.net/x'/>"); f.silent = false })
	resumed, err := c.Resume(deadline(t))
	if !resumed || err != nil {
		t.Fatal(resumed, err)
	}
	for _, k := range tickets {
		if err := k.Wait(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	if st := <-c.Incoming(); st.ID != "m2" {
		t.Errorf("server's stanza %s came again", st.ID)
	}
	f.locked(func() {
		if got := s.bodies(); !slices.Equal(got, numbers(0, 12)) {
			t.Errorf("server has %v", got)
		}
	})
	if _, err := c.Resume(deadline(t)); !errors.Is(err, ErrOnline) {
		t.Error(err)
	}
	c.Close(deadline(t))
	if acked.Load() != 12 {
		t.Errorf("%d acknowledged", acked.Load())
	}
}

func waitFor(t *testing.T, f *fakeServer, cond func() bool) {
	t.Helper()
	for ok := false; !ok; f.locked(func() { ok = cond() }) {
		select {
		case <-deadline(t).Done():
			t.Fatal("does not happen")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestResumeRefused(t *testing.T) {
	f := newFake(t)
	f.silent = true
	c := f.dial(f.config())
	one, err1 := c.Message(deadline(t), romeo, "one")
	two, err2 := c.Message(deadline(t), romeo, "two")
	pres, err3 := c.SendPresence(deadline(t), Presence{Show: "away"})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	lost := make(chan error, 1)
	go func() { lost <- c.Ping(deadline(t), jid.JID{}) }()
	s := f.session("sm-1")
	waitFor(t, f, func() bool { return s.handled == 4 })
	f.locked(func() { s.handled = 1; f.forget, f.silent = true, false })
	c.Cut()
	offline(t, c)
	resumed, err := c.Resume(deadline(t))
	if resumed || err != nil {
		t.Fatal(resumed, err)
	}
	if err := errors.Join(one.Wait(deadline(t)), two.Wait(deadline(t))); err != nil {
		t.Error(err)
	}
	if err := pres.Wait(deadline(t)); !errors.Is(err, ErrLost) {
		t.Error(err)
	}
	if err := <-lost; !errors.Is(err, ErrLost) {
		t.Error(err)
	}
	again := f.session("sm-2")
	f.locked(func() {
		// The server had counted the first one before it forgot.
		if got := again.bodies(); !slices.Equal(got, []string{"two"}) || !again.received[0].Has(ns.Delay, "delay") {
			t.Errorf("new session got %v", got)
		}
	})
}

func TestTokenOfEarlierClient(t *testing.T) {
	f := newFake(t)
	f.silent = true
	c := f.dial(f.config())
	if _, err := c.Message(deadline(t), romeo, "0"); err != nil {
		t.Fatal(err)
	}
	s := f.session("sm-1")
	waitFor(t, f, func() bool { return s.handled == 1 })
	c.Cut()
	offline(t, c)
	f.locked(func() { s.handled, s.received, f.silent = 0, nil, false })
	cfg := f.config()
	cfg.Resume = c.Token()
	next := f.dial(cfg)
	if next.JID() != c.JID() {
		t.Errorf("%s instead of %s", next.JID(), c.JID())
	}
	k, err := next.Message(deadline(t), romeo, "1")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	f.locked(func() {
		if got := s.bodies(); !slices.Equal(got, numbers(0, 2)) {
			t.Errorf("server has %v", got)
		}
	})
}

func TestReconnect(t *testing.T) {
	f := newFake(t)
	cfg := f.config()
	cfg.Reconnect = &Backoff{Min: time.Millisecond, Max: 5 * time.Millisecond}
	back := make(chan bool, 10)
	cfg.Online = func(resumed bool) { back <- resumed }
	c := f.dial(cfg)
	for i, want := range []bool{true, true, false} {
		if i == 2 {
			f.locked(func() { f.forget = true })
		}
		c.Cut()
		if got := <-back; got != want {
			t.Fatalf("cut %d: resumed %v", i, got)
		}
	}
	k, err := c.Message(deadline(t), romeo, "still here")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	f.l.Close()
	c.Cut()
	offline(t, c)
	if err := c.Close(deadline(t)); err != nil || !errors.Is(c.Err(), ErrClosed) {
		t.Error(err, c.Err())
	}
}

func TestReconnectGivesUp(t *testing.T) {
	f := newFake(t)
	cfg := f.config()
	cfg.Reconnect = &Backoff{Min: time.Millisecond, Max: time.Millisecond, Attempts: 2}
	c := f.dial(cfg)
	f.l.Close()
	c.Cut()
	select {
	case <-c.Done():
	case <-deadline(t).Done():
		t.Fatal("goes on for ever")
	}
	if c.Err() == nil || errors.Is(c.Err(), ErrClosed) {
		t.Error(c.Err())
	}
}

func TestCountTooHigh(t *testing.T) {
	f := newFake(t)
	c := f.dial(f.config())
	s := f.session("sm-1")
	f.locked(func() { s.conn.SendXML("<a xmlns='" + ns.StreamManagement + "' h='8'/>") })
	select {
	case <-c.Done():
	case <-deadline(t).Done():
		t.Fatal("goes on")
	}
	var e *stanza.StreamError
	if !errors.As(c.Err(), &e) || e.Condition != stanza.StreamUndefinedCondition {
		t.Error(c.Err())
	}
}

func TestConflictIsFinal(t *testing.T) {
	f := newFake(t)
	cfg := f.config()
	cfg.Reconnect = &Backoff{Min: time.Millisecond}
	c := f.dial(cfg)
	s := f.session("sm-1")
	go s.conn.Fail(&stanza.StreamError{Condition: stanza.StreamConflict}, stream.Header{})
	select {
	case <-c.Done():
	case <-deadline(t).Done():
		t.Fatal("comes back to be thrown out again")
	}
	var e *stream.PeerError
	if !errors.As(c.Err(), &e) || e.Err.Condition != stanza.StreamConflict {
		t.Error(c.Err())
	}
}

func TestCounterWraps(t *testing.T) {
	c := &Client{cfg: &Config{}, acked: 1<<32 - 2}
	for range 4 {
		c.unacked = append(c.unacked, &Ticket{c: c})
	}
	if settled, ok := c.acknowledge(1); !ok || len(settled) != 3 || len(c.unacked) != 1 {
		t.Errorf("%d settled, %v", len(settled), ok)
	}
	if settled, ok := c.acknowledge(0); !ok || len(settled) > 0 || c.acked != 1 {
		t.Errorf("an older count: %d settled, %v, now %d", len(settled), ok, c.acked)
	}
}

func TestBackoff(t *testing.T) {
	b := Backoff{Min: time.Second, Max: 10 * time.Second}
	for n, top := range []time.Duration{200 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second} {
		for range 50 {
			if d := b.wait(n); d < top/2 || d > top {
				t.Errorf("attempt %d waits %v", n, d)
			}
		}
	}
	if d := b.wait(1000); d > 10*time.Second || d <= 0 {
		t.Errorf("attempt 1000 waits %v", d)
	}
}

// XEP-0198 section 6: a server that finds our count impossible ends the stream. To say the same again and again would never end.
func TestImpossibleResumption(t *testing.T) {
	f := newFake(t)
	f.silent = true
	cfg := f.config()
	cfg.Reconnect = &Backoff{Min: time.Millisecond, Max: 5 * time.Millisecond}
	back := make(chan bool, 10)
	cfg.Online = func(resumed bool) { back <- resumed }
	c := f.dial(cfg)
	k, err := c.Message(deadline(t), romeo, "said before")
	if err != nil {
		t.Fatal(err)
	}
	f.locked(func() { f.tooHigh, f.silent = true, false })
	c.Cut()
	select {
	case resumed := <-back:
		if resumed {
			t.Error("resumed")
		}
	case <-deadline(t).Done():
		t.Fatal("never back")
	}
	if err := k.Wait(deadline(t)); err != nil {
		t.Error(err)
	}
}
