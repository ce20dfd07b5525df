package muc

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

// TestVersionsTellTheList: whoever takes over what is told has the list as it is, from whatever version, with bans or without; the same list has the
// same version however it came about, and another room another one.
func TestVersionsTellTheList(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	x := new(room)
	x.begin(jid.MustParse(cave), store.Room{Secret: []byte("s")}, muc.Config{NonAnonymous: true})
	see := func(bans bool) map[jid.JID]muc.Affiliation {
		out := map[jid.JID]muc.Affiliation{}
		for _, i := range x.everybody(bans) {
			out[i.JID] = i.Affiliation
		}
		return out
	}
	type cached struct {
		version string
		list    [2]map[jid.JID]muc.Affiliation
	}
	var known []cached
	kinds := []muc.Affiliation{muc.Outcast, muc.Unaffiliated, muc.Member, muc.Admin, muc.Owner}
	for range 600 {
		known = append(known, cached{x.versions.now(), [2]map[jid.JID]muc.Affiliation{see(false), see(true)}})
		x.setPerson(jid.MustParse(fmt.Sprintf("p%d@example.org", rnd.IntN(12))), person{affiliation: kinds[rnd.IntN(len(kinds))]})
		k := known[rnd.IntN(len(known))]
		for i, bans := range []bool{false, true} {
			got, now := maps.Clone(k.list[i]), see(bans)
			if k.version != x.versions.now() {
				items, ok := x.versions.since(k.version, bans)
				if ok == (len(items) == 0) {
					t.Fatalf("%v with %d items", ok, len(items))
				}
				if !ok && !maps.Equal(got, now) {
					t.Fatalf("a version that was told is not known")
				}
				for _, item := range items {
					if got[item.JID] = item.Affiliation; item.Affiliation == muc.Unaffiliated {
						delete(got, item.JID)
					}
				}
			}
			if !maps.Equal(got, now) {
				t.Fatalf("bans %v: %v, want %v", bans, got, now)
			}
		}
	}
	again := func(secret string) string {
		y := new(room)
		y.begin(x.address, store.Room{Secret: []byte(secret)}, x.config)
		for who, p := range x.people {
			y.setPerson(who, p)
		}
		return y.versions.now()
	}
	if again("s") != x.versions.now() || again("t") == x.versions.now() {
		t.Error("the version is not that of the list in this room")
	}
	for range versionLog {
		who := jid.MustParse(fmt.Sprintf("p%d@example.org", rnd.IntN(12)))
		x.setPerson(who, person{affiliation: kinds[rnd.IntN(len(kinds))]})
	}
	if len(x.versions.log) > versionLog {
		t.Errorf("%d changes are remembered", len(x.versions.log))
	}
}

// TestListsOfMany: a long list comes in parts that are joined by versions, and only the last one has the list's.
func TestListsOfMany(t *testing.T) {
	x := new(room)
	x.begin(jid.MustParse(cave), store.Room{Secret: []byte("s")}, muc.Config{NonAnonymous: true})
	for i := range 2*listOfOne + 1 {
		x.setPerson(jid.MustParse(fmt.Sprintf("p%d@example.org", i)), person{affiliation: muc.Member})
	}
	out := x.lists(x.everybody(false), "", x.versions.now())
	if len(out) != 3 {
		t.Fatal(len(out))
	}
	items, last := 0, ""
	for i, st := range out {
		c, _ := st.Child("http://jabber.org/protocol/muc#user", "x")
		tree, err := c.Tree()
		if err != nil {
			t.Fatal(err)
		}
		u, err := muc.ParseUser(tree)
		if err != nil || u.Since != last || (u.Until == x.versions.now()) != (i == 2) {
			t.Errorf("part %d is from %q to %q, %v", i, u.Since, u.Until, err)
		}
		items, last = items+len(u.Items), u.Until
	}
	if items != 2*listOfOne+1 {
		t.Errorf("%d items", items)
	}
	cost := [...]int{x.listing(muc.Join{Versions: true}), x.listing(muc.Join{Versions: true, Since: x.versions.now()}), x.listing(muc.Join{})}
	if cost != [...]int{items / 4, 0, 0} {
		t.Errorf("costs %d", cost)
	}
	if out := x.lists(nil, "", "v"); len(out) != 1 { // section 4.2.1: also of a room without affiliations
		t.Errorf("%d messages of none", len(out))
	}
}

// TestSlowModeCountsPeople: not nicks or devices; neither what has no body, nor those who lead the room.
func TestSlowModeCountsPeople(t *testing.T) {
	x := new(room)
	x.begin(jid.MustParse(cave), store.Room{}, muc.Config{Slow: 20})
	member, admin := jid.MustParse("m@example.org"), jid.MustParse("a@example.org")
	x.setPerson(admin, person{affiliation: muc.Admin})
	x.setPerson(member, person{affiliation: muc.Member})
	now := time.Unix(1e9, 0)
	say := func(who jid.JID, after time.Duration, inner string) bool {
		st, err := stanza.Parse("<message xmlns='jabber:client' type='groupchat'>" + inner + "</message>")
		if err != nil {
			t.Fatal(err)
		}
		refused := x.tooSoon(who, st, now.Add(after))
		if refused != nil && (refused.Condition != stanza.PolicyViolation || refused.Type != stanza.Wait || !strings.Contains(refused.Text, "20")) {
			t.Errorf("%+v", refused)
		}
		return refused == nil
	}
	const body, typing = "<body>x</body>", "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
	for i, c := range []struct {
		who   jid.JID
		after time.Duration
		inner string
		want  bool
	}{
		{member, 0, body, true},
		{member, 1, typing, true},
		{member, 19 * time.Second, body, false},
		{admin, 0, body, true},
		{admin, 1, body, true},
		{member, 20 * time.Second, body, true},
		{member, 39 * time.Second, body, false},
		{member, 40 * time.Second, body, true},
	} {
		if got := say(c.who, c.after, c.inner); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
	}
	for i := range 100 {
		say(jid.MustParse(fmt.Sprintf("p%d@example.org", i)), time.Duration(i)*time.Minute, body)
	}
	if len(x.spoke) > 20 {
		t.Errorf("%d are remembered", len(x.spoke))
	}
}
