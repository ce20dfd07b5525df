package play

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// Play is one parsed play.
type Play struct {
	Path     string
	Title    string            // the first comment
	Fails    map[string]string // why it fails, by kind of server
	MayPass  map[string]bool   // those that do not fail each time
	Streams  string            // why it is performed on streams only, not on what is framed by WebSocket; empty otherwise
	Archive  string            // default of the archive
	Private  bool              // needs a server of its own
	Guests   []string          // roles to whom guests may talk; none: there are no guests
	Cast     []Role
	Contacts []Relation
	Apart    map[[2]string]bool // clients between whom no fence goes
	Steps    []Step
}

// Role is one client of the cast.
type Role struct {
	Name, Account, Resource string
	// Always by this way, whatever the run asks for.
	DirectTLS, STARTTLS, WebSocket bool
	Guest                          bool // has no account; its address is known when it is bound
}

// Relation is a subscription that exists before the play: A's roster holds B with Subscription, and the other way round.
type Relation struct {
	A, B         string
	Subscription string // of A's entry: both or to
}

// Step is one line of a play with its block.
type Step struct {
	Line    int
	Text    string   // the line
	Verb    string   // its normal form
	Client  string   // who acts
	Blocks  []string // the block and its alternatives
	Anyhow  []Step   // of "any order"
	pattern [][]*Node
}

var (
	roleLine     = regexp.MustCompile(`^([a-z0-9-]+) is ([a-z0-9-]+)/(\S+?)( over (?:direct TLS|STARTTLS|WebSocket))?$`)
	contactsLine = regexp.MustCompile(`^([a-z0-9-]+) and ([a-z0-9-]+) are contacts$`)
	apartLine    = regexp.MustCompile(`^([a-z0-9-]+) and ([a-z0-9-]+) are kept apart$`)
	seesLine     = regexp.MustCompile(`^([a-z0-9-]+) sees ([a-z0-9-]+)$`)
	guestLine    = regexp.MustCompile(`^([a-z0-9-]+) is a guest$`)
	guestsLine   = regexp.MustCompile(`^guests may talk to ([a-z0-9-]+)$`)
	archiveLine  = regexp.MustCompile(`^the archive is (always|never|roster)$`)
	peersLine    = regexp.MustCompile(`^#\s*peers: ([a-z]+) (fails|may fail), (.+)$`)
	streamsLine  = regexp.MustCompile(`^#\s*streams only: (.+)$`)
	stepLine     = regexp.MustCompile(`^([a-z0-9-]+)(?:'s)? (.+)$`)
)

// verbs are all that a client can do; true if a block follows.
func verbs() map[string]bool {
	return map[string]bool{
		"opens a connection": false, "opens a stream": false, "secures the stream": false, "authenticates": false, "tries a wrong password": false,
		"connects": false, "comes online": false, "logs in with:": true, "goes offline": false, "sends:": true, "receives:": true, "may receive:": true, "sees features:": true,
		"receives nothing": false, "discards everything": false, "enables carbons": false, "enables stream management": false,
		"makes the room with:": true, "answers no acks": false, "cuts the line": false, "resumes": false, "disconnects": false, "stream ends": false,
	}
}

// ReadFile parses the play in a file.
func ReadFile(path string) (*Play, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, err := Parse(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	p.Path = path
	return p, nil
}

// Parse parses a play. Errors begin with the number of the line.
func Parse(text string) (*Play, error) {
	p := &Play{Fails: map[string]string{}, MayPass: map[string]bool{}, Archive: "always"}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		line := strings.TrimRight(lines[i], " \t\r")
		block, next := indented(lines, i+1)
		err := p.line(line, block, i+1)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", i+1, err)
		}
		i = next
	}
	if p.Title == "" {
		return nil, errors.New("1: the play does not say what it proves")
	}
	return p, p.check()
}

// indented returns the block of indented or empty lines from start, and where it ends.
func indented(lines []string, start int) (block []string, next int) {
	next = start
	for next < len(lines) && (strings.HasPrefix(lines[next], " ") || strings.TrimSpace(lines[next]) == "") {
		block = append(block, lines[next])
		next++
	}
	return block, next
}

func (p *Play) line(line string, block []string, number int) error {
	hasBlock := strings.TrimSpace(strings.Join(block, "")) != ""
	switch {
	case line == "":
		return nil
	case strings.HasPrefix(line, "#"):
		p.comment(line)
		return nil
	case line == "or:":
		if len(p.Steps) == 0 || p.Steps[len(p.Steps)-1].Verb != "receives:" {
			return errors.New(`"or:" without "receives:"`)
		}
		last := &p.Steps[len(p.Steps)-1]
		last.Blocks = append(last.Blocks, join(block))
		return nil
	case line == "any order:":
		return p.anyOrder(block, number)
	case p.header(line):
		return nil
	}
	step, err := parseStep(line, number)
	if err != nil {
		return err
	}
	if hasBlock != strings.HasSuffix(step.Verb, ":") {
		return fmt.Errorf("%q: a block belongs after a colon, and nowhere else", line)
	}
	if hasBlock {
		step.Blocks = []string{join(block)}
	}
	p.Private = p.Private || step.Client == "the"
	p.Steps = append(p.Steps, step)
	return nil
}

func (p *Play) comment(line string) {
	if m := peersLine.FindStringSubmatch(line); m != nil {
		p.Fails[m[1]] = m[3]
		p.MayPass[m[1]] = m[2] == "may fail"
	} else if m := streamsLine.FindStringSubmatch(line); m != nil {
		p.Streams = m[1]
	} else if p.Title == "" {
		p.Title = strings.TrimSpace(strings.TrimPrefix(line, "#"))
	}
}

// header takes a line of the cast.
func (p *Play) header(line string) bool {
	if m := roleLine.FindStringSubmatch(line); m != nil && m[1] != "the" {
		p.Cast = append(p.Cast, Role{Name: m[1], Account: m[2], Resource: m[3], DirectTLS: m[4] == " over direct TLS", STARTTLS: m[4] == " over STARTTLS", WebSocket: m[4] == " over WebSocket"})
		return true
	}
	if m := contactsLine.FindStringSubmatch(line); m != nil {
		p.Contacts = append(p.Contacts, Relation{A: m[1], B: m[2], Subscription: "both"})
		return true
	}
	if m := apartLine.FindStringSubmatch(line); m != nil {
		if p.Apart == nil {
			p.Apart = make(map[[2]string]bool)
		}
		p.Apart[[2]string{m[1], m[2]}], p.Apart[[2]string{m[2], m[1]}] = true, true
		return true
	}
	if m := seesLine.FindStringSubmatch(line); m != nil {
		p.Contacts = append(p.Contacts, Relation{A: m[1], B: m[2], Subscription: "to"})
		return true
	}
	if m := guestLine.FindStringSubmatch(line); m != nil {
		p.Cast = append(p.Cast, Role{Name: m[1], Guest: true})
		return true
	}
	if m := guestsLine.FindStringSubmatch(line); m != nil {
		p.Guests = append(p.Guests, m[1])
		return true
	}
	if m := archiveLine.FindStringSubmatch(line); m != nil {
		p.Archive = m[1]
		return true
	}
	return false
}

func parseStep(line string, number int) (Step, error) {
	m := stepLine.FindStringSubmatch(line)
	if m == nil {
		return Step{}, fmt.Errorf("%q is no line of a play", line)
	}
	step := Step{Line: number, Text: line, Client: m[1], Verb: m[2]}
	if line == "the server restarts" || line == "the server is killed" {
		return step, nil
	}
	if _, known := verbs()[step.Verb]; !known && !roomVerb(step.Verb) {
		return Step{}, fmt.Errorf("%q is nothing that a client can do", step.Verb)
	}
	return step, nil
}

func (p *Play) anyOrder(block []string, number int) error {
	all := Step{Line: number, Text: "any order:", Verb: "any order:"}
	if strings.TrimSpace(join(block)) == "" {
		return errors.New("nothing in any order")
	}
	least := len(block[0]) - len(strings.TrimLeft(block[0], " "))
	inner := make([]string, len(block))
	for i, line := range block {
		inner[i] = line[min(least, len(line)):]
	}
	for i := 0; i < len(inner); {
		body, next := indented(inner, i+1)
		line := strings.TrimSpace(inner[i])
		if line != "" {
			step, err := parseStep(line, number+1+i)
			if err != nil {
				return err
			}
			if step.Verb != "receives:" {
				return fmt.Errorf("%q in any order", line)
			}
			step.Blocks = []string{join(body)}
			all.Anyhow = append(all.Anyhow, step)
		}
		i = next
	}
	p.Steps = append(p.Steps, all)
	return nil
}

// check sees that every name is of the cast and every pattern is XML.
func (p *Play) check() error {
	known := map[string]bool{"the": true}
	for _, r := range p.Cast {
		known[r.Name] = true
	}
	for i := range p.Steps {
		step := &p.Steps[i]
		for _, s := range append([]*Step{step}, pointers(step.Anyhow)...) {
			if s.Verb != "any order:" && !known[s.Client] {
				return fmt.Errorf("%d: %q is not of the cast", s.Line, s.Client)
			}
			if m := givesLine.FindStringSubmatch(s.Verb); m != nil && !known[m[1]] {
				return fmt.Errorf("%d: %q is not of the cast", s.Line, m[1])
			}
			if err := s.compile(); err != nil {
				return fmt.Errorf("%d: %w", s.Line, err)
			}
		}
	}
	return nil
}

func pointers(steps []Step) []*Step {
	var all []*Step
	for i := range steps {
		all = append(all, &steps[i])
	}
	return all
}

func (s *Step) compile() error {
	if s.Verb != "receives:" && s.Verb != "may receive:" && s.Verb != "sees features:" {
		return nil
	}
	for _, block := range s.Blocks {
		nodes, err := ParsePattern(block)
		if err != nil {
			return err
		}
		if len(nodes) == 0 || len(s.Blocks) > 1 && len(nodes) != 1 {
			return errors.New("a block is one element or more, an alternative exactly one")
		}
		s.pattern = append(s.pattern, nodes)
	}
	return nil
}

// join puts the lines of a block together: nothing between two tags, a line break elsewhere.
func join(block []string) string {
	var b strings.Builder
	for _, line := range block {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if text := b.String(); text != "" && !(strings.HasSuffix(text, ">") && strings.HasPrefix(line, "<")) {
			b.WriteString("\n")
		}
		b.WriteString(line)
	}
	return b.String()
}
