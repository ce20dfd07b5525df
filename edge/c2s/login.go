package c2s

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
	_, secure := c.stream.TLS()
	if c.door.config.Login.ChannelBinding && !c.hidden {
		bindings = c.stream.Bindings(shown(c.door.tls))
	}
	return offer{sasl.Offer([]sasl.Hash{sasl.SHA1, sasl.SHA256}, len(bindings) > 0, c.door.config.Login.Plain && secure), bindings}
}

// shown is the certificate that every client of this configuration sees.
func shown(t *tls.Config) *x509.Certificate {
	if len(t.Certificates) != 1 || t.GetCertificate != nil || t.GetConfigForClient != nil {
		return nil
	}
	return t.Certificates[0].Leaf
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
		return notYet(st)
	}
	mechanism, _ := st.Attr("mechanism")
	x, err := c.stream.AnswerSASL(st, func(mechanism string) (*sasl.Server, error) {
		if !slices.Contains(o.mechanisms, mechanism) {
			return nil, &sasl.Error{Condition: sasl.InvalidMechanism} // RFC 6120 section 6.5.7
		}
		return sasl.NewServer(mechanism, c.lookup(ctx), sasl.Options{
			Secret: c.host.Ports.Authenticator.Secret(), Iterations: c.door.config.Login.Iterations, AllowPlain: c.door.config.Login.Plain,
			Bindings: o.bindings, Authorize: c.authorize, Refusing: func(user string) { c.slow(ctx, user) },
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
	c.report(c.account, mechanism, true)
	return nil
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

// accountOf is the bare address of a user name of this host.
func (c *conn) accountOf(user string) (jid.JID, error) {
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
	if e.Condition == sasl.TemporaryAuthFailure {
		c.door.obs.Log.Error("log-in not possible", obs.Conn, c.number, obs.Err, e.Unwrap())
	}
	account, err := c.accountOf(user)
	if err != nil {
		account = jid.JID{} // not even a name
	}
	c.report(account, mechanism, false)
	if c.failed++; c.failed >= c.door.config.Limits.LoginFailures {
		c.door.hosts.Refused("login_failures")
		return &stanza.StreamError{Condition: stanza.StreamPolicyViolation, Text: "too many failed log-ins"}
	}
	return nil
}

// report counts and logs one attempt and tells whoever watches.
func (c *conn) report(account jid.JID, mechanism string, accepted bool) {
	outcome := "refused"
	if accepted {
		outcome = "accepted"
	}
	if _, known := sasl.ParseMechanism(mechanism); !known {
		mechanism = "unknown"
	}
	c.door.metrics.logins.WithLabelValues(mechanism, outcome).Inc()
	c.door.obs.Log.Info("login", obs.Conn, c.number, obs.JID, account.String(), obs.Peer, c.addr.String(), "mechanism", mechanism, "outcome", outcome)
	a := core.Attempt{Account: account, Mechanism: mechanism, Address: c.addr.Addr().String(), Accepted: accepted}
	for _, h := range c.host.Hooks.Login {
		h.Do(&a)
	}
}
