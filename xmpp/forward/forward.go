// Package forward reads and writes stanzas that travel inside another one
// (XEP-0297 version 1.0), notes about delayed delivery (XEP-0203 version 2.0)
// and their time stamps (XEP-0082).
package forward

import (
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Reasons for refusing an element. They are stanza errors, so that a handler
// may return them as they are.
var (
	ErrNotForwarded = stanza.NewError(stanza.BadRequest, "not one forwarded stanza")
	ErrNotDelay     = stanza.NewError(stanza.BadRequest, "not a delay element")
	ErrStamp        = stanza.NewError(stanza.BadRequest, "not a date and time with zone")
)

// Delay is the note that a stanza is older than its arrival.
type Delay struct {
	// From is who sent or delayed the stanza; it may be zero.
	From jid.JID
	// Stamp is the time at which the stanza was sent, or for a forwarded
	// stanza received by the forwarder. A zero time means that there is no
	// note.
	Stamp time.Time
	// Reason is a text for people; it is usually empty.
	Reason string
}

// AppendXML appends the note as a <delay/> element with its own namespace
// declaration and returns the extended slice; nothing when Stamp is zero.
func (d Delay) AppendXML(dst []byte) []byte {
	if d.Stamp.IsZero() {
		return dst
	}
	dst = append(dst, "<delay xmlns='"+ns.Delay+"'"...)
	if !d.From.IsZero() {
		dst = xmltok.AppendAttr(dst, "from", d.From.String())
	}
	dst = append(dst, " stamp='"...)
	dst = AppendStamp(dst, d.Stamp)
	if d.Reason == "" {
		return append(dst, "'/>"...)
	}
	dst = append(dst, "'>"...)
	dst = xmltok.AppendEscaped(dst, d.Reason)
	return append(dst, "</delay>"...)
}

// ParseDelay reads a <delay/> element. A missing or malformed stamp is
// ErrStamp; a malformed address gives the error of jid.Parse. Whether the note
// can be believed is for the caller to decide from who sent it.
func ParseDelay(n *xmltok.Node) (Delay, error) {
	if !n.Is(ns.Delay, "delay") {
		return Delay{}, ErrNotDelay
	}
	stamp, err := ParseStamp(n.Attr("stamp"))
	if err != nil {
		return Delay{}, err
	}
	d := Delay{Stamp: stamp, Reason: n.Text()}
	if from := n.Attr("from"); from != "" {
		if d.From, err = jid.Parse(from); err != nil {
			return Delay{}, err
		}
	}
	return d, nil
}

// Append appends a <forwarded/> element that holds the note, if it has a stamp,
// and stanza, and returns the extended slice. The stanza is taken as it is: it
// must be one well-formed element that declares its own default namespace,
// because it would otherwise fall into the one of the wrapper (XEP-0297
// section 3.2).
func Append(dst []byte, d Delay, stanza []byte) []byte {
	dst = append(dst, "<forwarded xmlns='"+ns.Forward+"'>"...)
	dst = d.AppendXML(dst)
	dst = append(dst, stanza...)
	return append(dst, "</forwarded>"...)
}

// Forwarded is the content of a <forwarded/> element.
type Forwarded struct {
	// Delay is the note of the forwarder; its Stamp is zero when there is none.
	Delay Delay
	// Stanza is the stanza inside. XEP-0297 section 7: nothing about it can be
	// trusted unless the protocol around it and the sender say so.
	Stanza *xmltok.Node
}

// Parse reads a <forwarded/> element. It must hold exactly one message,
// presence or iq in a stanza namespace, and at most one <delay/>; elements of
// other namespaces are ignored. Errors are ErrNotForwarded and those of
// ParseDelay.
func Parse(n *xmltok.Node) (Forwarded, error) {
	var f Forwarded
	if !n.Is(ns.Forward, "forwarded") {
		return f, ErrNotForwarded
	}
	for _, c := range n.Children {
		switch {
		case isStanza(c):
			if f.Stanza != nil {
				return Forwarded{}, ErrNotForwarded
			}
			f.Stanza = c
		case c.Is(ns.Delay, "delay"):
			if !f.Delay.Stamp.IsZero() {
				return Forwarded{}, ErrNotForwarded
			}
			d, err := ParseDelay(c)
			if err != nil {
				return Forwarded{}, err
			}
			f.Delay = d
		}
	}
	if f.Stanza == nil {
		return Forwarded{}, ErrNotForwarded
	}
	return f, nil
}

// isStanza reports whether n is one of the elements that XEP-0297 section 8
// (schema) allows.
func isStanza(n *xmltok.Node) bool {
	if n.Space != ns.Client && n.Space != ns.Server {
		return false
	}
	return n.Local == "message" || n.Local == "presence" || n.Local == "iq"
}
