package core

import (
	"context"
	"fmt"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/xmltok"
)

// Command is an ad-hoc command of the host or of one of its services (XEP-0050): a module offers it, and whoever speaks the protocol of commands runs it.
type Command struct {
	// At is the domain at which it is offered, one that a module serves (Host.Serve, Host.ServeDomain); zero: the host's own.
	At jid.JID
	// Node names it, Name is for people.
	Node, Name string
	// Action is the right it takes, of the host as object; rights that depend on more are asked by Do, through Permit.
	Action Action
	// Open tells, beside Action, whether the actor may run it now; nil: yes.
	Open func(actor Actor) bool
	// Form is what the first stage asks for, a data form as XML, outside turns; nil: there is one stage only. Its errors are answered as those of Do.
	Form func(ctx context.Context, actor Actor) (string, error)
	// Do runs it, outside turns, with the submitted form: nil without one. It returns the result's payload, a form or a note as XML. Its errors
	// are answered as those of an IQ row.
	Do func(ctx context.Context, e *Event, submitted *xmltok.Node) (payload string, err error)
	// Module is who registered it.
	Module string
}

// CommandTable holds every command.
type CommandTable struct {
	rows []Command
	errs []error
}

// Handle adds a command. Contradictions are reported when the host starts.
func (t *CommandTable) Handle(c Command) {
	if c.Action == "" || c.Do == nil || c.Node == "" || c.Name == "" {
		t.errs = append(t.errs, fmt.Errorf("command %q: incomplete row", c.Node))
	}
	if t.Find(c.At, c.Node) != nil {
		t.errs = append(t.errs, fmt.Errorf("command %q: two rows", c.Node))
	}
	t.rows = append(t.rows, c)
}

// Rows lists all commands in the order of their modules.
func (t *CommandTable) Rows() []Command { return t.rows }

// Find returns the command of a node at a domain (see Command.At), or nil.
func (t *CommandTable) Find(at jid.JID, node string) *Command {
	for i := range t.rows {
		if t.rows[i].At == at && t.rows[i].Node == node {
			return &t.rows[i]
		}
	}
	return nil
}

// Allows tells whether an actor may run the command.
func (c *Command) Allows(actor Actor) bool {
	return Permit(actor, c.Action, Object{}) == nil && (c.Open == nil || c.Open(actor))
}

// Actor is who asks, with the role of the account at the host that is asked: one of another domain of this server has its role there, not here.
func (e *Event) Actor() Actor {
	a := Actor{JID: e.Stanza.From}
	if e.Account.Host == e.Host {
		a.Role = e.Account.Role()
	}
	return a
}

// DiscoNode answers discovery for nodes of the host and of its services (XEP-0030 section 3.2).
type DiscoNode struct {
	// Info and Items answer with a <query/>; ok is false when the node is not theirs.
	Info, Items func(e *Event, node string) (payload string, ok bool, err error)
}

// DiscoNodes are asked one after the other; the first that knows a node answers.
type DiscoNodes []DiscoNode

// Info answers what the node of a request is; ok is false when it names none, or one that nobody knows.
func (d DiscoNodes) Info(e *Event) (payload string, ok bool, err error) {
	return d.first(e, func(n DiscoNode, node string) (string, bool, error) { return n.Info(e, node) })
}

// Items answers what belongs to the node of a request, as Info does.
func (d DiscoNodes) Items(e *Event) (payload string, ok bool, err error) {
	return d.first(e, func(n DiscoNode, node string) (string, bool, error) { return n.Items(e, node) })
}

func (d DiscoNodes) first(e *Event, ask func(n DiscoNode, node string) (string, bool, error)) (payload string, ok bool, err error) {
	p, _ := e.Stanza.Payload()
	node, _ := p.Attr("node")
	for i := 0; i < len(d) && node != "" && !ok; i++ {
		payload, ok, err = ask(d[i], node)
	}
	return payload, ok, err
}
