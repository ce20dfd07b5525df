package muc

import (
	"crypto/sha256"
	"crypto/subtle"

	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

// standing is what somebody is to a room at one moment: a long-lived affiliation, and a role while they are in it (XEP-0045 section 5).
type standing struct {
	affiliation muc.Affiliation
	role        muc.Role
}

func forbidden(text string) *stanza.Error  { return stanza.NewError(stanza.Forbidden, text) }
func notAllowed(text string) *stanza.Error { return stanza.NewError(stanza.NotAllowed, text) }

// initialRole is the role of who enters (section 5.1.2), Absent for who may not.
func initialRole(c *muc.Config, a muc.Affiliation) muc.Role {
	switch {
	case a >= muc.Admin:
		return muc.Moderator
	case a == muc.Member:
		return muc.Participant
	case a == muc.Outcast || c.MembersOnly:
		return muc.Absent
	case c.Moderated:
		return muc.Visitor
	}
	return muc.Participant
}

// mayEnter decides about somebody at the door of a room with that many occupants, of whom it holds limit (sections 7.2.5 to 7.2.9).
func mayEnter(c *muc.Config, a muc.Affiliation, password string, occupants, limit int) *stanza.Error {
	switch {
	case a == muc.Outcast:
		return forbidden("you are banned from this room")
	case c.MembersOnly && a < muc.Member:
		return stanza.NewError(stanza.RegistrationRequired, "this room is for members only")
	case c.Password != "" && !sameSecret(c.Password, password):
		return stanza.NewError(stanza.NotAuthorized, "this room needs a password")
	}
	// Section 7.2.9: admins and owners get in, up to a reasonable number, when the room was stuffed with others.
	if a >= muc.Admin {
		limit += staffRoom
	}
	if occupants >= limit {
		return &stanza.Error{Type: stanza.Wait, Condition: stanza.ServiceUnavailable, Text: "this room is full"}
	}
	return nil
}

// staffRoom is how many admins and owners get into a full room.
const staffRoom = 10

// sameSecret compares in a time that tells neither content nor length.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// mayChangeRole decides whether actor may give an occupant another role (sections 5.1.3, 8 and 9.6 to 9.8); self: it is their own.
func mayChangeRole(actor, target standing, self bool, to muc.Role) *stanza.Error {
	switch {
	// Section 8: moderators; section 9: admins, who need not be in the room.
	case actor.role < muc.Moderator && actor.affiliation < muc.Admin:
		return forbidden("only moderators change roles")
	case to == target.role:
		return nil
	case to == muc.Moderator && actor.affiliation < muc.Admin:
		return forbidden("only admins make moderators")
	case to == muc.Absent:
		return mayKick(actor, target, self)
	case to > target.role:
		return nil
	// Section 8.4: nobody takes voice from admins and owners; section 9.7: nor the role of moderator.
	case target.affiliation >= muc.Admin:
		return notAllowed("admins and owners are moderators")
	case self:
		return nil
	case target.role == muc.Moderator && actor.affiliation < muc.Admin:
		return forbidden("only admins unmake moderators")
	// Section 8.4: not from who stands at or above the moderator. Among the unaffiliated it is the role alone that counts: else a moderator
	// without affiliation could take voice from nobody.
	case target.affiliation > muc.Unaffiliated && target.affiliation >= actor.affiliation:
		return notAllowed("this occupant stands as high as you")
	}
	return nil
}

// mayKick is sections 8.2 and 5.1.3.
func mayKick(actor, target standing, self bool) *stanza.Error {
	switch {
	case self:
		return nil
	case target.affiliation > actor.affiliation:
		return notAllowed("this occupant stands higher than you")
	case target.role == muc.Moderator && actor.affiliation < muc.Admin:
		return notAllowed("only admins remove moderators")
	}
	return nil
}

// mayChangeAffiliation decides whether actor may give somebody another affiliation (sections 5.2.2, 9 and 10.3 to 10.8); self: it is their
// own; owners is how many the room has.
func mayChangeAffiliation(actor, target muc.Affiliation, self bool, to muc.Affiliation, owners int) *stanza.Error {
	switch {
	case actor < muc.Admin:
		return forbidden("only admins and owners change affiliations")
	case to == target:
		return nil
	// Section 9.1: who bans themselves is told of a conflict.
	case self && to == muc.Outcast:
		return stanza.NewError(stanza.Conflict, "nobody bans themselves")
	// Section 10.4: a room has an owner.
	case target == muc.Owner && to != muc.Owner && owners < 2:
		if actor < muc.Owner {
			break
		}
		return stanza.NewError(stanza.Conflict, "a room needs an owner")
	}
	if actor == muc.Owner || self && to < target {
		return nil
	}
	switch {
	// Section 9.1: an admin cannot ban who stands as high or higher.
	case to == muc.Outcast && target >= muc.Admin:
		return notAllowed("this person stands as high as you")
	// Sections 10.5 and 10.8: only owners change the lists of owners and admins.
	case to >= muc.Admin || target >= muc.Admin:
		return forbidden("only owners change who is admin or owner")
	}
	return nil
}

// mayName decides whether actor may reserve another nick for somebody (section 9.3), which is no less than changing how they stand.
func mayName(actor, target muc.Affiliation, self bool) bool {
	return self || actor == muc.Owner || actor == muc.Admin && target < muc.Admin
}

// roleAfter is the role of an occupant whose affiliation changed, Absent for who has to leave (sections 5.1.3, 9.1, 9.4).
func roleAfter(c *muc.Config, was standing, to muc.Affiliation) muc.Role {
	initial := initialRole(c, to)
	switch {
	case initial == muc.Absent || initial == muc.Moderator:
		return initial
	// The role of moderator that came with the affiliation goes with it; one that was given stays.
	case was.role == muc.Moderator && was.affiliation >= muc.Admin:
		return initial
	// Section 5.1.3: who becomes a member in a moderated room has voice.
	case was.role < initial:
		return initial
	}
	return was.role
}

// mayReadAffiliations decides about a list of people by affiliation (sections 9.2, 9.5, 10.5 and 10.8).
func mayReadAffiliations(c *muc.Config, actor standing, list muc.Affiliation) *stanza.Error {
	role := actor.role
	if role == muc.Absent && actor.affiliation >= muc.Member {
		role = muc.Participant // section 9.5: members may read, also while they are away
	}
	switch {
	case list == muc.Unaffiliated:
		return stanza.NewError(stanza.BadRequest, "there is no list of who has no affiliation")
	case actor.affiliation == muc.Owner, actor.affiliation == muc.Admin && list < muc.Admin:
		return nil
	// Where everybody sees addresses, lists of them hide nothing.
	case list > muc.Unaffiliated && c.NonAnonymous && actor.affiliation >= muc.Unaffiliated && c.Lists.Has(role):
		return nil
	}
	return forbidden("this list is not for you")
}

// mayReadRoles decides about a list of occupants by role (sections 8.5 and 9.8).
func mayReadRoles(actor standing, list muc.Role) *stanza.Error {
	switch {
	case list == muc.Absent:
		return stanza.NewError(stanza.BadRequest, "there is no list of who is not here")
	case actor.affiliation >= muc.Admin, actor.role == muc.Moderator && list < muc.Moderator:
		return nil
	}
	return forbidden("this list is not for you")
}

// maySpeak to everybody (section 7.4).
func maySpeak(r muc.Role) bool { return r >= muc.Participant }

// maySetSubject is section 8.1.
func maySetSubject(c *muc.Config, r muc.Role) bool {
	return r == muc.Moderator || r == muc.Participant && c.ChangeSubject
}

// mayWhisper is the option muc#roomconfig_allowpm (section 7.5).
func mayWhisper(c *muc.Config, r muc.Role) bool {
	switch c.Whisper {
	case muc.WhisperAnyone:
		return r >= muc.Visitor
	case muc.WhisperParticipants:
		return r >= muc.Participant
	case muc.WhisperModerators:
		return r >= muc.Moderator
	}
	return false
}

// mayInvite decides about an invitation by way of the room (section 7.8.2). Into a room for members only it makes a member, which is an act of
// admins unless the room lets members do it (section 9.5).
func mayInvite(c *muc.Config, actor standing) bool {
	if actor.role == muc.Absent {
		return false
	}
	if c.MembersOnly {
		return actor.affiliation >= muc.Admin || c.Invites && actor.affiliation == muc.Member
	}
	return true
}
