package stanza

import (
	"errors"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// ErrorType is the type of a stanza error (RFC 6120 section 8.3.2): what the
// sender should do.
type ErrorType string

const (
	// Auth: retry after giving credentials.
	Auth ErrorType = "auth"
	// Cancel: do not retry.
	Cancel ErrorType = "cancel"
	// Continue: the condition was only a warning.
	Continue ErrorType = "continue"
	// Modify: retry after changing the data.
	Modify ErrorType = "modify"
	// Wait: retry after waiting.
	Wait ErrorType = "wait"
)

// Condition is a defined condition of RFC 6120 section 8.3.3.
type Condition string

// The defined conditions of RFC 6120 section 8.3.3.
const (
	BadRequest            Condition = "bad-request"
	Conflict              Condition = "conflict"
	FeatureNotImplemented Condition = "feature-not-implemented"
	Forbidden             Condition = "forbidden"
	Gone                  Condition = "gone"
	InternalServerError   Condition = "internal-server-error"
	ItemNotFound          Condition = "item-not-found"
	JIDMalformed          Condition = "jid-malformed"
	NotAcceptable         Condition = "not-acceptable"
	NotAllowed            Condition = "not-allowed"
	NotAuthorized         Condition = "not-authorized"
	PolicyViolation       Condition = "policy-violation"
	RecipientUnavailable  Condition = "recipient-unavailable"
	Redirect              Condition = "redirect"
	RegistrationRequired  Condition = "registration-required"
	RemoteServerNotFound  Condition = "remote-server-not-found"
	RemoteServerTimeout   Condition = "remote-server-timeout"
	ResourceConstraint    Condition = "resource-constraint"
	ServiceUnavailable    Condition = "service-unavailable"
	SubscriptionRequired  Condition = "subscription-required"
	UndefinedCondition    Condition = "undefined-condition"
	UnexpectedRequest     Condition = "unexpected-request"
)

// Usual returns the error type that RFC 6120 section 8.3.3 recommends for the
// condition, and "" for what is no defined condition.
func (c Condition) Usual() ErrorType {
	switch c {
	case NotAuthorized, Forbidden, RegistrationRequired, SubscriptionRequired:
		return Auth
	case BadRequest, JIDMalformed, NotAcceptable, PolicyViolation, Redirect:
		return Modify
	case RecipientUnavailable, RemoteServerTimeout, ResourceConstraint, UnexpectedRequest:
		return Wait
	case Conflict, FeatureNotImplemented, Gone, InternalServerError, ItemNotFound, NotAllowed,
		RemoteServerNotFound, ServiceUnavailable, UndefinedCondition:
		return Cancel
	}
	return ""
}

// Error is a stanza error (RFC 6120 section 8.3) and a Go error.
type Error struct {
	// Type tells the sender what to do; empty means the usual one of the condition.
	Type ErrorType
	// Condition is the defined condition; empty means undefined-condition.
	Condition Condition
	// Text is an optional description in English for people.
	Text string
	// Detail is the character data of gone and redirect: a new address.
	Detail string
	// App is an optional application-specific element, already encoded; it
	// declares its namespace.
	App string
	// By is who raised the error, if that is not the sender of the reply.
	By jid.JID
	// Beside is what stands in the reply next to the error, already encoded;
	// it declares its namespace.
	Beside string
}

// NewError returns an error with the usual type of the condition.
func NewError(c Condition, text string) *Error {
	return &Error{Type: c.Usual(), Condition: c, Text: text}
}

// Error returns condition and text.
func (e *Error) Error() string {
	if e.Text == "" {
		return "stanza error: " + string(e.condition())
	}
	return "stanza error: " + string(e.condition()) + ": " + e.Text
}

// condition returns a defined one whatever the field holds.
func (e *Error) condition() Condition {
	if e.Condition.Usual() == "" {
		return UndefinedCondition
	}
	return e.Condition
}

func (e *Error) kind() ErrorType {
	switch e.Type {
	case Auth, Cancel, Continue, Modify, Wait:
		return e.Type
	}
	return e.condition().Usual()
}

// Append appends the encoded error element, without App if that is not
// well-formed.
func (e *Error) Append(dst []byte) []byte {
	dst = append(dst, "<error"...)
	dst = xmltok.AppendAttr(dst, "type", string(e.kind()))
	if !e.By.IsZero() {
		dst = xmltok.AppendAttr(dst, "by", e.By.String())
	}
	dst = append(dst, '>')
	dst = appendConditions(dst, string(e.condition()), e.Detail, e.Text, ns.StanzaErrors)
	return append(appendApp(dst, e.App), "</error>"...)
}

// appendConditions appends the defined condition and the text, which stanza and
// stream errors write alike (RFC 6120 sections 4.9.2 and 8.3.2).
func appendConditions(dst []byte, condition, detail, text, space string) []byte {
	dst = append(dst, '<')
	dst = append(dst, condition...)
	dst = xmltok.AppendAttr(dst, "xmlns", space)
	if detail == "" {
		dst = append(dst, "/>"...)
	} else {
		dst = xmltok.AppendEscaped(append(dst, '>'), detail)
		dst = append(append(append(dst, "</"...), condition...), '>')
	}
	if text == "" {
		return dst
	}
	dst = append(dst, "<text"...)
	dst = xmltok.AppendAttr(dst, "xmlns", space)
	dst = xmltok.AppendAttr(dst, "xml:lang", "en")
	dst = xmltok.AppendEscaped(append(dst, '>'), text)
	return append(dst, "</text>"...)
}

func appendApp(dst []byte, app string) []byte {
	if app == "" {
		return dst
	}
	if _, err := xmltok.Tree(app, ns.Client); err != nil {
		return dst
	}
	return append(dst, app...)
}

// AsError returns the *Error that err is or wraps; anything else becomes
// internal-server-error without text, so that nothing inside leaks out.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		return e
	}
	return NewError(InternalServerError, "")
}

// ErrorReply answers orig: addresses swapped, id kept, no payload. It returns
// nil for what must not be answered: errors and iq results (RFC 6120 sections
// 8.2.3 and 8.3.1), and nonzas. Where orig had no receiver, the reply has no
// sender, and the caller stamps it.
func ErrorReply(orig *Stanza, e *Error) *Stanza {
	if orig.Kind == Nonza || orig.Type == TypeError || orig.Kind == IQ && orig.Type == TypeResult {
		return nil
	}
	if e == nil {
		e = NewError(InternalServerError, "")
	}
	s := orig.answer(TypeError)
	if err := s.setInner(string(append(e.Append(nil), e.Beside...))); err != nil {
		// Cannot be: Append writes nothing that is not well-formed.
		return nil
	}
	return s
}

func (s *Stanza) answer(t Type) *Stanza {
	return Head{Kind: s.Kind, Type: t, ID: s.ID, To: s.From, From: s.To}.stanza()
}

// Result answers an iq get or set; payload is already encoded and may be empty.
// A payload that is not well-formed becomes an internal-server-error reply. It
// returns nil for anything that is not an iq get or set (RFC 6120 section 8.2.3).
func Result(iq *Stanza, payload string) *Stanza {
	if iq.Kind != IQ || iq.Type != Get && iq.Type != Set {
		return nil
	}
	s := iq.answer(TypeResult)
	if err := s.setInner(payload); err != nil {
		return ErrorReply(iq, NewError(InternalServerError, ""))
	}
	return s
}

// ParseError returns the error inside an error stanza, and nil when s is none.
// An error without a condition that we know has UndefinedCondition (RFC 6120
// section 8.3.2 wants exactly one); one without a type the usual one.
func ParseError(s *Stanza) *Error {
	if s.Kind == Nonza || s.Type != TypeError {
		return nil
	}
	e := &Error{}
	if c, ok := s.Child(ns.Client, "error"); ok {
		if tree, err := c.Tree(); err == nil {
			e.read(tree)
		}
	}
	e.Condition = e.condition()
	e.Type = e.kind()
	return e
}

func (e *Error) read(tree *xmltok.Node) {
	e.Type = ErrorType(tree.Attr("type"))
	if by, err := jid.Parse(tree.Attr("by")); err == nil {
		e.By = by
	}
	for _, c := range tree.Children {
		switch {
		case c.Is(ns.StanzaErrors, "text"):
			e.Text = c.Text()
		case c.Space == ns.StanzaErrors:
			e.Condition, e.Detail = Condition(c.Local), c.Text()
		case e.App == "":
			e.App = string(c.AppendXML(nil, ""))
		}
	}
}
