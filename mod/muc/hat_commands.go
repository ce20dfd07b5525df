package muc

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/xmpp/disco"
	"stonechat/xmpp/form"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// The nodes of the commands of sections 3.2 to 3.7.
const hatNodes = "urn:xmpp:hats:commands:"

// hatCommand is one command: it reads what was submitted and says what shall be.
type hatCommand struct {
	name, title string
	fields      func(x *room) []form.Field // of its form; nil: it has none
	do          func(m *Module, x *room, f *form.Form) (wardrobe, error)
	list        func(x *room) *form.Form // instead of do
	open        bool                     // for everybody who may read what is said
}

func hatCommands() []hatCommand {
	text := func(name, label string, required bool) form.Field {
		return form.Field{Var: name, Type: form.TextSingle, Label: label, Required: required}
	}
	choice := func(x *room) form.Field {
		f := form.Field{Var: "hats#uri", Type: form.ListSingle, Label: "The hat", Required: true}
		for _, h := range x.hats {
			f.Options = append(f.Options, form.Option{Label: h.Title, Value: h.URI})
		}
		return f
	}
	person := func(x *room) []form.Field {
		return []form.Field{{Var: "hats#jid", Type: form.JIDSingle, Label: "Address", Required: true}, choice(x)}
	}
	return []hatCommand{
		{name: "create", title: "Make or change a hat", do: (*Module).makeHat, fields: func(*room) []form.Field {
			return []form.Field{text("hats#title", "Title", true), text("hats#uri", "URI", true), text("hats#hue", "Hue, from 0 to 360", false)}
		}},
		{name: "destroy", title: "Do away with a hat", do: (*Module).dropHat, fields: func(x *room) []form.Field { return []form.Field{choice(x)} }},
		{name: "list", title: "List the hats", list: (*room).listHats, open: true},
		{name: "assign", title: "Give somebody a hat", do: (*Module).giveHat, fields: person},
		{name: "unassign", title: "Take a hat from somebody", do: (*Module).takeHat, fields: person},
		{name: "list-assigned", title: "List who wears which hat", list: (*room).listWorn},
	}
}

// mayRun: hats are for admins and owners to make and to give.
func (c *hatCommand) mayRun(x *room, s standing) *stanza.Error {
	switch {
	case x.locked && s.affiliation < muc.Owner:
		return errNoRoom
	case s.affiliation >= muc.Admin, c.open && x.mayRead(s):
		return nil
	}
	return forbidden("only admins and owners make and give hats")
}

// commandItems are the commands that somebody may run (XEP-0050 section 2.2).
func (x *room) commandItems(s standing) (out []disco.Item) {
	for _, c := range hatCommands() {
		if c.mayRun(x, s) == nil {
			out = append(out, disco.Item{JID: x.address, Node: hatNodes + c.name, Name: c.title})
		}
	}
	return out
}

// commandInfo is what one of them is, or their list; nil: there is no such node.
func (x *room) commandInfo(node string) *disco.Info {
	i := &disco.Info{Node: node, Features: []string{ns.Commands, ns.DataForm}}
	if node == ns.Commands {
		i.Identities = []disco.Identity{{Category: "automation", Type: "command-list", Name: "Commands"}}
		return i
	}
	for _, c := range hatCommands() {
		if node == hatNodes+c.name {
			i.Identities = []disco.Identity{{Category: "automation", Type: "command-node", Name: c.title}}
			return i
		}
	}
	return nil
}

// command is XEP-0050 for the commands of XEP-0317. Nothing is kept of a session: what is submitted is judged alone, with a session or without one, as
// section 3.3 lets clients do.
func (m *Module) command(_ context.Context, e *core.Event) (core.Answer, error) {
	x := m.rooms.Of(e.Room)
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, err
	}
	name, ours := strings.CutPrefix(tree.Attr("node"), hatNodes)
	all := hatCommands()
	i := slices.IndexFunc(all, func(c hatCommand) bool { return ours && c.name == name })
	if i < 0 {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "no such command")
	}
	c := &all[i]
	if err := c.mayRun(x, x.standingOf(e.Stanza.From)); err != nil {
		return core.Answer{}, err
	}
	m.behind(e)
	session := cmp.Or(tree.Attr("sessionid"), rand.Text())
	answer := func(status string, payload []byte) core.Answer {
		b := xmltok.AppendAttr([]byte("<command xmlns='"+ns.Commands+"'"), "node", hatNodes+c.name)
		b = xmltok.AppendAttr(xmltok.AppendAttr(b, "sessionid", session), "status", status)
		b = append(append(append(b, '>'), payload...), "</command>"...)
		return core.Answer{Payload: string(b)}
	}
	asked := tree.Child(ns.DataForm, "x")
	switch {
	case tree.Attr("action") == "cancel":
		return answer("canceled", nil), nil
	case c.list != nil:
		return answer("completed", c.list(x).AppendXML(nil)), nil
	case asked == nil:
		f := form.New(form.Prompt, "urn:xmpp:hats:commands", c.fields(x)...)
		f.Title = c.title
		return answer("executing", f.AppendXML([]byte("<actions execute='complete'><complete/></actions>"))), nil
	}
	f, err := form.ParseSubmit(asked)
	if err != nil {
		return core.Answer{}, err
	}
	next, err := c.do(m, x, f)
	if err != nil {
		return core.Answer{}, err
	}
	return answer("completed", nil), m.dress(e, x, next)
}

// table is a form of results (XEP-0004 section 3.4).
func table(title string, columns []string, rows [][]form.Field) *form.Form {
	f := &form.Form{Type: form.Result, Title: title, Items: rows}
	for _, name := range columns {
		f.Reported = append(f.Reported, form.Field{Var: name})
	}
	return f
}

// listHats is section 3.4.
func (x *room) listHats() *form.Form {
	var rows [][]form.Field
	for i := range x.hats {
		rows = append(rows, x.hats[i].fields())
	}
	return table("Hats", []string{"hats#title", "hats#uri", "hats#hue"}, rows)
}

// listWorn is section 3.7.
func (x *room) listWorn() *form.Form {
	var rows [][]form.Field
	for who, p := range x.people {
		for _, uri := range p.hats {
			if h := x.hat(uri); h != nil {
				rows = append(rows, append([]form.Field{{Var: "hats#jid", Values: []string{who.String()}}}, h.fields()...))
			}
		}
	}
	slices.SortFunc(rows, func(a, b []form.Field) int {
		return cmp.Or(cmp.Compare(a[0].Value(), b[0].Value()), cmp.Compare(a[2].Value(), b[2].Value()))
	})
	return table("Who wears which hat", []string{"hats#jid", "hats#title", "hats#uri", "hats#hue"}, rows)
}
