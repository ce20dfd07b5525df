package c2s

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
	"unique"

	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
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
	var o *offer
	err := c.greetWith(func() string {
		o = c.offer(ctx)
		return o.features() + c.host.Features(core.BeforeLogin, c.stranger()) + c.limitsFeature(c.door.config.Limits.StanzaBytesLogin, 0)
	})
	if err != nil {
		return err
	}
	for c.account.IsZero() {
		if err := c.login(ctx, o); err != nil {
			return err
		}
	}
	c.before = nil
	if !c.modern {
		c.stream.Restart()
		if err := c.greet(c.bindFeatures()); err != nil {
			return err
		}
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
	return c.greetWith(func() string { return features })
}

// greetWith is greet for features that depend on the host.
func (c *conn) greetWith(features func() string) error {
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
	c.host, c.lang, c.introduced = host, language(h.Lang), h.From
	if _, secure := c.stream.TLS(); secure && !h.From.IsZero() && h.From.Domain() != host.Domain.Domain() {
		return &stanza.StreamError{Condition: stanza.StreamInvalidFrom} // XEP-0388 section 2.1
	}
	if !c.account.IsZero() && !h.From.IsZero() && h.From.Bare() != c.account {
		// RFC 6120 section 4.7.1: a from after log-in must be the proven address.
		return &stanza.StreamError{Condition: stanza.StreamInvalidFrom}
	}
	return c.stream.SendHeader(c.header(h), features())
}

// maxLanguage is the greatest length of a language tag that is passed on, bytes; BCP 47 section 4.4.1 has room for every tag in use in 35.
const maxLanguage = 35

// language is what stanzas of the stream inherit. It stands in every one of them, so only what can be a language tag is taken.
func language(tag string) string {
	if len(tag) > maxLanguage || strings.Trim(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return ""
	}
	return unique.Make(tag).Value()
}

// header is our own for a client's. RFC 6120 section 4.9.1.2: who asks for no host, or for one that is unknown, is told of the main one.
func (c *conn) header(client stream.Header) stream.Header {
	h := stream.Header{ID: stream.NewID(), Lang: "en"}
	host := c.host
	if host == nil {
		host = c.door.router.Host(c.door.config.Domains[0])
	}
	if host != nil {
		h.From = host.Domain
	}
	h.To = client.From
	return h
}

func (c *conn) startTLSFeature() string {
	return "<starttls xmlns='" + ns.TLS + "'><required/></starttls>" + c.limitsFeature(c.door.config.Limits.StanzaBytesLogin, 0)
}

// limitsFeature is XEP-0478 section 3.1. idle is the silence after which the client is asked for a sign of life; 0 before the log-in, where there
// is a time for everything instead.
func (c *conn) limitsFeature(bytes int, idle time.Duration) string {
	b := "<limits xmlns='" + ns.StreamLimits + "'><max-bytes>" + strconv.Itoa(bytes) + "</max-bytes>"
	if idle > 0 {
		b += "<idle-seconds>" + strconv.Itoa(int(idle.Seconds())) + "</idle-seconds>"
	}
	return b + "</limits>"
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

func (c *conn) bindFeatures() string {
	return "<bind xmlns='" + ns.Bind + "'/><session xmlns='" + ns.Session + "'><optional/></session>" + c.boundFeatures(false)
}

// boundFeatures are those that do not need a resource to be asked for. managed: stream management is on already.
func (c *conn) boundFeatures(managed bool) string {
	sm := "<sm xmlns='" + ns.StreamManagement + "'/>"
	if managed {
		sm = ""
	}
	return sm + "<csi xmlns='" + ns.ClientState + "'/>" + c.host.Features(core.AfterLogin, nil) + strings.Join(c.host.Disco.StreamFeatures, "") +
		c.limitsFeature(c.door.config.Limits.StanzaBytes, c.door.config.Limits.IdlePing.D())
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
	p, _ := st.Payload()
	switch {
	case st.HasFrom && st.From.Bare() != c.account:
		return &stanza.StreamError{Condition: stanza.StreamInvalidFrom} // RFC 6120 section 8.1.2.1
	case p.Space != ns.Bind || p.Local != "bind", st.HasTo && st.To != c.account && st.To != c.host.Domain:
		// RFC 6120 section 7.1: nothing is for anybody else as long as there is no resource.
		return &stanza.StreamError{Condition: stanza.StreamNotAuthorized, Text: "bind a resource first"}
	case st.Type != stanza.Set, st.ID == "", st.Len() != 1:
		return c.refuseBind(st, stanza.BadRequest) // RFC 6120 section 8.2.3
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
		Account: c.account, Resource: resource, Sink: c, Address: c.addr, Entrance: c.entrance,
		First: func(full jid.JID) string {
			payload := append([]byte("<bind xmlns='"+ns.Bind+"'><jid>"), xmltok.AppendEscaped(nil, full.String())...)
			return string(stanza.Result(st, string(append(payload, "</jid></bind>"...))).Append(nil, ""))
		},
	})
	switch {
	case errors.Is(err, core.ErrBadResource):
		return c.refuseBind(st, stanza.BadRequest) // RFC 6120 section 7.7.2.1
	case errors.Is(err, core.ErrTooMany):
		return c.refuseBind(st, stanza.ResourceConstraint) // RFC 6120 section 7.6.2.1
	case errors.Is(err, core.ErrUnreadable):
		return &stanza.StreamError{Condition: stanza.StreamInternalServerError}
	case errors.Is(err, core.ErrNoAccount), errors.Is(err, core.ErrRevoked):
		return &stanza.StreamError{Condition: stanza.StreamNotAuthorized}
	case err != nil:
		return err
	}
	c.take(w, session)
	return nil
}

// refuseBind answers a request for a resource with an error, after which the client may ask again.
func (c *conn) refuseBind(st *stanza.Stanza, condition stanza.Condition) error {
	answer := stanza.ErrorReply(st, stanza.NewError(condition, ""))
	if answer == nil {
		return nil // RFC 6120 section 8.2.3: results and errors are not answered
	}
	return c.stream.Send(answer)
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
	failed, err := c.takeUp(ctx, id, uint32(handled), c.entrance)
	if errors.Is(err, core.ErrRevoked) {
		return &stanza.StreamError{Condition: stanza.StreamNotAuthorized}
	}
	if err != nil || failed == "" {
		return err
	}
	return c.stream.SendXML(failed)
}

// takeUp makes a lost session the connection's own. failed is what the client is told when there is none.
func (c *conn) takeUp(ctx context.Context, id string, handled uint32, in *core.Entrance) (failed string, err error) {
	w := c.door.work()
	defer c.door.works.Put(w)
	session, err := c.host.ResumeBy(ctx, w, c.account, id, handled, c, in)
	var late core.TimedOut
	switch {
	case errors.As(err, &late):
		return late.Failed(), nil
	case errors.Is(err, core.ErrNotResumed):
		return core.NotManaged(stanza.ItemNotFound), nil
	case err != nil:
		return "", err
	}
	c.take(w, session)
	return "", nil
}
