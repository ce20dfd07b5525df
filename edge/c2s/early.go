package c2s

import (
	"context"

	"stonechat/core"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// stranger is the connection as modules see it until it is logged in.
func (c *conn) stranger() *core.Stranger {
	if !c.account.IsZero() {
		c.before = nil
		return nil
	}
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
	return c.stream.Send(answer)
}

// admit tells a client that has proven to be an account why it may not come in.
func (c *conn) admit(ctx context.Context) func(user string) error {
	return func(user string) error {
		account, err := c.accountOf(user)
		if err != nil {
			return &sasl.Error{Condition: sasl.NotAuthorized}
		}
		text, err := c.host.Admit(ctx, account)
		switch {
		case err != nil:
			return &sasl.Error{Condition: sasl.TemporaryAuthFailure, Err: err}
		case text != "":
			return &sasl.Error{Condition: sasl.AccountDisabled, Text: text}
		}
		return nil
	}
}
