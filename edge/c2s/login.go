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
	"stonechat/xmpp/stream"
)

// offer is how a client may log in over one connection.
type offer struct {
	mechanisms []string
	bindings   []sasl.Binding
}

// offer lists the mechanisms. Those that bind to the channel come first (RFC 5802 section 6, RFC 9266); what they bind to is
// announced beside them (XEP-0440).
func (c *conn) offer() offer {
	var bindings []sasl.Binding
	if c.door.config.Login.ChannelBinding {
		bindings = c.stream.Bindings(nil)
	}
	mechanisms := sasl.Offer([]sasl.Hash{sasl.SHA1, sasl.SHA256}, len(bindings) > 0, c.door.config.Login.Plain)
	if len(c.door.config.Guests.To) > 0 {
		mechanisms = append(mechanisms, sasl.Anonymous)
	}
	return offer{mechanisms, bindings}
}

// feature is the stream feature of RFC 6120 section 6.3.3.
func (o offer) feature() string {
	types := make([]string, len(o.bindings))
	for i, b := range o.bindings {
		types[i] = b.Type
	}
	return stream.Mechanisms(o.mechanisms, types)
}

// login is one SASL exchange (RFC 6120 section 6.4). A failed one returns nil until there were too many.
func (c *conn) login(ctx context.Context, o offer) error {
	st, err := c.read()
	if err != nil {
		return err
	}
	if st.Space != ns.SASL || st.Local != "auth" {
		return c.early(ctx, st)
	}
	mechanism, _ := st.Attr("mechanism")
	x, err := c.stream.AnswerSASL(st, func(mechanism string) (*sasl.Server, error) {
		if !slices.Contains(o.mechanisms, mechanism) {
			return nil, &sasl.Error{Condition: sasl.InvalidMechanism} // RFC 6120 section 6.5.7
		}
		return sasl.NewServer(mechanism, c.lookup(ctx), sasl.Options{
			Secret: c.host.Ports.Authenticator.Secret(), Iterations: c.door.config.Login.Iterations, AllowPlain: c.door.config.Login.Plain,
			Bindings: o.bindings, Authorize: c.authorize,
			Deciding: func(user string, right bool) error { return c.slow(ctx, user, right) }, Guest: c.welcome, Admit: c.admit(ctx),
		})
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

// authorize: an authorization identity must be the user's own bare address (RFC 6120 section 6.3.8), and nothing else for any mechanism.
func (c *conn) authorize(user, authzid string) bool {
	account, err := c.accountOf(user)
	if err != nil {
		return false
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

// report counts and logs one attempt and tells whoever watches. reason is why it was refused, one of the conditions of SASL; empty: it was not.
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
	a := core.Attempt{
		Account: account, Mechanism: mechanism, Address: c.addr.Addr().String(), Accepted: reason == "", Reason: reason, Delay: c.waited,
	}
	c.waited = 0
	for _, h := range c.host.Hooks.Login {
		h.Do(&a)
	}
}
