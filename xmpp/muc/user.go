package muc

import (
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Invite is an invitation by way of the room (section 7.8.2), or the answer to one.
type Invite struct {
	// To is who is invited, From who invites; a room's message has the latter alone. For a refusal it is the other way round.
	To, From jid.JID
	// Reason is a text for people.
	Reason string
	// Continue: a conversation of two goes on in the room (section 7.9), perhaps in a thread.
	Continue bool
	Thread   string
}

// User is what a message says in <x xmlns='http://jabber.org/protocol/muc#user'/>.
type User struct {
	Invites  []Invite
	Decline  *Invite
	Password string // of the room; it is for who is invited
	// Items, Status and Destroy are what only rooms say.
	Items   []Item
	Status  []Status
	Destroy *Destroy
	// Since and Until are versions of the list of affiliations before and after (XEP-0463 section 4.2); empty: not told.
	Since, Until string
}

// ParseUser reads the element.
func ParseUser(n *xmltok.Node) (User, error) {
	var u User
	if !n.Is(ns.MUCUser, "x") {
		return u, ErrNotMUC
	}
	for _, c := range n.Children {
		if c.Is(ns.MUCAffiliations, "mav") {
			u.Since, u.Until = c.Attr("since"), c.Attr("until")
		}
		if c.Space != ns.MUCUser {
			continue
		}
		if err := u.child(c); err != nil {
			return User{}, err
		}
	}
	return u, nil
}

// child takes one child of the element.
func (u *User) child(c *xmltok.Node) (err error) {
	switch c.Local {
	case "invite":
		if len(u.Invites) == MaxInvites {
			return ErrTooMany
		}
		i, err := parseInvite(c)
		if err != nil {
			return err
		}
		u.Invites = append(u.Invites, i)
	case "decline":
		i, err := parseInvite(c)
		if err != nil {
			return err
		}
		u.Decline = &i
	case "password":
		u.Password = c.Text()
	case "item":
		if len(u.Items) == MaxItems {
			return ErrTooMany
		}
		i, err := parseItem(c, ns.MUCUser)
		if err != nil {
			return err
		}
		u.Items = append(u.Items, i)
	case "status":
		if s, ok := parseStatus(c.Attr("code")); ok && len(u.Status) < MaxItems {
			u.Status = append(u.Status, s)
		}
	case "destroy":
		u.Destroy, err = parseDestroy(c, ns.MUCUser)
	}
	return err
}

// appendVersions appends the element of XEP-0463 section 4.
func appendVersions(dst []byte, since, until string) []byte {
	dst = append(dst, "<mav xmlns='"+ns.MUCAffiliations+"'"...)
	if since != "" {
		dst = xmltok.AppendAttr(dst, "since", since)
	}
	if until != "" {
		dst = xmltok.AppendAttr(dst, "until", until)
	}
	return append(dst, "/>"...)
}

// parseStatus reads a code of three digits; what is none has no meaning.
func parseStatus(text string) (Status, bool) {
	if len(text) != 3 {
		return 0, false
	}
	var s Status
	for i := range 3 {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		s = s*10 + Status(text[i]-'0')
	}
	return s, s >= 100
}

func parseInvite(n *xmltok.Node) (Invite, error) {
	i := Invite{Reason: n.Child(ns.MUCUser, "reason").Text()}
	for _, a := range []struct {
		name string
		to   *jid.JID
	}{{"to", &i.To}, {"from", &i.From}} {
		text, has := n.Lookup("", a.name)
		if !has {
			continue
		}
		address, err := jid.Parse(text)
		if err != nil {
			return i, ErrAddress
		}
		*a.to = address
	}
	if c := n.Child(ns.MUCUser, "continue"); c != nil {
		i.Continue, i.Thread = true, c.Attr("thread")
	}
	return i, nil
}

// appendXML appends an invite or decline for the inside of <x/>.
func (i *Invite) appendXML(dst []byte, name string) []byte {
	dst = append(append(dst, '<'), name...)
	if !i.To.IsZero() {
		dst = xmltok.AppendAttr(dst, "to", i.To.String())
	}
	if !i.From.IsZero() {
		dst = xmltok.AppendAttr(dst, "from", i.From.String())
	}
	if i.Reason == "" && !i.Continue {
		return append(dst, "/>"...)
	}
	dst = appendElement(append(dst, '>'), "reason", i.Reason)
	if i.Continue {
		dst = append(dst, "<continue"...)
		if i.Thread != "" {
			dst = xmltok.AppendAttr(dst, "thread", i.Thread)
		}
		dst = append(dst, "/>"...)
	}
	return append(append(append(dst, "</"...), name...), '>')
}

// AppendDirect appends the invitation in the form of a direct one to a room (XEP-0249 section 2), with the room's password if that is not empty.
func (i *Invite) AppendDirect(dst []byte, room jid.JID, password string) []byte {
	dst = xmltok.AppendAttr(append(dst, "<x xmlns='"+ns.Conference+"'"...), "jid", room.String())
	if password != "" {
		dst = xmltok.AppendAttr(dst, "password", password)
	}
	if i.Reason != "" {
		dst = xmltok.AppendAttr(dst, "reason", i.Reason)
	}
	if i.Continue {
		dst = append(dst, " continue='true'"...)
		if i.Thread != "" {
			dst = xmltok.AppendAttr(dst, "thread", i.Thread)
		}
	}
	return append(dst, "/>"...)
}

// AppendXML appends the element with its own namespace declaration and returns the extended slice.
func (u *User) AppendXML(dst []byte) []byte {
	dst = append(dst, "<x xmlns='"+ns.MUCUser+"'>"...)
	for i := range u.Invites {
		dst = u.Invites[i].appendXML(dst, "invite")
	}
	if u.Decline != nil {
		dst = u.Decline.appendXML(dst, "decline")
	}
	dst = appendElement(dst, "password", u.Password)
	return u.appendRest(dst, true)
}

// appendRest appends what presence has, too, and the end of the element.
func (u *User) appendRest(dst []byte, withJID bool, more ...Status) []byte {
	if u.Since != "" || u.Until != "" {
		dst = appendVersions(dst, u.Since, u.Until)
	}
	for i := range u.Items {
		dst = u.Items[i].appendXML(dst, withJID)
	}
	if u.Destroy != nil {
		dst = u.Destroy.appendXML(dst)
	}
	for _, s := range more {
		dst = s.AppendXML(dst)
	}
	for _, s := range u.Status {
		dst = s.AppendXML(dst)
	}
	return append(dst, "</x>"...)
}

// Presence is what a room tells of one occupant. It is made once and written for each kind of reader, so that all readers of a kind share bytes.
type Presence struct {
	// From is the occupant's address in the room.
	From jid.JID
	// Type is Available or Unavailable; ID and Lang are the client's own.
	Type     stanza.Type
	ID, Lang string
	// Content is what the occupant's client says of itself, encoded and without anything that is for the room alone to say (Cleaned).
	Content string
	// OccupantID is that of XEP-0421; empty: none.
	OccupantID string
	// Item has the occupant's affiliation, role and address; the reason and the actor of a change.
	Item Item
	// Status are codes that every reader gets.
	Status []Status
	// Destroy says that the room is no more.
	Destroy *Destroy
	// Since and Until are as with User.
	Since, Until string
	// Extra is encoded XML of the room's own.
	Extra string
}

// For writes the presence for readers of one kind: those who see addresses or not, with codes for them alone. The stanza has no receiver and is
// sealed. The error is that of stanza.New, when Content or Extra are not well-formed.
func (p *Presence) For(withJID bool, status ...Status) (*stanza.Stanza, error) {
	u := User{Items: []Item{p.Item}, Status: p.Status, Destroy: p.Destroy, Since: p.Since, Until: p.Until}
	u.Items[0].HasAffiliation, u.Items[0].HasRole = true, true
	b := make([]byte, 0, len(p.Content)+len(p.Extra)+256)
	b = append(b, p.Content...)
	b = append(b, "<x xmlns='"+ns.MUCUser+"'>"...)
	b = u.appendRest(b, withJID, status...)
	b = AppendOccupantID(b, p.OccupantID)
	b = append(b, p.Extra...)
	s, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: p.Type, ID: p.ID, Lang: p.Lang, From: p.From}, string(b))
	if err != nil {
		return nil, err
	}
	return s.Seal(), nil
}

// AppendOccupantID appends the element of XEP-0421, nothing for an empty id.
func AppendOccupantID(dst []byte, id string) []byte {
	if id == "" {
		return dst
	}
	dst = append(dst, "<occupant-id xmlns='"+ns.OccupantID+"'"...)
	return append(xmltok.AppendAttr(dst, "id", id), "/>"...)
}

// Cleaned returns the stanza without what only a room may say (section 13.2; XEP-0421 section 3; XEP-0317), or what is for the room alone, such
// as its password.
func Cleaned(s *stanza.Stanza) *stanza.Stanza {
	return s.Without(func(c stanza.Child) bool {
		switch c.Space {
		case ns.MUC, ns.MUCUser, ns.MUCAdmin, ns.MUCOwner, ns.OccupantID, ns.Hats, ns.HatsLegacy:
			return true
		}
		return false
	})
}
