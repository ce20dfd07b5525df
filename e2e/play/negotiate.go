package play

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// advance negotiates up to a stage.
func (c *client) advance(to int) error {
	if c.conn == nil || c.ended || c.orphaned {
		c.stage = nowhere
	}
	for c.stage < to {
		var err error
		switch c.stage {
		case nowhere:
			err = c.dial()
		case connected:
			err = c.open(opened)
			if err == nil && c.way != STARTTLS {
				c.stage = secured
			}
		case opened:
			err = c.startTLS()
		case secured:
			err = c.login(c.show.password)
		case authenticated:
			err = c.bind()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open sends a stream header and receives header and features.
func (c *client) open(stage int) error {
	err := c.write(fmt.Sprintf("<?xml version='1.0'?><stream:stream to='%s' version='1.0' xml:lang='en' xmlns='%s' xmlns:stream='%s'>", c.show.stage.Domain, nsClient, nsStream))
	if err != nil {
		return err
	}
	e, err := c.next()
	if err != nil || e.what != isHeader {
		return errors.Join(err, fmt.Errorf("no stream header but %v", e))
	}
	if e, err = c.next(); err != nil || e.what != isNode || !e.node.is(nsStream, "features") {
		return errors.Join(err, fmt.Errorf("no stream features but %v", e))
	}
	c.features, c.stage = e.node, stage
	return nil
}

func (c *client) startTLS() error {
	if err := c.write("<starttls xmlns='" + nsTLS + "'/>"); err != nil {
		return err
	}
	e, err := c.next()
	if err != nil || e.what != isNode || !e.node.is(nsTLS, "proceed") {
		return errors.Join(err, fmt.Errorf("no <proceed/> but %v", e))
	}
	if err := c.encrypt(); err != nil {
		return err
	}
	return c.open(secured)
}

func (c *client) login(password string) error {
	if c.role.Guest {
		return c.loginGuest()
	}
	s, err := c.exchange(password)
	if err != nil {
		return err
	}
	e, err := c.next()
	if err != nil || e.what != isNode || !e.node.is(nsSASL, "success") {
		return errors.Join(err, fmt.Errorf("no <success/> but %v", e))
	}
	last, err := base64.StdEncoding.DecodeString(e.node.Text)
	if err == nil {
		err = s.verify(string(last))
	}
	if err != nil {
		return err
	}
	return c.open(authenticated)
}

// loginGuest is XEP-0175 section 4.
func (c *client) loginGuest() error {
	if err := c.write("<auth xmlns='" + nsSASL + "' mechanism='ANONYMOUS'/>"); err != nil {
		return err
	}
	e, err := c.next()
	if err != nil || e.what != isNode || !e.node.is(nsSASL, "success") {
		return errors.Join(err, fmt.Errorf("no <success/> but %v", e))
	}
	return c.open(authenticated)
}

// exchange runs SASL up to the last answer of the client.
func (c *client) exchange(password string) (*scram, error) {
	mechanism := ""
	if offered := c.features.child(nsSASL, "mechanisms"); offered != nil {
		for _, m := range offered.Children {
			if scramHash(m.Text) != nil && (mechanism == "" || m.Text == "SCRAM-SHA-256") {
				mechanism = m.Text
			}
		}
	}
	if mechanism == "" {
		return nil, errors.New("no SCRAM is offered")
	}
	s := &scram{hash: scramHash(mechanism), password: password}
	first := base64.StdEncoding.EncodeToString([]byte(s.first(c.user, "nonce"+c.show.Run)))
	if err := c.write(fmt.Sprintf("<auth xmlns='%s' mechanism='%s'>%s</auth>", nsSASL, mechanism, first)); err != nil {
		return nil, err
	}
	e, err := c.next()
	if err != nil || e.what != isNode || !e.node.is(nsSASL, "challenge") {
		return nil, errors.Join(err, fmt.Errorf("no <challenge/> but %v", e))
	}
	challenge, err := base64.StdEncoding.DecodeString(e.node.Text)
	if err != nil {
		return nil, err
	}
	final, err := s.final(string(challenge))
	if err != nil {
		return nil, err
	}
	answer := base64.StdEncoding.EncodeToString([]byte(final))
	return s, c.write(fmt.Sprintf("<response xmlns='%s'>%s</response>", nsSASL, answer))
}

func (c *client) bind() error {
	c.managed, c.sent, c.received, c.sm = false, 0, 0, ""
	resource := "<resource>" + c.role.Resource + "</resource>"
	if c.role.Guest {
		resource = ""
	}
	err := c.write(fmt.Sprintf("<iq type='set' id='fence-keep-bind'><bind xmlns='%s'>%s</bind></iq>", nsBind, resource))
	if err != nil {
		return err
	}
	e, err := c.next()
	if err != nil {
		return err
	}
	if e.what == isNode {
		if result := e.node.child(nsBind, "bind"); result != nil && result.child(nsBind, "jid") != nil {
			c.full, c.stage = result.child(nsBind, "jid").Text, bound
			c.show.values[c.role.Name+".full"] = c.full
			if bare, resource, ok := strings.Cut(c.full, "/"); ok && c.role.Guest {
				c.user = strings.TrimSuffix(bare, "@"+c.show.stage.Domain)
				c.show.values[c.role.Name+".bare"], c.show.values[c.role.Name+".resource"] = bare, resource
			}
			return nil
		}
	}
	return fmt.Errorf("no resource is bound: %v", e)
}

// resume takes the stream up on a new connection (XEP-0198 section 5).
func (c *client) resume() error {
	c.drop()
	if err := c.advance(authenticated); err != nil {
		return err
	}
	if err := c.write(fmt.Sprintf("<resume xmlns='%s' previd='%s' h='%d'/>", nsSM, c.sm, c.received)); err != nil {
		return err
	}
	e, err := c.next()
	if err != nil || e.what != isNode || !e.node.is(nsSM, "resumed") || e.node.get("previd") != c.sm {
		return errors.Join(err, fmt.Errorf("no <resumed/> but %v", e))
	}
	c.stage = bound
	c.show.values[c.role.Name+".handled"] = e.node.get("h")
	return nil
}
