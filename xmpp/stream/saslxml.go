package stream

import (
	"encoding/base64"
	"errors"
	"strings"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/sasl"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// maxSASLText bounds the base64 text of a message.
const maxSASLText = (sasl.MaxMessage + 2) / 3 * 4

// Mechanisms returns the stream feature that offers these mechanisms (RFC 6120
// section 6.3.3), and with bindings, the channel bindings that the server can
// see (XEP-0440 section 3).
func Mechanisms(names []string, bindings []string) string {
	b := []byte("<mechanisms xmlns='" + ns.SASL + "'>")
	for _, n := range names {
		b = append(b, "<mechanism>"...)
		b = xmltok.AppendEscaped(b, n)
		b = append(b, "</mechanism>"...)
	}
	return string(append(b, "</mechanisms>"...)) + BindingTypes(bindings)
}

// BindingTypes returns the stream feature of XEP-0440, which stands beside the
// offers of both profiles; "" when there are none.
func BindingTypes(bindings []string) string {
	if len(bindings) == 0 {
		return ""
	}
	b := []byte("<sasl-channel-binding xmlns='" + ns.SASLChannelBinding + "'>")
	for _, n := range bindings {
		b = append(b, "<channel-binding"...)
		b = xmltok.AppendAttr(b, "type", n)
		b = append(b, "/>"...)
	}
	return string(append(b, "</sasl-channel-binding>"...))
}

// ParseSASL returns the decoded data of an element of the SASL profile: nil
// when it is empty, which means no data, and an empty slice for "=", which
// means data of no length (RFC 6120 section 6.4.2). The error is a *sasl.Error.
func ParseSASL(st *stanza.Stanza) ([]byte, error) {
	text := strings.TrimSpace(xmltok.UnescapeText(st.Inner()))
	switch {
	case text == "":
		return nil, nil
	case text == "=":
		return []byte{}, nil
	}
	return decodeText(text)
}

// decodeText decodes data of either profile.
func decodeText(text string) ([]byte, error) {
	switch {
	case len(text) > maxSASLText:
		return nil, &sasl.Error{Condition: sasl.MalformedRequest, Text: "message too long"}
	case strings.ContainsAny(text, "\r\n"):
		return nil, &sasl.Error{Condition: sasl.IncorrectEncoding}
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, &sasl.Error{Condition: sasl.IncorrectEncoding}
	}
	return data, nil
}

// AppendSASL appends an element of the SASL profile, such as "challenge". Nil
// data makes it empty; empty data is written as "=".
func AppendSASL(dst []byte, name string, data []byte) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, " xmlns='"+ns.SASL+"'>"...)
	if data != nil && len(data) == 0 {
		dst = append(dst, '=')
	}
	dst = base64.StdEncoding.AppendEncode(dst, data)
	dst = append(dst, "</"...)
	dst = append(dst, name...)
	return append(dst, '>')
}

// AppendSASLFailure appends <failure/> (RFC 6120 section 6.4.5). An error that
// is no *sasl.Error becomes temporary-auth-failure without text.
func AppendSASLFailure(dst []byte, err error) []byte {
	e := &sasl.Error{Condition: sasl.TemporaryAuthFailure}
	errors.As(err, &e)
	dst = append(dst, "<failure xmlns='"+ns.SASL+"'><"...)
	dst = append(dst, e.Condition...)
	dst = append(dst, "/>"...)
	if e.Text != "" {
		dst = append(dst, "<text xml:lang='en'>"...)
		dst = xmltok.AppendEscaped(dst, e.Text)
		dst = append(dst, "</text>"...)
	}
	return append(dst, "</failure>"...)
}

// AnswerSASL drives the receiving side of one attempt, of which auth is the
// <auth/> element, up to <success/> or <failure/>. begin makes the mechanism
// that the client named. After success the caller sets the limits for known
// peers and calls Restart (RFC 6120 section 6.4.6). A *sasl.Error says that the
// attempt failed and the client was told so; it may try again on the same
// stream (section 6.4.5). After any other error the stream is of no use. The
// returned Server is not nil if begin made one, also beside an error, so that
// the caller can count failures by name.
func (c *Conn) AnswerSASL(auth *stanza.Stanza, begin func(mechanism string) (*sasl.Server, error)) (*sasl.Server, error) {
	mechanism, _ := auth.Attr("mechanism")
	srv, err := begin(mechanism)
	if err != nil {
		return nil, c.refuseSASL(err)
	}
	st := auth
	for {
		data, err := ParseSASL(st)
		if err != nil {
			return srv, c.refuseSASL(err)
		}
		if data == nil && st != auth {
			// RFC 6120 section 6.4.4: an empty response is data of no length.
			data = []byte{}
		}
		challenge, done, err := srv.Next(data)
		if err != nil {
			return srv, c.refuseSASL(err)
		}
		if done {
			_, err := c.Write(AppendSASL(nil, "success", challenge))
			return srv, err
		}
		if len(challenge) == 0 {
			challenge = nil
		}
		if _, err := c.Write(AppendSASL(nil, "challenge", challenge)); err != nil {
			return srv, err
		}
		if st, err = c.Read(); err != nil {
			return srv, err
		}
		if st.Space != ns.SASL || st.Local != "response" {
			return srv, c.refuseSASL(unexpectedSASL(st))
		}
	}
}

// unexpectedSASL judges what came instead of a response.
func unexpectedSASL(st *stanza.Stanza) error {
	switch {
	case st.Space == ns.SASL && st.Local == "abort":
		return &sasl.Error{Condition: sasl.Aborted}
	case st.Space == ns.SASL:
		return &sasl.Error{Condition: sasl.MalformedRequest}
	}
	// RFC 6120 section 4.9.3.12: no stanza before the log-in.
	return &stanza.StreamError{Condition: stanza.StreamNotAuthorized}
}

func (c *Conn) refuseSASL(err error) error {
	var stream *stanza.StreamError
	if errors.As(err, &stream) {
		return err
	}
	if _, werr := c.Write(AppendSASLFailure(nil, err)); werr != nil {
		return werr
	}
	var e *sasl.Error
	if !errors.As(err, &e) {
		return &sasl.Error{Condition: sasl.TemporaryAuthFailure, Err: err}
	}
	return err
}
