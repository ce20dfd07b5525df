package stream

import (
	"errors"
	"fmt"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Registration makes the account of a Login, or sets its password, before the
// log-in on the same stream (XEP-0077 section 3.1, XEP-0445 section 4).
type Registration struct {
	// Token is shown first; without one the server must be open to everybody.
	Token string
}

// Errors of a registration.
var (
	// ErrNoRegistration: the server does not offer it.
	ErrNoRegistration = errors.New("stream: server does not offer registration")
	// ErrToken: the server does not take the token.
	ErrToken = errors.New("stream: the invite is unknown, used or expired")
)

// RegistrationError says that the server refuses the name or the password.
type RegistrationError struct{ Err *stanza.Error }

// Error returns what the server said.
func (e *RegistrationError) Error() string { return "stream: registration refused: " + e.Err.Error() }

// Unwrap returns the stanza error.
func (e *RegistrationError) Unwrap() error { return e.Err }

// register asks for the account. It is done on TLS only, since it sends the
// password.
func (n *negotiation) register(features *stanza.Stanza) error {
	r := n.l.Register
	switch {
	case n.conn.tls == nil:
		return ErrNoTLS
	case r.Token != "" && !features.Has(ns.InviteToken, "register"):
		return ErrNoRegistration // XEP-0445 section 3: a link proves nothing
	case r.Token == "" && !features.Has(ns.RegisterFeature, "register"):
		return ErrNoRegistration
	}
	if r.Token != "" {
		b := xmltok.AppendAttr([]byte("<preauth xmlns='"+ns.PreAuth+"'"), "token", r.Token)
		refused, err := n.ask("preauth", string(b)+"/>")
		if err != nil {
			return err
		}
		if refused != nil && refused.Condition == stanza.ItemNotFound {
			return ErrToken
		}
		if refused != nil {
			return &RegistrationError{refused}
		}
	}
	b := []byte("<query xmlns='" + ns.Register + "'><username>")
	b = append(xmltok.AppendEscaped(b, n.l.JID.Local()), "</username><password>"...)
	b = append(xmltok.AppendEscaped(b, n.l.Password), "</password></query>"...)
	refused, err := n.ask("register", string(b))
	if err == nil && refused != nil {
		err = &RegistrationError{refused}
	}
	return err
}

// ask sends a set to the server and reads its answer.
func (n *negotiation) ask(id, payload string) (refused *stanza.Error, err error) {
	st, err := stanza.New(stanza.Head{Kind: stanza.IQ, Type: stanza.Set, ID: id, To: n.l.JID.DomainJID()}, payload)
	if err != nil {
		return nil, err
	}
	if err := n.conn.Send(st); err != nil {
		return nil, err
	}
	answer, err := n.read()
	if err != nil {
		return nil, err
	}
	if answer.Kind != stanza.IQ || answer.ID != id || (answer.HasFrom && answer.From != n.l.JID.DomainJID() && answer.From != (jid.JID{})) {
		return nil, fmt.Errorf("%w: %s instead of the answer to %s", ErrNegotiation, answer.Local, id)
	}
	return stanza.ParseError(answer), nil
}
