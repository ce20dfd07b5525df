package stanza

import (
	"errors"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// StreamCondition is a condition of RFC 6120 section 4.9.3.
type StreamCondition string

// The conditions of RFC 6120 section 4.9.3.
const (
	StreamBadFormat              StreamCondition = "bad-format"
	StreamBadNamespacePrefix     StreamCondition = "bad-namespace-prefix"
	StreamConflict               StreamCondition = "conflict"
	StreamConnectionTimeout      StreamCondition = "connection-timeout"
	StreamHostGone               StreamCondition = "host-gone"
	StreamHostUnknown            StreamCondition = "host-unknown"
	StreamImproperAddressing     StreamCondition = "improper-addressing"
	StreamInternalServerError    StreamCondition = "internal-server-error"
	StreamInvalidFrom            StreamCondition = "invalid-from"
	StreamInvalidNamespace       StreamCondition = "invalid-namespace"
	StreamInvalidXML             StreamCondition = "invalid-xml"
	StreamNotAuthorized          StreamCondition = "not-authorized"
	StreamNotWellFormed          StreamCondition = "not-well-formed"
	StreamPolicyViolation        StreamCondition = "policy-violation"
	StreamRemoteConnectionFailed StreamCondition = "remote-connection-failed"
	StreamReset                  StreamCondition = "reset"
	StreamResourceConstraint     StreamCondition = "resource-constraint"
	StreamRestrictedXML          StreamCondition = "restricted-xml"
	StreamSeeOtherHost           StreamCondition = "see-other-host"
	StreamSystemShutdown         StreamCondition = "system-shutdown"
	StreamUndefinedCondition     StreamCondition = "undefined-condition"
	StreamUnsupportedEncoding    StreamCondition = "unsupported-encoding"
	StreamUnsupportedFeature     StreamCondition = "unsupported-feature"
	StreamUnsupportedStanzaType  StreamCondition = "unsupported-stanza-type"
	StreamUnsupportedVersion     StreamCondition = "unsupported-version"
)

// StreamError ends a stream (RFC 6120 section 4.9).
type StreamError struct {
	// Condition is the defined condition; empty means undefined-condition.
	Condition StreamCondition
	// Text is an optional description in English.
	Text string
	// Detail is the character data of see-other-host.
	Detail string
	// App is an optional application-specific element, already encoded; it
	// declares its namespace.
	App string
}

// Error returns condition and text.
func (e *StreamError) Error() string {
	if e.Text == "" {
		return "stream error: " + string(e.condition())
	}
	return "stream error: " + string(e.condition()) + ": " + e.Text
}

func (e *StreamError) condition() StreamCondition {
	if e.Condition == "" {
		return StreamUndefinedCondition
	}
	return e.Condition
}

// Append appends the encoded error element with the prefix stream, which the
// header binds; standalone declares that prefix in it (RFC 7395 section 3.3.3).
// App is left out if it is not well-formed.
func (e *StreamError) Append(dst []byte, standalone bool) []byte {
	dst = append(dst, "<stream:error"...)
	if standalone {
		dst = xmltok.AppendAttr(dst, "xmlns:stream", ns.Streams)
	}
	dst = append(dst, '>')
	dst = appendConditions(dst, string(e.condition()), e.Detail, e.Text, ns.StreamErrors)
	return append(appendApp(dst, e.App), "</stream:error>"...)
}

// AsStreamError returns the stream error that err is or wraps, or the one that
// answers an *xmltok.Error; for anything else nil.
func AsStreamError(err error) *StreamError {
	if e, ok := errors.AsType[*StreamError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*xmltok.Error](err); ok {
		return &StreamError{Condition: StreamCondition(e.Condition), Text: e.Text}
	}
	return nil
}

// ParseStreamError returns the stream error that a peer has sent, and nil when
// s is something else.
func ParseStreamError(s *Stanza) *StreamError {
	if s.Space != ns.Streams || s.Local != "error" {
		return nil
	}
	tree, err := s.Tree()
	if err != nil {
		return nil
	}
	e := &StreamError{}
	for _, c := range tree.Children {
		switch {
		case c.Is(ns.StreamErrors, "text"):
			e.Text = c.Text()
		case c.Space == ns.StreamErrors:
			e.Condition, e.Detail = StreamCondition(c.Local), c.Text()
		case e.App == "":
			e.App = string(c.AppendXML(nil, ""))
		}
	}
	e.Condition = e.condition()
	return e
}
