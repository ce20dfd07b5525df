package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

const roomsDomain = "rooms.example.org"

// room makes a room.
func (f *fixture) room(t testing.TB, r store.Room, first ...store.Affiliation) store.Room {
	t.Helper()
	r.Domain = roomsDomain
	f.wait(t, f.Rooms.Create(r, first, func(o store.Owner) { r.ID = o }))
	return r
}

func (f *fixture) roomNames(t testing.TB, after string, limit int, public bool) (names []string) {
	t.Helper()
	all, err := f.Rooms.List(f.ctx, roomsDomain, after, limit, public)
	must(t, err)
	for _, r := range all {
		names = append(names, r.Local)
	}
	return names
}

func testRooms(t *testing.T, f *fixture) {
	if _, err := f.Rooms.Get(f.ctx, roomsDomain, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("a room that nobody made: %v", err)
	}
	alice := f.account(t, "alice")
	first := []store.Affiliation{{JID: "alice@example.org", Kind: "owner"}, {JID: "bob@example.org", Kind: "member", Nick: "Bob", Reason: "he asked"}}
	a := f.room(t, store.Room{
		Local: "a", Creator: "alice@example.org", Created: f.clock.Now().UTC(), Public: true, Config: []byte(`{"x":1}`), Subject: []byte("<message/>"), Secret: []byte("s"),
	}, first...)
	if a.ID <= alice {
		t.Errorf("number %d behind %d", a.ID, alice)
	}
	if err := f.Rooms.Create(store.Room{Domain: roomsDomain, Local: "a"}, nil, func(store.Owner) { t.Error("made") }).Wait(f.ctx); !errors.Is(err, store.ErrConflict) {
		t.Errorf("made twice: %v", err)
	}
	if err := f.Rooms.Create(store.Room{Domain: roomsDomain}, nil, func(store.Owner) {}).Wait(f.ctx); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("without a name: %v", err)
	}
	f.reopen(t)
	if got, err := f.Rooms.Get(f.ctx, roomsDomain, "a"); err != nil || !reflect.DeepEqual(got, a) {
		t.Fatalf("%+v, %v\nwant %+v", got, err, a)
	}
	if got, err := f.Affiliations.Of(f.ctx, a.ID); err != nil || !reflect.DeepEqual(got, first) {
		t.Fatalf("%+v, %v", got, err)
	}
	a.Public, a.Temporary, a.Config, a.Subject = false, true, []byte("{}"), nil
	want := a
	a.Creator, a.Secret = "mallory@example.org", []byte("other") // which never change
	f.wait(t, f.Rooms.Change(a))
	if got, err := f.Rooms.Get(f.ctx, roomsDomain, "a"); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}

	f.wait(t, f.Affiliations.Set(a.ID, []store.Affiliation{{JID: "alice@example.org"}, {JID: "bob@example.org", Kind: "outcast"}, {JID: "carol@example.org", Nick: "C"}}))
	got, err := f.Affiliations.Of(f.ctx, a.ID)
	if err != nil || !reflect.DeepEqual(got, []store.Affiliation{{JID: "bob@example.org", Kind: "outcast"}, {JID: "carol@example.org", Nick: "C"}}) {
		t.Errorf("%+v, %v", got, err)
	}
	b := f.room(t, store.Room{Local: "b", Creator: "alice@example.org", Public: true}, store.Affiliation{JID: "bob@example.org", Kind: "admin"})
	f.room(t, store.Room{Local: "c", Creator: "bob@example.org"})
	f.room(t, store.Room{Local: "d", Creator: "bob@example.org", Public: true})
	for _, x := range []struct {
		after  string
		limit  int
		public bool
		want   []string
	}{
		{"", 9, false, []string{"a", "b", "c", "d"}}, {"a", 2, false, []string{"b", "c"}}, {"", 9, true, []string{"b", "d"}}, {"b", 9, true, []string{"d"}}, {"d", 9, false, nil},
	} {
		if got := f.roomNames(t, x.after, x.limit, x.public); !reflect.DeepEqual(got, x.want) {
			t.Errorf("%+v: %q", x, got)
		}
	}
	if n, err := f.Rooms.CountBy(f.ctx, roomsDomain, "bob@example.org"); n != 2 || err != nil {
		t.Errorf("bob has %d rooms, %v", n, err)
	}
	testWaking(t, f, a, b)
}

func testWaking(t *testing.T, f *fixture, a, b store.Room) {
	t.Helper()
	if got, err := f.Occupants.Occupants(f.ctx, b.ID); got != nil || err != nil {
		t.Errorf("nobody yet: %q, %v", got, err)
	}
	f.wait(t, f.Occupants.SetOccupants(a.ID, []byte("one")), f.Occupants.SetOccupants(b.ID, []byte("two")), f.Occupants.SetOccupants(b.ID, []byte("three")))
	f.reopen(t)
	if got, err := f.Occupants.Occupants(f.ctx, b.ID); string(got) != "three" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	waking, err := f.Occupants.Waking(f.ctx, roomsDomain)
	if err != nil || len(waking) != 2 || waking[0]+waking[1] != "ab" && waking[0]+waking[1] != "ba" {
		t.Errorf("%q, %v", waking, err)
	}
	f.wait(t, f.Occupants.SetOccupants(a.ID, nil), f.Occupants.SetOccupants(b.ID, nil))
	if waking, err = f.Occupants.Waking(f.ctx, roomsDomain); err != nil || !reflect.DeepEqual(waking, []string{"a"}) {
		t.Errorf("a is temporary: %q, %v", waking, err)
	}
}

// testDisinherited: what an account was to rooms and nodes goes with it, in one commit, whoever erases it; that it was banned stays.
func testDisinherited(t *testing.T, f *fixture) {
	other := store.Affiliation{JID: "bob@example.org", Kind: "owner"}
	bob := f.account(t, "bob")
	for i, erase := range []func(store.Owner) error{
		func(o store.Owner) error { return f.Accounts.Delete(f.ctx, o) },
		func(o store.Owner) error { return f.Leavers.Erase(f.ctx, o, time.Now()) },
	} {
		name := fmt.Sprint("gone", i)
		who := name + "@example.org"
		open := f.room(t, store.Room{Local: "open" + name}, other, store.Affiliation{JID: who, Kind: "member", Nick: "G", Hats: "urn:a urn:b"})
		worn := f.room(t, store.Room{Local: "worn" + name}, other, store.Affiliation{JID: who, Hats: "urn:a"})
		if got, err := f.Affiliations.Of(f.ctx, worn.ID); err != nil || len(got) != 2 || got[1].Hats != "urn:a" {
			t.Errorf("hats: %+v, %v", got, err)
		}
		shut := f.room(t, store.Room{Local: "shut" + name}, other, store.Affiliation{JID: who, Kind: "outcast"})
		f.wait(t, f.Nodes.ChangeNode(bob, store.NodeChange{
			Node: name, Make: &store.NewNode{Creator: jid.MustParse("bob@example.org"), Config: "{}"},
			Affiliations:  []store.NodeAffiliation{{JID: jid.MustParse(who), Is: "publisher"}},
			Subscriptions: []store.NodeSubscription{{JID: jid.MustParse(who + "/r"), State: "subscribed"}},
		}))
		must(t, erase(f.account(t, name)))
		f.reopen(t)
		for what, room := range map[string]store.Owner{"member": open.ID, "hats": worn.ID} {
			if got, err := f.Affiliations.Of(f.ctx, room); err != nil || !reflect.DeepEqual(got, []store.Affiliation{other}) {
				t.Errorf("%s: %+v, %v", what, got, err)
			}
		}
		if got, err := f.Affiliations.Of(f.ctx, shut.ID); err != nil || len(got) != 2 || got[1].Kind != "outcast" {
			t.Errorf("a ban went: %+v, %v", got, err)
		}
		got, err := f.Nodes.Nodes(f.ctx, bob)
		if err != nil || len(got) != i+1 {
			t.Fatalf("%+v, %v", got, err)
		}
		for _, n := range got {
			if len(n.Affiliations) != 0 || len(n.Subscriptions) != 0 {
				t.Errorf("%+v", n)
			}
		}
	}
}

// testBereaved: what an account alone owned has another owner in the commit with which it goes, or goes as well, also when the process ends behind it.
func testBereaved(t *testing.T, f *fixture) {
	juliet := jid.MustParse("juliet@example.org")
	f.account(t, "old")
	f.account(t, "young")
	off := f.account(t, "off")
	must(t, f.Accounts.SetDisabled(f.ctx, off, true))
	member := func(local string, been bool, nick string) store.Affiliation {
		return store.Affiliation{JID: local + "@example.org", Kind: "member", Been: been, Nick: nick}
	}
	admin := func(address string) store.Affiliation { return store.Affiliation{JID: address, Kind: "admin"} }
	for i, end := range []func(store.Owner) error{
		func(o store.Owner) error { return f.Accounts.Delete(f.ctx, o) },
		func(o store.Owner) error { return f.Leavers.Erase(f.ctx, o, time.Now()) },
		func(o store.Owner) error { return f.Leavers.Leave(o, time.Now()).Wait(f.ctx) },
	} {
		name := fmt.Sprint("gone", i)
		owner := store.Affiliation{JID: name + "@example.org", Kind: "owner"}
		who := f.account(t, name)
		cases := []struct {
			name  string
			want  string // who owns it then; empty: it is gone
			room  store.Room
			staff []store.Affiliation
		}{
			{"another owner", "bob@example.net", store.Room{}, []store.Affiliation{{JID: "bob@example.net", Kind: "owner"}, admin("old@example.org")}},
			{"the oldest admin", "old@example.org", store.Room{}, []store.Affiliation{admin("young@example.org"), admin("old@example.org"), member("aaron", true, "")}},
			{"an admin before a member", "young@example.org", store.Room{}, []store.Affiliation{admin("young@example.org"), member("old", true, "")}},
			{"a member who was there", "young@example.org", store.Room{}, []store.Affiliation{member("old", false, ""), member("young", true, "")}},
			{"a member with a nick", "young@example.org", store.Room{}, []store.Affiliation{member("young", false, "Y")}},
			{"who was put on the list", "", store.Room{}, []store.Affiliation{member("old", false, "")}},
			{"who is not allowed in", "", store.Room{}, []store.Affiliation{admin("off@example.org"), {JID: "old@example.org", Kind: "outcast"}, {JID: "young@example.org", Nick: "Y"}}},
			{"who is of no account here", "", store.Room{}, []store.Affiliation{admin("old@example.net"), admin("nobody@example.org"), admin("example.org")}},
			{"nobody", "", store.Room{}, nil},
			{"temporary", "nobody", store.Room{Temporary: true}, []store.Affiliation{admin("old@example.org")}},
		}
		rooms := map[string]store.Room{}
		for _, c := range cases {
			c.room.Local = c.name + name
			rooms[c.name] = f.room(t, c.room, append(c.staff, owner)...)
		}
		_, said := f.Archive.Append(store.Entry{Owner: rooms["nobody"].ID, Peer: owner.JID, Stanza: []byte("<message/>")})
		f.wait(t, said)
		parts := map[string]store.Room{}
		for what, others := range map[string][]store.NodeAffiliation{
			"alone": {{JID: jid.MustParse("old@example.org"), Is: "publisher"}}, "shared": {{JID: juliet, Is: "owner"}},
		} {
			parts[what] = f.room(t, store.Room{Local: what + name})
			f.wait(t, f.Nodes.ChangeNode(parts[what].ID, store.NodeChange{
				Node: what, Make: &store.NewNode{Creator: juliet}, Affiliations: append(others, store.NodeAffiliation{JID: jid.MustParse(owner.JID), Is: "owner"}),
			}))
			_, published := f.Nodes.Publish(parts[what].ID, store.NewNodeItem{Node: what, ID: "i", Publisher: juliet, Keep: 1})
			f.wait(t, published)
		}
		must(t, end(who))
		f.reopen(t)
		for _, c := range cases {
			_, err := f.Rooms.Get(f.ctx, roomsDomain, c.name+name)
			staff, bad := f.Affiliations.Of(f.ctx, rooms[c.name].ID)
			must(t, bad)
			got := ""
			if err == nil {
				got = "nobody"
			}
			for _, a := range staff {
				if a.Kind == "owner" {
					got = a.JID
				}
			}
			if got != c.want || (err != nil) != (c.want == "") || slices.ContainsFunc(staff, func(a store.Affiliation) bool { return a.JID == owner.JID }) {
				t.Errorf("%s: %q owns it, want %q; %+v, %v", c.name, got, c.want, staff, err)
			}
		}
		for what, there := range map[string]bool{"alone": false, "shared": true} {
			if _, err := f.Rooms.Get(f.ctx, roomsDomain, what+name); (err == nil) != there {
				t.Errorf("node %s: %v", what, err)
			}
		}
		eventually(t, "what was said in a room that is gone", func() bool {
			res, err := f.Archive.Page(f.ctx, rooms["nobody"].ID, store.Query{Max: 1})
			must(t, err)
			return len(res.Rows) == 0
		})
		eventually(t, "a node that is gone", func() bool {
			all, err := f.Nodes.Nodes(f.ctx, parts["alone"].ID)
			must(t, err)
			return len(all) == 0
		})
		if all, err := f.Nodes.Nodes(f.ctx, parts["shared"].ID); err != nil || len(all) != 1 || all[0].Items != 1 || len(all[0].Affiliations) != 1 {
			t.Errorf("the other node: %+v, %v", all, err)
		}
	}
}

// eventually waits for what is done in the background.
func eventually(t *testing.T, what string, gone func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !gone(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it is still there", what)
		}
	}
}

func testRoomsErased(t *testing.T, f *fixture) {
	r := f.room(t, store.Room{Local: "r"}, store.Affiliation{JID: "bob@example.org", Kind: "owner"})
	stays := f.room(t, store.Room{Local: "stays"}, store.Affiliation{JID: "bob@example.org", Kind: "owner"})
	say := func(room store.Owner, n int) {
		for i := range n {
			_, ticket := f.Archive.Append(store.Entry{Owner: room, Peer: "bob@example.org", Resource: "Bob", Stanza: fmt.Appendf(nil, "<message id='%d'/>", i)})
			f.wait(t, ticket)
		}
	}
	say(r.ID, 30)
	say(stays.ID, 3)
	f.wait(t, f.Occupants.SetOccupants(r.ID, []byte("o")), f.Rooms.Delete(r.ID))
	if _, err := f.Rooms.Get(f.ctx, roomsDomain, "r"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a room that was destroyed: %v", err)
	}
	for what, err := range map[string]error{
		"change": f.Rooms.Change(r).Wait(f.ctx), "delete": f.Rooms.Delete(r.ID).Wait(f.ctx), "occupants": f.Occupants.SetOccupants(r.ID, []byte("o")).Wait(f.ctx),
		"affiliations": f.Affiliations.Set(r.ID, []store.Affiliation{{JID: "bob@example.org", Kind: "owner"}}).Wait(f.ctx),
	} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s of a room that is gone: %v", what, err)
		}
	}
	if got, err := f.Occupants.Occupants(f.ctx, r.ID); got != nil || err != nil {
		t.Errorf("occupants of it: %q, %v", got, err)
	}
	again := f.room(t, store.Room{Local: "r"})
	if again.ID == r.ID {
		t.Error("a number was given twice")
	}
	if all, err := f.Affiliations.Of(f.ctx, again.ID); len(all) != 0 || err != nil {
		t.Errorf("the next one of the name: %+v, %v", all, err)
	}
	eventually(t, "messages", func() bool {
		res, err := f.Archive.Page(f.ctx, r.ID, store.Query{Max: 50})
		must(t, err)
		return len(res.Rows) == 0
	})
	if res, err := f.Archive.Page(f.ctx, stays.ID, store.Query{Max: 50}); err != nil || len(res.Rows) != 3 {
		t.Errorf("of the other room %d messages, %v", len(res.Rows), err)
	}
}
