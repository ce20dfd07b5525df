package client

import (
	"errors"
	"fmt"
	"io"
	"os"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
)

// errParted says that the own stream is closed and that of the server is not.
var errParted = errors.New("client: stream closed")

// run is the only goroutine of a Client.
func (c *Client) run(s *stream.Session) {
	for s != nil {
		err := c.readSession(s)
		s = c.disconnected(s.Conn, err)
	}
}

// readSession reads until the line or the stream ends.
func (c *Client) readSession(s *stream.Session) error {
	for _, st := range s.Early {
		c.dispatch(st)
	}
	conn := s.Conn
	conn.SetReadTimeout(c.cfg.KeepAlive)
	probed := false
	for {
		st, err := conn.Read()
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && c.hasParted():
			return errParted
		case errors.Is(err, os.ErrDeadlineExceeded) && !probed:
			probed = true
			c.probe()
			continue
		default:
			return err
		}
		probed = false
		if st.Kind != stanza.Nonza {
			c.take(st)
		} else if err := c.nonza(st); err != nil {
			return err
		}
		if !conn.Buffered() {
			c.mu.Lock()
			c.flush()
			parted := c.parted
			c.mu.Unlock()
			if parted {
				return errParted
			}
		}
	}
}

func (c *Client) hasParted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parted
}

// take handles and counts one stanza, unless the session was left before.
func (c *Client) take(st *stanza.Stanza) {
	c.mu.Lock()
	if c.left {
		c.mu.Unlock()
		return
	}
	c.inHand = true
	c.mu.Unlock()
	counts := c.dispatch(st)
	c.mu.Lock()
	if counts && !c.refused {
		c.handled++
	}
	c.inHand = false
	leave := c.leaving
	c.left = c.left || leave || !counts
	c.mu.Unlock()
	if leave {
		c.cancel()
		c.sayGoodbye()
	}
}

// probe asks for a sign of life.
func (c *Client) probe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.managed {
		c.asked = true
		c.sendRaw(stream.AckRequest)
		return
	}
	// Whatever the answer is, it is a sign; nobody waits for it.
	c.sendRaw("<iq type='get' id='" + c.nextID() + "'><ping xmlns='" + ns.Ping + "'/></iq>")
}

// nonza handles what is no stanza; what is unknown is ignored.
func (c *Client) nonza(st *stanza.Stanza) error {
	if st.Space != ns.StreamManagement {
		return nil
	}
	switch st.Local {
	case "r":
		c.mu.Lock()
		if !c.parting {
			// Sent when nothing more is in the buffer: one answer for all.
			c.out = stream.AppendAck(c.buffer(), c.handled)
		}
		c.mu.Unlock()
	case "a":
		h, ok := stream.Handled(st)
		if !ok {
			return &stanza.StreamError{Condition: stanza.StreamBadFormat, Text: "ack without a count"}
		}
		return c.ack(h)
	}
	return nil
}

func (c *Client) ack(h uint32) error {
	c.mu.Lock()
	sent := c.acked + uint32(len(c.unacked))
	settled, ok := c.acknowledge(h)
	c.asked = false
	if ok && c.managed && len(c.unacked) > 0 && !c.parting {
		c.asked = true
		c.out = append(c.buffer(), stream.AckRequest...)
	}
	c.mu.Unlock()
	if !ok {
		// XEP-0198 section 6.
		return &stanza.StreamError{
			Condition: stanza.StreamUndefinedCondition,
			App:       fmt.Sprintf("<handled-count-too-high xmlns='%s' h='%d' send-count='%d'/>", ns.StreamManagement, h, sent),
		}
	}
	c.tell(settled)
	return nil
}

// tell calls Config.Acked.
func (c *Client) tell(settled []*Ticket) {
	if c.cfg.Acked == nil {
		return
	}
	for _, t := range settled {
		c.cfg.Acked(t.st)
	}
}

// disconnected decides how it goes on after the end of a connection, and
// returns the next session, if there is one.
func (c *Client) disconnected(conn *stream.Conn, err error) *stream.Session {
	var own *stanza.StreamError
	var peer *stream.PeerError
	var moved *stream.MovedError
	isPeer := errors.As(err, &peer)
	final := err == io.EOF || isPeer && !passing(peer.Err.Condition)
	switch {
	case err == errParted:
		// RFC 6120 section 4.4: the socket is closed when the server has closed
		// its stream, too, and not at once: a socket that is closed with unread
		// bytes in it is reset, and what the server has not read by then, the end
		// tag for one, may be lost to it.
		if err = conn.CloseStream(false, c.late); err == nil {
			err = io.EOF
		}
	case err == io.EOF:
		_ = conn.CloseStream(true, nil)
	case errors.As(err, &moved):
		_ = conn.CloseStream(true, nil)
		c.move(moved.URI)
	case !isPeer && errors.As(err, &own):
		_ = conn.Fail(own, stream.Header{})
		final = true
	default:
		_ = conn.Close()
	}
	c.mu.Lock()
	wasClosing := c.state == closing
	if !wasClosing {
		c.state, c.err = cut, err
	}
	c.out, c.asked = nil, false
	keep := c.cfg.Reconnect != nil || c.managed && c.resumption.ID != ""
	c.mu.Unlock()
	switch {
	case wasClosing:
		c.finish(ErrClosed)
	case final || !keep:
		c.finish(err)
	}
	if c.cfg.Offline != nil {
		c.cfg.Offline(err)
	}
	if wasClosing || final || c.cfg.Reconnect == nil {
		return nil
	}
	return c.reconnect()
}

// move goes elsewhere from the next connection on (RFC 7395 section 3.6.1).
func (c *Client) move(uri string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from := c.cfg.Address
	if c.moved != "" {
		from = c.moved
	}
	if stream.MayMove(from, uri) {
		c.moved = uri
	}
}

// late takes what comes after the own end tag: of that only an acknowledgement
// matters.
func (c *Client) late(st *stanza.Stanza) {
	if st.Kind == stanza.Nonza {
		_ = c.nonza(st) // a wrong count has nobody to be told to any more
	}
}

// passing tells stream errors after which to come back from those that another
// attempt would only repeat.
func passing(condition stanza.StreamCondition) bool {
	switch condition {
	case stanza.StreamConnectionTimeout, stanza.StreamInternalServerError, stanza.StreamReset,
		stanza.StreamResourceConstraint, stanza.StreamSystemShutdown, stanza.StreamRemoteConnectionFailed:
		return true
	}
	return false
}
