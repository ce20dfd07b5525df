package stream

import (
	"errors"
	"io"
	"sync"
	"time"

	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// smallPartial is the greatest size of an incomplete element that is moved out
// of a pooled buffer while the rest is awaited.
const smallPartial = 2 << 10

var scratchPool = sync.Pool{New: func() any { return new(xmltok.Scratch) }}

// Read returns the next top-level element, stanza or not. White space between
// elements is skipped. After the header has been exchanged its errors are:
//
//   - io.EOF: the peer closed its stream (RFC 6120 section 4.4); see CloseStream;
//   - io.ErrUnexpectedEOF and other network errors: the line was cut;
//   - *PeerError: the peer sent a stream error;
//   - *stanza.StreamError: the peer broke a rule; give it to Fail;
//   - os.ErrDeadlineExceeded: see SetReadTimeout; the only one after which Read
//     may be called again.
func (c *Conn) Read() (*stanza.Stanza, error) { return c.read(true) }

// read is Read, or with block false returns errAgain instead of waiting.
func (c *Conn) read(block bool) (*stanza.Stanza, error) {
	if c.ws != nil {
		return c.readFramed(block)
	}
	for {
		ev, err := c.next(block)
		switch {
		case err != nil:
			return nil, err
		case ev == xmltok.Header:
			return nil, &stanza.StreamError{Condition: stanza.StreamBadFormat, Text: "unexpected stream header"}
		case ev == xmltok.End:
			c.release()
			return nil, io.EOF
		case ev == xmltok.Space && c.tight:
			return nil, errLoose(nil)
		case ev == xmltok.Space:
			continue
		}
		return c.element(c.buf[c.elem:c.r])
	}
}

// element makes a stanza of the bytes that the scanner has just found to be one.
func (c *Conn) element(b []byte) (*stanza.Stanza, error) {
	st, err := stanza.Decode(c.sc, b)
	if err != nil {
		return nil, streamError(err)
	}
	if e := stanza.ParseStreamError(st); e != nil {
		return nil, &PeerError{Err: e}
	}
	return st, nil
}

// next finds the next event and steps over it.
func (c *Conn) next(block bool) (xmltok.Event, error) {
	for {
		if c.r < c.w {
			c.attach()
			n, ev, err := c.sc.Next(c.buf[c.r:c.w])
			if err != nil {
				return xmltok.More, streamError(err)
			}
			c.elem = c.r
			c.r += n
			if ev != xmltok.More {
				return ev, nil
			}
		}
		if err := c.fill(block); err != nil {
			return xmltok.More, err
		}
	}
}

// Buffered reports whether bytes of another element, complete or not, are here
// already, so that Read would probably not wait. A caller that answers may
// collect its answers until this is false. It belongs to the reading goroutine.
func (c *Conn) Buffered() bool {
	if c.r < c.w {
		return true
	}
	if c.dry || c.readErr != nil {
		return false
	}
	got, err := c.tryRead()
	c.readErr = err
	return got
}

// fill waits for more bytes. Whatever can be given back is given back first.
func (c *Conn) fill(block bool) error {
	for {
		if err := c.readErr; err != nil {
			c.readErr = nil
			return err
		}
		if !c.dry {
			got, err := c.tryRead()
			if got || err != nil {
				return err
			}
		}
		if c.ws != nil {
			c.pong()
		}
		c.release()
		if !block {
			return errAgain
		}
		if err := c.await(); err != nil {
			return err
		}
	}
}

// await waits for bytes without holding anything.
func (c *Conn) await() error {
	if err := c.arm(); err != nil {
		return err
	}
	if err := c.t.wait(); err != nil {
		return cut(err)
	}
	c.dry = false
	return nil
}

// tryRead reads what is in hand. It sets dry when that is nothing.
func (c *Conn) tryRead() (got bool, err error) {
	if c.tls == nil && c.t.inHand() == 0 {
		c.dry = true
		return false, nil
	}
	if err := c.room(); err != nil {
		return false, err
	}
	var n int
	if c.tls != nil {
		n, err = c.tls.Read(c.buf[c.w:])
	} else {
		n, err = c.t.Read(c.buf[c.w:])
	}
	c.w += n
	c.received += n
	if c.total > 0 && c.received > c.total {
		return false, &stanza.StreamError{Condition: stanza.StreamPolicyViolation, Text: "too many bytes before log-in"}
	}
	if n > 0 {
		// An error beside bytes comes again with the next read.
		return true, nil
	}
	if isAgain(err) {
		c.dry = true
		return false, nil
	}
	return false, cut(err)
}

// room makes sure that the buffer has space behind w.
func (c *Conn) room() error {
	if c.buf == nil {
		in := inPool.Get().(*[readSize]byte)
		c.buf, c.pooled, c.r, c.w = in[:], true, 0, 0
		return nil
	}
	if c.w < len(c.buf) {
		return nil
	}
	if c.closeGap() {
		return nil
	}
	if c.r > 0 && c.r >= len(c.buf)/2 {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
		return nil
	}
	// The scanner refuses an element above its limit; this bound is only for
	// what it has not looked at yet.
	if c.w-c.r-c.gap() > c.maxElem+readSize {
		return &stanza.StreamError{Condition: stanza.StreamPolicyViolation, Text: "element too long"}
	}
	c.move(make([]byte, max(2*(c.w-c.r), readSize)), false)
	return nil
}

// move puts the pending bytes into another buffer and gives the old one back.
func (c *Conn) move(to []byte, pooled bool) {
	n := copy(to, c.buf[c.r:c.w])
	c.drop()
	c.buf, c.pooled, c.r, c.w = to, pooled, 0, n
}

// drop gives the buffer back.
func (c *Conn) drop() {
	if c.pooled {
		inPool.Put((*[readSize]byte)(c.buf))
	}
	c.buf, c.pooled, c.r, c.w = nil, false, 0, 0
}

// release gives back what an idle connection need not hold.
func (c *Conn) release() {
	if m := c.sc.Detach(); m != nil {
		scratchPool.Put(m)
		c.attached = false
	}
	switch n := c.w - c.r; {
	case c.buf == nil:
	case n == 0:
		c.drop()
	case n <= smallPartial && len(c.buf) >= readSize:
		// Somebody who sends half an element and falls silent should not hold a
		// whole buffer.
		c.move(make([]byte, n+n/2+64), false)
	}
	if c.tls != nil && c.dry {
		dropTLSBuffers(c.tls)
	}
}

// attach gives the scanner its working memory.
func (c *Conn) attach() {
	if !c.attached {
		c.sc.Attach(scratchPool.Get().(*xmltok.Scratch))
		c.attached = true
	}
}

// arm sets the read deadline of SetReadTimeout, not more often than needed.
func (c *Conn) arm() error {
	if c.timeout <= 0 {
		return nil
	}
	now := time.Now()
	if !c.armed.IsZero() && now.Sub(c.armed) < c.timeout/8 {
		return nil
	}
	c.armed = now
	return c.t.SetReadDeadline(now.Add(c.timeout))
}

// cut tells the end of a connection from the end of a stream.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func isAgain(err error) bool {
	if err == nil {
		return true
	}
	var again againError
	return errors.As(err, &again)
}
