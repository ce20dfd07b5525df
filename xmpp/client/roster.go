package client

import (
	"context"
	"errors"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// RosterItem is one contact (RFC 6121 section 2.1.2).
type RosterItem struct {
	// JID is the bare address of the contact.
	JID jid.JID
	// Name is the name that the user gave.
	Name string
	// Subscription is none, to, from or both; remove in a push for a contact
	// that is gone.
	Subscription string
	// Ask says that a request of ours is not answered yet.
	Ask bool
	// Approved says that the contact may subscribe without asking (section 3.4).
	Approved bool
	// Groups are the groups.
	Groups []string
}

// ErrAnswer says that an answer of the server does not have the form that its
// specification asks for.
var ErrAnswer = errors.New("client: malformed answer")

// Roster fetches the roster (RFC 6121 section 2.1.3); from then on the server
// pushes changes to Config.RosterPush. ver is the version for RosterSince, ""
// if the server has none.
func (c *Client) Roster(ctx context.Context) (items []RosterItem, ver string, err error) {
	items, ver, _, err = c.roster(ctx, "<query xmlns='"+ns.Roster+"'/>")
	return items, ver, err
}

// RosterSince fetches the roster unless it is still as it was at version known
// (RFC 6121 section 2.6); changed is false then, and what did change comes as
// pushes. An empty known asks for the first version.
func (c *Client) RosterSince(ctx context.Context, known string) (items []RosterItem, ver string, changed bool, err error) {
	q := xmltok.AppendAttr([]byte("<query xmlns='"+ns.Roster+"'"), "ver", known)
	return c.roster(ctx, string(q)+"/>")
}

func (c *Client) roster(ctx context.Context, query string) (items []RosterItem, ver string, changed bool, err error) {
	answer, err := c.IQ(ctx, jid.JID{}, stanza.Get, query)
	if err != nil {
		return nil, "", false, err
	}
	payload, ok := answer.Child(ns.Roster, "query")
	if !ok {
		return nil, "", false, nil
	}
	tree, err := payload.Tree()
	if err != nil {
		return nil, "", false, err
	}
	for _, n := range tree.All(ns.Roster, "item") {
		item, ok := rosterItem(n)
		if !ok {
			return nil, "", false, ErrAnswer
		}
		items = append(items, item)
	}
	return items, tree.Attr("ver"), true, nil
}

func rosterItem(n *xmltok.Node) (RosterItem, bool) {
	j, err := jid.Parse(n.Attr("jid"))
	if err != nil {
		return RosterItem{}, false
	}
	item := RosterItem{
		JID: j, Name: n.Attr("name"), Subscription: n.Attr("subscription"),
		Ask: n.Attr("ask") == "subscribe", Approved: n.Attr("approved") == "true" || n.Attr("approved") == "1",
	}
	if item.Subscription == "" {
		item.Subscription = "none"
	}
	for _, g := range n.All(ns.Roster, "group") {
		item.Groups = append(item.Groups, g.Text())
	}
	return item, true
}

// rosterPush tells of a change (RFC 6121 section 2.1.6).
func (c *Client) rosterPush(payload stanza.Child) {
	if c.cfg.RosterPush == nil {
		return
	}
	tree, err := payload.Tree()
	if err != nil {
		return
	}
	if item, ok := rosterItem(tree.Child(ns.Roster, "item")); ok {
		c.cfg.RosterPush(item)
	}
}

// SetRoster adds a contact or changes its name and groups (RFC 6121
// section 2.3).
func (c *Client) SetRoster(ctx context.Context, item RosterItem) error {
	b := xmltok.AppendAttr([]byte("<query xmlns='"+ns.Roster+"'><item"), "jid", item.JID.Bare().String())
	if item.Name != "" {
		b = xmltok.AppendAttr(b, "name", item.Name)
	}
	b = append(b, '>')
	for _, g := range item.Groups {
		b = append(b, "<group>"...)
		b = xmltok.AppendEscaped(b, g)
		b = append(b, "</group>"...)
	}
	_, err := c.IQ(ctx, jid.JID{}, stanza.Set, string(b)+"</item></query>")
	return err
}

// RemoveRoster removes a contact and both subscriptions (RFC 6121 section 2.5).
func (c *Client) RemoveRoster(ctx context.Context, contact jid.JID) error {
	b := xmltok.AppendAttr([]byte("<query xmlns='"+ns.Roster+"'><item"), "jid", contact.Bare().String())
	_, err := c.IQ(ctx, jid.JID{}, stanza.Set, string(b)+" subscription='remove'/></query>")
	return err
}

// Subscribe asks a contact for its presence (RFC 6121 section 3.1).
func (c *Client) Subscribe(ctx context.Context, contact jid.JID) (*Ticket, error) {
	return c.subscription(ctx, contact, stanza.Subscribe)
}

// Approve lets a contact see our presence, also in advance (RFC 6121
// sections 3.1 and 3.4).
func (c *Client) Approve(ctx context.Context, contact jid.JID) (*Ticket, error) {
	return c.subscription(ctx, contact, stanza.Subscribed)
}

// Deny refuses a request, or ends the contact's subscription (RFC 6121
// section 3.2).
func (c *Client) Deny(ctx context.Context, contact jid.JID) (*Ticket, error) {
	return c.subscription(ctx, contact, stanza.Unsubscribed)
}

// Unsubscribe ends our subscription (RFC 6121 section 3.3).
func (c *Client) Unsubscribe(ctx context.Context, contact jid.JID) (*Ticket, error) {
	return c.subscription(ctx, contact, stanza.Unsubscribe)
}

func (c *Client) subscription(ctx context.Context, contact jid.JID, typ stanza.Type) (*Ticket, error) {
	// RFC 6121 section 3.1.1: to the bare address, with an id.
	st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: typ, To: contact.Bare(), ID: newID()}, "")
	if err != nil {
		return nil, err
	}
	return c.Send(ctx, st)
}
