// Package stanza holds one parsed top-level element of a stream, and errors
// that are replies.
//
// A Stanza keeps its bytes as one string; children, and most attributes, are
// parts of it. The payload stays byte for byte as it came in. What is common to
// all receivers is encoded once (Seal) and shared by everybody.
package stanza

import (
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// Kind tells the three stanzas of RFC 6120 section 8 from everything else.
type Kind uint8

const (
	// Nonza is a top-level element that is no stanza.
	Nonza Kind = iota
	// Message is RFC 6120 section 8.2.1.
	Message
	// Presence is RFC 6120 section 8.2.2.
	Presence
	// IQ is RFC 6120 section 8.2.3.
	IQ
)

// String returns the element name, "nonza" for Nonza.
func (k Kind) String() string {
	switch k {
	case Message:
		return "message"
	case Presence:
		return "presence"
	case IQ:
		return "iq"
	}
	return "nonza"
}

func kindOf(local string) Kind {
	switch local {
	case "message":
		return Message
	case "presence":
		return Presence
	case "iq":
		return IQ
	}
	return Nonza
}

// Type is the type attribute of a stanza, normalised: see Stanza.Type.
type Type string

const (
	// Normal is a message outside of a conversation (RFC 6121 section 5.2.2).
	Normal Type = "normal"
	// Chat is a message of a one-to-one conversation.
	Chat Type = "chat"
	// GroupChat is a message of a room.
	GroupChat Type = "groupchat"
	// Headline is a message that expects no reply.
	Headline Type = "headline"
	// Available is presence without a type (RFC 6121 section 4.7.1).
	Available Type = ""
	// Unavailable ends presence.
	Unavailable Type = "unavailable"
	// Probe asks for presence, between servers.
	Probe Type = "probe"
	// Subscribe asks for a subscription (RFC 6121 section 3).
	Subscribe Type = "subscribe"
	// Subscribed grants it.
	Subscribed Type = "subscribed"
	// Unsubscribe ends the sender's subscription.
	Unsubscribe Type = "unsubscribe"
	// Unsubscribed ends or refuses the receiver's subscription.
	Unsubscribed Type = "unsubscribed"
	// Get asks for information (RFC 6120 section 8.2.3).
	Get Type = "get"
	// Set gives data or asks for an action.
	Set Type = "set"
	// TypeResult answers a get or set.
	TypeResult Type = "result"
	// TypeError answers any stanza that could not be handled.
	TypeError Type = "error"
)

// normal returns the type that a message of type t is treated as.
func (t Type) normal() Type {
	switch t {
	case Chat, GroupChat, Headline, TypeError:
		return t
	}
	// RFC 6121 section 5.2.2: no type and an unknown type are "normal".
	return Normal
}

// Stanza is one top-level element. It is immutable: whatever changes something
// returns a new value, apart from Stamp and Seal, which belong to the one who
// made the value and has not shared it yet. Fields must not be written to.
type Stanza struct {
	// Kind says which stanza it is, if any.
	Kind Kind
	// HasTo and HasFrom say that the attribute was present, malformed or not.
	HasTo, HasFrom bool
	// Type is never empty for a message (an absent or unknown type is Normal)
	// and is as written for presence and iq, even if RFC 6120 does not know it.
	Type Type
	// Space and Local are the name. Space is jabber:client for every stanza,
	// whatever the content namespace of its stream.
	Space, Local string
	// ID and Lang are the attributes id and xml:lang of a stanza, empty if absent.
	ID, Lang string
	// To and From are the addresses of a stanza, zero if absent or malformed.
	To, From jid.JID
	// ToErr and FromErr say why an address that was present is malformed.
	ToErr, FromErr error

	raw      string    // backs inner and children
	inner    span      // content between the tags, in raw
	kept     string    // all other attributes, each with a space before it
	head     []byte    // sealed: the attributes that all receivers share, and the end of the start tag
	room     [144]byte // backs head, so that sealing seldom allocates
	children children
}

type span = xmltok.Span

// Head are the attributes of a stanza that we make; zero values are left out.
type Head struct {
	// Kind is Message, Presence or IQ.
	Kind Kind
	// Type is the type attribute.
	Type Type
	// ID and Lang are id and xml:lang.
	ID, Lang string
	// To and From are the addresses.
	To, From jid.JID
}

// stanza returns a stanza without content.
func (h Head) stanza() *Stanza {
	s := &Stanza{
		Kind: h.Kind, Type: h.Type, Space: ns.Client, Local: h.Kind.String(),
		ID: h.ID, Lang: h.Lang, To: h.To, From: h.From,
		HasTo: !h.To.IsZero(), HasFrom: !h.From.IsZero(),
	}
	if h.Kind == Message {
		s.Type = h.Type.normal()
	}
	return s
}

// Raw returns the bytes that the value holds: the element as it came in, or
// the content of a stanza that was made or changed here. It is meant for
// accounting; AppendTo and Standalone encode.
func (s *Stanza) Raw() string { return s.raw }

// Inner returns everything between the tags, byte for byte. Without a
// declaration its elements are in the namespace Space.
func (s *Stanza) Inner() string { return s.inner.In(s.raw) }
