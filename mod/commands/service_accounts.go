package commands

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// accountCommands are XEP-0133 sections 4.1 to 4.10. Names and mail addresses are not asked for: a new account sets its own profile.
func (m *Module) accountCommands() []service {
	address := form.Field{Var: "accountjid", Type: form.JIDSingle, Label: "Address of the account", Required: true}
	addresses := form.Field{Var: "accountjids", Type: form.JIDMulti, Label: "Addresses of the accounts", Required: true}
	secret := func(name, label string) form.Field {
		return form.Field{Var: name, Type: form.TextPrivate, Label: label, Required: true}
	}
	upon := func(pattern string, body any) func(context.Context, core.Actor, *form.Form) (string, error) {
		return func(ctx context.Context, actor core.Actor, f *form.Form) (string, error) {
			return m.each(f.Field("accountjids"), func(j jid.JID) error { return m.call(ctx, actor, pattern, j, body, nil) })
		}
	}
	disabled := func(v bool) map[string]bool { return map[string]bool{"disabled": v} }
	return []service{
		{"add-user", "Add a user", core.ActEditAccounts, []form.Field{address, secret("password", "Password"), secret("password-verify", "Password again")}, m.serviceAdd},
		{"delete-user", "Delete users", core.ActEditAccounts, []form.Field{addresses}, upon("DELETE /users/{name}", nil)},
		{"disable-user", "Disable users", core.ActEditAccounts, []form.Field{addresses}, upon("PUT /users/{name}/disabled", disabled(true))},
		{"reenable-user", "Enable users again", core.ActEditAccounts, []form.Field{addresses}, upon("PUT /users/{name}/disabled", disabled(false))},
		{"end-user-session", "End sessions", core.ActEndSessions, []form.Field{addresses}, upon("DELETE /sessions/{jid...}", nil)},
		{"change-user-password", "Set a password", core.ActEditAccounts, []form.Field{address, secret("password", "Password")}, m.servicePassword},
		{"get-user-roster", "Show the contacts of a user", core.ActEditAccounts, []form.Field{addresses}, m.serviceRoster},
		{"get-user-lastlogin", "Show when users were here", core.ActSeeSessions, []form.Field{addresses}, m.serviceLastLogin},
		{"user-stats", "Show figures of a user", core.ActSeeSessions, []form.Field{address}, m.serviceStats},
	}
}

// serviceAdd is XEP-0133 section 4.1.
func (m *Module) serviceAdd(ctx context.Context, actor core.Actor, f *form.Form) (string, error) {
	return m.one(f.Field("accountjid"), func(j jid.JID) error {
		if f.Has("password-verify") && f.Field("password").Value() != f.Field("password-verify").Value() {
			return errDiffer
		}
		return m.call(ctx, actor, "POST /users", j, newUser{Name: j.Local(), Password: f.Field("password").Value()}, nil)
	})
}

// servicePassword is XEP-0133 section 4.7.
func (m *Module) servicePassword(ctx context.Context, actor core.Actor, f *form.Form) (string, error) {
	return m.one(f.Field("accountjid"), func(j jid.JID) error {
		return m.call(ctx, actor, "PUT /users/{name}/password", j, map[string]string{"password": f.Field("password").Value()}, nil)
	})
}

// rosterItem is what the row of an account's contacts tells.
type rosterItem struct {
	JID, Name, Subscription string
	Ask                     bool
	Groups                  []string
}

// serviceRoster is XEP-0133 section 4.8: the rosters stand in the form, as RFC 6121 writes them.
func (m *Module) serviceRoster(ctx context.Context, actor core.Actor, f *form.Form) (string, error) {
	var shown []string
	var rosters []byte
	notes, err := m.each(f.Field("accountjids"), func(j jid.JID) error {
		var contacts []rosterItem
		if err := m.call(ctx, actor, "GET /users/{name}/contacts", j, nil, &contacts); err != nil {
			return err
		}
		shown, rosters = append(shown, j.Bare().String()), appendRoster(rosters, contacts)
		return nil
	})
	if err != nil || shown == nil {
		return notes, err
	}
	x := xml(result(form.Field{Var: "accountjids", Type: form.JIDMulti, Values: shown}))
	return strings.TrimSuffix(x, "</x>") + string(rosters) + "</x>" + notes, nil
}

func appendRoster(b []byte, contacts []rosterItem) []byte {
	b = append(b, "<query xmlns='"+ns.Roster+"'>"...)
	for _, c := range contacts {
		b = xmltok.AppendAttr(append(b, "<item"...), "jid", c.JID)
		if c.Name != "" {
			b = xmltok.AppendAttr(b, "name", c.Name)
		}
		b = xmltok.AppendAttr(b, "subscription", c.Subscription)
		if c.Ask {
			b = xmltok.AppendAttr(b, "ask", "subscribe")
		}
		b = append(b, '>')
		for _, g := range c.Groups {
			b = append(xmltok.AppendEscaped(append(b, "<group>"...), g), "</group>"...)
		}
		b = append(b, "</item>"...)
	}
	return append(b, "</query>"...)
}

// serviceLastLogin is XEP-0133 section 4.9: since when the newest session is there, or else until when the last one was.
func (m *Module) serviceLastLogin(ctx context.Context, actor core.Actor, f *form.Form) (string, error) {
	var shown, times []string
	notes, err := m.each(f.Field("accountjids"), func(j jid.JID) error {
		var seen struct{ At time.Time }
		if err := m.call(ctx, actor, "GET /users/{name}/last-seen", j, nil, &seen); err != nil {
			return err
		}
		sessions, err := m.sessionsOf(ctx, actor, j)
		for _, s := range sessions {
			if s.Since.After(seen.At) {
				seen.At = s.Since
			}
		}
		if err == nil && !seen.At.IsZero() {
			shown, times = append(shown, j.Bare().String()), append(times, seen.At.UTC().Format(time.RFC3339))
		}
		return err
	})
	if err != nil || shown == nil {
		return notes, err
	}
	return xml(result(form.Field{Var: "accountjids", Type: form.JIDMulti, Values: shown}, form.Field{Var: "lastlogin", Type: form.TextMulti, Values: times})) + notes, nil
}

func (m *Module) sessionsOf(ctx context.Context, actor core.Actor, j jid.JID) ([]Session, error) {
	var sessions []Session
	return sessions, m.host.HTTP.Call(ctx, actor, "GET /sessions", map[string]string{"of": j.Bare().String()}, nil, &sessions)
}

// serviceStats is XEP-0133 section 4.10; the size of the roster is for those who may see the roster.
func (m *Module) serviceStats(ctx context.Context, actor core.Actor, f *form.Form) (string, error) {
	var fields []form.Field
	notes, err := m.one(f.Field("accountjid"), func(j jid.JID) error {
		// What there is no account for has no sessions either, and no figures.
		if err := m.call(ctx, actor, "GET /users/{name}/last-seen", j, nil, nil); err != nil {
			return err
		}
		sessions, err := m.sessionsOf(ctx, actor, j)
		if err != nil {
			return err
		}
		var from, resources []string
		for _, s := range sessions {
			if full, err := jid.Parse(s.Address); err == nil {
				resources = append(resources, full.Resource())
			}
			if host, _, err := net.SplitHostPort(s.From); err == nil && !slices.Contains(from, host) {
				from = append(from, host)
			}
		}
		fields = []form.Field{
			{Var: "accountjid", Type: form.JIDSingle, Label: "Account", Values: []string{j.Bare().String()}},
			{Var: "ipaddresses", Type: form.TextMulti, Label: "Where its sessions come from", Values: from},
			{Var: "onlineresources", Type: form.TextMulti, Label: "Its sessions", Values: resources},
		}
		var contacts []rosterItem
		if m.call(ctx, actor, "GET /users/{name}/contacts", j, nil, &contacts) == nil {
			fields = append(fields, form.Field{Var: "rostersize", Type: form.TextSingle, Label: "Contacts", Values: []string{strconv.Itoa(len(contacts))}})
		}
		return nil
	})
	if err != nil || fields == nil {
		return notes, err
	}
	return xml(result(fields...)), nil
}

// adminList is XEP-0133 section 4.29: who has the roles of owner and admin. Whoever is added becomes an admin, whoever is taken out a member; owners are
// nobody's to take out in a list.
func (m *Module) adminList() core.Command {
	staff := func(ctx context.Context, actor core.Actor) (owners, admins []string, err error) {
		err = m.all(ctx, actor, func(u User) {
			switch store.Role(u.Role) {
			case store.RoleOwner:
				owners = append(owners, u.Address)
			case store.RoleAdmin:
				admins = append(admins, u.Address)
			}
		})
		return owners, admins, err
	}
	s := service{node: "edit-admin", title: "Edit the list of administrators"}
	return core.Command{
		Node: ns.Admin + "#" + s.node, Name: s.title, Action: core.ActSetRoles, Module: m.Name(),
		Form: func(ctx context.Context, actor core.Actor) (string, error) {
			owners, admins, err := staff(ctx, actor)
			return s.form([]form.Field{{Var: "adminjids", Type: form.JIDMulti, Label: "Owners and administrators", Values: append(owners, admins...)}}), err
		},
		Do: func(ctx context.Context, e *core.Event, submitted *xmltok.Node) (string, error) {
			f, err := form.ParseSubmit(submitted)
			if err != nil {
				return "", err
			}
			owners, admins, err := staff(ctx, e.Actor())
			if err != nil || !f.Has("adminjids") {
				return "", err
			}
			return m.editAdmins(ctx, e.Actor(), owners, admins, f.Field("adminjids").Values)
		},
	}
}

func (m *Module) editAdmins(ctx context.Context, actor core.Actor, owners, admins, want []string) (string, error) {
	become := func(role store.Role, who []string) (string, error) {
		if len(who) == 0 {
			return "", nil
		}
		return m.each(&form.Field{Values: who}, func(j jid.JID) error {
			return m.call(ctx, actor, "PUT /users/{name}/role", j, map[string]string{"role": string(role)}, nil)
		})
	}
	var fresh []string
	for i, text := range want {
		j, err := m.parse(text)
		if err != nil {
			return failed(text, err)
		}
		if want[i] = j.Bare().String(); !slices.Contains(owners, want[i]) && !slices.Contains(admins, want[i]) {
			fresh = append(fresh, want[i])
		}
	}
	without := func(all []string) (out []string) {
		for _, a := range all {
			if !slices.Contains(want, a) {
				out = append(out, a)
			}
		}
		return out
	}
	if left := without(owners); left != nil {
		return note("error", "owners are not taken out here: "+strings.Join(left, ", ")), nil
	}
	added, err := become(store.RoleAdmin, fresh)
	if err != nil {
		return "", err
	}
	removed, err := become(store.RoleMember, without(admins))
	return added + removed, err
}
