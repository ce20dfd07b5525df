package client

import (
	"context"
	"strconv"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// call is a request that waits for its answer.
type call struct {
	to     jid.JID
	answer chan *stanza.Stanza // closed without an answer when the session is lost
}

// IQ sends a request, a get or set with encoded payload, and waits for the
// answer. An error stanza becomes a *stanza.Error. An answer from anybody but
// the one asked is ignored. to may be zero for the own account. Other errors
// are those of Send, ErrLost, and that of ctx.
func (c *Client) IQ(ctx context.Context, to jid.JID, typ stanza.Type, payload string) (*stanza.Stanza, error) {
	ask := &call{to: to, answer: make(chan *stanza.Stanza, 1)}
	id := c.expect(ask)
	defer c.forget(id)
	st, err := stanza.New(stanza.Head{Kind: stanza.IQ, Type: typ, ID: id, To: to}, payload)
	if err != nil {
		return nil, err
	}
	if _, err := c.Send(ctx, st); err != nil {
		return nil, err
	}
	select {
	case answer, ok := <-ask.answer:
		if !ok {
			return nil, ErrLost
		}
		if e := stanza.ParseError(answer); e != nil {
			return nil, e
		}
		return answer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// nextID returns an id that nobody can guess and that is not used again; mu is
// held.
func (c *Client) nextID() string {
	c.seq++
	return c.prefix + strconv.FormatUint(c.seq, 36)
}

func (c *Client) expect(ask *call) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.nextID()
	if c.calls == nil {
		c.calls = make(map[string]*call)
	}
	c.calls[id] = ask
	return id
}

func (c *Client) forget(id string) {
	c.mu.Lock()
	delete(c.calls, id)
	c.mu.Unlock()
}

// answered gives an answer to the one who waits for it.
func (c *Client) answered(st *stanza.Stanza) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ask := c.calls[st.ID]
	if ask == nil || !c.answers(ask.to, st) {
		return
	}
	delete(c.calls, st.ID)
	ask.answer <- st
}
