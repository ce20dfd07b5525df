package client

import (
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// dispatch gives one incoming stanza to whoever it is for; false when there was
// nobody left to take it.
func (c *Client) dispatch(st *stanza.Stanza) bool {
	switch st.Kind {
	case stanza.IQ:
		c.dispatchIQ(st)
		return true
	case stanza.Message:
		if c.carbon(st) || c.archived(st) {
			return true
		}
	}
	if c.incoming == nil {
		c.cfg.Handle(st)
		return true
	}
	select {
	case c.incoming <- st:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// fromAccount reports whether a stanza comes from the own account or server.
// Only the server can send without an address (RFC 6120 section 8.1.2.1).
func (c *Client) fromAccount(st *stanza.Stanza) bool {
	return !st.HasFrom || st.FromErr == nil && st.From == c.bare
}

// carbon handles what is wrapped as a copy; it reports whether st was one.
// XEP-0280 section 11: whatever does not come from the own bare address is a
// forgery and is dropped.
func (c *Client) carbon(st *stanza.Stanza) bool {
	wrapper, ok := st.Child(ns.Carbons, "received")
	sent := false
	if !ok {
		if wrapper, ok = st.Child(ns.Carbons, "sent"); !ok {
			return false
		}
		sent = true
	}
	if !c.fromAccount(st) || c.cfg.Carbon == nil {
		return true
	}
	if inner := forwarded(wrapper); inner != nil && inner.Kind == stanza.Message {
		c.cfg.Carbon(inner, sent)
	}
	return true
}

// forwarded returns the stanza inside <forwarded/> (XEP-0297), or nil.
func forwarded(wrapper stanza.Child) *stanza.Stanza {
	tree, err := wrapper.Tree()
	if err != nil {
		return nil
	}
	for _, n := range tree.Child(ns.Forward, "forwarded").All(ns.Client, "") {
		if st, err := stanza.Parse(string(n.AppendXML(nil, ""))); err == nil {
			return st
		}
	}
	return nil
}

// dispatchIQ pairs answers with requests and answers requests.
func (c *Client) dispatchIQ(st *stanza.Stanza) {
	switch st.Type {
	case stanza.TypeResult, stanza.TypeError:
		c.answered(st)
		return
	case stanza.Get, stanza.Set:
	default:
		return
	}
	payload, _ := st.Payload()
	var reply *stanza.Stanza
	switch {
	case payload.Space == ns.Ping && st.Type == stanza.Get:
		reply = stanza.Result(st, "")
	case payload.Space == ns.Roster && payload.Local == "query":
		// RFC 6121 section 2.1.6: ignored unless from the own account.
		if !c.fromAccount(st) || st.Type != stanza.Set {
			return
		}
		c.rosterPush(payload)
		reply = stanza.Result(st, "")
	case c.cfg.IQ == nil:
		reply = stanza.ErrorReply(st, stanza.NewError(stanza.ServiceUnavailable, ""))
	default:
		inner, err := c.cfg.IQ(st)
		if err != nil {
			reply = stanza.ErrorReply(st, stanza.AsError(err))
		} else {
			reply = stanza.Result(st, inner)
		}
	}
	if reply != nil {
		c.reply(reply)
	}
}

// maxReplies is how many bytes of answers may wait for the network.
const maxReplies = 4 << 20

// reply sends from the reader, which must never wait for room.
func (c *Client) reply(st *stanza.Stanza) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unacked) >= 4*c.cfg.MaxUnacked || c.conn.Transport().Pending() > maxReplies {
		// A server that asks and asks but takes no answers.
		_ = c.conn.Close()
		return
	}
	if c.managed {
		t := &Ticket{c: c, st: st}
		c.unacked = append(c.unacked, t)
	}
	if c.state == online {
		// Sent when nothing more is in the buffer.
		c.out = st.Append(c.buffer(), "")
		if len(c.out) > maxPooled {
			c.flush()
		}
	}
}

// answers reports whether from may answer a request to to.
func (c *Client) answers(to jid.JID, st *stanza.Stanza) bool {
	server := c.bare.DomainJID()
	switch {
	case !st.HasFrom:
		// From the server on behalf of the account.
		return to.IsZero() || to == c.bare || to == server
	case st.FromErr != nil:
		return false
	case to.IsZero():
		return st.From == c.bare || st.From == server || st.From == c.jid
	}
	return st.From == to
}
