package server

import (
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
				if !may(core.Object{}) {
					t.Errorf("%s may not ask the host for %s %s", role, row.Space, row.Local)
				}
			case core.ToOwn:
				if !may(core.Object{Account: me.Bare()}) || may(core.Object{Account: other}) || may(core.Object{Account: other, Subscribed: true}) {
					t.Errorf("%s: %s %s is not for the own account alone", role, row.Space, row.Local)
				}
			case core.ToContact, core.ToDevice:
				// For contacts alone; or for all or nobody, so that the answer does not tell whether there is such an account.
				stranger, contact := may(core.Object{Account: other}), may(core.Object{Account: other, Subscribed: true})
				if want := row.Action == core.ActSeeAnyone; stranger != want || contact != (want || row.Action == core.ActSeeContact) {
					t.Errorf("%s: %s %s: strangers %v, contacts %v", role, row.Space, row.Local, stranger, contact)
				}
			}
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
	}
	for _, row := range host.HTTP {
		want, known := allowed[row.Action]
		if !known {
			t.Errorf("%s has the action %s, which this test does not know", row.Pattern, row.Action)
		}
		for _, role := range roles {
			checked++
			is := false
			for _, w := range want {
				is = is || w == role
			}
			if got := core.Permit(core.Actor{JID: me, Role: role}, row.Action, core.Object{}) == nil; got != is {
				t.Errorf("%s by %q: allowed %v", row.Pattern, role, got)
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d cases", checked)
	}
}
