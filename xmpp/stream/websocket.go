package stream

import (
	"errors"
	"io"
	"sync/atomic"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// closeElement ends a framed stream (RFC 7395 section 3.6).
const closeElement = "<close xmlns='" + ns.Framing + "'/>"

// framing is what a Conn over WebSocket knows beside. All but code belongs to the
// reading goroutine.
type framing struct {
	at    int  // in buf behind r: where the bytes of frames begin that were not looked at
	have  int  // before them: bytes of the message that is coming in pieces
	piece bool // one is
	ping  []byte
	due   bool         // ping is to be answered
	ended atomic.Bool  // the peer has sent its close frame
	code  atomic.Int32 // for our close frame; 0: nothing went wrong
}

// MovedError says that the server wants the client elsewhere (RFC 7395 section
// 3.6.1).
type MovedError struct {
	// URI is where; MayMove judges it.
	URI string
}

// Error tells where.
func (e *MovedError) Error() string { return "stream: the server asks to connect to " + e.URI }

// Framed tells whether the stream runs over WebSocket.
func (c *Conn) Framed() bool { return c.ws != nil }

// readFramed is read for a stream over WebSocket.
func (c *Conn) readFramed(block bool) (*stanza.Stanza, error) {
	msg, err := c.document(block)
	if err != nil {
		return nil, err
	}
	st, err := c.element(msg)
	if err != nil || st.Space != ns.Framing {
		return st, err
	}
	if st.Local != "close" {
		return nil, &stanza.StreamError{Condition: stanza.StreamBadFormat, Text: "unexpected stream header"}
	}
	c.release()
	return nil, c.closed(st)
}

// closed is what <close/> means.
func (c *Conn) closed(st *stanza.Stanza) error {
	if uri, _ := st.Attr("see-other-uri"); uri != "" && c.initiating {
		return &MovedError{uri}
	}
	return io.EOF
}

// readOpen is ReadHeader for a stream over WebSocket.
func (c *Conn) readOpen() (Header, error) {
	msg, err := c.document(true)
	if err != nil {
		return Header{}, err
	}
	out, raw := c.sc.Outline(), string(msg)
	switch {
	case out.Space.In(raw) != ns.Framing:
		return Header{}, &stanza.StreamError{Condition: stanza.StreamInvalidNamespace, Text: "not the framing namespace"}
	case out.Local.In(raw) == "close":
		st, err := c.element(msg)
		if err == nil {
			err = c.closed(st)
		}
		return Header{}, err
	case out.Local.In(raw) != "open":
		return Header{}, &stanza.StreamError{Condition: stanza.StreamBadFormat, Text: "<open/> expected"}
	}
	return c.parseAttrs(Header{Space: c.space}, out, raw)
}

// document returns the next message, which is one element: RFC 7395 section 3.3.3.
// Its default namespace, if it declares none, is taken to be that of the stream, for the
// sake of clients that forget it. The bytes are valid until more are read.
func (c *Conn) document(block bool) ([]byte, error) {
	msg, err := c.message(block)
	if err != nil {
		var broken *frameError
		if errors.As(err, &broken) {
			c.ws.code.Store(int32(broken.code))
			return nil, broken.stream()
		}
		return nil, err
	}
	if len(msg) == 0 || msg[0] != '<' {
		return nil, &stanza.StreamError{Condition: stanza.StreamNotWellFormed, Text: "a message must begin with an element"}
	}
	c.attach()
	if err := c.sc.Document(msg); err != nil {
		return nil, streamError(err)
	}
	return msg, nil
}

// message returns the next text message.
func (c *Conn) message(block bool) ([]byte, error) {
	ws := c.ws
	for {
		if ws.ended.Load() {
			return nil, io.ErrUnexpectedEOF
		}
		f, ok, broken := parseFrame(c.buf[c.r+ws.at:c.w], !c.initiating, c.maxElem-ws.have)
		if broken != nil {
			return nil, broken
		}
		if !ok || c.w-c.r-ws.at < f.head+f.size {
			if err := c.fill(block); err != nil {
				return nil, err
			}
			continue
		}
		msg, complete, err := c.frame(f)
		if err != nil || complete {
			return msg, err
		}
	}
}

// frame takes up one frame that has come as a whole.
func (c *Conn) frame(f frameHead) (msg []byte, complete bool, err error) {
	ws := c.ws
	from := c.r + ws.at + f.head
	payload := c.buf[from : from+f.size]
	if f.masked {
		unmask(payload, f.mask)
	}
	if f.op >= opClose {
		err := c.control(f.op, payload)
		c.skip(f.head + f.size)
		return nil, false, err
	}
	switch {
	case f.op == opBinary:
		return nil, false, &frameError{closeData, "only text is taken"} // RFC 7395 section 3.2
	case (f.op == opContinuation) != ws.piece:
		return nil, false, &frameError{closeProtocol, "message in wrong order"}
	case !ws.piece && f.fin:
		c.r = from + f.size
		return payload, true, nil
	}
	// RFC 6455 section 5.4: the pieces are put together where the first of them lies.
	ws.at += f.head + f.size
	ws.have += copy(c.buf[c.r+ws.have:], payload)
	ws.piece = !f.fin
	if ws.piece {
		return nil, false, nil
	}
	msg = c.buf[c.r : c.r+ws.have]
	c.r += ws.at
	ws.at, ws.have = 0, 0
	return msg, true, nil
}

// skip passes a frame that is no part of the message.
func (c *Conn) skip(n int) {
	if c.ws.piece {
		c.ws.at += n
	} else {
		c.r += n
	}
}

// gap is what lies between what has come of a message and the bytes behind it: heads of
// frames, and frames that were no part of it.
func (c *Conn) gap() int {
	if c.ws == nil {
		return 0
	}
	return c.ws.at - c.ws.have
}

// closeGap takes the gap away. It tells whether that has made room that is worth the copy.
func (c *Conn) closeGap() bool {
	gap := c.gap()
	if gap == 0 || gap < len(c.buf)/4 {
		return false
	}
	copy(c.buf[c.r+c.ws.have:], c.buf[c.r+c.ws.at:c.w])
	c.ws.at, c.w = c.ws.have, c.w-gap
	return true
}

// control takes up a control frame (RFC 6455 section 5.5).
func (c *Conn) control(op byte, payload []byte) error {
	ws := c.ws
	switch op {
	case opPing:
		ws.ping, ws.due = append(ws.ping[:0], payload...), true
	case opClose:
		code, err := parseClose(payload)
		if err != nil {
			return err
		}
		// RFC 6455 section 5.5.1: the code is given back.
		ws.code.CompareAndSwap(0, int32(code))
		ws.ended.Store(true)
		// RFC 7395 section 3.6.2: without <close/> before it this is a line that broke, and the session can be resumed.
		return io.ErrUnexpectedEOF
	}
	return nil
}

// pong answers the last ping when nothing more is in hand: RFC 6455 section 5.5.3
// allows to leave out the others, so that nobody can have us write as much as we read.
// A peer that does not read gets none.
func (c *Conn) pong() {
	if !c.ws.due {
		return
	}
	c.ws.due = false
	if c.t.Writable() {
		_, _ = c.writeBytes(appendFrame(nil, opPong, c.ws.ping, c.initiating)) // the reader hears of a broken line
	}
}

// writeMessages sends elements, each as a message.
func (c *Conn) writeMessages(p []byte) (int, error) {
	if c.ws.ended.Load() {
		return 0, io.ErrClosedPipe // RFC 6455 section 5.5.1: nothing goes behind our own close frame, which is due
	}
	bp := outPool.Get().(*[]byte)
	b, err := appendMessages((*bp)[:0], p, c.space, c.initiating)
	if err == nil {
		_, err = c.writeBytes(b)
	}
	if cap(b) <= maxPooledOut {
		*bp = b
		outPool.Put(bp)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// closeWith notes the code for the close frame behind a stream error.
func (c *Conn) closeWith(e *stanza.StreamError) {
	if c.ws == nil {
		return
	}
	code := closeNormal
	switch e.Condition {
	case stanza.StreamPolicyViolation, stanza.StreamResourceConstraint:
		code = closePolicy
	case stanza.StreamUnsupportedEncoding:
		code = closeEncoding
	case stanza.StreamSystemShutdown:
		code = closeGoingAway
	case stanza.StreamInternalServerError:
		code = closeInternal
	}
	c.ws.code.CompareAndSwap(0, int32(code))
}

// closeFrame sends the close frame, once (RFC 7395 section 3.6, RFC 6455 section 7.1.2).
func (c *Conn) closeFrame() {
	if c.ws == nil || c.sent.Or(sentEnd|sentClose)&sentClose != 0 {
		return
	}
	code := int(c.ws.code.Load())
	if code == 0 {
		code = closeNormal
	}
	_, _ = c.writeBytes(appendFrame(nil, opClose, closePayload(code), c.initiating)) // the connection ends either way
}
