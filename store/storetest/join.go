package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"stonechat/store"
)

// invite returns one for an account, good for a day.
func (f *fixture) invite(hash string, change func(*store.Invite)) store.Invite {
	now := f.clock.Now().UTC().Truncate(time.Microsecond)
	i := store.Invite{
		Hash: hash, ID: "id-" + hash, Domain: "example.org", Kind: store.InviteAccount, Role: store.RoleMember, Uses: 1,
		Created: now, Expires: now.Add(24 * time.Hour),
	}
	if change != nil {
		change(&i)
	}
	return i
}

func (f *fixture) register(token, local string) error {
	_, err := f.Invites.Register(f.ctx, store.Registration{NewAccount: store.NewAccount{Domain: "example.org", Local: local}, Token: token})
	return err
}

func testInvites(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	want := f.invite("h1", func(i *store.Invite) {
		i.Owner, i.Label, i.Circles, i.Befriend, i.Uses = alice, "for 'Bob'", []string{"Team", "A \"b\""}, true, 2
	})
	f.wait(t, f.Invites.Put(want))
	for _, again := range []store.Invite{f.invite("h1", func(i *store.Invite) { i.ID = "other" }), f.invite("h2", func(i *store.Invite) { i.ID = want.ID })} {
		if err := f.Invites.Put(again).Wait(f.ctx); !errors.Is(err, store.ErrConflict) {
			t.Errorf("hash or id twice: %v", err)
		}
	}
	want.Maker, want.MakerRole, want.MakerActive = "alice", store.RoleMember, true
	f.reopen(t)
	got, err := f.Invites.Get(f.ctx, "example.org", "h1")
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("invite\n got %+v\nwant %+v", got, want)
	}
	for _, x := range [][2]string{{"example.net", "h1"}, {"example.org", "h9"}} {
		if _, err := f.Invites.Get(f.ctx, x[0], x[1]); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v: %v", x, err)
		}
	}
	must(t, f.Accounts.SetDisabled(f.ctx, alice, true))
	if got, err := f.Invites.Get(f.ctx, "example.org", "h1"); err != nil || got.MakerActive {
		t.Errorf("the maker is disabled: %+v, %v", got, err)
	}
	f.clock.Move(time.Minute)
	f.wait(t, f.Invites.Put(f.invite("h3", nil)))
	for owner, n := range map[store.Owner]int{alice: 1, 0: 1, store.Everybody: 2, 999: 0} {
		list, err := f.Invites.List(f.ctx, "example.org", owner, 10)
		must(t, err)
		if len(list) != n || (n == 2 && list[0].Hash != "h3") {
			t.Errorf("owner %d has %+v", owner, list)
		}
	}
	if err := f.Invites.Revoke(f.ctx, "example.org", "id-h3", alice); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("somebody else's revoked: %v", err)
	}
	must(t, f.Invites.Revoke(f.ctx, "example.org", "id-h3", store.Everybody))
	f.clock.Move(48 * time.Hour)
	if n, err := f.Invites.Expire(f.ctx, f.clock.Now()); n != 1 || err != nil {
		t.Errorf("expired %d, %v", n, err)
	}
}

func testRegister(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	must(t, f.Circles.Make(f.ctx, "example.org", "Team"))
	f.wait(t,
		f.Invites.Put(f.invite("one", func(i *store.Invite) { i.Owner, i.Befriend = alice, true })),
		f.Invites.Put(f.invite("named", func(i *store.Invite) { i.Name = "carol" })),
		f.Invites.Put(f.invite("contact", func(i *store.Invite) { i.Owner, i.Kind, i.Befriend = alice, store.InviteContact, true })),
		f.Invites.Put(f.invite("reset", func(i *store.Invite) { i.Owner, i.Kind, i.Name = alice, store.InviteReset, "alice" })))
	if err := f.Invites.Put(f.invite("again", func(i *store.Invite) { i.Name = "carol" })).Wait(f.ctx); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a name reserved twice: %v", err)
	}
	for _, x := range []struct {
		token, local string
		want         error
	}{
		{"unknown", "bob", store.ErrNotFound},
		{"contact", "bob", store.ErrNotFound},
		{"reset", "bob", store.ErrNotFound},
		{"one", "alice", store.ErrConflict},
		{"one", "carol", store.ErrConflict},
		{"named", "bob", store.ErrNotFound},
		{"", "carol", store.ErrConflict},
		{"one", "", store.ErrInvalid},
	} {
		if err := f.register(x.token, x.local); !errors.Is(err, x.want) {
			t.Errorf("%q as %q: %v", x.token, x.local, err)
		}
	}
	bob, err := f.Invites.Register(f.ctx, store.Registration{
		NewAccount: store.NewAccount{Domain: "example.org", Local: "bob", Role: store.RoleModerator, Credentials: credentials()},
		Token:      "one", Circles: []string{"Team", "Gone"},
	})
	must(t, err)
	f.check(t, bob)
	r, err := f.Rosters.Load(f.ctx, bob.ID)
	must(t, err)
	if len(r.Contacts) != 1 || r.Contacts[0].JID.String() != "alice@example.org" || r.Contacts[0].Subscription != store.SubscriptionBoth || r.Version == 0 {
		t.Errorf("roster of the guest: %+v", r)
	}
	members, err := f.Circles.Members(f.ctx, "example.org", "Team")
	must(t, err)
	ties, err := f.Circles.Ties(f.ctx, "example.org", 10)
	must(t, err)
	if len(members) != 1 || len(ties) != 1 || ties[0].Owner != alice || ties[0].Contact.String() != "bob@example.org" || !ties[0].Befriend {
		t.Errorf("members %v, ties %+v", members, ties)
	}
	if err := f.register("one", "dave"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a use too many: %v", err)
	}
	must(t, f.register("named", "carol"))
	waiting, err := f.Invites.Register(f.ctx, store.Registration{NewAccount: store.NewAccount{Domain: "example.org", Local: "erin"}, Waiting: true})
	must(t, err)
	if !waiting.Waiting || !waiting.Disabled {
		t.Errorf("%+v", waiting)
	}
	f.check(t, waiting)
	if err := f.Accounts.SetDisabled(f.ctx, waiting.ID, false); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("enabled without approval: %v", err)
	}
	list, err := f.Leavers.Waiting(f.ctx, "example.org", 10)
	must(t, err)
	if len(list) != 1 || list[0].Local != "erin" || !list[0].Waiting {
		t.Errorf("waiting: %+v", list)
	}
	must(t, f.Leavers.Approve(f.ctx, waiting.ID))
	if err := f.Leavers.Approve(f.ctx, waiting.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("approved twice: %v", err)
	}
}

// testTokenRace: however many come at once, a use is a use.
func testTokenRace(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	f.wait(t, f.Invites.Put(f.invite("three", func(i *store.Invite) { i.Owner, i.Befriend, i.Uses = alice, true, 3 })))
	var all sync.WaitGroup
	var mu sync.Mutex
	in := 0
	for i := range 20 {
		all.Go(func() {
			ok := false
			if i%2 == 0 {
				ok = f.register("three", fmt.Sprint("guest", i)) == nil
			} else {
				used, ticket := f.Invites.Use(alice, "three")
				ok = ticket.Wait(f.ctx) == nil && *used
			}
			mu.Lock()
			defer mu.Unlock()
			if ok {
				in++
			}
		})
	}
	all.Wait()
	f.reopen(t)
	i, err := f.Invites.Get(f.ctx, "example.org", "three")
	must(t, err)
	if in != 3 || i.Used != 3 {
		t.Errorf("%d came in, %d uses are noted, of 3", in, i.Used)
	}
	if used, ticket := f.Invites.Use(alice+1, "three"); ticket.Wait(f.ctx) != nil || *used {
		t.Error("used for somebody else")
	}
}

func testReset(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	reset := func(hash string) {
		f.wait(t, f.Invites.Put(f.invite(hash, func(i *store.Invite) { i.Owner, i.Kind, i.Name = alice, store.InviteReset, "alice" })))
	}
	reset("r1")
	reset("r2")
	must(t, f.Invites.Reset(f.ctx, "r1", credentials()))
	a, err := f.Accounts.Get(f.ctx, "example.org", "alice")
	must(t, err)
	if !reflect.DeepEqual(a.Credentials, credentials()) {
		t.Errorf("credentials %+v", a.Credentials)
	}
	for _, hash := range []string{"r1", "r2", "unknown"} {
		if err := f.Invites.Reset(f.ctx, hash, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s after a reset: %v", hash, err)
		}
	}
}

func testLeavers(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	must(t, f.Circles.Make(f.ctx, "example.org", "Team"))
	for _, o := range []store.Owner{alice, bob} {
		must(t, f.Circles.Join(f.ctx, "example.org", "Team", o, 0))
	}
	_, one := f.Rosters.Change(alice, store.RosterChange{
		Put:        &store.Contact{JID: address(t, "zoe@example.org"), Subscription: store.SubscriptionBoth, Approved: true},
		PutPending: &store.Pending{JID: address(t, "eve@example.net"), Stanza: []byte("<presence/>")},
	})
	version, two := f.Rosters.Change(alice, store.RosterChange{Put: &store.Contact{JID: address(t, "bob@example.org"), Subscription: store.SubscriptionBoth, Bond: store.BondOnly}})
	f.wait(t, one, two, f.Invites.Put(f.invite("hers", func(i *store.Invite) { i.Owner = alice })))
	due := f.clock.Now().Add(time.Hour)
	f.wait(t, f.Leavers.Leave(alice, due))
	if err := f.Leavers.Leave(alice, due).Wait(f.ctx); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("left twice: %v", err)
	}
	a, err := f.Accounts.Get(f.ctx, "example.org", "alice")
	must(t, err)
	r, err := f.Rosters.Load(f.ctx, alice)
	must(t, err)
	_, invite := f.Invites.Get(f.ctx, "example.org", "hers")
	members, err := f.Circles.Members(f.ctx, "example.org", "Team")
	must(t, err)
	if !a.Leaving || !a.Disabled || len(r.Pending) != 0 || len(r.Contacts) != 1 || r.Contacts[0].Subscription != store.SubscriptionNone || r.Contacts[0].Approved ||
		r.Version <= version || !errors.Is(invite, store.ErrNotFound) || !slices.Equal(members, []string{"bob"}) {
		t.Errorf("after leaving: %+v, %+v, %v, %v", a, r, invite, members)
	}
	if _, ok, err := f.Rosters.ChangesSince(f.ctx, alice, version); ok || err != nil {
		t.Errorf("changes since before leaving are known: %v, %v", ok, err)
	}
	if _, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: "alice"}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the name was free: %v", err)
	}
	list, err := f.Leavers.Due(f.ctx, "example.org", due.Add(-time.Second), 10)
	must(t, err)
	if len(list) != 0 {
		t.Errorf("due too early: %+v", list)
	}
	must(t, f.Leavers.Return(f.ctx, alice))
	if err := f.Leavers.Return(f.ctx, alice); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("returned twice: %v", err)
	}
	f.wait(t, f.Leavers.Leave(alice, due))
	f.reopen(t)
	list, err = f.Leavers.Due(f.ctx, "example.org", due, 10)
	must(t, err)
	if len(list) != 1 || list[0].Owner != alice || list[0].Local != "alice" || !list[0].Due.Equal(due) {
		t.Fatalf("due: %+v", list)
	}
	// Somebody brings it back while others that were due are being erased; and then it leaves for longer.
	must(t, f.Leavers.Return(f.ctx, alice))
	for _, again := range []time.Time{{}, due.Add(time.Hour)} {
		if !again.IsZero() {
			f.wait(t, f.Leavers.Leave(alice, again))
		}
		if err := f.Leavers.EraseDue(f.ctx, alice, due, f.clock.Now()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("erased although it is not due: %v", err)
		}
		if _, err := f.Accounts.Get(f.ctx, "example.org", "alice"); err != nil {
			t.Fatalf("restored and gone: %v", err)
		}
	}
	must(t, f.Leavers.EraseDue(f.ctx, alice, due.Add(time.Hour), f.clock.Now().Add(2*time.Hour)))
	if err := f.register("", "alice"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the name is held: %v", err)
	}
	f.clock.Move(3 * time.Hour)
	must(t, f.register("", "alice"))
	if err := f.Leavers.Erase(f.ctx, 999, f.clock.Now()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody erased: %v", err)
	}
}

func testCircles(t *testing.T, f *fixture) {
	ids := map[string]store.Owner{}
	for _, name := range []string{"alice", "bob", "carol"} {
		ids[name] = f.account(t, name)
	}
	must(t, f.Circles.Make(f.ctx, "example.org", "Team"))
	must(t, f.Circles.Make(f.ctx, "example.org", "Team"))
	must(t, f.Circles.Make(f.ctx, "example.org", "All"))
	join := func(circle, name string, limit int) error {
		return f.Circles.Join(f.ctx, "example.org", circle, ids[name], limit)
	}
	must(t, join("Team", "alice", 2))
	must(t, join("Team", "bob", 2))
	must(t, join("Team", "bob", 2))
	if err := join("Team", "carol", 2); !errors.Is(err, store.ErrTooMany) {
		t.Errorf("a member too many: %v", err)
	}
	if err := join("None", "carol", 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such circle: %v", err)
	}
	f.reopen(t)
	list, err := f.Circles.Circles(f.ctx, "example.org")
	must(t, err)
	if want := []store.Circle{{Name: "All"}, {Name: "Team", Members: 2}}; !reflect.DeepEqual(list, want) {
		t.Errorf("circles %+v", list)
	}
	ties := func() (all []string, got []store.Tie) {
		got, err := f.Circles.Ties(f.ctx, "example.org", 100)
		must(t, err)
		for _, x := range got {
			all = append(all, fmt.Sprintf("%s-%s %v -%s", x.Local, x.Contact.Local(), x.Circles, x.Dropped))
		}
		slices.Sort(all)
		return all, got
	}
	names, got := ties()
	if want := []string{"alice-bob [Team] -", "bob-alice [Team] -"}; !slices.Equal(names, want) {
		t.Errorf("ties %q", names)
	}
	// A wish that comes while an older one is followed stays.
	must(t, join("All", "alice", 0))
	must(t, join("All", "bob", 0))
	must(t, f.Circles.Tied(f.ctx, got))
	names, got = ties()
	if want := []string{"alice-bob [All Team] -", "bob-alice [All Team] -"}; !slices.Equal(names, want) {
		t.Errorf("newer ties %q", names)
	}
	must(t, f.Circles.Tied(f.ctx, got))
	must(t, f.Circles.Part(f.ctx, "example.org", "Team", ids["bob"]))
	if err := f.Circles.Part(f.ctx, "example.org", "Team", ids["bob"]); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("parted twice: %v", err)
	}
	names, got = ties()
	if want := []string{"alice-bob [All] -Team", "bob-alice [All] -Team"}; !slices.Equal(names, want) {
		t.Errorf("ties after parting %q", names)
	}
	must(t, f.Circles.Tied(f.ctx, got))
	must(t, f.Accounts.Delete(f.ctx, ids["bob"]))
	if names, _ = ties(); !slices.Equal(names, []string{"alice-bob [] -All"}) {
		t.Errorf("ties after a member was deleted %q", names)
	}
	must(t, f.Circles.End(f.ctx, "example.org", "All"))
	if _, err := f.Circles.Members(f.ctx, "example.org", "All"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("members of a circle that has ended: %v", err)
	}
	if err := f.Circles.End(f.ctx, "example.org", "All"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("ended twice: %v", err)
	}
}
