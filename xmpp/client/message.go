package client

import (
	"context"
	"strconv"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Presence is what to tell about availability (RFC 6121 section 4.7).
type Presence struct {
	// To is who shall see it; zero means everybody who may.
	To jid.JID
	// Unavailable says that the resource goes away.
	Unavailable bool
	// Show is away, chat, dnd, xa or empty.
	Show string
	// Status is a text for people.
	Status string
	// Priority is from -128 to 127.
	Priority int8
	// XML are further elements, already encoded.
	XML string
}

// SendPresence sends presence.
func (c *Client) SendPresence(ctx context.Context, p Presence) (*Ticket, error) {
	h := stanza.Head{Kind: stanza.Presence, To: p.To}
	if p.Unavailable {
		h.Type = stanza.Unavailable
	}
	var b []byte
	if p.Show != "" {
		b = appendText(b, "show", p.Show)
	}
	if p.Status != "" {
		b = appendText(b, "status", p.Status)
	}
	if p.Priority != 0 {
		b = appendText(b, "priority", strconv.Itoa(int(p.Priority)))
	}
	st, err := stanza.New(h, string(b)+p.XML)
	if err != nil {
		return nil, err
	}
	return c.Send(ctx, st)
}

// Message sends a chat message with that text, under a fresh id that is its
// origin-id, too (XEP-0359 section 3.2).
func (c *Client) Message(ctx context.Context, to jid.JID, body string) (*Ticket, error) {
	return c.SendMessage(ctx, to, stanza.Chat, body, "")
}

// SendMessage is Message for any type and with further elements, already
// encoded. An empty body is left out.
func (c *Client) SendMessage(ctx context.Context, to jid.JID, typ stanza.Type, body, xml string) (*Ticket, error) {
	id := newID()
	var b []byte
	if body != "" {
		b = appendText(b, "body", body)
	}
	b = append(b, xml...)
	b = append(b, "<origin-id xmlns='"+ns.StanzaID+"'"...)
	b = xmltok.AppendAttr(b, "id", id)
	b = append(b, "/>"...)
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: typ, To: to, ID: id}, string(b))
	if err != nil {
		return nil, err
	}
	return c.Send(ctx, st)
}

// EnableCarbons asks for copies of the messages of other resources (XEP-0280
// section 4); they come to Config.Carbon.
func (c *Client) EnableCarbons(ctx context.Context) error {
	_, err := c.IQ(ctx, jid.JID{}, stanza.Set, "<enable xmlns='"+ns.Carbons+"'/>")
	return err
}

// Ping asks for a sign of life (XEP-0199); a zero address means the own server.
// An error stanza is an answer as well and comes back as *stanza.Error.
func (c *Client) Ping(ctx context.Context, to jid.JID) error {
	if to.IsZero() {
		to = c.JID().DomainJID()
	}
	_, err := c.IQ(ctx, to, stanza.Get, "<ping xmlns='"+ns.Ping+"'/>")
	return err
}

func appendText(dst []byte, name, text string) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = xmltok.AppendEscaped(dst, text)
	dst = append(dst, "</"...)
	dst = append(dst, name...)
	return append(dst, '>')
}
