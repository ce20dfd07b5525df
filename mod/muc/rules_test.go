package muc

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

var (
	affiliations = []muc.Affiliation{muc.Outcast, muc.Unaffiliated, muc.Member, muc.Admin, muc.Owner}
	roles        = []muc.Role{muc.Visitor, muc.Participant, muc.Moderator}
)

// short names what a rule says: "yes", or the condition.
func short(err *stanza.Error) string {
	if err == nil {
		return "yes"
	}
	return string(err.Condition)
}

// TestAffiliationsByTable is the table of section 5.2.2: who does it, for every pair. "o" owners, "a" admins and owners, "-" nothing changes.
func TestAffiliationsByTable(t *testing.T) {
	table := map[muc.Affiliation]string{
		//                 outcast none member admin owner
		muc.Outcast:      "- a a o o",
		muc.Unaffiliated: "a - a o o",
		muc.Member:       "a a - o o",
		muc.Admin:        "o o o - o",
		muc.Owner:        "o o o o -",
	}
	for _, from := range affiliations {
		row := strings.Fields(table[from])
		for k, to := range affiliations {
			for _, actor := range affiliations {
				may := row[k] == "-" && actor >= muc.Admin || row[k] == "a" && actor >= muc.Admin || row[k] == "o" && actor == muc.Owner
				got := mayChangeAffiliation(actor, from, false, to, 2)
				if (got == nil) != may {
					t.Errorf("%v makes %v of %v: %v", actor, to, from, short(got))
				}
				want := "forbidden"
				if actor == muc.Admin && to == muc.Outcast {
					want = "not-allowed" // section 9.1
				}
				if got != nil && short(got) != want {
					t.Errorf("%v makes %v of %v: %v, want %v", actor, to, from, short(got), want)
				}
			}
		}
	}
}

// TestAffiliationsGenerated holds for everybody, every change, themselves or others, and any number of owners.
func TestAffiliationsGenerated(t *testing.T) {
	for _, actor := range affiliations {
		for _, target := range affiliations {
			for _, to := range affiliations {
				for _, self := range []bool{false, true} {
					for owners := range 3 {
						if self && actor != target || target == muc.Owner && owners == 0 {
							continue
						}
						got := mayChangeAffiliation(actor, target, self, to, owners)
						what := fmt.Sprintf("%v (self %v) makes %v of %v, %d owners: %s", actor, self, to, target, owners, short(got))
						if got == nil && actor < muc.Admin {
							t.Error("without being an admin: " + what)
						}
						if got == nil && to != target && to > actor {
							t.Error("gives more than they have: " + what)
						}
						if got == nil && to != target && !self && target >= actor && actor != muc.Owner {
							t.Error("of somebody as high: " + what)
						}
						if got == nil && target == muc.Owner && to != muc.Owner && owners == 1 {
							t.Error("leaves the room without an owner: " + what)
						}
						if self && to == muc.Outcast && actor >= muc.Admin && short(got) != "conflict" {
							t.Error("section 9.1: " + what)
						}
					}
				}
			}
		}
	}
	if got := mayChangeAffiliation(muc.Owner, muc.Owner, true, muc.Admin, 1); short(got) != "conflict" {
		t.Errorf("section 10.4: %v", short(got))
	}
	if got := mayChangeAffiliation(muc.Owner, muc.Owner, true, muc.Unaffiliated, 2); got != nil {
		t.Errorf("section 10.4, another owner stays: %v", short(got))
	}
}

// TestRolesGenerated goes through every pair of occupants, and whoever acts from outside, and every role.
func TestRolesGenerated(t *testing.T) {
	for _, aa := range affiliations[1:] {
		for _, ar := range append(slices.Clone(roles), muc.Absent) {
			for _, ta := range affiliations[1:] {
				for _, tr := range roles {
					for _, to := range append(slices.Clone(roles), muc.Absent) {
						actor, target := standing{aa, ar}, standing{ta, tr}
						got := mayChangeRole(actor, target, false, to)
						what := fmt.Sprintf("%v/%v makes %v of %v/%v: %s", aa, ar, to, ta, tr, short(got))
						if (got == nil) != may(actor, target, to) {
							t.Error(what)
						}
					}
				}
			}
		}
	}
}

// may says sections 5.1.3, 8.2, 8.4, 9.6 and 9.7 once more, one sentence each.
func may(actor, target standing, to muc.Role) bool {
	admin := actor.affiliation >= muc.Admin
	if !admin && actor.role != muc.Moderator {
		return false // only moderators and admins change roles
	}
	if to == target.role {
		return true
	}
	if to == muc.Absent { // a kick
		return target.affiliation <= actor.affiliation && (admin || target.role != muc.Moderator)
	}
	if to == muc.Moderator {
		return admin // only admins assign moderators
	}
	if to > target.role {
		return true // moderators grant voice
	}
	if target.affiliation >= muc.Admin {
		return false // nobody takes voice or the role of moderator from admins and owners
	}
	if target.role == muc.Moderator && !admin {
		return false // only admins remove moderators
	}
	return target.affiliation == muc.Unaffiliated || target.affiliation < actor.affiliation
}

func TestRolesTellWhy(t *testing.T) {
	for _, c := range []struct {
		name          string
		actor, target standing
		self          bool
		to            muc.Role
		want          string
	}{
		{"8: a participant kicks", standing{0, muc.Participant}, standing{0, muc.Participant}, false, muc.Absent, "forbidden"},
		{"8.2: a member kicks an admin", standing{muc.Member, muc.Moderator}, standing{muc.Admin, muc.Moderator}, false, muc.Absent, "not-allowed"},
		{"8.2: oneself", standing{0, muc.Moderator}, standing{0, muc.Moderator}, true, muc.Absent, "yes"},
		{"8.4: voice of an owner", standing{muc.Owner, muc.Moderator}, standing{muc.Owner, muc.Moderator}, false, muc.Visitor, "not-allowed"},
		{"8.4: voice of an equal", standing{muc.Member, muc.Moderator}, standing{muc.Member, muc.Participant}, false, muc.Visitor, "not-allowed"},
		{"8.4: voice of a stranger", standing{0, muc.Moderator}, standing{0, muc.Participant}, false, muc.Visitor, "yes"},
		{"9.6: a moderator makes one", standing{muc.Member, muc.Moderator}, standing{0, muc.Participant}, false, muc.Moderator, "forbidden"},
		{"9.6: an admin who is away", standing{muc.Admin, muc.Absent}, standing{0, muc.Participant}, false, muc.Moderator, "yes"},
		{"9.7: an admin unmakes an admin", standing{muc.Admin, muc.Moderator}, standing{muc.Admin, muc.Moderator}, false, muc.Participant, "not-allowed"},
		{"a moderator steps down", standing{0, muc.Moderator}, standing{0, muc.Moderator}, true, muc.Participant, "yes"},
	} {
		if got := mayChangeRole(c.actor, c.target, c.self, c.to); short(got) != c.want {
			t.Errorf("%s: %s", c.name, short(got))
		}
	}
}

// TestInitialRoles is the table of section 5.1.2.
func TestInitialRoles(t *testing.T) {
	for _, c := range []struct {
		name string
		c    muc.Config
		want []muc.Role // of outcast, none, member, admin, owner
	}{
		{"moderated", muc.Config{Moderated: true}, []muc.Role{muc.Absent, muc.Visitor, muc.Participant, muc.Moderator, muc.Moderator}},
		{"open", muc.Config{}, []muc.Role{muc.Absent, muc.Participant, muc.Participant, muc.Moderator, muc.Moderator}},
		{"members only", muc.Config{MembersOnly: true}, []muc.Role{muc.Absent, muc.Absent, muc.Participant, muc.Moderator, muc.Moderator}},
	} {
		for i, a := range affiliations {
			if got := initialRole(&c.c, a); got != c.want[i] {
				t.Errorf("%s: %v enters as %v", c.name, a, got)
			}
		}
	}
}

func TestRoleAfter(t *testing.T) {
	for _, c := range []struct {
		name string
		c    muc.Config
		was  standing
		to   muc.Affiliation
		want muc.Role
	}{
		{"banned", muc.Config{}, standing{muc.Member, muc.Participant}, muc.Outcast, muc.Absent},
		{"no member any more", muc.Config{MembersOnly: true}, standing{muc.Member, muc.Participant}, muc.Unaffiliated, muc.Absent},
		{"no member of an open room", muc.Config{Moderated: true}, standing{muc.Member, muc.Participant}, muc.Unaffiliated, muc.Participant},
		{"a member gets voice", muc.Config{Moderated: true}, standing{0, muc.Visitor}, muc.Member, muc.Participant},
		{"an admin moderates", muc.Config{}, standing{0, muc.Visitor}, muc.Admin, muc.Moderator},
		{"an admin no more", muc.Config{}, standing{muc.Admin, muc.Moderator}, muc.Member, muc.Participant},
		{"an admin no more, moderated", muc.Config{Moderated: true}, standing{muc.Admin, muc.Moderator}, muc.Unaffiliated, muc.Visitor},
		{"an owner no more", muc.Config{}, standing{muc.Owner, muc.Moderator}, muc.Admin, muc.Moderator},
		{"a chosen moderator becomes a member", muc.Config{}, standing{0, muc.Moderator}, muc.Member, muc.Moderator},
		{"an admin is banned", muc.Config{}, standing{muc.Admin, muc.Moderator}, muc.Outcast, muc.Absent},
	} {
		if got := roleAfter(&c.c, c.was, c.to); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestMayEnter(t *testing.T) {
	closed := muc.Config{MembersOnly: true}
	secret := muc.Config{Password: "cauldronburn"}
	for _, c := range []struct {
		name      string
		c         muc.Config
		a         muc.Affiliation
		password  string
		occupants int
		want      string
	}{
		{"open", muc.Config{}, 0, "", 0, "yes"},
		{"banned", muc.Config{}, muc.Outcast, "", 0, "forbidden"},
		{"banned, and no member", closed, muc.Outcast, "", 0, "forbidden"},
		{"no member", closed, 0, "", 0, "registration-required"},
		{"member", closed, muc.Member, "", 0, "yes"},
		{"no password", secret, 0, "", 0, "not-authorized"},
		{"wrong password", secret, muc.Owner, "cauldronburn ", 0, "not-authorized"},
		{"password", secret, 0, "cauldronburn", 0, "yes"},
		{"full", muc.Config{}, muc.Member, "", 5, "service-unavailable"},
		{"full for others", muc.Config{}, muc.Admin, "", 5, "yes"},
		{"full for all", muc.Config{}, muc.Owner, "", 5 + staffRoom, "service-unavailable"},
	} {
		err := mayEnter(&c.c, c.a, c.password, c.occupants, 5)
		if short(err) != c.want || c.want == "service-unavailable" && err.Type != stanza.Wait {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestLists(t *testing.T) {
	open := muc.Config{NonAnonymous: true, Lists: muc.AllRoles}
	narrow := muc.Config{NonAnonymous: true, Lists: muc.RolesOf(muc.Moderator)}
	semi := muc.Config{Lists: muc.AllRoles}
	for _, c := range []struct {
		name string
		c    muc.Config
		who  standing
		list muc.Affiliation
		want string
	}{
		{"9.2: an admin, bans", semi, standing{muc.Admin, 0}, muc.Outcast, "yes"},
		{"9.2: a member, bans", open, standing{muc.Member, muc.Participant}, muc.Outcast, "forbidden"},
		{"9.5: a member who is away", open, standing{muc.Member, 0}, muc.Member, "yes"},
		{"9.5: an occupant", open, standing{0, muc.Participant}, muc.Member, "yes"},
		{"9.5: a stranger", open, standing{0, 0}, muc.Member, "forbidden"},
		{"9.5: only moderators", narrow, standing{muc.Member, muc.Participant}, muc.Member, "forbidden"},
		{"5.2.1: a member, addresses hidden", semi, standing{muc.Member, muc.Participant}, muc.Member, "forbidden"},
		{"10.5: a member, owners", open, standing{muc.Member, muc.Participant}, muc.Owner, "yes"},
		{"10.5: an admin, owners, addresses hidden", semi, standing{muc.Admin, muc.Moderator}, muc.Owner, "forbidden"},
		{"10.8: an owner, admins", semi, standing{muc.Owner, 0}, muc.Admin, "yes"},
		{"nobody in particular", open, standing{muc.Owner, 0}, muc.Unaffiliated, "bad-request"},
	} {
		if got := mayReadAffiliations(&c.c, c.who, c.list); short(got) != c.want {
			t.Errorf("%s: %s", c.name, short(got))
		}
	}
	for _, c := range []struct {
		who  standing
		list muc.Role
		want string
	}{
		{standing{0, muc.Moderator}, muc.Participant, "yes"},
		{standing{0, muc.Moderator}, muc.Moderator, "forbidden"},
		{standing{muc.Admin, 0}, muc.Moderator, "yes"},
		{standing{muc.Member, muc.Participant}, muc.Visitor, "forbidden"},
		{standing{muc.Owner, 0}, muc.Absent, "bad-request"},
	} {
		if got := mayReadRoles(c.who, c.list); short(got) != c.want {
			t.Errorf("%+v asks for %v: %s", c.who, c.list, short(got))
		}
	}
}

func TestSpeech(t *testing.T) {
	for r, want := range map[muc.Role][4]bool{ // anyone, participants, moderators, nobody
		muc.Absent: {}, muc.Visitor: {true}, muc.Participant: {true, true}, muc.Moderator: {true, true, true},
	} {
		for w, yes := range want {
			if got := mayWhisper(&muc.Config{Whisper: muc.Whisper(w)}, r); got != yes {
				t.Errorf("%v whispers under %d: %v", r, w, got)
			}
		}
		if maySpeak(r) != (r >= muc.Participant) {
			t.Errorf("%v speaks", r)
		}
		for _, change := range []bool{false, true} {
			if got := maySetSubject(&muc.Config{ChangeSubject: change}, r); got != (r == muc.Moderator || change && r == muc.Participant) {
				t.Errorf("%v sets the subject (%v): %v", r, change, got)
			}
		}
	}
	for _, c := range []struct {
		c    muc.Config
		who  standing
		want bool
	}{
		{muc.Config{}, standing{0, muc.Visitor}, true},
		{muc.Config{}, standing{muc.Owner, 0}, false},
		{muc.Config{MembersOnly: true}, standing{muc.Member, muc.Participant}, false},
		{muc.Config{MembersOnly: true, Invites: true}, standing{muc.Member, muc.Participant}, true},
		{muc.Config{MembersOnly: true}, standing{muc.Admin, muc.Moderator}, true},
	} {
		if got := mayInvite(&c.c, c.who); got != c.want {
			t.Errorf("%+v invites into %+v: %v", c.who, c.c, got)
		}
	}
}
