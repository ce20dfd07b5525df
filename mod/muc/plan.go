package muc

import (
	"strings"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

// This file judges what moderators, admins and owners want of people, before anything is done.

// change is what shall change of one person.
type change struct {
	item     muc.Item
	occupant *occupant // of a role
	who      jid.JID   // of an affiliation
	person   person    // as it will be
	knows    bool      // who it is about has caused it, and is not told by message
}

// kept is the change as the store keeps it.
func (c *change) kept() store.Affiliation {
	return store.Affiliation{
		JID: c.who.String(), Kind: kindOf(c.person.affiliation), Nick: strings.Clone(c.person.nick.shown), Reason: strings.Clone(c.person.reason),
		Hats: strings.Join(c.person.hats, " "), Been: c.person.been,
	}
}

// plan judges every item by the rules.
func (m *Module) plan(x *room, from jid.JID, items []muc.Item) ([]change, error) {
	actor := x.standingOf(from)
	items, err := x.addressed(items)
	if err != nil {
		return nil, err
	}
	owners, err := x.ownersWith(items)
	if err != nil {
		return nil, err
	}
	more, nicks := 0, make(map[string]bool)
	var out []change
	for _, i := range items {
		i.Reason = clip(i.Reason)
		if i.HasRole {
			o, err := x.mayGive(actor, from, i)
			if err != nil {
				return nil, err
			}
			out = append(out, change{item: i, occupant: o})
			continue
		}
		was, known := x.people[i.JID]
		self := i.JID == from.Bare()
		if err := mayChangeAffiliation(actor.affiliation, was.affiliation, self, i.Affiliation, owners); err != nil {
			return nil, err
		}
		if i.HasNick && i.Nick != was.nick.shown && !mayName(actor.affiliation, was.affiliation, self) {
			return nil, forbidden("the nicks of admins and owners are reserved by owners")
		}
		if was.affiliation == muc.Owner && i.Affiliation < muc.Owner {
			owners-- // two in one request leave the room without one
		}
		if !known {
			if more++; len(x.people)+more > m.config.Affiliations {
				return nil, stanza.NewError(stanza.ResourceConstraint, "this room remembers too many people")
			}
		}
		p, err := m.becomes(x, was, i)
		if err != nil {
			return nil, err
		}
		if nicks[p.nick.key] {
			return nil, errConflict
		}
		if p.nick.key != "" {
			nicks[p.nick.key] = true
		}
		out = append(out, change{item: i, who: i.JID, person: p})
	}
	return out, nil
}

// addressed are items in which an affiliation has an address. Section 9.3 and its like have it so; some clients name an occupant instead, which says as well
// who is meant.
func (x *room) addressed(items []muc.Item) ([]muc.Item, error) {
	for k, i := range items {
		if i.HasRole || !i.JID.IsZero() {
			continue
		}
		o := x.named(i.Nick)
		if o == nil {
			return nil, errNobody
		}
		items[k].JID, items[k].Nick, items[k].HasNick = o.account, "", false
	}
	return items, nil
}

// ownersWith is how many owners the room has with those who shall become one. All items hold together, so an address is named once.
func (x *room) ownersWith(items []muc.Item) (int, error) {
	n, named := x.owners(), make(map[jid.JID]bool, len(items))
	for _, i := range items {
		switch {
		case i.HasRole:
			continue
		case named[i.JID]:
			return 0, stanza.NewError(stanza.BadRequest, "somebody is named twice")
		case i.Affiliation == muc.Owner && x.people[i.JID].affiliation != muc.Owner:
			n++
		}
		named[i.JID] = true
	}
	return n, nil
}

// mayGive is the occupant whom an item gives another role, if the actor may.
func (x *room) mayGive(actor standing, from jid.JID, i muc.Item) (*occupant, error) {
	o := x.named(i.Nick)
	if o == nil {
		return nil, errNobody
	}
	if err := mayChangeRole(actor, standing{x.affiliation(o.account), o.role}, o.account == from.Bare(), i.Role); err != nil {
		return nil, err
	}
	return o, nil
}

// becomes is a person with another affiliation, and perhaps another reserved nick (sections 9.1, 9.3 and 9.5).
func (m *Module) becomes(x *room, was person, i muc.Item) (person, error) {
	p := person{affiliation: i.Affiliation, nick: was.nick, reason: i.Reason, hats: was.hats, been: was.been || x.here[i.JID] > 0}
	switch {
	case i.JID.IsDomain() && i.Affiliation > muc.Unaffiliated:
		return p, stanza.NewError(stanza.NotAcceptable, "a domain can only be banned")
	case i.Affiliation < muc.Member || i.HasNick && i.Nick == "":
		p.nick = nick{} // section 9.1: an outcast has none
		if i.Affiliation == muc.Outcast {
			p.hats = nil
		}
		p.been = p.been && i.Affiliation >= muc.Member
	case i.Nick != "":
		n, err := nickOf(i.Nick, m.config.Nick)
		if err != nil {
			return p, err
		}
		if err := x.free(n, i.JID); err != nil {
			return p, err
		}
		p.nick = n
	}
	return p, nil
}
