package client

import (
	"context"
	"time"

	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Invitation is a link that lets somebody in (XEP-0401 section 5.1).
type Invitation struct {
	// URI is the link; Page is one for a browser and Code one to type, or "".
	URI, Page, Code string
	// Expires is when it ends; zero: the server does not say.
	Expires time.Time
}

// Invite has the server make an invitation: whoever uses it becomes a contact,
// and gets an account where the server allows that (XEP-0401 section 5.1).
func (c *Client) Invite(ctx context.Context) (Invitation, error) {
	command := "<command xmlns='" + ns.Commands + "' node='" + ns.Invite + "#invite' action='execute'/>"
	answer, err := c.IQ(ctx, c.JID().DomainJID(), stanza.Set, command)
	if err != nil {
		return Invitation{}, err
	}
	payload, _ := answer.Child(ns.Commands, "command")
	tree, err := payload.Tree()
	if err != nil {
		return Invitation{}, err
	}
	f, err := form.Parse(tree.Child(ns.DataForm, "x"))
	if err != nil {
		return Invitation{}, err
	}
	i := Invitation{URI: f.Field("uri").Value(), Page: f.Field("landing-url").Value(), Code: f.Field("code").Value()}
	if i.URI == "" {
		return i, ErrAnswer
	}
	if at, err := time.Parse(time.RFC3339, f.Field("expire").Value()); err == nil {
		i.Expires = at
	}
	return i, nil
}

// SubscribeWith asks a contact for its presence with the token of an invitation,
// and lets it ask in return (XEP-0379 section 3.4).
func (c *Client) SubscribeWith(ctx context.Context, contact jid.JID, token string) (*Ticket, error) {
	if _, err := c.Approve(ctx, contact); err != nil {
		return nil, err
	}
	b := xmltok.AppendAttr([]byte("<preauth xmlns='"+ns.PreAuth+"'"), "token", token)
	st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Subscribe, To: contact.Bare(), ID: newID()}, string(b)+"/>")
	if err != nil {
		return nil, err
	}
	return c.Send(ctx, st)
}
