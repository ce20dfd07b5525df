package c2s

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
	"stonechat/xmpp/xmltok"
)

// negotiate is RFC 6120 sections 4 to 7 on the receiving side: TLS, SASL, then a resource or a resumed session.
func (c *conn) negotiate(ctx context.Context, secure bool) error {
	if !secure {
		if err := c.greet(c.startTLSFeature()); err != nil {
			return err
		}
		if err := c.startTLS(ctx); err != nil {
			return err
		}
	}
	if err := c.greet(c.saslFeatures()); err != nil {
		return err
	}
	for c.account.IsZero() {
		if err := c.login(ctx); err != nil {
			return err
		}
	}
	c.stream.Restart()
	if err := c.greet(c.bindFeatures()); err != nil {
		return err
	}
	for c.session == nil {
		if err := c.bind(ctx); err != nil {
			return err
		}
	}
	return nil
}

// greet reads the client's header, finds the host and answers with our own header and features.
func (c *conn) greet(features string) error {
	h, err := c.stream.ReadHeader()
	if err != nil {
		return err
	}
	if h.To.IsZero() {
		// RFC 6120 section 4.7.2: the initiating entity must say whom it wants.
		return &stanza.StreamError{Condition: stanza.StreamHostUnknown, Text: "the stream header has no to"}
	}
	host := c.door.router.Host(h.To.Domain())
	if host == nil || !h.To.IsDomain() || (c.host != nil && host != c.host) {
		return &stanza.StreamError{Condition: stanza.StreamHostUnknown}
	}
	c.host = host
	if !c.account.IsZero() && !h.From.IsZero() && h.From.Bare() != c.account {
		// RFC 6120 section 4.7.1: a from after log-in must be the proven address.
		return &stanza.StreamError{Condition: stanza.StreamInvalidFrom}
	}
	return c.stream.SendHeader(c.header(h), features)
}

// header is our own for a client's.
func (c *conn) header(client stream.Header) stream.Header {
	h := stream.Header{ID: stream.NewID(), Lang: "en"}
	if c.host != nil {
		h.From = c.host.Domain
	}
	h.To = client.From
	return h
}

func (c *conn) startTLSFeature() string {
	return "<starttls xmlns='" + ns.TLS + "'><required/></starttls>" + c.limitsFeature(c.door.config.Limits.StanzaBytesLogin)
}

// limitsFeature is XEP-0478.
func (c *conn) limitsFeature(bytes int) string {
	idle := int((c.door.config.Limits.IdlePing.D() + pingPatience).Seconds())
	return "<limits xmlns='" + ns.StreamLimits + "'><max-bytes>" + strconv.Itoa(bytes) + "</max-bytes><idle-seconds>" + strconv.Itoa(idle) + "</idle-seconds></limits>"
}

// startTLS waits for <starttls/>; RFC 6120 section 5.3.1: nothing else is negotiated without TLS.
func (c *conn) startTLS(ctx context.Context) error {
	st, err := c.read()
	if err != nil {
		return err
	}
	if st.Space != ns.TLS || st.Local != "starttls" {
		return notYet(st)
	}
	return c.stream.StartTLS(ctx, c.door.tls)
}

// read is the next element before log-in. XEP-0198 section 3: what would enable or resume too early is answered with <failed/>.
func (c *conn) read() (*stanza.Stanza, error) {
	for {
		st, err := c.stream.Read()
		if err != nil || st.Space != ns.StreamManagement || (st.Local != "enable" && st.Local != "resume") {
			return st, err
		}
		if err := c.stream.SendXML(core.NotManaged(stanza.UnexpectedRequest)); err != nil {
			return nil, err
		}
	}
}

// notYet is the stream error for what is sent before its time (RFC 6120 section 4.9.3.12).
func notYet(st *stanza.Stanza) error {
	if st.Kind == stanza.Nonza && st.Space != ns.SASL && st.Space != ns.TLS && st.Space != ns.StreamManagement {
		return &stanza.StreamError{Condition: stanza.StreamUnsupportedStanzaType}
	}
	return &stanza.StreamError{Condition: stanza.StreamNotAuthorized}
}

func (c *conn) saslFeatures() string {
	offer := sasl.Offer([]sasl.Hash{sasl.SHA1, sasl.SHA256}, false, c.door.config.Login.Plain)
	return stream.Mechanisms(offer, nil) + c.limitsFeature(c.door.config.Limits.StanzaBytesLogin)
}

// login is one SASL exchange (RFC 6120 section 6.4). A failed one returns nil until there were too many.
func (c *conn) login(ctx context.Context) error {
	st, err := c.read()
	if err != nil {
		return err
	}
	if st.Space != ns.SASL || st.Local != "auth" {
		return notYet(st)
	}
	mechanism, _ := st.Attr("mechanism")
	x, err := c.stream.AnswerSASL(st, func(mechanism string) (*sasl.Server, error) {
		return sasl.NewServer(mechanism, c.lookup(ctx), sasl.Options{
			Secret: c.host.Ports.Authenticator.Secret(), Iterations: c.door.config.Login.Iterations, AllowPlain: c.door.config.Login.Plain,
			Authorize: c.authorize,
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

func (c *conn) bindFeatures() string {
	return "<bind xmlns='" + ns.Bind + "'/><session xmlns='" + ns.Session + "'><optional/></session>" +
		"<sm xmlns='" + ns.StreamManagement + "'/>" + strings.Join(c.host.Disco.StreamFeatures, "") +
		c.limitsFeature(c.door.config.Limits.StanzaBytes)
}

// bind reads one element after log-in: a bind request, or a wish to resume.
func (c *conn) bind(ctx context.Context) error {
	st, err := c.stream.Read()
	if err != nil {
		return err
	}
	switch {
	case st.Space == ns.StreamManagement && st.Local == "resume":
		return c.resume(ctx, st)
	case st.Space == ns.StreamManagement && st.Local == "enable":
		// XEP-0198 section 3: only after a resource is bound.
		return c.stream.SendXML(core.NotManaged(stanza.UnexpectedRequest))
	case st.Kind != stanza.IQ:
		return notYet(st)
	}
	p, ok := st.Payload()
	if !ok || p.Space != ns.Bind || p.Local != "bind" || st.Type != stanza.Set {
		return &stanza.StreamError{Condition: stanza.StreamNotAuthorized, Text: "bind a resource first"}
	}
	tree, err := p.Tree()
	if err != nil {
		return err
	}
	resource := ""
	if r := tree.Child(ns.Bind, "resource"); r != nil {
		resource = r.Text()
	}
	return c.bindResource(ctx, st, resource)
}

func (c *conn) bindResource(ctx context.Context, st *stanza.Stanza, resource string) error {
	w := c.door.work()
	defer c.door.works.Put(w)
	session, err := c.host.Bind(ctx, w, core.Binding{
		Account: c.account, Resource: resource, Sink: c, Address: c.addr,
		First: func(full jid.JID) string {
			payload := append([]byte("<bind xmlns='"+ns.Bind+"'><jid>"), xmltok.AppendEscaped(nil, full.String())...)
			return string(stanza.Result(st, string(append(payload, "</jid></bind>"...))).Append(nil, ""))
		},
	})
	var refused *stanza.Error
	switch {
	case errors.Is(err, core.ErrBadResource):
		refused = stanza.NewError(stanza.BadRequest, "") // RFC 6120 section 7.7.2.1
	case errors.Is(err, core.ErrTooMany):
		refused = stanza.NewError(stanza.ResourceConstraint, "") // RFC 6120 section 7.6.2.1
	case errors.Is(err, core.ErrUnreadable):
		return &stanza.StreamError{Condition: stanza.StreamInternalServerError}
	case errors.Is(err, core.ErrNoAccount):
		return &stanza.StreamError{Condition: stanza.StreamNotAuthorized}
	case err != nil:
		return err
	}
	if refused != nil {
		return c.stream.Send(stanza.ErrorReply(st, refused))
	}
	c.take(w, session)
	return nil
}

// take makes the session the connection's own.
func (c *conn) take(w *core.Work, s *core.Session) {
	c.session = s
	c.stream.Transport().OnWritable(func() { c.door.pool.Do(s.Writable) })
	s.Writable(w) // it may have become so before we listened
	w.Run()
}

// resume is XEP-0198 section 5.
func (c *conn) resume(ctx context.Context, st *stanza.Stanza) error {
	id, _ := st.Attr("previd")
	text, _ := st.Attr("h")
	handled, err := strconv.ParseUint(text, 10, 32)
	if err != nil || id == "" {
		return c.stream.SendXML(core.NotManaged(stanza.BadRequest))
	}
	w := c.door.work()
	defer c.door.works.Put(w)
	session, err := c.host.Resume(ctx, w, c.account, id, uint32(handled), c)
	var late core.TimedOut
	if errors.As(err, &late) {
		return c.stream.SendXML(late.Failed())
	}
	if errors.Is(err, core.ErrNotResumed) {
		return c.stream.SendXML(core.NotManaged(stanza.ItemNotFound))
	}
	if err != nil {
		return err
	}
	c.take(w, session)
	return nil
}
