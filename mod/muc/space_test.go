package muc

import (
	"context"
	"errors"
	"testing"

	"stonechat/config"
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
)

// What a space gives raises who has less and lowers who has just that; what a room has decided on its own stays.
func TestFollows(t *testing.T) {
	const none, member, admin, owner, outcast = muc.Unaffiliated, muc.Member, muc.Admin, muc.Owner, muc.Outcast
	for _, c := range []struct{ now, was, is, want muc.Affiliation }{
		{none, none, member, member},
		{none, none, admin, admin},
		{member, none, admin, admin},
		{admin, none, member, admin}, // the room gave more
		{owner, none, admin, owner},
		{outcast, none, member, outcast},
		{outcast, none, admin, outcast},
		{outcast, member, none, outcast},
		{member, member, none, none},
		{admin, admin, member, member},
		{admin, admin, none, none},
		{admin, member, none, admin},
		{owner, admin, none, owner},
		{none, member, none, none},
		{none, member, member, none}, // the room took it away, and nothing in the space has changed
		{none, admin, member, none},
		{none, member, admin, admin},
	} {
		if got := follows(c.now, c.was, c.is); got != c.want {
			t.Errorf("%v, from %v to %v by the space: %v, want %v", c.now, c.was, c.is, got, c.want)
		}
	}
	if bySpace(core.InSpace, false) != none || bySpace(core.OwnsSpace, false) != admin || bySpace(core.InSpace, true) != member {
		t.Error("a room that is not for everybody in the space makes them members, or owners of the space are no admins")
	}
}

var verona = core.Space{Service: jid.MustParse("pubsub." + domain), Node: "verona"}

// news has the cave hear of people.
func (v *world) news(s core.Space, by string, people ...core.SpaceChange) error {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.Context(), awaited)
	defer cancel()
	return v.host.Follow(jid.MustParse(cave), core.SpaceNews{Space: s, Default: true, By: jid.MustParse(by + "@" + domain), People: people}).Wait(ctx)
}

func joins(who string) core.SpaceChange {
	return core.SpaceChange{JID: jid.MustParse(who + "@" + domain), Is: core.InSpace, Joined: true}
}

// TestSpaceIsFollowedOrNothingIsSeen: news of a space that the room does not name, or that the disk does not take, change nothing.
func TestSpaceIsFollowedOrNothingIsSeen(t *testing.T) {
	v, juliet, romeo := inCave(t)
	juliet.configure("<field var='muc#roomconfig_pubsub'><value>xmpp:pubsub." + domain + "?;node=verona</value></field>")
	if err := v.news(core.Space{Service: verona.Service, Node: "mantua"}, "tybalt", joins("romeo")); err != nil {
		t.Fatal(err)
	}
	v.disk.fill(true)
	if err := v.news(verona, "tybalt", joins("romeo")); !errors.Is(err, store.ErrFull) {
		t.Fatal(err)
	}
	v.disk.fill(false)
	romeo.never("affiliation='member'")
	if err := v.news(verona, "romeo", joins("romeo")); err != nil {
		t.Fatal(err)
	}
	romeo.expect("<presence", cave+"/romeo", "affiliation='member'", "code='110'")
	juliet.expect("<presence", cave+"/romeo", "affiliation='member'")
	if x, err := v.db.Affiliations.Of(t.Context(), v.number()); err != nil || len(x) != 2 || !x[0].Been || !x[1].Been {
		t.Errorf("%+v, %v: who has joined belongs to the room", x, err)
	}
}

// TestLeavingASpaceIsNeverTooMuch: whoever has spent all that rooms do for them cannot bring more people, and is let go all the same.
func TestLeavingASpaceIsNeverTooMuch(t *testing.T) {
	v := newWorldWith(t, func(_ *core.Parts, c *config.Rooms) { c.Deliveries = creationCost }, "juliet", "romeo")
	juliet := v.bind("juliet")
	juliet.enter("juliet")
	juliet.expect("<presence", "code='201'")
	juliet.configure("<field var='muc#roomconfig_pubsub'><value>xmpp:pubsub." + domain + "?;node=verona</value></field>")
	if err := v.news(verona, "romeo", joins("romeo")); err != nil {
		t.Fatal(err)
	}
	v.m.afford(jid.MustParse("romeo@"+domain), 10*creationCost)
	if err := v.news(verona, "romeo", joins("tybalt")); err == nil {
		t.Error("nobody pays for what the room tells everybody")
	}
	gone := joins("romeo")
	gone.Was, gone.Is, gone.Joined = core.InSpace, core.NotInSpace, false
	if err := v.news(verona, "romeo", gone); err != nil {
		t.Error(err)
	}
	if got := juliet.admin("<item affiliation='member' jid='mercutio@" + domain + "'/>"); !holds(got, []string{"type='result'"}) {
		t.Error(got)
	}
	if x, err := v.db.Affiliations.Of(t.Context(), v.number()); err != nil || len(x) != 2 {
		t.Errorf("%+v, %v", x, err)
	}
}

// number is that of the cave in the store.
func (v *world) number() store.Owner {
	v.Helper()
	kept, err := v.db.Rooms.Get(v.Context(), "rooms."+domain, "cave")
	if err != nil {
		v.Fatal(err)
	}
	return kept.ID
}
