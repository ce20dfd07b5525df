package core

import (
	"context"
	"fmt"

	"stonechat/xmpp/xmltok"
)

// Command is an ad-hoc command of the host (XEP-0050): a module offers it, and whoever speaks the protocol of commands runs it.
type Command struct {
	// Node names it, Name is for people.
	Node, Name string
	// Action is the right it takes, of the host as object; rights that depend on more are asked by Do, through Permit.
	Action Action
	// Open tells, beside Action, whether the actor may run it now; nil: yes.
	Open func(actor Actor) bool
	// Form is what the first stage asks for, a data form as XML; nil: there is one stage only. It is called outside turns, too.
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
	if t.Find(c.Node) != nil {
		t.errs = append(t.errs, fmt.Errorf("command %q: two rows", c.Node))
	}
	t.rows = append(t.rows, c)
}

// Rows lists all commands in the order of their modules.
func (t *CommandTable) Rows() []Command { return t.rows }

// Find returns the command of a node, or nil.
func (t *CommandTable) Find(node string) *Command {
	for i := range t.rows {
		if t.rows[i].Node == node {
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

// DiscoNode answers discovery for nodes of the host (XEP-0030 section 3.2).
type DiscoNode struct {
	// Info and Items answer with a <query/>; ok is false when the node is not theirs.
	Info, Items func(e *Event, node string) (payload string, ok bool, err error)
}
