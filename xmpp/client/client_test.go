package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

var romeo = jid.MustParse("romeo@example.net")

func TestSendAndAcknowledge(t *testing.T) {
	f := newFake(t)
	var mu sync.Mutex
	var acked []string
	cfg := f.config()
	cfg.Acked = func(st *stanza.Stanza) {
		b, _ := st.Child(ns.Client, "body")
		mu.Lock()
		acked = append(acked, b.Text())
		mu.Unlock()
	}
	c := f.dial(cfg)
	if c.JID().String() != "juliet@example.net/balcony" {
		t.Fatal(c.JID())
	}
	ticket, err := c.Message(deadline(t), romeo, "one & <two>")
	if err != nil {
		t.Fatal(err)
	}
	if err := ticket.Wait(deadline(t)); err != nil || !ticket.Acked() {
		t.Fatal(err)
	}
	// Many senders at once: all arrive, each sender's in order.
	var wg sync.WaitGroup
	var last [4]*Ticket
	for g := range last {
		wg.Go(func() {
			for i := range 200 {
				k, err := c.Message(deadline(t), romeo, fmt.Sprintf("%d:%03d", g, i))
				if err != nil {
					t.Error(err)
					return
				}
				last[g] = k
			}
		})
	}
	wg.Wait()
	for _, k := range last {
		if err := k.Wait(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	c.Close(deadline(t))
	f.mu.Lock()
	got := f.sessions["sm-1"].bodies()
	f.mu.Unlock()
	if !slices.Equal(got, acked) || len(got) != 801 {
		t.Errorf("%d received, %d acknowledged", len(got), len(acked))
	}
	for g := range last {
		mine := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !strings.HasPrefix(s, fmt.Sprint(g, ":")) })
		if !slices.IsSorted(mine) || len(mine) != 200 {
			t.Errorf("sender %d: %d messages, out of order", g, len(mine))
		}
	}
	if _, err := c.Message(deadline(t), romeo, "late"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestUnmanaged(t *testing.T) {
	f := newFake(t)
	f.plain = true
	c := f.dial(f.config())
	ticket, err := c.Message(deadline(t), romeo, "x")
	if err != nil || !errors.Is(ticket.Wait(deadline(t)), ErrUnmanaged) || ticket.Acked() {
		t.Fatal(err)
	}
	c.Cut()
	select {
	case <-c.Done():
	case <-deadline(t).Done():
		t.Fatal("the session goes on")
	}
	if _, err := c.Message(deadline(t), romeo, "y"); !errors.Is(err, ErrLost) {
		t.Error(err)
	}
}

func TestBackpressure(t *testing.T) {
	f := newFake(t)
	f.silent = true
	cfg := f.config()
	cfg.MaxUnacked = 5
	c := f.dial(cfg)
	for range 5 {
		if _, err := c.Message(deadline(t), romeo, "x"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := c.Message(ctx, romeo, "one too many"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	s := f.session("sm-1")
	f.locked(func() {
		f.silent = false
		s.conn.SendXML("<a xmlns='" + ns.StreamManagement + "' h='2'/>")
	})
	if _, err := c.Message(deadline(t), romeo, "fits again"); err != nil {
		t.Fatal(err)
	}
}

func TestIQ(t *testing.T) {
	f := newFake(t)
	f.handle = func(s *fakeSession, st *stanza.Stanza) {
		if st.Kind != stanza.IQ || st.Type != stanza.Get {
			return
		}
		if st.Has(ns.Version, "query") {
			// Answers from others, with the right id, come first.
			for _, from := range []string{"romeo@example.net", "evil.example", "juliet@example.net/other", ""} {
				attr := ""
				if from != "" {
					attr = " from='" + from + "'"
				}
				s.send(fmt.Sprintf("<iq type='result' id='%s'%s><query xmlns='%s'><name>forged</name></query></iq>", st.ID, attr, ns.Version))
			}
			s.send(fmt.Sprintf("<iq type='result' id='%s' from='capulet.example/x'><query xmlns='%s'><name>real</name></query></iq>", st.ID, ns.Version))
			return
		}
		reply := stanza.ErrorReply(st, stanza.NewError(stanza.ItemNotFound, "no such thing"))
		s.send(reply.Standalone())
	}
	c := f.dial(f.config())
	answer, err := c.IQ(deadline(t), jid.MustParse("capulet.example/x"), stanza.Get, "<query xmlns='"+ns.Version+"'/>")
	if err != nil {
		t.Fatal(err)
	}
	if q, _ := answer.Child(ns.Version, "query"); !strings.Contains(q.Raw(), "real") {
		t.Errorf("took %s", answer.Raw())
	}
	var refused *stanza.Error
	if err := c.Ping(deadline(t), jid.JID{}); !errors.As(err, &refused) || refused.Condition != stanza.ItemNotFound {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.locked(func() { f.handle = nil })
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := c.Ping(ctx, jid.JID{}); !errors.Is(err, context.Canceled) || len(c.calls) != 0 {
		t.Errorf("%v, %d calls left", err, len(c.calls))
	}
}

func TestRequestsFromServer(t *testing.T) {
	f := newFake(t)
	replies := make(chan *stanza.Stanza, 8)
	f.handle = func(_ *fakeSession, st *stanza.Stanza) { replies <- st }
	cfg := f.config()
	cfg.IQ = func(st *stanza.Stanza) (string, error) {
		if st.Has("urn:x", "boom") {
			return "", stanza.NewError(stanza.Forbidden, "")
		}
		return "<y xmlns='urn:x'/>", nil
	}
	f.dial(cfg)
	s := f.session("sm-1")
	f.locked(func() {
		s.send("<iq type='get' id='1' from='example.net'><ping xmlns='urn:xmpp:ping'/></iq>")
		s.send("<iq type='get' id='2' from='romeo@example.net/x'><q xmlns='urn:x'/></iq>")
		s.send("<iq type='set' id='3' from='romeo@example.net/x'><boom xmlns='urn:x'/></iq>")
	})
	for i, want := range []struct {
		typ stanza.Type
		to  string
	}{{stanza.TypeResult, "example.net"}, {stanza.TypeResult, "romeo@example.net/x"}, {stanza.TypeError, "romeo@example.net/x"}} {
		st := <-replies
		if st.ID != fmt.Sprint(i+1) || st.Type != want.typ || st.To.String() != want.to {
			t.Errorf("reply %d: %s", i+1, st.Raw())
		}
	}
}

func TestForgeriesAreDropped(t *testing.T) {
	f := newFake(t)
	seen := make(chan string, 16)
	cfg := f.config()
	cfg.Handle = func(st *stanza.Stanza) { seen <- "handle:" + st.ID }
	cfg.Carbon = func(st *stanza.Stanza, sent bool) { seen <- fmt.Sprint("carbon:", st.ID, ":", sent) }
	cfg.RosterPush = func(it RosterItem) { seen <- "push:" + it.JID.String() + ":" + it.Subscription }
	f.dial(cfg)
	s := f.session("sm-1")
	carbon := func(from, kind, id string) string {
		return "<message from='" + from + "'><" + kind + " xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>" +
			"<message xmlns='jabber:client' id='" + id + "' from='romeo@example.net/x'><body>hi</body></message></forwarded></" + kind + "></message>"
	}
	push := func(from, contact string) string {
		return "<iq type='set' id='p'" + from + "><query xmlns='jabber:iq:roster'><item jid='" + contact + "'/></query></iq>"
	}
	f.locked(func() {
		s.send(carbon("evil@example.org", "received", "forged"))
		s.send(carbon("juliet@example.net/balcony", "received", "forged"))
		s.send(carbon("example.net", "sent", "forged"))
		s.send(carbon("juliet@example.net", "sent", "mine"))
		s.send(push(" from='evil@example.org'", "evil@example.org"))
		s.send(push(" from='example.net'", "evil@example.org"))
		s.send(push(" from='juliet@example.net'", "nurse@example.net"))
		s.send(push("", "tybalt@example.net"))
		s.send("<message from='juliet@example.net'><result xmlns='urn:xmpp:mam:2' queryid='guess'><forwarded xmlns='urn:xmpp:forward:0'/></result></message>")
		s.send("<message id='end' from='romeo@example.net/x'><body>x</body></message>")
	})
	var got []string
	for s := range seen {
		got = append(got, s)
		if s == "handle:end" {
			break
		}
	}
	want := []string{"carbon:mine:true", "push:nurse@example.net:none", "push:tybalt@example.net:none", "handle:end"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestIncomingIsBounded(t *testing.T) {
	f := newFake(t)
	cfg := f.config()
	cfg.Queue = 2
	c := f.dial(cfg)
	s := f.session("sm-1")
	f.locked(func() {
		for i := range 50 {
			s.send(fmt.Sprintf("<message id='%d' from='romeo@example.net/x'/>", i))
		}
	})
	for i := range 50 {
		if st := <-c.Incoming(); st.ID != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, st.ID)
		}
	}
	c.Close(deadline(t))
	if _, open := <-c.Incoming(); open {
		t.Error("channel still open")
	}
}

func TestKeepAlive(t *testing.T) {
	for _, managed := range []bool{true, false} {
		f := newFake(t)
		probes := make(chan string, 100)
		f.handle = func(s *fakeSession, st *stanza.Stanza) {
			if st.Kind == stanza.IQ {
				probes <- "ping"
			}
		}
		cfg := f.config()
		cfg.KeepAlive = 30 * time.Millisecond
		cfg.StreamManagement = managed
		c := f.dial(cfg)
		if managed {
			// An answered request for acknowledgement is a sign of life.
			s := f.session("sm-1")
			time.Sleep(100 * time.Millisecond)
			if c.Err() != nil {
				t.Fatal(c.Err())
			}
			f.locked(func() { f.silent = true; s.received = nil })
		}
		offline(t, c)
		if !managed && len(probes) != 1 {
			t.Errorf("%d pings before the line is taken for cut", len(probes))
		}
	}
}
