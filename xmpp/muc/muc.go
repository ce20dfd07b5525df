// Package muc reads and writes what clients and rooms say to each other (XEP-0045 version 1.35.5): joins, what occupants are told of each other,
// requests of moderators, admins and owners, invitations, forms and discovery.
//
// It knows no room. Who may do what is for the module that rooms live in, or for the client that reads.
package muc

import "stonechat/xmpp/stanza"

// Limits of what is read. They bound the work that one stanza can cause beyond what its size already does.
const (
	MaxItems   = 500 // items of one request of a moderator, admin or owner
	MaxInvites = 50  // people that one message invites
)

// Reasons for refusing an element. They are stanza errors, so that a handler may return them as they are.
var (
	ErrNotMUC   = stanza.NewError(stanza.BadRequest, "not an element of a room")
	ErrItem     = stanza.NewError(stanza.BadRequest, "an item names either a role and a nick, or an affiliation and an address")
	ErrOneItem  = stanza.NewError(stanza.BadRequest, "a list is asked for by one affiliation or role")
	ErrValue    = stanza.NewError(stanza.BadRequest, "no such affiliation or role")
	ErrAddress  = stanza.NewError(stanza.JIDMalformed, "not an address")
	ErrTooMany  = stanza.NewError(stanza.PolicyViolation, "too many items in one request")
	ErrOwner    = stanza.NewError(stanza.BadRequest, "an owner sends a form, or destroys the room")
	ErrFormType = stanza.NewError(stanza.BadRequest, "a form of another kind")
	ErrRange    = stanza.NewError(stanza.NotAcceptable, "not one of the values that the form offers")
	ErrNoSecret = stanza.NewError(stanza.NotAcceptable, "a room with a password needs one that is not empty")
)

// Affiliation is what somebody is to a room for long, by bare address (section 5.2). Affiliations are ordered: a greater one may do what a lesser
// one may. The zero value is nobody in particular.
type Affiliation int8

// The affiliations of section 5.2.
const (
	Outcast      Affiliation = iota - 1 // banned
	Unaffiliated                        // "none"
	Member
	Admin
	Owner
)

// String returns the name in XML.
func (a Affiliation) String() string {
	switch a {
	case Outcast:
		return "outcast"
	case Member:
		return "member"
	case Admin:
		return "admin"
	case Owner:
		return "owner"
	}
	return "none"
}

// ParseAffiliation reads the name in XML.
func ParseAffiliation(name string) (Affiliation, bool) {
	for a := Outcast; a <= Owner; a++ {
		if a.String() == name {
			return a, true
		}
	}
	return Unaffiliated, false
}

// Role is what an occupant may do during one visit (section 5.1). Roles are ordered like affiliations. The zero value is somebody who is not in
// the room.
type Role uint8

// The roles of section 5.1.
const (
	Absent Role = iota // "none"
	Visitor
	Participant
	Moderator
)

// String returns the name in XML.
func (r Role) String() string {
	switch r {
	case Visitor:
		return "visitor"
	case Participant:
		return "participant"
	case Moderator:
		return "moderator"
	}
	return "none"
}

// ParseRole reads the name in XML.
func ParseRole(name string) (Role, bool) {
	for r := Absent; r <= Moderator; r++ {
		if r.String() == name {
			return r, true
		}
	}
	return Absent, false
}

// Roles is a set of roles, without Absent.
type Roles uint8

// AllRoles are those that an occupant can have.
const AllRoles = Roles(1<<Visitor | 1<<Participant | 1<<Moderator)

// RolesOf makes a set.
func RolesOf(list ...Role) Roles {
	var s Roles
	for _, r := range list {
		s |= 1 << r
	}
	return s & AllRoles
}

// Has tells whether the role is in the set.
func (s Roles) Has(r Role) bool { return s&(1<<r) != 0 }

// names are the roles of the set, the least first.
func (s Roles) names() []string {
	var out []string
	for r := Visitor; r <= Moderator; r++ {
		if s.Has(r) {
			out = append(out, r.String())
		}
	}
	return out
}
