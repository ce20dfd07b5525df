package play

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// step performs one line.
func (p *Performance) step(s Step) error {
	if s.Verb == "any order:" {
		return p.anyOrder(s)
	}
	if s.Client == "the" {
		if p.stage.Restart == nil {
			return errors.New("this play needs a server of its own")
		}
		for _, c := range p.order {
			c.orphaned = true
		}
		return p.stage.Restart(p.ctx, s.Verb == "server is killed")
	}
	c := p.clients[s.Client]
	stages := map[string]int{
		"opens a connection": connected, "opens a stream": opened, "secures the stream": secured, "authenticates": authenticated, "connects": bound,
	}
	if stage, ok := stages[s.Verb]; ok {
		return c.advance(stage)
	}
	switch s.Verb {
	case "sends:":
		return p.send(c, s.Blocks[0])
	case "logs in with:":
		wishes, err := p.expand(s.Blocks[0])
		if err != nil {
			return err
		}
		return c.enter(wishes)
	case "receives:":
		return p.receive(c, s.pattern)
	case "sees features:":
		return p.features(c, s.pattern[0][0])
	case "may receive:":
		c.optional = append(c.optional, s.pattern[0]...)
		return nil
	case "makes the room with:":
		return p.inRoom(c, strings.TrimSuffix(s.Verb, " with:"), s.Blocks[0])
	case "receives nothing":
		return p.nothing(c)
	case "discards everything":
		err := p.quiet(c)
		c.pending = nil
		return err
	default:
		return p.act(c, s.Verb)
	}
}

// act performs what has no block.
func (p *Performance) act(c *client, verb string) error {
	switch verb {
	case "tries a wrong password":
		if err := c.advance(secured); err != nil {
			return err
		}
		_, err := c.exchange("not the password")
		return err
	case "comes online":
		return p.online(c)
	case "goes offline":
		return p.offline(c)
	case "enables carbons":
		return p.ask(c, "<enable xmlns='urn:xmpp:carbons:2'/>")
	case "enables stream management":
		if err := p.send(c, "<enable xmlns='"+nsSM+"' resume='true'/>"); err != nil {
			return err
		}
		pattern, err := ParsePattern("<enabled xmlns='" + nsSM + "' resume='true' …/>")
		if err != nil {
			return err
		}
		return p.receive(c, [][]*Node{pattern})
	case "answers no acks":
		c.autoAck = false
		return nil
	case "cuts the line":
		c.drop()
		return nil
	case "resumes":
		return c.resume()
	case "disconnects":
		if err := c.write("</stream:stream>"); err != nil {
			return err
		}
		return p.end(c, false)
	case "stream ends":
		return p.end(c, true)
	}
	if roomVerb(verb) {
		return p.inRoom(c, verb, "")
	}
	return fmt.Errorf("%q is not known", verb)
}

func (p *Performance) send(c *client, block string) error {
	text, err := p.expand(block)
	if err != nil {
		return err
	}
	c.countSent(text)
	if err := c.write(text); err != nil && c.conn == nil {
		return err
	} else if err != nil {
		// A server may end the stream in the middle of what breaks its rules; what it says about that can still be read.
		p.note(c, "!", err.Error())
	}
	return nil
}

// ask makes a request of the runner's own to the client's account.
func (p *Performance) ask(c *client, payload string) error {
	id := p.fenceID()
	if err := c.stanza(fmt.Sprintf("<iq type='set' id='%s'>%s</iq>", id, payload)); err != nil {
		return err
	}
	return c.until(id)
}

// end waits for the end of stream and connection. Of a stream that the server ends, the closing tag is answered.
func (p *Performance) end(c *client, answer bool) error {
	for {
		e, err := p.take(c, nil)
		if err != nil {
			return fmt.Errorf("%w instead of </stream:stream>", err)
		}
		if e.what == isClose {
			break
		}
		if answer || e.what == isEnd {
			return fmt.Errorf("expected:\n    </stream:stream>\ngot:\n    %v", e)
		}
	}
	if answer {
		_ = c.write("</stream:stream>")
	}
	e, err := c.next()
	if err != nil {
		return fmt.Errorf("%w: the connection stays open", err)
	}
	if e.what != isEnd {
		return fmt.Errorf("after the end of the stream came\n    %v", e)
	}
	c.drop()
	return nil
}

// receive waits for the elements of one of the alternatives, in order.
func (p *Performance) receive(c *client, alternatives [][]*Node) error {
	if len(alternatives) == 1 {
		for _, pattern := range alternatives[0] {
			if _, err := p.one(c, []*Node{pattern}); err != nil {
				return err
			}
		}
		return nil
	}
	var patterns []*Node
	for _, a := range alternatives {
		patterns = append(patterns, a[0])
	}
	_, err := p.one(c, patterns)
	return err
}

// one waits for one element that fits one of the patterns, and returns which.
func (p *Performance) one(c *client, patterns []*Node) (int, error) {
	e, err := p.take(c, patterns)
	if err != nil {
		return 0, p.mismatch(patterns, err.Error(), nil)
	}
	var misses []string
	if e.node != nil {
		for i, pattern := range patterns {
			bound, miss := Match(pattern, e.node, p.values)
			if miss == nil {
				p.values = bound
				return i, nil
			}
			misses = append(misses, miss.Error())
		}
	}
	return 0, p.mismatch(patterns, e.String(), misses)
}

// features compares the last stream features.
func (p *Performance) features(c *client, pattern *Node) error {
	if c.features == nil {
		return fmt.Errorf("%s has no stream", c.role.Name)
	}
	bound, err := Match(pattern, c.features, p.values)
	if err != nil {
		return p.mismatch([]*Node{pattern}, c.features.String(), []string{err.Error()})
	}
	p.values = bound
	return nil
}

func (p *Performance) mismatch(patterns []*Node, got string, misses []string) error {
	var want []string
	for _, pattern := range patterns {
		want = append(want, "    "+strings.ReplaceAll(shown(pattern.String(), p.values), "\n", "\n    "))
	}
	text := "expected:\n" + strings.Join(want, "\n  or\n") + "\ngot:\n    " + strings.ReplaceAll(got, "\n", "\n    ")
	for _, miss := range misses {
		text += "\nbecause: " + miss
	}
	return errors.New(text)
}

// take returns the next event that fits a pattern or is not to be passed over.
func (p *Performance) take(c *client, patterns []*Node) (event, error) {
	for {
		e, err := c.next()
		if err != nil || e.what != isNode {
			return e, err
		}
		p.counters()
		if p.fits(patterns, e.node) || !p.passed(c, e.node) {
			return e, nil
		}
	}
}

func (p *Performance) fits(patterns []*Node, n *Node) bool {
	for _, pattern := range patterns {
		if _, err := Match(pattern, n, p.values); err == nil {
			return true
		}
	}
	return false
}

// passed tells whether an element nobody asked for is passed over: acknowledgements, which a server may send and ask for at any time (XEP-0198 section 4), and what the
// client may receive, and presence of a room itself, which says what software and which picture it has.
func (p *Performance) passed(c *client, n *Node) bool {
	ofRoom := p.rooms && n.is(nsClient, "presence") && strings.HasSuffix(n.get("from"), "@"+p.roomService()) && n.get("type") != "error"
	return ofRoom || n.is(nsSM, "a") || n.is(nsSM, "r") || p.fits(c.optional, n)
}

// anyOrder waits for a set of elements, each client's in any order.
func (p *Performance) anyOrder(s Step) error {
	wanted := map[string][]*Node{}
	var names []string
	for _, inner := range s.Anyhow {
		if len(wanted[inner.Client]) == 0 {
			names = append(names, inner.Client)
		}
		wanted[inner.Client] = append(wanted[inner.Client], inner.pattern[0]...)
	}
	for _, name := range names {
		if err := p.bag(p.clients[name], wanted[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p *Performance) bag(c *client, patterns []*Node) error {
	for len(patterns) > 0 {
		i, err := p.one(c, patterns)
		if err != nil {
			return err
		}
		patterns = slices.Delete(patterns, i, i+1)
	}
	return nil
}
