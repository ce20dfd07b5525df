package client

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

// pending tells how many stanzas the client has not acknowledged.
func pending(f *fakeServer, id string) (n int) {
	s := f.session(id)
	f.locked(func() { n = len(s.unacked) })
	return n
}

func TestLeaveCountsNothingBehindTheStanzaInHand(t *testing.T) {
	t.Run("took", func(t *testing.T) { leave(t, true, 3) })
	t.Run("refused", func(t *testing.T) { leave(t, false, 4) })
}

func leave(t *testing.T, took bool, left int) {
	f := newFake(t)
	var c *Client
	var seen []string
	ready := make(chan struct{})
	cfg := f.config()
	cfg.Handle = func(st *stanza.Stanza) {
		<-ready
		seen = append(seen, st.ID)
		if st.ID == "m2" {
			c.Leave(took)
		}
	}
	c = f.dial(cfg)
	s := f.session("sm-1")
	f.locked(func() {
		for i := range 6 {
			s.send(fmt.Sprintf("<message from='romeo@example.net' id='m%d'><body>b</body></message>", i))
		}
	})
	close(ready)
	<-c.Done()
	if want := []string{"m0", "m1", "m2"}; !slices.Equal(seen, want) {
		t.Errorf("handled %v, want %v", seen, want)
	}
	waitFor(t, f, func() bool { return len(s.unacked) <= left })
	if n := pending(f, "sm-1"); n != left {
		t.Errorf("%d stanzas left to the server, want the %d that were not taken", n, left)
	}
	if c.Err() != ErrClosed {
		t.Errorf("ended with %v", c.Err())
	}
}

func TestCloseCountsWhatIsInHand(t *testing.T) {
	f := newFake(t)
	inside, goOn := make(chan struct{}), make(chan struct{})
	cfg := f.config()
	cfg.Handle = func(*stanza.Stanza) {
		inside <- struct{}{}
		<-goOn
	}
	c := f.dial(cfg)
	s := f.session("sm-1")
	f.locked(func() {
		s.send("<message from='romeo@example.net' id='a'><body>b</body></message>")
		s.send("<message from='romeo@example.net' id='b'><body>b</body></message>")
	})
	<-inside
	closed := make(chan error)
	go func() { closed <- c.Close(deadline(t)) }()
	// Close has begun when the client says so.
	waitFor(t, f, func() bool { return c.Err() == ErrClosed })
	close(goOn)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	waitFor(t, f, func() bool { return len(s.unacked) <= 1 })
	if n := pending(f, "sm-1"); n != 1 {
		t.Errorf("%d stanzas left to the server, want 1", n)
	}
}

func TestCloseLeavesToTheServerWhatNobodyTook(t *testing.T) {
	f := newFake(t)
	cfg := f.config()
	cfg.Queue = 1
	c := f.dial(cfg)
	s := f.session("sm-1")
	f.locked(func() {
		for i := range 4 {
			s.send(fmt.Sprintf("<message from='romeo@example.net' id='m%d'><body>b</body></message>", i))
		}
	})
	waitFor(t, f, func() bool { return len(c.Incoming()) > 0 })
	if err := c.Close(deadline(t)); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for range c.Incoming() {
		taken++
	}
	waitFor(t, f, func() bool { return len(s.unacked) <= 4-taken })
	if n := pending(f, "sm-1"); n != 4-taken {
		t.Errorf("%d taken and %d left to the server, of 4", taken, n)
	}
}

// farewell has a client leave with the first message, by Leave or by Close,
// while behind it come a question and more messages, and reports what the
// server saw and with what the connection ended here.
func farewell(t *testing.T, byClose bool, meanwhile func(c *Client, begin func())) (left int, server, here error) {
	f := newFake(t)
	var c *Client
	ready, closed, offline := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	cfg := f.config()
	cfg.Handle = func(*stanza.Stanza) {
		<-ready
		if !byClose {
			close(closed)
			c.Leave(true)
			return
		}
		go func() {
			_ = c.Close(deadline(t))
			close(closed)
		}()
		<-c.ctx.Done() // Close has begun
	}
	cfg.Offline = func(err error) { offline <- err }
	c = f.dial(cfg)
	s := f.session("sm-1")
	f.locked(func() {
		s.send("<message from='romeo@example.net' id='last'><body>b</body></message>")
		s.conn.SendXML(stream.AckRequest + strings.Repeat("<message from='romeo@example.net'><body>behind</body></message>", 50))
	})
	if meanwhile == nil {
		close(ready)
	} else {
		meanwhile(c, func() { close(ready) })
	}
	here = <-offline
	<-closed
	waitFor(t, f, func() bool { return s.ended != nil })
	f.locked(func() { server = s.ended })
	return pending(f, "sm-1"), server, here
}

// TestTheClientWaitsForTheServersEnd: a client that answers the question
// behind its own end tag finds that it cannot write, takes the line for broken
// and closes its socket. Bytes that it has not read then reset the connection,
// and a server that has not read the end tag yet keeps the session for a
// resumption that never comes.
func TestTheClientWaitsForTheServersEnd(t *testing.T) {
	for _, byClose := range []bool{false, true} {
		left, server, here := farewell(t, byClose, nil)
		if server != io.EOF || here != io.EOF || left != 0 {
			t.Errorf("by Close %v: the server saw %v, the client %v, not the end of the stream; %d stanzas not acknowledged", byClose, server, here, left)
		}
	}
}

// TestTheEndTagIsLast has somebody else hand over bytes while the client
// leaves: the last count goes before the end tag all the same.
func TestTheEndTagIsLast(t *testing.T) {
	left, server, here := farewell(t, false, func(c *Client, begin func()) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.writing = true
		begin()
		for len(c.out) == 0 && c.state != ended { // the goodbye is said
			c.mu.Unlock()
			time.Sleep(time.Millisecond)
			c.mu.Lock()
		}
		c.writing = false
		c.flush()
	})
	if server != io.EOF || here != io.EOF || left != 0 {
		t.Errorf("the server saw %v, the client %v, not the end of the stream; %d stanzas not acknowledged", server, here, left)
	}
}

func TestLast(t *testing.T) {
	for _, test := range []struct{ total, want, first, got, queries int }{
		{total: 600, want: 3, first: 597, got: 3, queries: 1},
		{total: 600, want: 300, first: 300, got: 300, queries: 2},
		{total: 7, want: 300, first: 0, got: 7, queries: 1},
		{total: 7, want: 0, queries: 0},
	} {
		f := newFake(t)
		var queries []string
		f.handle = fakeArchive(t, test.total, &queries)
		c := f.dial(f.config())
		items, err := c.Last(deadline(t), Query{}, test.want)
		if err != nil {
			t.Fatal(err)
		}
		var ids, want []string
		for i, it := range items {
			ids = append(ids, it.ID)
			want = append(want, fmt.Sprint(test.first+i))
		}
		if len(ids) != test.got || !slices.Equal(ids, want) {
			t.Errorf("last %d of %d: %d results: %v", test.want, test.total, len(ids), ids)
		}
		if len(queries) != test.queries {
			t.Errorf("last %d of %d: %d requests, want %d", test.want, test.total, len(queries), test.queries)
		}
	}
}
