package c2s

import (
	"context"
	"errors"
	"slices"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/stream"
	"stonechat/xmpp/xmltok"
)

// entering is one log-in by XEP-0388: the proof, tasks, the device and its tokens, then a session taken up again (XEP-0198 section 8.2) or a new
// one (XEP-0386), and one answer to all of it. There is no stream restart.
type entering struct {
	*conn
	offer  *offer
	wish   stream.Authenticate
	began  time.Time
	device string // of the client; empty when it does not say who it is
	tokens []core.DeviceToken
	server *sasl.Server
	data   []byte // for the client, until it is sent
	token  *core.NewToken
}

// loginModern is one attempt. A failed one returns nil until there were too many.
func (c *conn) loginModern(ctx context.Context, o *offer, st *stanza.Stanza) error {
	x := &entering{conn: c, offer: o, began: c.host.Now()}
	err := x.prove(ctx, st)
	if err == nil {
		if c.account, err = c.accountOf(x.server.Username()); err != nil {
			return &stanza.StreamError{Condition: stanza.StreamInternalServerError}
		}
		if err = x.upgrade(ctx); err == nil {
			err = x.note(ctx)
		}
	}
	if err == nil {
		c.report(c.account, x.wish.Mechanism, "")
		err = x.enter(ctx)
	}
	var refused *sasl.Error
	if !errors.As(err, &refused) {
		c.modern = err == nil
		return err
	}
	user := ""
	if x.server != nil {
		user = x.server.Username()
	}
	// XEP-0388 section 2.6.2: nothing of what was wanted inline has happened.
	c.account = jid.JID{}
	if err := c.stream.SendXML(stream.SASL2Failure(refused)); err != nil {
		return err
	}
	return c.loginFailed(x.wish.Mechanism, user, refused)
}

// prove is the SASL exchange.
func (x *entering) prove(ctx context.Context, st *stanza.Stanza) (err error) {
	if x.wish, err = stream.ParseAuthenticate(st); err != nil {
		return err
	}
	offered, options := x.offer.modern.Mechanisms, x.options(ctx, x.offer, true)
	if x.wish.Fast != nil {
		// XEP-0484 section 3.4: a token is used, by the mechanisms that are for it alone. Who has none goes on with a password.
		offered, options.Tokens = x.offer.modern.Tokens, x.lookupTokens(ctx)
	}
	if !slices.Contains(offered, x.wish.Mechanism) {
		return &sasl.Error{Condition: sasl.InvalidMechanism}
	}
	if x.server, err = sasl.NewServer(x.wish.Mechanism, x.lookup(ctx), options); err != nil {
		return err
	}
	x.data, err = x.stream.AnswerSASL2(x.wish.Initial, x.server)
	return err
}

// lookupTokens finds the tokens of the device that the client says to be. They belong to the device (XEP-0484 section 4.1).
func (x *entering) lookupTokens(ctx context.Context) sasl.TokenLookup {
	return func(user, mechanism string) ([]sasl.Token, error) {
		account, err := x.accountOf(user)
		if err != nil || x.wish.Agent.ID == "" {
			return nil, nil
		}
		devices := x.host.Ports.Devices
		x.tokens, err = devices.Tokens(ctx, account, devices.ID(account, x.wish.Agent.ID), mechanism)
		out := make([]sasl.Token, len(x.tokens))
		for i := range x.tokens {
			out[i] = x.tokens[i].Token
		}
		return out, err
	}
}

// note tells of the device and of its tokens. What was proven may be worth nothing any more by now.
func (x *entering) note(ctx context.Context) error {
	devices := x.host.Ports.Devices
	if devices == nil || x.wish.Agent.ID == "" || !x.guest.IsZero() {
		return nil
	}
	x.device = devices.ID(x.account, x.wish.Agent.ID)
	l := core.DeviceLogin{
		Account: x.account, Device: x.device, Name: x.wish.Agent.Device, Software: x.wish.Agent.Software, Address: x.addr.Addr().String(),
		Mechanism: x.wish.Mechanism, Credential: x.server.Credential(),
	}
	if i := x.server.Token(); i >= 0 {
		l.Token, l.Count, l.Invalidate = &x.tokens[i], x.wish.Fast.Count, x.wish.Fast.Invalidate
		x.arrived(ctx)
	}
	if slices.Contains(x.offer.modern.Tokens, x.wish.RequestToken) {
		l.Want = x.wish.RequestToken
	}
	var err error
	switch x.token, err = devices.Enter(ctx, l); {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict):
		return &sasl.Error{Condition: sasl.NotAuthorized}
	case err != nil && l.Token == nil && ctx.Err() == nil:
		// A store that takes nothing keeps nobody out who has the password: there is no token then.
		x.door.obs.Log.Error("no token", obs.Conn, x.number, obs.JID, x.account.String(), obs.Err, err)
		return nil
	case err != nil:
		return &sasl.Error{Condition: sasl.TemporaryAuthFailure, Err: err}
	}
	return nil
}

// enter gives the client its session, or features to choose one. XEP-0198 section 8.2: first comes the old session; if that goes on, nothing
// else of the request counts, and there are no features.
func (x *entering) enter(ctx context.Context) error {
	in := &core.Entrance{Device: x.device, Since: x.began, Before: stream.SASL2Success(x.data), Between: "</authorization-identifier>"}
	if x.token != nil {
		b := xmltok.AppendAttr([]byte("<token xmlns='"+ns.Fast+"'"), "expiry", forward.FormatStamp(x.token.Expires))
		in.Between += string(append(xmltok.AppendAttr(b, "token", x.token.Secret), "/>"...))
	}
	failed := ""
	if x.wish.Resume != nil {
		var err error
		if failed, err = x.resumeInline(ctx, *in); err != nil || failed == "" {
			return err
		}
	}
	in.Between += failed
	if x.wish.Bind != "" {
		in.Bind, in.After = x.wish.Bind, "</success><stream:features>"+x.boundFeatures(x.wantsManaged())+"</stream:features>"
		return x.bindInline(ctx, in)
	}
	x.entrance = &core.Entrance{Device: x.device, Since: x.began}
	answer := xmltok.AppendEscaped([]byte(in.Before), x.account.String())
	return x.stream.SendXML(string(answer) + in.Between + "</success><stream:features>" + x.bindFeatures() + "</stream:features>")
}

// resumeInline tries to take up the old session. failed is what the client is told if that is not possible.
func (x *entering) resumeInline(ctx context.Context, in core.Entrance) (failed string, err error) {
	if x.wish.BadResume {
		return core.NotManaged(stanza.BadRequest), nil
	}
	in.After = "</success>"
	failed, err = x.takeUp(ctx, x.wish.Resume.ID, x.wish.Resume.Handled, &in)
	return failed, enterError(err)
}

// bindInline makes the new session.
func (x *entering) bindInline(ctx context.Context, in *core.Entrance) error {
	w := x.door.work()
	defer x.door.works.Put(w)
	session, err := x.host.Bind(ctx, w, core.Binding{Account: x.account, Resource: x.resource(), Sink: x.conn, Address: x.addr, Entrance: in})
	switch {
	case errors.Is(err, core.ErrTooMany):
		// XEP-0386 knows no error of its own: the client is not logged in, and may try again when it has less.
		return &sasl.Error{Condition: sasl.TemporaryAuthFailure, Text: "too many sessions of this account", Err: err}
	case err != nil:
		return enterError(err)
	}
	x.take(w, session)
	return nil
}

// wantsManaged tells whether stream management is on when the session begins. Then it is not offered any more: some clients would ask again.
func (x *entering) wantsManaged() bool {
	wishes, err := xmltok.Tree(x.wish.Bind, "")
	return err == nil && wishes.Child(ns.StreamManagement, "enable") != nil
}

// enterError is what a client is told that is not let in after all.
func enterError(err error) error {
	switch {
	case errors.Is(err, core.ErrRevoked), errors.Is(err, core.ErrNoAccount):
		return &sasl.Error{Condition: sasl.NotAuthorized}
	case errors.Is(err, core.ErrUnreadable):
		return &sasl.Error{Condition: sasl.TemporaryAuthFailure, Err: err}
	}
	return err
}

// resource is XEP-0386 section 3.2.1: the client's tag, if it can be part of an address, and our part, which stays the same for the same
// installation.
func (x *entering) resource() string {
	own := stream.NewID()
	if devices := x.host.Ports.Devices; devices != nil && x.wish.Agent.ID != "" {
		own = devices.Resource(x.account, x.wish.Agent.ID, x.wish.Tag)
	}
	if x.wish.Tag == "" {
		return own
	}
	tagged := x.wish.Tag + "/" + own
	if _, err := x.account.WithResource(tagged); err != nil {
		return own
	}
	return tagged
}
