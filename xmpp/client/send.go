package client

import (
	"context"
	"sync"
	"time"

	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

// maxOut is how many bytes may wait for the network before Send waits.
const maxOut = 256 << 10

var outPool = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

// maxPooled keeps a single large stanza from staying in memory.
const maxPooled = 64 << 10

// Ticket stands for one stanza that was sent.
type Ticket struct {
	c       *Client
	st      *stanza.Stanza
	at      time.Time
	done    chan struct{} // made by Wait
	settled bool
	err     error
}

// Stanza returns what was sent.
func (t *Ticket) Stanza() *stanza.Stanza { return t.st }

// Acked reports whether the server has acknowledged the stanza (XEP-0198
// section 4): it is then the server's responsibility.
func (t *Ticket) Acked() bool {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return t.settled && t.err == nil
}

// Wait waits for the acknowledgement. It returns ErrLost when the session ended
// before, ErrUnmanaged when there will be none, or the error of ctx.
func (t *Ticket) Wait(ctx context.Context) error {
	t.c.mu.Lock()
	if t.settled {
		defer t.c.mu.Unlock()
		return t.err
	}
	if t.done == nil {
		t.done = make(chan struct{})
	}
	done := t.done
	t.c.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	return t.err
}

// settle ends the wait; mu is held.
func (t *Ticket) settle(err error) {
	if t.settled {
		return
	}
	t.settled, t.err = true, err
	if t.done != nil {
		close(t.done)
	}
}

// Send sends a stanza. It waits while too much is unacknowledged or the network
// does not keep up, until ctx is done; otherwise it returns at once. While the
// line is cut and the session can be resumed the stanza is kept for later. The
// errors are ErrClosed, ErrOffline, ErrLost and that of ctx.
func (c *Client) Send(ctx context.Context, st *stanza.Stanza) (*Ticket, error) {
	if err := c.room(ctx); err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	t := &Ticket{c: c, st: st, at: time.Now()}
	if !c.managed || st.Kind == stanza.Nonza {
		if c.state == cut {
			return nil, ErrOffline
		}
		t.settle(ErrUnmanaged)
	} else {
		c.unacked = append(c.unacked, t)
	}
	if c.state == online {
		c.out = st.Append(c.buffer(), "")
		c.flush()
	}
	return t, nil
}

// room waits until something may be sent; it returns with mu held, unless it
// returns an error.
func (c *Client) room(ctx context.Context) error {
	for {
		c.mu.Lock()
		switch {
		case c.state == closing:
			c.mu.Unlock()
			return ErrClosed
		case c.state == ended:
			err := c.err
			c.mu.Unlock()
			if err != ErrClosed {
				err = ErrLost
			}
			return err
		case len(c.unacked) < c.cfg.MaxUnacked && (c.state == cut || len(c.out)+c.conn.Transport().Pending() < maxOut):
			return nil
		}
		if c.wake == nil {
			c.wake = make(chan struct{})
		}
		wake := c.wake
		c.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// progress wakes whoever waits for room; mu is held.
func (c *Client) progress() {
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}

// writable is called by the transport when it has written everything.
func (c *Client) writable() {
	c.mu.Lock()
	c.progress()
	c.mu.Unlock()
}

// buffer returns the buffer to append to; mu is held.
func (c *Client) buffer() []byte {
	if c.out == nil {
		return (*outPool.Get().(*[]byte))[:0]
	}
	return c.out
}

// sendRaw sends nonzas; mu is held.
func (c *Client) sendRaw(xml string) {
	if c.state == online {
		c.out = append(c.buffer(), xml...)
		c.flush()
	}
}

// flush hands over what has gathered. While somebody does, others only append:
// so writes are merged without a goroutine. mu is held, and given back
// meanwhile.
func (c *Client) flush() {
	if c.writing {
		return
	}
	c.writing = true
	for len(c.out) > 0 {
		if c.managed && len(c.unacked) > 0 && !c.asked {
			// One request at a time: its answer brings the next.
			c.out = append(c.out, stream.AckRequest...)
			c.asked = true
		}
		buf, conn := c.out, c.conn
		c.out = nil
		c.mu.Unlock()
		_, err := conn.Write(buf)
		if cap(buf) <= maxPooled {
			outPool.Put(&buf)
		}
		if err != nil {
			// The reader finds out and decides what happens.
			conn.Close()
		}
		c.mu.Lock()
	}
	if c.parting && !c.parted {
		// Not before somebody else's last bytes: behind the end tag they would
		// count as a broken line.
		c.part()
	}
	c.writing = false
}

// acknowledge takes the server's count (XEP-0198 section 4) and returns what it
// settles; ok is false when it counts more than was sent. mu is held.
func (c *Client) acknowledge(h uint32) (settled []*Ticket, ok bool) {
	// The counters wrap at 2^32, and so does the difference.
	n := int64(h - c.acked)
	switch {
	case int32(h-c.acked) < 0:
		return nil, true // an older count says nothing new
	case n > int64(len(c.unacked)):
		return nil, false
	}
	settled = c.unacked[:n:n]
	c.unacked = c.unacked[n:]
	if len(c.unacked) == 0 {
		c.unacked = nil
	}
	c.acked = h
	for _, t := range settled {
		t.settle(nil)
	}
	c.progress()
	return settled, true
}
