package notices

import (
	"context"
	"strings"

	"stonechat/core"
	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// offerCommands are XEP-0133 sections 4.23 to 4.28, each a row of the control socket.
func (x *notices) offerCommands(module string) {
	offer := func(node, title string, f func(context.Context, core.Actor) (string, error), do func(context.Context, core.Actor, *form.Form) error) {
		x.host.Commands.Handle(core.Command{
			Node: ns.Admin + "#" + node, Name: title, Action: core.ActEditServer, Form: f, Module: module,
			Do: func(ctx context.Context, e *core.Event, submitted *xmltok.Node) (string, error) {
				in := &form.Form{}
				if submitted != nil {
					var err error
					if in, err = form.ParseSubmit(submitted); err != nil {
						return "", err
					}
				}
				return "", do(ctx, e.Actor(), in)
			},
		})
	}
	call := func(ctx context.Context, actor core.Actor, pattern, notice string, body any) error {
		return x.host.HTTP.Call(ctx, actor, pattern, map[string]string{"notice": notice}, body, nil)
	}
	set := func(notice string, edit bool) func(context.Context, core.Actor, *form.Form) error {
		return func(ctx context.Context, actor core.Actor, f *form.Form) error {
			return call(ctx, actor, "PUT /notices/{notice}", notice, newText{f.Field(notice).Text(), edit})
		}
	}
	remove := func(notice string) func(context.Context, core.Actor, *form.Form) error {
		return func(ctx context.Context, actor core.Actor, _ *form.Form) error {
			return call(ctx, actor, "DELETE /notices/{notice}", notice, nil)
		}
	}
	offer("announce", "Tell everybody who is here", asks("announcement", "Announcement", ""), func(ctx context.Context, actor core.Actor, f *form.Form) error {
		return call(ctx, actor, "POST /announcements", "", newText{Text: f.Field("announcement").Text()})
	})
	offer("set-motd", "Set the message of the day", asks(motd, "Message of the day", ""), set(motd, false))
	offer("edit-motd", "Edit the message of the day", x.showing(motd, "Message of the day"), set(motd, true))
	offer("delete-motd", "Delete the message of the day", nil, remove(motd))
	offer("set-welcome", "Set the welcome message", x.showing(welcome, "Welcome message"), set(welcome, false))
	offer("delete-welcome", "Delete the welcome message", nil, remove(welcome))
}

// asks is a form with one text; the value is what it says already.
func asks(field, label, value string) func(context.Context, core.Actor) (string, error) {
	f := form.Field{Var: field, Type: form.TextMulti, Label: label, Required: true}
	if value != "" {
		f.Values = strings.Split(value, "\n")
	}
	text := string(form.New(form.Prompt, ns.Admin, f).AppendXML(nil))
	return func(context.Context, core.Actor) (string, error) { return text, nil }
}

// showing is the form with the notice that there is.
func (x *notices) showing(notice, label string) func(context.Context, core.Actor) (string, error) {
	return func(ctx context.Context, actor core.Actor) (string, error) {
		n, err := x.read(notice)
		if err != nil {
			return "", err
		}
		return asks(notice, label, n.Text)(ctx, actor)
	}
}
