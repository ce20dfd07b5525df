package client

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"math/big"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

// Token is a session that can be resumed, by this Client or a later one
// (XEP-0198 section 5).
type Token struct {
	// JID is the full address of the session.
	JID jid.JID
	// Resumption identifies the session and holds the count of stanzas handled.
	Resumption stream.Resumption
	// Acked is the server's count of stanzas from this side.
	Acked uint32
	// Unacked are the stanzas sent and not acknowledged, in order.
	Unacked []*stanza.Stanza
}

// Token returns what a later Client needs to go on; its Resumption has no ID
// when the session cannot be resumed. It is exact once the line is cut.
func (c *Client) Token() Token {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := Token{JID: c.jid, Resumption: c.resumption, Acked: c.acked}
	t.Resumption.Handled = c.handled
	for _, k := range c.unacked {
		t.Unacked = append(t.Unacked, k.st)
	}
	return t
}

// adopt takes over the session of an earlier Client, before the first log-in.
func (c *Client) adopt(t Token) {
	if t.Resumption.ID == "" {
		return
	}
	c.jid, c.resumption, c.handled, c.acked, c.managed = t.JID, t.Resumption, t.Resumption.Handled, t.Acked, true
	for _, st := range t.Unacked {
		c.unacked = append(c.unacked, &Ticket{c: c, st: st, at: time.Now()})
	}
}

// Resume connects again after the line was cut, when Config.Reconnect is not
// set. With resumed the old session goes on and what was not acknowledged has
// been sent again. Otherwise there is a new session: messages that were not
// acknowledged have been sent again in it, with the time of the first attempt
// (XEP-0198 section 4); all else is lost, and presence must be sent anew. The
// errors are ErrOnline, ErrClosed, ErrLost and those of Dial.
func (c *Client) Resume(ctx context.Context) (resumed bool, err error) {
	c.mu.Lock()
	st := c.state
	c.mu.Unlock()
	switch {
	case st == closing || st == ended && c.Err() == ErrClosed:
		return false, ErrClosed
	case st == ended:
		return false, ErrLost
	case st == online || c.cfg.Reconnect != nil:
		return false, ErrOnline
	}
	s, err := c.connect(ctx)
	if err != nil {
		return false, err
	}
	if !c.revive(s) {
		return false, ErrClosed
	}
	go c.run(s)
	return s.Resumed, nil
}

// revive puts a new connection in the place of the old one; false when the
// Client was closed, or revived, meanwhile.
func (c *Client) revive(s *stream.Session) bool {
	c.mu.Lock()
	if c.state != cut {
		c.mu.Unlock()
		s.Conn.Close()
		return false
	}
	settled := c.attach(s)
	c.mu.Unlock()
	c.tell(settled)
	if c.cfg.Online != nil {
		c.cfg.Online(s.Resumed)
	}
	return true
}

// attach begins or continues a session on a connection, and returns what the
// server has settled; mu is held.
func (c *Client) attach(s *stream.Session) (settled []*Ticket) {
	c.conn, c.state = s.Conn, online
	if !s.Resumed || c.features == nil {
		c.features = s.Features // behind a resumption by XEP-0388 none are told
	}
	c.out, c.asked = nil, false
	s.Conn.Transport().OnWritable(c.writable)
	if s.PeerCounted {
		// What the server counts beyond what was sent cannot be ours.
		settled, _ = c.acknowledge(s.PeerHandled)
	}
	if !s.Resumed {
		c.begin(s)
	}
	for _, t := range c.unacked {
		c.out = t.st.Append(c.buffer(), "")
	}
	c.flush()
	c.progress()
	return settled
}

// begin starts counting anew; mu is held.
func (c *Client) begin(s *stream.Session) {
	c.jid, c.bare = s.JID, s.JID.Bare()
	c.managed, c.resumption = s.Managed, s.Resumption
	c.handled, c.acked = 0, 0
	old := c.unacked
	c.unacked = nil
	for _, t := range old {
		if t.st.Kind != stanza.Message || !c.managed {
			t.settle(ErrLost)
			continue
		}
		t.st = delayed(t.st, t.at)
		c.unacked = append(c.unacked, t)
	}
	for id, ask := range c.calls {
		delete(c.calls, id)
		close(ask.answer)
	}
	clear(c.queries)
}

// delayed notes when a message was sent first (XEP-0203), once.
func delayed(st *stanza.Stanza, at time.Time) *stanza.Stanza {
	if st.Has(ns.Delay, "delay") {
		return st
	}
	stamp := at.UTC().Format("2006-01-02T15:04:05.000Z")
	d, err := st.WithChildren("<delay xmlns='" + ns.Delay + "' stamp='" + stamp + "'/>")
	if err != nil {
		return st
	}
	return d
}

// Backoff says how to come back after the line was cut: at once to a tenth of
// Min, then after waits that double from Min to Max, each shortened by up to a
// half at random, so that the clients of a server that restarts do not all
// come at the same moment.
type Backoff struct {
	// Min is the first wait; 0 means one second.
	Min time.Duration
	// Max is the longest wait; 0 means two minutes.
	Max time.Duration
	// Attempts is how often to try before the session is given up; 0 means
	// without end.
	Attempts int
}

// wait returns how long to wait before attempt n, which counts from 0.
func (b Backoff) wait(n int) time.Duration {
	if b.Min <= 0 {
		b.Min = time.Second
	}
	if b.Max <= 0 {
		b.Max = 2 * time.Minute
	}
	d := b.Min / 5
	if n > 0 {
		d = b.Min << min(n-1, 30)
		if d <= 0 || d > b.Max {
			d = b.Max
		}
	}
	return d/2 + randomBelow(d/2)
}

func randomBelow(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d)))
	if err != nil {
		return 0
	}
	return time.Duration(n.Int64())
}

// reconnect tries until it works, the Client is closed, or attempts run out.
func (c *Client) reconnect() *stream.Session {
	b := *c.cfg.Reconnect
	var err error
	for n := 0; b.Attempts == 0 || n < b.Attempts; n++ {
		timer := time.NewTimer(b.wait(n))
		select {
		case <-c.ctx.Done():
			timer.Stop()
			c.finish(ErrClosed)
			return nil
		case <-timer.C:
		}
		var s *stream.Session
		if s, err = c.connect(c.ctx); err != nil {
			var refused *stream.LoginError
			if errors.As(err, &refused) && refused.Condition != sasl.TemporaryAuthFailure || errors.Is(err, sasl.ErrPassword) {
				break
			}
			continue
		}
		if !c.revive(s) {
			c.finish(ErrClosed)
			return nil
		}
		return s
	}
	c.finish(err)
	return nil
}

// newID returns 96 random bits for ids that others see.
func newID() string {
	var b [12]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
