package join

import (
	"context"
	"strconv"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// The nodes of XEP-0401 section 3.
const (
	nodeInvite  = ns.Invite + "#invite"
	nodeAccount = ns.Invite + "#create-account"
	formResult  = ns.Invite + "#invitation"
	// Of our own.
	nodeList   = "urn:stonechat:invites#list"
	nodeRevoke = "urn:stonechat:invites#revoke"
)

// offerCommands is XEP-0401: members invite, administrators create accounts.
func (m *Module) offerCommands() {
	m.host.Commands.Handle(core.Command{
		Node: nodeInvite, Name: "Invite somebody", Action: core.ActInvite, Open: m.mayOpen, Do: m.commandInvite, Module: m.Name(),
	})
	m.host.Commands.Handle(core.Command{
		Node: nodeAccount, Name: "Create an account", Action: core.ActEditAccounts, Form: m.accountForm, Do: m.commandAccount, Module: m.Name(),
	})
	m.host.Commands.Handle(core.Command{
		Node: nodeList, Name: "List invites", Action: core.ActInvite, Open: m.mayOpen, Do: m.commandList, Module: m.Name(),
	})
	m.host.Commands.Handle(core.Command{
		Node: nodeRevoke, Name: "End an invite", Action: core.ActInvite, Open: m.mayOpen, Form: m.revokeForm, Do: m.commandRevoke, Module: m.Name(),
	})
}

func (m *Module) mayOpen(actor core.Actor) bool {
	return core.Permit(actor, core.ActInvite, core.Object{Role: store.RoleMember, Least: store.Role(m.Config.Invites.By)}) == nil
}

func makerOf(e *core.Event) maker {
	return maker{core.Actor{JID: e.Stanza.From, Role: e.Account.Role()}, e.Account.ID, e.Account.JID.Local()}
}

// commandInvite is XEP-0401 section 5.1: at once, without a form.
func (m *Module) commandInvite(ctx context.Context, e *core.Event, _ *xmltok.Node) (string, error) {
	return m.linkForm(ctx, e, wish{account: m.mayRegister(), befriend: true})
}

// linkForm makes an invite and returns the form that tells it.
func (m *Module) linkForm(ctx context.Context, e *core.Event, w wish) (string, error) {
	l, err := m.invite(ctx, makerOf(e), w)
	if err != nil {
		return "", err
	}
	return l.form(), nil
}

// form is the result of XEP-0401 section 5.1.
func (l Link) form() string {
	f := form.New(form.Result, formResult, form.Field{Var: "uri", Type: form.TextSingle, Label: "Link", Values: []string{l.URI}})
	if l.Landing != "" {
		f.Fields = append(f.Fields, form.Field{Var: "landing-url", Type: form.TextSingle, Label: "Page", Values: []string{l.Landing}})
	}
	f.Fields = append(f.Fields,
		form.Field{Var: "expire", Type: form.TextSingle, Label: "Good until", Values: []string{l.Expires.UTC().Format(time.RFC3339)}},
		form.Field{Var: "code", Type: form.TextSingle, Label: "Code to type", Values: []string{l.Code}})
	return string(f.AppendXML(nil))
}

// accountForm is XEP-0401 section 5.2, with what else an invite can do.
func (m *Module) accountForm(_ context.Context, actor core.Actor) (string, error) {
	roles := form.Field{Var: "role", Type: form.ListSingle, Label: "Role", Values: []string{string(store.RoleMember)}}
	for _, r := range []store.Role{store.RoleMember, store.RoleModerator, store.RoleAdmin, store.RoleOwner} {
		if core.Permit(actor, core.ActInvite, core.Object{Role: r}) == nil {
			roles.Options = append(roles.Options, form.Option{Value: string(r)})
		}
	}
	f := form.New(form.Prompt, nodeAccount,
		form.Field{Var: "username", Type: form.TextSingle, Label: "Name; empty: the guest chooses"},
		form.Field{Var: "roster-subscription", Type: form.Boolean, Label: "Guest and you become contacts", Values: []string{form.FormatBool(true)}},
		roles,
		form.Field{Var: "uses", Type: form.TextSingle, Label: "For how many people", Values: []string{"1"}},
		form.Field{Var: "hours", Type: form.TextSingle, Label: "Good for so many hours", Values: []string{strconv.Itoa(int(m.Config.Invites.Expires.D().Hours()))}},
		form.Field{Var: "circles", Type: form.TextMulti, Label: "Circles to join, one a line"},
		form.Field{Var: "label", Type: form.TextSingle, Label: "Note for yourself"})
	f.Title = "Create an account"
	return string(f.AppendXML(nil)), nil
}

// commandAccount is XEP-0401 section 5.2.
func (m *Module) commandAccount(ctx context.Context, e *core.Event, submitted *xmltok.Node) (string, error) {
	w, err := accountWish(submitted)
	if err != nil {
		return "", err
	}
	return m.linkForm(ctx, e, w)
}

// accountWish reads the form.
func accountWish(submitted *xmltok.Node) (wish, error) {
	f, err := form.ParseSubmit(submitted)
	if err != nil {
		return wish{}, err
	}
	w := wish{account: true, name: f.Field("username").Value(), label: f.Field("label").Value(), role: store.Role(f.Field("role").Value())}
	if w.befriend, err = f.Field("roster-subscription").Bool(); err != nil {
		return w, err
	}
	for name, to := range map[string]func(n int){
		"uses":  func(n int) { w.uses = n },
		"hours": func(n int) { w.life = time.Duration(n) * time.Hour },
	} {
		text := f.Field(name).Value()
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100_000 {
			return w, stanza.NewError(stanza.NotAcceptable, name+" is a number")
		}
		to(n)
	}
	if circles := f.Field("circles"); circles != nil {
		for _, c := range circles.Values {
			if c != "" {
				w.circles = append(w.circles, c)
			}
		}
	}
	return w, nil
}

// shownInvites is how many invites one form lists.
const shownInvites = 200

// ownerFor is whose invites somebody may see and end: everybody's for administrators, else their own.
func ownerFor(k maker) store.Owner {
	if k.staff() {
		return store.Everybody
	}
	return k.id
}

// visible are the newest invites that somebody may see.
func (m *Module) visible(ctx context.Context, e *core.Event) ([]store.Invite, error) {
	return m.Invites.List(ctx, m.host.Domain.Domain(), ownerFor(makerOf(e)), shownInvites)
}

// commandList lists invites; a token is in no list, since nobody knows it any more.
func (m *Module) commandList(ctx context.Context, e *core.Event, _ *xmltok.Node) (string, error) {
	list, err := m.visible(ctx, e)
	if err != nil {
		return "", err
	}
	f := form.New(form.Result, "")
	f.Title = "Invites"
	f.Reported = []form.Field{{Var: "id", Label: "Id"}, {Var: "by", Label: "By"}, {Var: "for", Label: "For"}, {Var: "used", Label: "Used"}, {Var: "expire", Label: "Good until"}, {Var: "label", Label: "Note"}}
	for _, i := range list {
		row := []form.Field{{Var: "id"}, {Var: "by"}, {Var: "for"}, {Var: "used"}, {Var: "expire"}, {Var: "label"}}
		for n, v := range []string{
			i.ID, i.Maker, string(i.Kind), strconv.Itoa(i.Used) + "/" + strconv.Itoa(i.Uses), i.Expires.UTC().Format(time.RFC3339), i.Label,
		} {
			row[n].Values = []string{v}
		}
		f.Items = append(f.Items, row)
	}
	return string(f.AppendXML(nil)), nil
}

// revokeForm asks which one.
func (m *Module) revokeForm(context.Context, core.Actor) (string, error) {
	f := form.New(form.Prompt, nodeRevoke, form.Field{Var: "id", Type: form.TextSingle, Label: "Id of the invite, as the list has it", Required: true})
	f.Title = "End an invite"
	return string(f.AppendXML(nil)), nil
}

// commandRevoke ends an invite of one's own, or anybody's for administrators.
func (m *Module) commandRevoke(ctx context.Context, e *core.Event, submitted *xmltok.Node) (string, error) {
	f, err := form.ParseSubmit(submitted)
	if err != nil {
		return "", err
	}
	if err := known(m.Invites.Revoke(ctx, m.host.Domain.Domain(), f.Field("id").Value(), ownerFor(makerOf(e))), "you have no such invite"); err != nil {
		return "", err
	}
	return "<note type='info'>The invite has ended.</note>", nil
}
