package muc

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/e2e/golden"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

// Everything that rules.go says, as tables to be read beside those of XEP-0045: testdata/rights.txt.
func TestRights(t *testing.T) {
	var b strings.Builder
	privilegesOfRoles(&b)
	privilegesOfAffiliations(&b)
	readers(&b)
	changesOfRoles(&b)
	changesOfAffiliations(&b)
	golden.Compare(t, "rights.txt", b.String())
}

// letter is an outcome in one: y yes, f forbidden, n not-allowed, c conflict, r registration-required, b bad-request.
func letter(err *stanza.Error) string {
	if err == nil {
		return "y"
	}
	return string(err.Condition[:1])
}

func truth(yes bool) string { return map[bool]string{true: "y", false: "f"}[yes] }

// allRoles, the lowest first.
var allRoles = []muc.Role{muc.Absent, muc.Visitor, muc.Participant, muc.Moderator}

var someone = jid.MustParse("someone@example.org")

// privilegesOfRoles is section 5.1.1, for somebody without affiliation.
func privilegesOfRoles(b *strings.Builder) {
	b.WriteString("Privileges of roles, without an affiliation (section 5.1.1)\n\n")
	fmt.Fprintf(b, "%-46s %-4s %-7s %-11s %s\n", "", "none", "visitor", "participant", "moderator")
	is := func(r muc.Role) standing { return standing{muc.Unaffiliated, r} }
	visitor, participant, moderator := is(muc.Visitor), is(muc.Participant), is(muc.Moderator)
	for _, p := range []struct {
		name string
		may  func(r muc.Role) string
	}{
		{"read what is said (open room)", func(r muc.Role) string { return truth((&room{}).mayRead(is(r))) }},
		{"read what is said (members only)", func(r muc.Role) string {
			return truth((&room{config: muc.Config{MembersOnly: true}}).mayRead(is(r)))
		}},
		{"send private messages (anyone)", func(r muc.Role) string { return truth(mayWhisper(&muc.Config{}, r)) }},
		{"send private messages (participants)", func(r muc.Role) string {
			return truth(mayWhisper(&muc.Config{Whisper: muc.WhisperParticipants}, r))
		}},
		{"send private messages (moderators)", func(r muc.Role) string { return truth(mayWhisper(&muc.Config{Whisper: muc.WhisperModerators}, r)) }},
		{"invite others (open room)", func(r muc.Role) string { return truth(mayInvite(&muc.Config{}, is(r))) }},
		{"invite others (members only)", func(r muc.Role) string { return truth(mayInvite(&muc.Config{MembersOnly: true, Invites: true}, is(r))) }},
		{"send messages to all", func(r muc.Role) string { return truth(maySpeak(r)) }},
		{"modify the subject", func(r muc.Role) string { return truth(maySetSubject(&muc.Config{}, r)) }},
		{"modify the subject (where participants may)", func(r muc.Role) string { return truth(maySetSubject(&muc.Config{ChangeSubject: true}, r)) }},
		{"kick participants and visitors", func(r muc.Role) string {
			return letter(mayChangeRole(is(r), participant, false, muc.Absent)) + letter(mayChangeRole(is(r), visitor, false, muc.Absent))
		}},
		{"kick moderators", func(r muc.Role) string { return letter(mayChangeRole(is(r), moderator, false, muc.Absent)) }},
		{"grant voice", func(r muc.Role) string { return letter(mayChangeRole(is(r), visitor, false, muc.Participant)) }},
		{"revoke voice", func(r muc.Role) string { return letter(mayChangeRole(is(r), participant, false, muc.Visitor)) }},
		{"make moderators", func(r muc.Role) string { return letter(mayChangeRole(is(r), participant, false, muc.Moderator)) }},
		{"list visitors and participants", func(r muc.Role) string {
			return letter(mayReadRoles(is(r), muc.Visitor)) + letter(mayReadRoles(is(r), muc.Participant))
		}},
		{"list moderators", func(r muc.Role) string { return letter(mayReadRoles(is(r), muc.Moderator)) }},
	} {
		fmt.Fprintf(b, "%-46s %-4s %-7s %-11s %s\n", p.name, p.may(muc.Absent), p.may(muc.Visitor), p.may(muc.Participant), p.may(muc.Moderator))
	}
}

// privilegesOfAffiliations is section 5.2.1, for somebody who is away.
func privilegesOfAffiliations(b *strings.Builder) {
	b.WriteString("\nPrivileges of affiliations, of who is not in the room (section 5.2.1); roles at the door (section 5.1.2)\n\n")
	fmt.Fprintf(b, "%-46s %-11s %-11s %-11s %-9s %s\n", "", "outcast", "none", "member", "admin", "owner")
	rooms := []struct {
		name string
		c    muc.Config
	}{{"open", muc.Config{}}, {"moderated", muc.Config{Moderated: true}}, {"members only", muc.Config{MembersOnly: true}}}
	line := func(name string, may func(a muc.Affiliation) string) {
		fmt.Fprintf(b, "%-46s", name)
		for i, a := range affiliations {
			width := []int{11, 11, 11, 9, 0}[i]
			fmt.Fprintf(b, " %-*s", width, may(a))
		}
		b.WriteByte('\n')
	}
	for _, r := range rooms {
		line("enter a room that is "+r.name, func(a muc.Affiliation) string { return letter(mayEnter(&r.c, a, "", 0, 1)) })
		line("as", func(a muc.Affiliation) string { return initialRole(&r.c, a).String() })
	}
	line("register with a room that is open for that", func(a muc.Affiliation) string {
		return letter(registering(a, muc.Config{Register: true}))
	})
	line("register with another", func(a muc.Affiliation) string { return letter(registering(a, muc.Config{})) })
	for _, c := range []struct {
		name string
		c    muc.Config
	}{{"semi-anonymous", muc.Config{Lists: muc.AllRoles}}, {"non-anonymous", muc.Config{Lists: muc.AllRoles, NonAnonymous: true}}} {
		for _, list := range affiliations {
			if list == muc.Unaffiliated {
				continue
			}
			line("list "+list.String()+"s ("+c.name+")", func(a muc.Affiliation) string {
				return letter(mayReadAffiliations(&c.c, standing{a, muc.Absent}, list))
			})
		}
	}
	of := func(target, to muc.Affiliation) func(a muc.Affiliation) string {
		return func(a muc.Affiliation) string { return letter(mayChangeAffiliation(a, target, false, to, 2)) }
	}
	line("ban members", of(muc.Member, muc.Outcast))
	line("ban who has no affiliation", of(muc.Unaffiliated, muc.Outcast))
	line("make members", of(muc.Unaffiliated, muc.Member))
	line("make moderators", func(a muc.Affiliation) string {
		return letter(mayChangeRole(standing{a, muc.Absent}, standing{muc.Unaffiliated, muc.Participant}, false, muc.Moderator))
	})
	line("make admins", of(muc.Member, muc.Admin))
	line("make owners", of(muc.Member, muc.Owner))
	for _, target := range []muc.Affiliation{muc.Member, muc.Admin, muc.Owner} {
		line("reserve a nick for somebody who is "+target.String(), func(a muc.Affiliation) string { return truth(mayName(a, target, false)) })
	}
	line("configure and destroy", func(a muc.Affiliation) string {
		return letter(core.Permit(core.Actor{}, core.ActOwnRoom, core.Object{Standing: (&room{}).stands(standing{a, muc.Absent})}))
	})
}

func registering(a muc.Affiliation, c muc.Config) *stanza.Error {
	return (&room{config: c, people: map[jid.JID]person{someone: {affiliation: a}}}).mayRegister(someone)
}

// readers is what core is told: who may read what was said (r), and know addresses (k).
func readers(b *strings.Builder) {
	b.WriteString("\nWho may read the archive (r) and know the addresses in it (k): in the room as moderator, participant, visitor, and away\n\n")
	fmt.Fprintf(b, "%-46s %-11s %-11s %-11s %-11s %s\n", "", "outcast", "none", "member", "admin", "owner")
	for _, x := range []struct {
		name string
		room room
	}{
		{"semi-anonymous", room{}},
		{"non-anonymous", room{config: muc.Config{NonAnonymous: true}}},
		{"semi-anonymous, for members only", room{config: muc.Config{MembersOnly: true}}},
		{"non-anonymous, for members only", room{config: muc.Config{MembersOnly: true, NonAnonymous: true}}},
		{"non-anonymous, with a password", room{config: muc.Config{Password: "x", NonAnonymous: true}}},
		{"non-anonymous, not yet configured", room{config: muc.Config{NonAnonymous: true}, locked: true}},
	} {
		fmt.Fprintf(b, "%-46s", x.name)
		for _, a := range affiliations {
			cells := ""
			for _, r := range slices.Backward(allRoles) {
				s := x.room.stands(standing{a, r})
				cell := map[bool]string{true: "r", false: "."}[s&core.RoomReader != 0] + map[bool]string{true: "k", false: "."}[s&core.RoomKnower != 0]
				cells += cell + " "
			}
			b.WriteString(" " + cells[:len(cells)-1])
		}
		b.WriteByte('\n')
	}
}

// changesOfRoles is sections 5.1.3, 8.2 to 8.4 and 9.6 to 9.8: who may make what of whom.
func changesOfRoles(b *strings.Builder) {
	b.WriteString("\nWho may make whom nobody (a kick), a visitor, a participant, a moderator: a letter for each (sections 8.2 to 8.4, 9.6 and 9.7)\n\n")
	fmt.Fprintf(b, "%-22s", "")
	for _, a := range affiliations[1:] {
		fmt.Fprintf(b, " %-22s", a)
	}
	fmt.Fprintf(b, "%s\n%-22s", " themselves", "who")
	for range affiliations[1:] {
		fmt.Fprintf(b, " %-7s %-6s %-7s", "visitor", "partic", "moderat")
	}
	b.WriteByte('\n')
	for _, aa := range affiliations {
		for _, ar := range allRoles {
			if aa == muc.Outcast && ar != muc.Absent {
				continue // they are not there
			}
			actor := standing{aa, ar}
			fmt.Fprintf(b, "%-22s", aa.String()+", "+strings.Replace(ar.String(), "none", "away", 1))
			for _, ta := range affiliations[1:] {
				for i, tr := range roles {
					fmt.Fprintf(b, " %-*s", []int{7, 6, 7}[i], wishes(actor, standing{ta, tr}, false))
				}
			}
			themselves := ""
			if ar != muc.Absent {
				themselves = " " + wishes(actor, actor, true)
			}
			b.WriteString(themselves + "\n")
		}
	}
}

// wishes are the outcomes for each role that somebody may be given.
func wishes(actor, target standing, self bool) (out string) {
	for _, to := range allRoles {
		out += letter(mayChangeRole(actor, target, self, to))
	}
	return out
}

// changesOfAffiliations is section 5.2.2, with sections 9.1 to 9.4 and 10.3 to 10.8.
func changesOfAffiliations(b *strings.Builder) {
	b.WriteString("\nWho may make whom an outcast, nothing, a member, an admin, an owner: a letter for each (section 5.2.2)\n\n")
	fmt.Fprintf(b, "%-10s", "who")
	for _, a := range affiliations {
		fmt.Fprintf(b, " %-8s", a)
	}
	b.WriteString(" only owner  themselves  themselves as the only owner\n")
	outcomes := func(actor, target muc.Affiliation, self bool, owners int) (out string) {
		for _, to := range affiliations {
			out += letter(mayChangeAffiliation(actor, target, self, to, owners))
		}
		return out
	}
	for _, actor := range affiliations {
		fmt.Fprintf(b, "%-10s", actor)
		for _, target := range affiliations {
			fmt.Fprintf(b, " %-8s", outcomes(actor, target, false, 2))
		}
		alone := ""
		if actor == muc.Owner {
			alone = "      " + outcomes(actor, actor, true, 1)
		}
		fmt.Fprintf(b, " %-11s %s%s\n", outcomes(actor, muc.Owner, false, 1), outcomes(actor, actor, true, 2), alone)
	}
}

// An admin changes nothing of who stands as high, also not what is kept beside the affiliation.
func TestNicksOfOwners(t *testing.T) {
	_, juliet, romeo := inCave(t)
	item := func(affiliation, name, nick string) string {
		return "<item affiliation='" + affiliation + "' jid='" + name + "@" + domain + "'" + nick + "/>"
	}
	if got := juliet.admin(item("owner", "juliet", " nick='Capulet'")); !strings.Contains(got, "type='result'") {
		t.Fatal(got)
	}
	if got := juliet.admin(item("admin", "romeo", "")); !strings.Contains(got, "type='result'") {
		t.Fatal(got)
	}
	for _, nick := range []string{" nick='Fool'", " nick=''"} {
		if got := romeo.admin(item("owner", "juliet", nick)); !strings.Contains(got, "<forbidden") {
			t.Errorf("%s: %s", nick, got)
		}
	}
	if got := romeo.admin(item("owner", "juliet", "")); !strings.Contains(got, "type='result'") {
		t.Errorf("nothing changes: %s", got)
	}
	if got := juliet.ask("get", "<query xmlns='http://jabber.org/protocol/muc#admin'><item affiliation='owner'/></query>"); !strings.Contains(got, "nick='Capulet'") {
		t.Error(got)
	}
	if got := romeo.admin(item("admin", "romeo", " nick='Montague'")); !strings.Contains(got, "type='result'") {
		t.Errorf("their own: %s", got)
	}
}
