package play

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (p *Performance) fenceID() string {
	p.fence++
	return fmt.Sprintf("fence-%d", p.fence)
}

// until keeps what comes for later until the fence has come.
func (c *client) until(id string) error {
	for !c.fences[id] {
		e, mine, err := c.read()
		if err != nil {
			return fmt.Errorf("%s: waiting for %s: %w", c.role.Name, id, err)
		}
		if e.what == isEnd {
			return fmt.Errorf("%s: the connection ended before %s", c.role.Name, id)
		}
		if !mine {
			c.pending = append(c.pending, e)
		}
	}
	return nil
}

// headline sends a message that is neither kept nor copied and that reaches any bound resource (RFC 6121 section 8.5.3.1).
func (p *Performance) headline(from, to *client) error {
	id := p.fenceID()
	err := from.stanza(fmt.Sprintf("<message type='headline' to='%s' id='%s'><no-store xmlns='urn:xmpp:hints'/></message>", escape(to.full), id))
	if err != nil {
		return err
	}
	return to.until(id)
}

// breath is what a server may need to write to its disk what it then tells, on a machine that has nothing else to do; rounds bounds how often we
// wait for it.
const (
	breath = 30 * time.Millisecond
	rounds = 20
)

// quiet returns when everything that was on its way to c has come: two breaths in a row have brought nothing. A machine on which a round of
// fences takes long is busy, and its disk takes longer, too.
func (p *Performance) quiet(c *client) error {
	if err := p.written(); err != nil {
		return err
	}
	began := time.Now()
	if err := p.round(c); err != nil {
		return err
	}
	took := time.Since(began)
	for calm, n := 0, 0; calm < 2 && n < rounds; n++ {
		before := len(c.pending)
		time.Sleep(breath + 5*took)
		began := time.Now()
		if err := p.round(c); err != nil {
			return err
		}
		took = max(took, time.Since(began))
		if calm++; before != len(c.pending) {
			calm = 0
		}
	}
	return nil
}

// written returns when the server has written what everybody has made it keep so far: it answers no private storage (XEP-0049) before that is on
// its disk, which takes things in their order. Somebody who may store nothing is told so, which is as good.
func (p *Performance) written() error {
	for _, c := range p.order {
		if !c.live() {
			continue
		}
		id := p.fenceID()
		err := c.stanza("<iq type='set' id='" + id + "'><query xmlns='jabber:iq:private'><fence xmlns='urn:example:fence'/></query></iq>")
		if err == nil {
			err = c.until(id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// round sends a fence through everything that is connected to c.
func (p *Performance) round(c *client) error {
	var live []*client
	for _, other := range p.order {
		if other.live() {
			live = append(live, other)
		}
	}
	if !slices.Contains(live, c) {
		return fmt.Errorf("%s is not connected", c.role.Name)
	}
	for _, other := range live {
		id := p.fenceID()
		if err := other.stanza(fmt.Sprintf("<iq type='get' to='%s' id='%s'><ping xmlns='urn:xmpp:ping'/></iq>", p.stage.Domain, id)); err != nil {
			return err
		}
		if err := other.until(id); err != nil {
			return err
		}
		if err := p.headline(other, other); err != nil {
			return err
		}
	}
	for _, other := range live {
		if other != c && !p.Play.Apart[[2]string{other.role.Name, c.role.Name}] && !other.role.Guest && !c.role.Guest { // who may not talk to each other
			if err := p.headline(other, c); err != nil {
				return err
			}
		}
	}
	return p.roomRound(live, c)
}

// nothing sees that nothing has come that may not be passed over.
func (p *Performance) nothing(c *client) error {
	if err := p.quiet(c); err != nil {
		return err
	}
	for len(c.pending) > 0 {
		e := c.pending[0]
		c.pending = c.pending[1:]
		if e.what != isNode || !p.passed(c, e.node) {
			return errors.New("expected nothing, got:\n    " + strings.ReplaceAll(e.String(), "\n", "\n    "))
		}
	}
	return nil
}

// online logs a client in as people do, out of sight.
func (p *Performance) online(c *client) error {
	if err := c.advance(bound); err != nil {
		return err
	}
	id := p.fenceID()
	if err := c.stanza(fmt.Sprintf("<iq type='get' id='%s'><query xmlns='jabber:iq:roster'/></iq>", id)); err != nil {
		return err
	}
	if err := c.until(id); err != nil {
		return err
	}
	if err := c.stanza("<presence/>"); err != nil {
		return err
	}
	if err := p.discard(c, ""); err != nil {
		return err
	}
	c.pending = nil
	return nil
}

// offline logs a client off, out of sight.
func (p *Performance) offline(c *client) error {
	if err := c.stanza("<presence type='unavailable'/>"); err != nil {
		return err
	}
	if err := p.discard(c, "unavailable"); err != nil {
		return err
	}
	if err := c.write("</stream:stream>"); err != nil {
		return err
	}
	return p.end(c, false)
}

// discard passes over presence of c at everybody.
func (p *Performance) discard(c *client, kind string) error {
	for _, other := range p.order {
		if !other.live() {
			continue
		}
		if err := p.quiet(other); err != nil {
			return err
		}
		other.pending = slices.DeleteFunc(other.pending, func(e event) bool {
			return e.what == isNode && e.node.is(nsClient, "presence") && e.node.get("from") == c.full && e.node.get("type") == kind
		})
	}
	return nil
}
