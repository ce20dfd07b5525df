package c2s

import (
	"context"
	"errors"
	"slices"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
)

// login is one attempt by either profile. A failed one returns nil until there were too many.
func (c *conn) login(ctx context.Context, o *offer) error {
	st, err := c.read()
	switch {
	case err != nil:
		return err
	case st.Space == ns.SASL && st.Local == "auth":
		c.claimed = jid.JID{} // the header after the log-in is judged
		return c.loginClassic(ctx, o, st)
	case st.Space == ns.SASL2 && st.Local == "authenticate" && o.secure:
		c.claimed = jid.JID{}
		if c.introduced.Local() != "" {
			c.claimed = c.introduced // XEP-0388 section 2.1: what is no address of an account claims nothing
		}
		return c.loginModern(ctx, o, st)
	}
	return c.early(ctx, st)
}

// loginClassic is one SASL exchange by RFC 6120 section 6.4.
func (c *conn) loginClassic(ctx context.Context, o *offer, st *stanza.Stanza) error {
	mechanism, _ := st.Attr("mechanism")
	began := c.host.Now()
	x, err := c.stream.AnswerSASL(st, func(mechanism string) (*sasl.Server, error) {
		if !slices.Contains(o.classic, mechanism) {
			return nil, &sasl.Error{Condition: sasl.InvalidMechanism} // RFC 6120 section 6.5.7
		}
		return sasl.NewServer(mechanism, c.lookup(ctx), c.options(ctx, o, false))
	})
	user := ""
	if x != nil {
		user = x.Username()
	}
	var refused *sasl.Error
	switch {
	case errors.As(err, &refused):
		return c.loginFailed(mechanism, user, refused)
	case err != nil:
		return err
	}
	if c.account, err = c.accountOf(user); err != nil {
		return &stanza.StreamError{Condition: stanza.StreamInternalServerError}
	}
	c.entrance = &core.Entrance{Since: began}
	c.report(c.account, mechanism, "")
	return nil
}

// welcome lets a guest in. It is gone when it has not got a session.
func (c *conn) welcome() (string, error) {
	guest, err := c.host.AdmitGuest(c.from)
	if err != nil {
		c.door.hosts.Refused("guests")
		return "", err
	}
	c.guest = guest
	return guest.Local(), nil
}

func (c *conn) lookup(ctx context.Context) sasl.Lookup {
	return func(user string, h sasl.Hash) (sasl.Credential, bool, error) {
		account, err := c.accountOf(user)
		if err != nil {
			return sasl.Credential{}, false, nil
		}
		return c.host.Ports.Authenticator.Credential(ctx, account, h)
	}
}

// errNoName: nobody is called nothing; the domain is not an account.
var errNoName = errors.New("no name")

// accountOf is the bare address of a user name of this host.
func (c *conn) accountOf(user string) (jid.JID, error) {
	if user == "" {
		return jid.JID{}, errNoName
	}
	return jid.New(user, c.host.Domain.Domain(), "")
}

// authorize: an authorization identity must be the user's own bare address (RFC 6120 section 6.3.8), and nothing else for any mechanism. By
// XEP-0388 section 2.3 it must also be whom the client has said to be in the header of its stream.
func (c *conn) authorize(user, authzid string) bool {
	account, err := c.accountOf(user)
	if err != nil {
		return authzid == "" && c.claimed.IsZero() // nobody: the proof fails, as it does for unknown names
	}
	if !c.claimed.IsZero() && c.claimed.Bare() != account {
		return false
	}
	if authzid == "" {
		return true
	}
	wanted, err := jid.Parse(authzid)
	return err == nil && wanted == account
}

// loginFailed counts a failure that the client was told of, and ends the stream after too many (RFC 6120 section 6.4.5).
func (c *conn) loginFailed(mechanism, user string, e *sasl.Error) error {
	if e.Condition == sasl.TemporaryAuthFailure && !ours(e.Err) {
		c.door.obs.Log.Error("log-in not possible", obs.Conn, c.number, obs.Err, e.Unwrap())
	}
	account, err := c.accountOf(user)
	if err != nil {
		account = jid.JID{} // not even a name
	}
	c.report(account, mechanism, string(e.Condition))
	if c.failed++; c.failed >= c.door.config.Limits.LoginFailures {
		c.door.hosts.Refused("login_failures")
		c.door.obs.Log.Info("stream cut", obs.Conn, c.number, obs.Peer, c.addr.String(), obs.Reason, "too many failed log-ins", "failures", c.failed)
		return &stanza.StreamError{Condition: stanza.StreamPolicyViolation, Text: "too many failed log-ins"}
	}
	return nil
}

// ours tells whether an attempt was ended on purpose or because its client or we have gone; anything else is a fault.
func ours(err error) bool {
	return errors.Is(err, errCrowded) || errors.Is(err, core.ErrGuests) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// report counts and logs one attempt. reason is why it was refused, one of the conditions of SASL; empty: it was not.
// Nothing that the client sent goes into the log as it is: the account is an address and the mechanism one that we know.
func (c *conn) report(account jid.JID, mechanism, reason string) {
	outcome := "refused"
	if reason == "" {
		outcome = "accepted"
	}
	if _, known := sasl.ParseMechanism(mechanism); !known && mechanism != sasl.Anonymous {
		mechanism = "unknown"
	}
	c.door.metrics.logins.WithLabelValues(mechanism, outcome).Inc()
	c.door.obs.Log.Info("login", obs.Conn, c.number, obs.JID, account.String(), obs.Peer, c.addr.String(), "mechanism", mechanism, "outcome", outcome,
		obs.Reason, reason, "delay", c.waited)
	c.waited = 0
}
