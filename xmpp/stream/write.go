package stream

import (
	"errors"
	"io"
	"sync"
	"time"

	"stonechat/xmpp/stanza"
)

// closeWait is how long CloseStream and Fail wait for the peer at each step.
const closeWait = 2 * time.Second

var outPool = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// maxPooledOut keeps a single large write from staying in memory.
const maxPooledOut = 64 << 10

// Write sends bytes as they are; they must be whole elements. It does not wait
// for the network: see Transport.Writable. It may be called from any
// goroutine; one call is never mixed with another. The error is that of a
// broken connection, ErrClosed after Close or after the end tag was sent.
func (c *Conn) Write(p []byte) (int, error) {
	if c.sent.Load()&sentEnd != 0 {
		return 0, ErrClosed
	}
	return c.write(p)
}

func (c *Conn) write(p []byte) (int, error) {
	if c.ws != nil {
		return c.writeMessages(p)
	}
	return c.writeBytes(p)
}

// writeBytes sends bytes below all framing.
func (c *Conn) writeBytes(p []byte) (int, error) {
	if c.tls != nil {
		return c.tls.Write(p)
	}
	return c.t.Write(p)
}

// WriteBatch sends several byte slices with one write.
func (c *Conn) WriteBatch(bufs [][]byte) error {
	if len(bufs) == 1 {
		_, err := c.Write(bufs[0])
		return err
	}
	return c.compose(func(dst []byte) []byte {
		for _, b := range bufs {
			dst = append(dst, b...)
		}
		return dst
	})
}

// Send encodes and sends one stanza.
func (c *Conn) Send(st *stanza.Stanza) error {
	return c.compose(func(dst []byte) []byte { return st.Append(dst, "") })
}

// SendXML sends one or more elements that are already encoded.
func (c *Conn) SendXML(xml string) error {
	return c.compose(func(dst []byte) []byte { return append(dst, xml...) })
}

// compose builds bytes in a pooled buffer and writes them.
func (c *Conn) compose(build func(dst []byte) []byte) error {
	bp := outPool.Get().(*[]byte)
	b := build((*bp)[:0])
	_, err := c.Write(b)
	if cap(b) <= maxPooledOut {
		*bp = b
		outPool.Put(bp)
	}
	return err
}

// SendHeader sends the own header (RFC 6120 section 4.2), with the content
// namespace of the stream whatever h.Space is. If features is not empty, it is
// the content of <stream:features/>, which follows in the same write.
func (c *Conn) SendHeader(h Header, features string) error {
	if features == "" {
		return c.sendHeader(h, nil)
	}
	return c.sendHeader(h, appendFeatures(nil, features))
}

// sendHeader sends the own header with what follows it, in one write.
func (c *Conn) sendHeader(h Header, follows []byte) error {
	c.out.Lock()
	defer c.out.Unlock()
	if c.sent.Load()&sentHeader != 0 {
		return errTwice
	}
	b := append(c.appendOpening(nil, h), follows...)
	if _, err := c.Write(b); err != nil {
		return err
	}
	c.sent.Or(sentHeader)
	return nil
}

var errTwice = errors.New("stream: header sent twice")

// SendFeatures sends <stream:features/> with that encoded content, which may be
// empty (RFC 6120 section 4.3.2).
func (c *Conn) SendFeatures(features string) error {
	_, err := c.Write(appendFeatures(nil, features))
	return err
}

// appendOpening appends the header that fits the framing.
func (c *Conn) appendOpening(dst []byte, h Header) []byte {
	if c.ws != nil {
		return appendOpen(dst, h)
	}
	return appendHeader(dst, h, c.space)
}

// appendClosing appends the end of the stream that fits the framing.
func (c *Conn) appendClosing(dst []byte) []byte {
	if c.ws != nil {
		return append(dst, closeElement...)
	}
	return append(dst, "</stream:stream>"...)
}

func appendFeatures(dst []byte, inner string) []byte {
	dst = append(dst, "<stream:features>"...)
	dst = append(dst, inner...)
	return append(dst, "</stream:features>"...)
}

// Restart prepares both directions for new headers, as after SASL (RFC 6120
// section 6.4.6). Bytes that the peer has already sent stay.
func (c *Conn) Restart() {
	c.sc.Reset()
	if c.ws != nil {
		c.sc.Inherit(c.space, nil) // RFC 7395 section 3.7: <open/> comes again, on the same socket
	}
	c.sent.And(^uint32(sentHeader))
}

// Fail sends a stream error and closes (RFC 6120 section 4.9.1.1). If no
// header was sent yet, h goes out first. It waits a short time for the peer to
// read the error and close. Any error that is no *stanza.StreamError, and one
// of the peer's, closes the stream without a word of our own. It belongs to
// the reading goroutine.
func (c *Conn) Fail(err error, h Header) error {
	var e *stanza.StreamError
	var peer *PeerError
	var b []byte
	if errors.As(err, &e) && !errors.As(err, &peer) {
		b = e.Append(nil, false)
		c.closeWith(e)
	}
	if c.end(b, h) == nil && b != nil && c.CloseWrite() == nil {
		c.Linger()
	}
	_ = c.t.Flush(closeWait)
	return c.shut()
}

// Bounds of Linger.
const (
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

// Linger throws away what still arrives, for a short time, until the peer closes:
// closing a socket with unread bytes in it would take back what was sent last.
// CloseWrite comes before it. It belongs to the reading goroutine.
func (c *Conn) Linger() {
	if c.t.awaitEnd(lingerTime) != nil {
		return
	}
	for n := c.t.discard(); n < lingerBytes && c.t.wait() == nil; {
		n += c.t.discard()
	}
}

// CloseWrite closes the writing half of the connection behind what was written,
// for which it waits a short time.
func (c *Conn) CloseWrite() error {
	c.closeFrame()
	if c.tls != nil {
		_ = c.tls.CloseWrite() // the socket's own end is what counts
	}
	half, ok := c.t.nc.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	if err := c.t.Flush(closeWait); err != nil {
		return err
	}
	return half.CloseWrite()
}

// CloseStream sends the end tag and, if it is this side that closes first,
// waits two seconds for that of the peer (RFC 6120 section 4.4). What arrives
// meanwhile is given to handle, which may be nil. A peer that does not close by
// then has another second in which what it sends is thrown away. It belongs to
// the reading goroutine; from another one use End.
func (c *Conn) CloseStream(peerClosed bool, handle func(*stanza.Stanza)) error {
	err := c.end(nil, Header{})
	if err == nil && !peerClosed {
		if err = c.drain(handle); err != nil && c.CloseWrite() == nil {
			c.Linger()
		}
	}
	if ferr := c.t.Flush(closeWait); err == nil {
		err = ferr
	}
	if cerr := c.shut(); err == nil {
		err = cerr
	}
	return err
}

// End sends the end tag, behind a stream error unless why is nil. Nothing can be
// written afterwards. The reader goes on until the peer has sent its own end tag.
func (c *Conn) End(why *stanza.StreamError) error {
	if why == nil {
		return c.end(nil, Header{})
	}
	c.closeWith(why)
	return c.end(why.Append(nil, false), Header{})
}

func (c *Conn) drain(handle func(*stanza.Stanza)) error {
	c.timeout = 0
	if err := c.t.awaitEnd(closeWait); err != nil {
		return err
	}
	for {
		st, err := c.Read()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case handle != nil:
			handle(st)
		}
	}
}

// end sends what stands before the end tag, and the tag, once.
func (c *Conn) end(before []byte, h Header) error {
	c.out.Lock()
	defer c.out.Unlock()
	sent := c.sent.Load()
	if sent&sentEnd != 0 {
		return nil
	}
	var b []byte
	if sent&sentHeader == 0 {
		if before == nil {
			c.sent.Or(sentEnd)
			return nil
		}
		// RFC 6120 section 4.9.1.2: an error belongs inside a stream.
		b = c.appendOpening(nil, h)
	}
	b = append(b, before...)
	b = c.appendClosing(b)
	c.sent.Or(sentHeader | sentEnd)
	_, err := c.write(b)
	return err
}

// shut closes WebSocket and TLS with their own farewells, and the socket.
func (c *Conn) shut() error {
	c.closeFrame()
	if c.tls != nil {
		return c.tls.Close()
	}
	return c.t.Close()
}
