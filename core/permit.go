package core

import (
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Action is a right that somebody may have: every IQ row, HTTP route and control command names one.
type Action string

// The actions of the server.
const (
	ActSeeHost      Action = "host.see"       // what the server is and offers
	ActUseAccount   Action = "account.use"    // what every account may do with itself, but a guest's
	ActUseSession   Action = "session.use"    // what everybody with a session may do with itself
	ActSeeContact   Action = "account.see"    // what a contact with a subscription may see of an account
	ActSeeAnyone    Action = "account.exists" // what anybody may ask an account without learning whether it exists
	ActUseNodes     Action = "nodes.use"      // what everybody with an account may ask the nodes of another; each node decides
	ActSeeSessions  Action = "sessions.see"
	ActEndSessions  Action = "sessions.end"
	ActSeeAccounts  Action = "accounts.see"
	ActEditAccounts Action = "accounts.edit"
	ActSetRoles     Action = "roles.set"
	ActTakeAccounts Action = "accounts.take" // all that an account keeps, with what proves its password
	ActSeeServer    Action = "server.see"    // hooks, configuration, figures
	ActEditServer   Action = "server.edit"
	ActTrace        Action = "stanzas.trace" // who talks to whom, and when
	ActSeeReports   Action = "reports.see"
	ActCloseReports Action = "reports.close"
	ActJoin         Action = "host.join" // what somebody without an account may ask
	ActInvite       Action = "invites.make"
	ActUpload       Action = "files.upload"
	ActRelay        Action = "relays.use"  // of calls and of files, which carry much for whoever may have them do so
	ActFindPeople   Action = "people.find" // by what they show of themselves
	ActFetch        Action = "files.fetch" // what anybody may do who knows an address, without saying who they are

	ActMakeNodes    Action = "nodes.make" // at a service of nodes that belongs to nobody
	ActMakeRooms    Action = "rooms.make"
	ActSeeRooms     Action = "rooms.see"       // what rooms there are, and what they offer
	ActSeeRoom      Action = "room.see"        // what everybody may see of a room whose address they know
	ActUseRoom      Action = "room.use"        // what occupants may do
	ActReadRoom     Action = "room.read"       // what was said in it
	ActModerateRoom Action = "room.moderate"   // what moderators may do
	ActEditRoom     Action = "room.affiliates" // what admins of a room may do
	ActOwnRoom      Action = "room.own"        // what owners of a room may do
)

// Actor is who wants something.
type Actor struct {
	JID  jid.JID
	Role store.Role
}

// Object is what it is wanted of: the host (zero), an account, or a room.
type Object struct {
	Account jid.JID
	// Standing of the actor, where the object is a room.
	Standing Standing
	// Subscribed: the account lets the actor see its presence.
	Subscribed bool
	// Role of the account, for acts upon accounts; for invites, of the one who is invited.
	Role store.Role
	// Least is the least role that the configuration asks of the actor; empty: the table alone decides.
	Least store.Role
}

// relation is how an actor stands to the object.
type relation uint8

const (
	isAnyone  relation = 1 << iota // whoever can address it
	isSelf                         // the object is the actor's own account
	isContact                      // the object shows its presence to the actor
)

// rule: an action is allowed to the relations, and whatever the relation to the roles.
type rule struct {
	relations relation
	standing  Standing // one of them suffices
	roles     []store.Role
	below     bool // the object's role must stand below the actor's
	notAbove  bool // the object's role must not stand above the actor's
	guests    bool // guests may, too; else nothing that the relation allows
}

var (
	staff  = []store.Role{store.RoleOwner, store.RoleAdmin}
	guards = []store.Role{store.RoleOwner, store.RoleAdmin, store.RoleModerator}
)

// rules is the whole table of rights.
var rules = map[Action]rule{
	ActSeeHost:      {relations: isAnyone, guests: true},
	ActUseAccount:   {relations: isSelf},
	ActUseSession:   {relations: isSelf, guests: true},
	ActSeeContact:   {relations: isSelf | isContact},
	ActSeeAnyone:    {relations: isAnyone, guests: true},
	ActUseNodes:     {relations: isAnyone},
	ActSeeSessions:  {relations: isSelf, roles: guards},
	ActEndSessions:  {relations: isSelf, roles: staff, below: true},
	ActSeeAccounts:  {roles: guards},
	ActEditAccounts: {roles: staff, below: true},
	ActSetRoles:     {roles: []store.Role{store.RoleOwner}},
	ActTakeAccounts: {roles: []store.Role{store.RoleOwner}},
	ActSeeServer:    {roles: guards},
	ActEditServer:   {roles: staff},
	ActTrace:        {roles: staff},
	ActSeeReports:   {roles: guards},
	ActCloseReports: {roles: guards},
	ActJoin:         {relations: isAnyone},
	ActInvite:       {roles: []store.Role{store.RoleOwner, store.RoleAdmin, store.RoleModerator, store.RoleMember}, notAbove: true},
	ActUpload:       {roles: []store.Role{store.RoleOwner, store.RoleAdmin, store.RoleModerator, store.RoleMember, store.RoleBot}},
	ActRelay:        {roles: []store.Role{store.RoleOwner, store.RoleAdmin, store.RoleModerator, store.RoleMember, store.RoleBot}},
	ActFindPeople:   {roles: []store.Role{store.RoleOwner, store.RoleAdmin, store.RoleModerator, store.RoleMember}},
	ActFetch:        {relations: isAnyone, guests: true},

	ActMakeNodes:    {roles: []store.Role{store.RoleOwner, store.RoleAdmin, store.RoleModerator, store.RoleMember}},
	ActMakeRooms:    {roles: []store.Role{store.RoleOwner, store.RoleAdmin, store.RoleModerator, store.RoleMember}},
	ActSeeRooms:     {relations: isAnyone},
	ActSeeRoom:      {relations: isAnyone},
	ActUseRoom:      {standing: RoomModerator | RoomParticipant | RoomVisitor},
	ActReadRoom:     {standing: RoomReader},
	ActModerateRoom: {standing: RoomModerator},
	ActEditRoom:     {standing: RoomOwner | RoomAdmin},
	ActOwnRoom:      {standing: RoomOwner},
}

// Permit is the only place where a right is decided. It returns nil, or the error to answer with.
// What is not in the table is forbidden.
func Permit(actor Actor, action Action, object Object) *stanza.Error {
	r, known := rules[action]
	if !known || actor.Role == store.RoleGuest && !r.guests {
		return stanza.NewError(stanza.Forbidden, "")
	}
	is := isAnyone
	if !object.Account.IsZero() && actor.JID.Bare() == object.Account.Bare() {
		is |= isSelf
	}
	if object.Subscribed {
		is |= isContact
	}
	if r.relations&is != 0 || r.standing&object.Standing != 0 {
		return nil
	}
	for _, role := range r.roles {
		if actor.Role != role || rank(role) < rank(object.Least) || (r.notAbove && rank(object.Role) > rank(role)) {
			continue
		}
		if !r.below || rank(object.Role) < rank(role) || role == store.RoleOwner {
			return nil
		}
	}
	return stanza.NewError(stanza.Forbidden, "")
}

// blind tells whether an action upon an account is decided without knowing the account, so that whoever asks does not learn that it exists.
func blind(action Action) bool {
	r := rules[action]
	return r.relations == isAnyone || (r.relations == isSelf && len(r.roles) == 0)
}

// rank orders the roles; a bot or guest ranks below a member.
func rank(r store.Role) int {
	switch r {
	case store.RoleOwner:
		return 4
	case store.RoleAdmin:
		return 3
	case store.RoleModerator:
		return 2
	case store.RoleMember:
		return 1
	}
	return 0
}
