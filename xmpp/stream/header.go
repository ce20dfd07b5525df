package stream

import (
	"crypto/rand"
	"encoding/base64"
	"strings"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Header is the start tag of a stream (RFC 6120 section 4.7).
type Header struct {
	// To and From are the addresses, zero when absent.
	To, From jid.JID
	// ID is chosen by the receiving side; see NewID.
	ID string
	// Lang is xml:lang, the language of texts for people.
	Lang string
	// Space is the content namespace; SendHeader uses that of the stream.
	Space string
	// NoVersion says that the header has no version attribute, as in components
	// (XEP-0114 section 3) and in streams older than RFC 3920.
	NoVersion bool
	// Prefixes are further declarations to send, such as "db" for dialback.
	// ReadHeader leaves them out.
	Prefixes []xmltok.Binding
}

// NewID returns an unpredictable stream id (RFC 6120 section 4.7.3).
func NewID() string {
	var b [12]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ReadHeader reads the peer's header. Its errors are those of Read; a
// *stanza.StreamError says which rule the header breaks. Whether a domain is
// served, and whether the absence of an address is acceptable, is for the
// caller to judge. An older version than 1.0 is refused except in
// jabber:component:accept, and in jabber:server, where XEP-0220 allows it.
func (c *Conn) ReadHeader() (Header, error) {
	if c.ws != nil {
		return c.readOpen()
	}
	for {
		ev, err := c.next(true)
		switch {
		case err != nil:
			return Header{}, err
		case ev == xmltok.Space:
			continue
		case ev != xmltok.Header:
			return Header{}, &stanza.StreamError{Condition: stanza.StreamBadFormat, Text: "stream header expected"}
		}
		return c.parseHeader(c.sc.Outline(), string(c.buf[c.elem:c.r]))
	}
}

func (c *Conn) parseHeader(out *xmltok.Outline, raw string) (h Header, err error) {
	h.Space = c.sc.ContentSpace()
	if err := c.checkNames(out, raw, h.Space); err != nil {
		return h, err
	}
	return c.parseAttrs(h, out, raw)
}

// parseAttrs reads the attributes of a header.
func (c *Conn) parseAttrs(h Header, out *xmltok.Outline, raw string) (_ Header, err error) {
	version, ok := "", false
	for _, a := range out.Attrs {
		value := a.Value.In(raw)
		switch a.Name.In(raw) {
		case "to":
			h.To, err = address(value)
		case "from":
			h.From, err = address(value)
		case "id":
			h.ID = value
		case "xml:lang":
			h.Lang = value
		case "version":
			version, ok = value, true
		}
		if err != nil {
			return h, err
		}
	}
	h.NoVersion = !ok
	return h, c.checkVersion(version, ok)
}

// checkNames applies RFC 6120 section 4.8.
func (c *Conn) checkNames(out *xmltok.Outline, raw, content string) error {
	switch {
	case out.Space.In(raw) != ns.Streams:
		return &stanza.StreamError{Condition: stanza.StreamInvalidNamespace, Text: "not the streams namespace"}
	case out.Local.In(raw) != "stream":
		return &stanza.StreamError{Condition: stanza.StreamBadFormat, Text: "root element is not a stream"}
	case out.Name.Start == out.Local.Start:
		// RFC 6120 section 4.8.5: without a prefix the default namespace would be
		// the streams namespace, and stanzas would need one.
		return &stanza.StreamError{Condition: stanza.StreamBadNamespacePrefix, Text: "stream element without prefix"}
	case content != c.space:
		return &stanza.StreamError{Condition: stanza.StreamInvalidNamespace, Text: "unexpected content namespace"}
	}
	return nil
}

// checkVersion applies RFC 6120 section 4.7.5.
func (c *Conn) checkVersion(v string, present bool) error {
	if !present && (c.space == ns.ComponentAccept || c.space == ns.Server) {
		return nil
	}
	major, minor, ok := strings.Cut(v, ".")
	if !ok || !digits(major) || !digits(minor) || strings.Trim(major, "0") == "" {
		return &stanza.StreamError{Condition: stanza.StreamUnsupportedVersion}
	}
	return nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func address(s string) (jid.JID, error) {
	j, err := jid.Parse(s)
	if err != nil {
		// RFC 6120 section 4.9.3.7.
		return j, &stanza.StreamError{Condition: stanza.StreamImproperAddressing, Text: "malformed address in the stream header"}
	}
	return j, nil
}

// appendHeader writes a header with the declarations that everything sent on
// the stream relies on: the content namespace as default, and "stream".
func appendHeader(dst []byte, h Header, space string) []byte {
	dst = append(dst, "<?xml version='1.0'?><stream:stream"...)
	dst = xmltok.AppendAttr(dst, "xmlns", space)
	dst = xmltok.AppendAttr(dst, "xmlns:stream", ns.Streams)
	for _, p := range h.Prefixes {
		dst = xmltok.AppendAttr(dst, "xmlns:"+p.Prefix, p.URI)
	}
	return append(appendHeaderAttrs(dst, h), '>')
}

// appendOpen writes the header of a framed stream (RFC 7395 section 3.4).
func appendOpen(dst []byte, h Header) []byte {
	dst = append(dst, "<open xmlns='"+ns.Framing+"'"...)
	return append(appendHeaderAttrs(dst, h), "/>"...)
}

func appendHeaderAttrs(dst []byte, h Header) []byte {
	if !h.To.IsZero() {
		dst = xmltok.AppendAttr(dst, "to", h.To.String())
	}
	if !h.From.IsZero() {
		dst = xmltok.AppendAttr(dst, "from", h.From.String())
	}
	if h.ID != "" {
		dst = xmltok.AppendAttr(dst, "id", h.ID)
	}
	if !h.NoVersion {
		dst = xmltok.AppendAttr(dst, "version", "1.0")
	}
	if h.Lang != "" {
		dst = xmltok.AppendAttr(dst, "xml:lang", h.Lang)
	}
	return dst
}
