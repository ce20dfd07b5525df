package core

import (
	"testing"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

func TestPermit(t *testing.T) {
	me, other := jid.MustParse("me@example.org/x"), jid.MustParse("other@example.org")
	own, foreign, shown := Object{Account: me.Bare()}, Object{Account: other}, Object{Account: other, Subscribed: true}
	in := func(s Standing) Object { return Object{Account: jid.MustParse("room@rooms.example.org"), Standing: s} }
	for _, c := range []struct {
		role   store.Role
		action Action
		object Object
		want   bool
	}{
		{store.RoleGuest, ActSeeHost, Object{}, true},
		{store.RoleGuest, ActUseSession, own, true},
		{store.RoleGuest, ActUseSession, foreign, false},
		{store.RoleGuest, ActUseAccount, own, false},
		{store.RoleGuest, ActSeeContact, shown, false},
		{store.RoleGuest, ActSeeAnyone, foreign, true},
		{store.RoleGuest, ActSeeSessions, own, false},
		{store.RoleMember, ActUseSession, own, true},
		{store.RoleMember, ActUseAccount, own, true},
		{store.RoleOwner, ActUseAccount, foreign, false},
		{store.RoleMember, ActSeeContact, foreign, false},
		{store.RoleMember, ActSeeContact, shown, true},
		{store.RoleMember, ActSeeAnyone, foreign, true},
		{store.RoleMember, ActEditAccounts, foreign, false},
		{store.RoleModerator, ActEditAccounts, foreign, false},
		{store.RoleModerator, ActSeeSessions, foreign, true},
		{store.RoleAdmin, ActEditAccounts, Object{Account: other, Role: store.RoleMember}, true},
		{store.RoleAdmin, ActEditAccounts, Object{Account: other, Role: store.RoleAdmin}, false},
		{store.RoleAdmin, ActEditAccounts, Object{Account: other, Role: store.RoleOwner}, false},
		{store.RoleOwner, ActEditAccounts, Object{Account: other, Role: store.RoleOwner}, true},
		{store.RoleAdmin, ActSetRoles, foreign, false},
		{store.RoleOwner, ActSetRoles, foreign, true},
		{store.RoleBot, ActSeeAccounts, Object{}, false},
		{store.RoleOwner, "no.such.action", own, false},
		{"", ActSeeServer, Object{}, false},
		{store.RoleGuest, ActRelay, Object{}, false},
		{"", ActRelay, Object{}, false},
		{store.RoleBot, ActRelay, Object{}, true},
		{store.RoleGuest, ActFindPeople, Object{}, false},
		{store.RoleBot, ActFindPeople, Object{}, false},
		{store.RoleMember, ActFindPeople, Object{}, true},
		{store.RoleGuest, ActSeeRoom, in(0), false},
		{store.RoleGuest, ActMakeNodes, Object{}, false},
		{store.RoleBot, ActMakeNodes, Object{}, false},
		{store.RoleMember, ActMakeNodes, Object{}, true},
		{store.RoleMember, ActMakeNodes, Object{Least: store.RoleAdmin}, false},
		{store.RoleAdmin, ActMakeNodes, Object{Least: store.RoleAdmin}, true},
		{store.RoleMember, ActSeeRooms, Object{}, true},
		{store.RoleMember, ActSeeRoom, in(0), true},
		{store.RoleMember, ActUseRoom, in(RoomOwner), false}, // who is not there
		{store.RoleMember, ActUseRoom, in(RoomVisitor), true},
		{store.RoleMember, ActReadRoom, in(RoomParticipant | RoomMember), false},
		{store.RoleMember, ActReadRoom, in(RoomReader), true},
		{store.RoleMember, ActModerateRoom, in(RoomParticipant | RoomOwner), false},
		{store.RoleMember, ActModerateRoom, in(RoomModerator), true},
		{store.RoleMember, ActEditRoom, in(RoomModerator | RoomMember), false},
		{store.RoleMember, ActEditRoom, in(RoomAdmin), true},
		{store.RoleMember, ActOwnRoom, in(RoomAdmin), false},
		{store.RoleMember, ActOwnRoom, in(RoomOwner), true},
		{store.RoleAdmin, ActOwnRoom, in(0), false}, // a room's owners are its own
		{store.RoleMember, ActUseAccount, in(RoomOwner | RoomModerator), false},
	} {
		err := Permit(Actor{JID: me, Role: c.role}, c.action, c.object)
		if (err == nil) != c.want {
			t.Errorf("%s may %s of %s (%s): %v", c.role, c.action, c.object.Account, c.object.Role, err)
		}
	}
}
