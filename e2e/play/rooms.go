package play

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Namespaces of XEP-0045.
const (
	nsMUC      = "http://jabber.org/protocol/muc"
	nsMUCAdmin = nsMUC + "#admin"
	nsMUCOwner = nsMUC + "#owner"
)

var (
	entersLine = regexp.MustCompile(`^enters the room(?: as ([a-z0-9-]+))?$`)
	givesLine  = regexp.MustCompile(`^makes ([a-z0-9-]+) (owner|admin|member|outcast|moderator|participant|visitor)$`)
)

// roomVerb tells whether a line without a block is about the room of the play.
func roomVerb(verb string) bool {
	return verb == "makes the room" || entersLine.MatchString(verb) || givesLine.MatchString(verb)
}

// usesRooms tells whether anything in the play concerns the room, which fences then go through.
func (p *Play) usesRooms() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool {
		return roomVerb(strings.TrimSuffix(s.Verb, " with:")) || slices.ContainsFunc(s.Blocks, func(block string) bool { return strings.Contains(block, "{room}") })
	})
}

// roomAddress is a room that no other performance uses.
func (p *Performance) roomAddress() string { return "room-" + p.Run + "@" + p.roomService() }

func (p *Performance) roomService() string { return "rooms." + p.stage.Domain }

// inRoom performs a line about the room; what it causes is discarded, everywhere.
func (p *Performance) inRoom(c *client, verb string, fields string) error {
	if m := entersLine.FindStringSubmatch(verb); m != nil {
		nick := m[1]
		if nick == "" {
			nick = c.role.Name
		}
		if err := p.enter(c, nick); err != nil {
			return err
		}
		return p.discardRoom(c)
	}
	if m := givesLine.FindStringSubmatch(verb); m != nil {
		item := fmt.Sprintf("<item affiliation='%s' jid='%s'/>", m[2], escape(p.clients[m[1]].bare()))
		if slices.Contains([]string{"moderator", "participant", "visitor"}, m[2]) {
			item = fmt.Sprintf("<item role='%s' nick='%s'/>", m[2], m[1])
		}
		if err := p.askRoom(c, fmt.Sprintf("<query xmlns='%s'>%s</query>", nsMUCAdmin, item)); err != nil {
			return err
		}
		return p.discardRoom(c)
	}
	if err := p.enter(c, c.role.Name); err != nil {
		return err
	}
	form := "<x xmlns='jabber:x:data' type='submit'/>" // section 10.1.2: an instant room
	if fields != "" {
		text, err := p.expand(fields)
		if err != nil {
			return err
		}
		form = fmt.Sprintf("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>%s#roomconfig</value></field>%s</x>", nsMUC, text)
	}
	if err := p.askRoom(c, fmt.Sprintf("<query xmlns='%s'>%s</query>", nsMUCOwner, form)); err != nil {
		return err
	}
	return p.discardRoom(c)
}

// enter makes the client an occupant.
func (p *Performance) enter(c *client, nick string) error {
	at := p.roomAddress() + "/" + nick
	if err := c.stanza(fmt.Sprintf("<presence to='%s'><x xmlns='%s'/></presence>", escape(at), nsMUC)); err != nil {
		return err
	}
	if err := p.roomFence(c); err != nil {
		return err
	}
	entered := slices.ContainsFunc(c.pending, func(e event) bool {
		return e.what == isNode && e.node.is(nsClient, "presence") && e.node.get("from") == at && e.node.get("type") == ""
	})
	if !entered {
		return fmt.Errorf("%s could not enter the room as %s", c.role.Name, nick)
	}
	return nil
}

// askRoom makes a request of the room, which must be granted.
func (p *Performance) askRoom(c *client, payload string) error {
	id := p.fenceID()
	if err := c.stanza(fmt.Sprintf("<iq type='set' to='%s' id='%s'>%s</iq>", escape(p.roomAddress()), id, payload)); err != nil {
		return err
	}
	if err := c.until(id); err != nil {
		return err
	}
	if c.refused[id] {
		return fmt.Errorf("the room refuses %s", payload)
	}
	return nil
}

// roomFence returns when everything that the room had to do for c before, and had to send it, is done: a room, too, keeps the order between two parties.
func (p *Performance) roomFence(c *client) error {
	id := p.fenceID()
	err := c.stanza(fmt.Sprintf("<iq type='get' to='%s' id='%s'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", escape(p.roomAddress()), id))
	if err != nil {
		return err
	}
	return c.until(id)
}

// roomRound sends a fence through the room to c behind everything that the others have sent there.
func (p *Performance) roomRound(live []*client, c *client) error {
	if !p.rooms {
		return nil
	}
	for _, other := range append(slices.Clone(live), c) {
		if err := p.roomFence(other); err != nil {
			return err
		}
	}
	return nil
}

// discardRoom passes over whatever the room sends because of what c has done.
func (p *Performance) discardRoom(c *client) error {
	if err := p.roomFence(c); err != nil {
		return err
	}
	for _, other := range p.order {
		if !other.live() {
			continue
		}
		if err := p.roomFence(other); err != nil {
			return err
		}
		other.pending = slices.DeleteFunc(other.pending, func(e event) bool {
			from := ""
			if e.what == isNode {
				from, _, _ = strings.Cut(e.node.get("from"), "/")
			}
			return from == p.roomAddress()
		})
	}
	return nil
}
