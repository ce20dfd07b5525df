package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"stonechat/store"
)

func testRoster(t *testing.T, f *fixture) {
	r, err := f.Rosters.Load(f.ctx, 5)
	must(t, err)
	if !reflect.DeepEqual(r, store.Roster{}) {
		t.Fatalf("roster of nobody: %+v", r)
	}
	bob := store.Contact{JID: address(t, "bob@example.org"), Name: "Bob \"the\" <b>", Subscription: store.SubscriptionTo, Ask: true, Groups: []string{"a", "b\nc", ""}}
	carl := store.Contact{JID: address(t, "carl.example.net"), Subscription: store.SubscriptionNone, Approved: true}
	v1, t1 := f.Rosters.Change(5, store.RosterChange{Put: &carl})
	v2, t2 := f.Rosters.Change(5, store.RosterChange{Put: &bob})
	f.wait(t, t1, t2)
	f.checkRoster(t, 5, store.Roster{Version: v2, Contacts: []store.Contact{bob, carl}})
	f.checkRoster(t, 6, store.Roster{})
	if v1 <= 0 || v2 <= v1 {
		t.Fatalf("versions %d, %d", v1, v2)
	}

	bob.Name, bob.Ask, bob.Subscription, bob.Groups = "B", false, store.SubscriptionBoth, nil
	v3, t3 := f.Rosters.Change(5, store.RosterChange{Put: &bob, Remove: carl.JID})
	f.wait(t, t3)
	f.checkRoster(t, 5, store.Roster{Version: v3, Contacts: []store.Contact{bob}})
	v4, t4 := f.Rosters.Change(5, store.RosterChange{Remove: address(t, "never@example.org")})
	f.wait(t, t4)
	f.checkRoster(t, 5, store.Roster{Version: v4, Contacts: []store.Contact{bob}})
}

func (f *fixture) checkRoster(t testing.TB, owner store.Owner, want store.Roster) {
	t.Helper()
	got, err := f.Rosters.Load(f.ctx, owner)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("roster\n got %+v\nwant %+v", got, want)
	}
}

func testRosterVersions(t *testing.T, f *fixture) {
	contact := func(i int) store.Contact {
		return store.Contact{JID: address(t, fmt.Sprintf("c%04d@example.org", i)), Subscription: store.SubscriptionBoth}
	}
	put := func(i int) store.Version {
		c := contact(i)
		v, ticket := f.Rosters.Change(1, store.RosterChange{Put: &c})
		f.wait(t, ticket)
		return v
	}
	remove := func(i int) store.Version {
		v, ticket := f.Rosters.Change(1, store.RosterChange{Remove: contact(i).JID})
		f.wait(t, ticket)
		return v
	}
	if _, ok, err := f.Rosters.ChangesSince(f.ctx, 1, 0); err != nil || !ok {
		t.Fatalf("empty roster at zero: %v, %v", ok, err)
	}
	v1, v2 := put(1), put(2)
	v3 := remove(1)
	v4 := put(3)
	second, third := store.ChangedContact{Contact: contact(2), Version: v2}, store.ChangedContact{Contact: contact(3), Version: v4}
	gone := store.ChangedContact{Contact: store.Contact{JID: contact(1).JID}, Version: v3, Gone: true}
	for _, c := range []struct {
		since store.Version
		items []store.ChangedContact
		ok    bool
	}{
		{v4, nil, true},
		{v3, []store.ChangedContact{third}, true},
		{v2, []store.ChangedContact{gone, third}, true},
		{v1, []store.ChangedContact{second, gone, third}, true},
		{0, nil, false},
		{v4 + 1, nil, false},
		{-1, nil, false},
	} {
		got, ok, err := f.Rosters.ChangesSince(f.ctx, 1, c.since)
		must(t, err)
		want := store.RosterChanges{}
		if c.ok {
			want = store.RosterChanges{Version: v4, Items: c.items}
		}
		if ok != c.ok || !reflect.DeepEqual(got, want) {
			t.Errorf("since %d: %v %+v, want %v %+v", c.since, ok, got, c.ok, want)
		}
	}
	// A contact that comes back is not removed any more.
	v5 := put(1)
	if got, ok, err := f.Rosters.ChangesSince(f.ctx, 1, v2); err != nil || !ok || got.Version != v5 || len(got.Items) != 2 || got.Items[0].Gone || got.Items[1].Gone {
		t.Fatalf("back again: %+v, %v, %v", got, ok, err)
	}
	// Removals are remembered, but not for ever: then the client needs the whole roster.
	for i := range 2000 {
		_, ticket := f.Rosters.Change(1, store.RosterChange{Remove: contact(10 + i).JID})
		if i == 1999 {
			f.wait(t, ticket)
		}
	}
	v6 := remove(3)
	got, ok, err := f.Rosters.ChangesSince(f.ctx, 1, v6-1)
	must(t, err)
	if _, old, err := f.Rosters.ChangesSince(f.ctx, 1, v5); err != nil || old || !ok || len(got.Items) != 1 || !got.Items[0].Gone {
		t.Fatalf("after 2000 removals: old version known %v, %v; newest %+v, %v", old, err, got, ok)
	}
}

// testRosterOrder: changes of one owner reach the disk in the order of the calls.
func testRosterOrder(t *testing.T, f *fixture) {
	var last store.Ticket
	var version store.Version
	c := store.Contact{JID: address(t, "bob@example.org"), Subscription: store.SubscriptionNone}
	for i := range 500 {
		c.Name = fmt.Sprint(i)
		version, last = f.Rosters.Change(1, store.RosterChange{Put: &c})
		if i%7 == 0 {
			f.Rosters.Change(1, store.RosterChange{Remove: c.JID})
			version, last = f.Rosters.Change(1, store.RosterChange{Put: &c})
		}
	}
	f.wait(t, last)
	f.checkRoster(t, 1, store.Roster{Version: version, Contacts: []store.Contact{c}})
}

func testPending(t *testing.T, f *fixture) {
	bob, carl := address(t, "bob@example.org"), address(t, "carl@example.org")
	at := f.clock.Now().UTC()
	change := func(c store.RosterChange) store.Version {
		v, ticket := f.Rosters.Change(9, c)
		f.wait(t, ticket)
		return v
	}
	if v := change(store.RosterChange{PutPending: &store.Pending{JID: carl, Stanza: []byte("<presence><status>old</status></presence>")}}); v != 0 {
		t.Fatalf("a request alone made version %d", v)
	}
	f.clock.Move(time.Second)
	earlier := at.Add(-time.Hour)
	change(store.RosterChange{PutPending: &store.Pending{JID: bob, Stanza: []byte("<presence/>"), Since: earlier}})
	change(store.RosterChange{PutPending: &store.Pending{JID: carl, Stanza: []byte("<presence><status>new</status></presence>"), Since: at}})
	f.checkRoster(t, 9, store.Roster{Pending: []store.Pending{
		{JID: bob, Stanza: []byte("<presence/>"), Since: earlier},
		{JID: carl, Stanza: []byte("<presence><status>new</status></presence>"), Since: at},
	}})
	// Accepting changes both in one step.
	c := store.Contact{JID: bob, Subscription: store.SubscriptionFrom}
	v := change(store.RosterChange{Put: &c, RemovePending: bob})
	change(store.RosterChange{RemovePending: carl})
	f.checkRoster(t, 9, store.Roster{Version: v, Contacts: []store.Contact{c}})
}
