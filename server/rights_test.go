package server

import (
	"slices"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// Every row of the IQ table and of HTTP, by every role and every relation: only what this table says is allowed.
func TestRightsOfAllRows(t *testing.T) {
	cfg := config.Default()
	cfg.Domains, cfg.Data = []string{"example.org"}, t.TempDir()
	s, err := New(t.Context(), cfg, obs.Discard())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	roles := []store.Role{store.RoleOwner, store.RoleAdmin, store.RoleModerator, store.RoleMember, store.RoleGuest, store.RoleBot, ""}
	me, other := jid.MustParse("me@example.org/x"), jid.MustParse("other@example.org")
	host := s.hosts[0]
	checked := 0
	for _, row := range host.IQ.Rows() {
		for _, role := range roles {
			actor := core.Actor{JID: me, Role: role}
			may := func(o core.Object) bool { return core.Permit(actor, row.Action, o) == nil }
			checked++
			switch row.To {
			case core.ToHost:
				// Everybody, but for what becomes a file of an account.
				if want := row.Action != core.ActUpload || role != store.RoleGuest && role != ""; may(core.Object{}) != want {
					t.Errorf("%s may ask the host for %s %s: %v", role, row.Space, row.Local, !want)
				}
			case core.ToOwn:
				// A guest has a session, and no account.
				if may(core.Object{Account: me.Bare()}) != (role != store.RoleGuest || row.Action == core.ActUseSession) || may(core.Object{Account: other}) || may(core.Object{Account: other, Subscribed: true}) {
					t.Errorf("%s: %s %s is not for the own account alone", role, row.Space, row.Local)
				}
			case core.ToService:
				if row.Action == core.ActUpload && may(core.Object{}) != (role != store.RoleGuest && role != "") {
					t.Errorf("%s: uploads are for accounts", role)
				}
			case core.ToContact, core.ToDevice:
				// For contacts alone; or for all or nobody, so that the answer does not tell whether there is such an account.
				stranger, contact := may(core.Object{Account: other}), may(core.Object{Account: other, Subscribed: true})
				if want := row.Action == core.ActSeeAnyone || row.Action == core.ActUseNodes && role != store.RoleGuest; stranger != want || contact != (want || row.Action == core.ActSeeContact && role != store.RoleGuest) {
					t.Errorf("%s: %s %s: strangers %v, contacts %v", role, row.Space, row.Local, stranger, contact)
				}
			}
		}
	}
	for _, page := range host.Web {
		if page.Action != core.ActFetch {
			t.Errorf("%s is shown to everybody with the right %s", page.Path, page.Action)
		}
	}
	// Administration: who may not even ask. A role that may ask is asked again for each object.
	allowed := map[core.Action][]store.Role{
		core.ActSeeHost:      roles,
		core.ActSeeServer:    {store.RoleOwner, store.RoleAdmin, store.RoleModerator},
		core.ActSeeAccounts:  {store.RoleOwner, store.RoleAdmin, store.RoleModerator},
		core.ActSeeSessions:  {store.RoleOwner, store.RoleAdmin, store.RoleModerator},
		core.ActEditAccounts: {store.RoleOwner, store.RoleAdmin},
		core.ActEndSessions:  {store.RoleOwner, store.RoleAdmin},
		core.ActSetRoles:     {store.RoleOwner},
		core.ActTakeAccounts: {store.RoleOwner},
		core.ActEditServer:   {store.RoleOwner, store.RoleAdmin},
		core.ActTrace:        {store.RoleOwner, store.RoleAdmin},
		core.ActSeeReports:   {store.RoleOwner, store.RoleAdmin, store.RoleModerator},
		core.ActCloseReports: {store.RoleOwner, store.RoleAdmin, store.RoleModerator},
		core.ActInvite:       {store.RoleOwner, store.RoleAdmin, store.RoleModerator, store.RoleMember},
		core.ActUseNodes:     {store.RoleOwner, store.RoleAdmin, store.RoleModerator, store.RoleMember, store.RoleBot, ""},
	}
	check := func(what string, action core.Action) {
		want, known := allowed[action]
		if !known {
			t.Errorf("%s has the action %s, which this test does not know", what, action)
		}
		for _, role := range roles {
			checked++
			if got := core.Permit(core.Actor{JID: me, Role: role}, action, core.Object{}) == nil; got != slices.Contains(want, role) {
				t.Errorf("%s by %q: allowed %v", what, role, got)
			}
		}
	}
	for _, row := range host.HTTP {
		check(row.Pattern, row.Action)
	}
	for _, row := range host.Commands.Rows() {
		check("command "+row.Node, row.Action)
	}
	// Somebody who is not logged in is nobody: there is one action for that, and no row of the others is reachable.
	for _, row := range host.Early.Rows() {
		checked++
		if row.Action != core.ActJoin || core.Permit(core.Actor{}, row.Action, core.Object{}) != nil {
			t.Errorf("before log-in: %s %s takes %s", row.Space, row.Local, row.Action)
		}
	}
	// Nobody invites above their own role, and nobody below the role that the configuration asks for.
	for _, role := range roles {
		for i, invited := range roles[:4] {
			checked++
			at := slices.Index(roles, role)
			if got := core.Permit(core.Actor{JID: me, Role: role}, core.ActInvite, core.Object{Role: invited}) == nil; got != (at <= i && at < 4) {
				t.Errorf("%q invites %q: allowed %v", role, invited, got)
			}
			if got := core.Permit(core.Actor{JID: me, Role: role}, core.ActInvite, core.Object{Role: store.RoleMember, Least: invited}) == nil; got != (at <= i && at < 4) {
				t.Errorf("%q invites where %q is asked for: allowed %v", role, invited, got)
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d cases", checked)
	}
}
