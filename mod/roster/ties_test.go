package roster

import (
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/xmpp/jid"
)

// What circles and invites make of a contact.
func TestTied(t *testing.T) {
	const both = listed | subTo | subFrom
	in := func(circles ...string) core.Tie { return core.Tie{Circles: circles} }
	for name, x := range map[string]struct {
		now  contact
		tie  core.Tie
		want contact
	}{
		"a stranger joins":               {contact{}, in("A"), contact{groups: "A", state: both | bonded}},
		"a contact joins":                {contact{name: "n", groups: "Mine", state: listed | subTo}, in("A"), contact{name: "n", groups: groupsOf([]string{"Mine", "A"}), state: both | bonded | above}},
		"somebody who has asked joins":   {contact{state: pendingIn}, in("A"), contact{groups: "A", state: both | bonded}},
		"somebody whom we asked joins":   {contact{state: listed | pendingOut}, in("A"), contact{groups: "A", state: both | bonded | above}},
		"a second circle":                {contact{groups: "A", state: both | bonded}, in("A", "B"), contact{groups: groupsOf([]string{"A", "B"}), state: both | bonded}},
		"one of two circles ends":        {contact{groups: groupsOf([]string{"A", "B"}), state: both | bonded}, core.Tie{Circles: []string{"B"}, Dropped: "A"}, contact{groups: "B", state: both | bonded}},
		"the last circle ends":           {contact{groups: "A", state: both | bonded}, core.Tie{Dropped: "A"}, contact{}},
		"and a contact stays":            {contact{name: "n", groups: groupsOf([]string{"Mine", "A"}), state: both | bonded | above}, core.Tie{Dropped: "A"}, contact{name: "n", groups: "Mine", state: both}},
		"an invite":                      {contact{}, core.Tie{Befriend: true}, contact{state: both}},
		"an invite of one who has asked": {contact{state: pendingIn}, core.Tie{Befriend: true}, contact{state: both}},
		"an invite into a circle":        {contact{}, core.Tie{Befriend: true, Circles: []string{"A"}}, contact{groups: "A", state: both | bonded | above}},
		"nothing for a stranger":         {contact{}, core.Tie{Dropped: "A"}, contact{}},
		"one who left is gone":           {contact{groups: "A", state: listed | bonded}, core.Tie{Dropped: "A"}, contact{}},
	} {
		got := tied(x.now, x.tie)
		if got != x.want {
			t.Errorf("%s: %+v, want %+v", name, got, x.want)
		}
		if again := tied(got, x.tie); again != got && got.state != 0 {
			t.Errorf("%s, twice: %+v after %+v", name, again, got)
		}
	}
}

// In a real account: what the disk has is what is in memory, both are told, and clients cannot undo it.
func TestTieInAnAccount(t *testing.T) {
	v := newWorld(t, "alice", "bob")
	a, b := v.online(alice, "a"), v.online(bob, "b")
	tie := func(of, with string, tie core.Tie) {
		t.Helper()
		done := make(chan error, 1)
		err := v.host.Do(jid.MustParse(of), func(w *core.Work, acc *core.Account) {
			v.roster.Tie(w, acc, jid.MustParse(with), tie).Done(func(err error) { done <- err })
		})
		if err == nil {
			err = <-done
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	in := core.Tie{Circles: []string{"Team"}}
	tie(alice, bob, in)
	tie(bob, alice, in)
	a.expect("<item", "bob", "subscription='both'", "<group>Team</group>")
	b.expect("<item", "alice", "subscription='both'", "<group>Team</group>")
	a.expect("<presence", "from='"+bob+"/b'")
	b.expect("<presence", "from='"+alice+"/a'")
	a.send("<presence type='unsubscribed' to='" + bob + "' id='u1'/>")
	a.expect("<presence", "type='error'", "id='u1'", "<not-allowed ")
	if got := a.set("<item jid='" + bob + "' subscription='remove'/>"); !strings.Contains(got, "<not-allowed ") {
		t.Errorf("removed from a circle by a client: %s", got)
	}
	v.sameAsDisk(alice)
	tie(alice, bob, core.Tie{Dropped: "Team"})
	tie(bob, alice, core.Tie{Dropped: "Team"})
	a.expect("<item", "bob", "subscription='remove'")
	b.expect("<item", "alice", "subscription='remove'")
	a.expect("<presence", "type='unavailable'", "from='"+bob+"/b'")
	v.sameAsDisk(alice)
	v.sameAsDisk(bob)
}
