package c2s

import (
	"context"
	"time"

	"stonechat/core"
	"stonechat/xmpp/stanza"
)

// stranger is the connection as modules see it until it is logged in.
func (c *conn) stranger() *core.Stranger {
	if c.before == nil || c.before.Host != c.host {
		c.before = &core.Stranger{Host: c.host, Source: c.from}
	}
	return c.before
}

// early answers what may be asked before log-in, such as registration (XEP-0077 section 3.1.1); anything else ends the stream.
func (c *conn) early(ctx context.Context, st *stanza.Stanza) error {
	if st.Kind != stanza.IQ {
		return notYet(st)
	}
	answer := c.host.StrangerAsks(ctx, c.stranger(), st)
	if answer == nil {
		return notYet(st)
	}
	if err := c.stream.Send(answer); err != nil {
		return err
	}
	return c.beyondHurry()
}

// beyondHurry gives somebody who has a form to fill in the time for it, once.
func (c *conn) beyondHurry() error {
	patience := c.before.Patience
	if patience <= c.door.config.Limits.LoginTime.D() || c.hurry == nil || !c.hurry.Stop() {
		return nil
	}
	c.hurry.Reset(patience)
	c.hurry = nil
	return c.stream.SetReadDeadline(time.Now().Add(patience))
}
