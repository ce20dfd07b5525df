package commands

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"stonechat/core"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// mostAtOnce is upon how many addresses one submission may act.
const mostAtOnce = 100

// service is one command of XEP-0133: a form, and rows of the control socket that do what it says.
type service struct {
	node, title string // the node behind ns.Admin
	act         core.Action
	fields      []form.Field // none: there is one stage only
	do          func(ctx context.Context, actor core.Actor, f *form.Form) (payload string, err error)
}

// offerService puts the commands of XEP-0133 section 4 into the table, those upon accounts and those that count and list them.
func (m *Module) offerService() {
	for _, s := range slices.Concat(m.accountCommands(), m.listCommands()) {
		row := core.Command{Node: ns.Admin + "#" + s.node, Name: s.title, Action: s.act, Module: m.Name()}
		if s.fields != nil {
			row.Form = func(context.Context, core.Actor) (string, error) { return s.form(s.fields), nil }
		}
		row.Do = func(ctx context.Context, e *core.Event, submitted *xmltok.Node) (string, error) {
			f := &form.Form{}
			if submitted != nil {
				var err error
				if f, err = form.ParseSubmit(submitted); err != nil {
					return "", err
				}
			}
			return s.do(ctx, e.Actor(), f)
		}
		m.host.Commands.Handle(row)
	}
	m.host.Commands.Handle(m.adminList())
}

func (s *service) form(fields []form.Field) string {
	f := form.New(form.Prompt, ns.Admin, fields...)
	f.Title = s.title
	return string(f.AppendXML(nil))
}

// result is a form that tells something (XEP-0133 section 4.9).
func result(fields ...form.Field) *form.Form { return form.New(form.Result, ns.Admin, fields...) }

func xml(f *form.Form) string { return string(f.AppendXML(nil)) }

// note is for people (XEP-0050 section 3.6: what completes and has failed says so in one of type error).
func note(kind, text string) string {
	b := xmltok.AppendAttr([]byte("<note"), "type", kind)
	return string(append(xmltok.AppendEscaped(append(b, '>'), text), "</note>"...))
}

// failed turns an error into a note for who filled in the form, if it is theirs to correct. The rest is answered as an error: what XEP-0133 section 5
// lists, and what is wrong with the server.
func failed(of string, err error) (string, error) {
	var refused *stanza.Error
	if !errors.As(err, &refused) {
		return "", err
	}
	switch refused.Condition {
	case stanza.Conflict, stanza.Forbidden, stanza.NotAllowed:
		return "", err
	}
	return note("error", of+": "+reason(refused)), nil
}

func reason(e *stanza.Error) string {
	if e.Text != "" {
		return e.Text
	}
	return string(e.Condition)
}

// each does something for every address of a field, and says for which it failed. One alone fails as failed says.
func (m *Module) each(field *form.Field, do func(j jid.JID) error) (string, error) {
	if field == nil || len(field.Values) == 0 || len(field.Values) > mostAtOnce {
		return note("error", "between 1 and "+strconv.Itoa(mostAtOnce)+" addresses are needed"), nil
	}
	var notes string
	for _, text := range field.Values {
		j, err := m.parse(text)
		if err == nil {
			err = do(j)
		}
		if err == nil {
			continue
		}
		told, err := failed(text, err)
		var refused *stanza.Error
		switch {
		case err == nil:
		case len(field.Values) > 1 && errors.As(err, &refused):
			told = note("error", text+": "+reason(refused))
		default:
			return "", err
		}
		notes += told
	}
	return notes, nil
}

// one does something for the address of a field.
func (m *Module) one(field *form.Field, do func(j jid.JID) error) (string, error) {
	return m.each(&form.Field{Values: []string{field.Value()}}, do)
}

// call asks a row of the control socket about an account.
func (m *Module) call(ctx context.Context, actor core.Actor, pattern string, of jid.JID, body, into any) error {
	return m.host.HTTP.Call(ctx, actor, pattern, map[string]string{"name": of.Local(), "jid": of.String()}, body, into)
}

// all reads every account of the host, a page at a time.
func (m *Module) all(ctx context.Context, actor core.Actor, each func(User)) error {
	for after := ""; ; {
		var page []User
		if err := m.host.HTTP.Call(ctx, actor, "GET /users", map[string]string{"after": after}, nil, &page); err != nil {
			return err
		}
		for _, u := range page {
			each(u)
		}
		if len(page) < pageOfUsers {
			return nil
		}
		last, err := jid.Parse(page[len(page)-1].Address)
		if err != nil {
			return err
		}
		after = last.Local()
	}
}

// online tells of every account with a session that has a line whether all of them are idle.
func (m *Module) online(ctx context.Context, actor core.Actor) (map[string]bool, error) {
	var sessions []Session
	if err := m.host.HTTP.Call(ctx, actor, "GET /sessions", nil, nil, &sessions); err != nil {
		return nil, err
	}
	idle := map[string]bool{}
	for _, s := range sessions {
		j, err := jid.Parse(s.Address)
		if err != nil || s.State != "live" {
			continue
		}
		bare := j.Bare().String()
		before, known := idle[bare]
		idle[bare] = s.Idle && (before || !known)
	}
	return idle, nil
}

// sorted are the keys of those that are wanted.
func sorted(idle map[string]bool, want func(idle bool) bool) []string {
	out := []string{}
	for _, address := range slices.Sorted(maps.Keys(idle)) {
		if want(idle[address]) {
			out = append(out, address)
		}
	}
	return out
}
