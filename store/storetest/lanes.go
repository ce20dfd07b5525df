package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// A store may have several ways to the disk. What this file asks for is that nobody notices: what was called first takes effect first, also
// where one change belongs to an account and the next to the server as a whole.

// testLeaveOrder: what an account did before it left ends with its leaving.
func testLeaveOrder(t *testing.T, f *fixture) {
	for i := range 6 {
		owner := f.account(t, fmt.Sprint("leaver", i))
		var last store.Version
		for n := range 300 {
			version, _ := f.Rosters.Change(owner, store.RosterChange{
				Put:        &store.Contact{JID: address(t, fmt.Sprintf("c%d@example.net", n)), Subscription: store.SubscriptionBoth, Approved: true},
				PutPending: &store.Pending{JID: address(t, "eve@example.net"), Stanza: []byte("<presence/>")},
			})
			last = version
		}
		f.wait(t, f.Leavers.Leave(owner, f.clock.Now().Add(time.Hour)))
		f.wait(t, f.Blocks.ChangeBlocked(owner, store.BlockChange{Clear: true})) // whatever stood before it in its lane is done
		r, err := f.Rosters.Load(f.ctx, owner)
		must(t, err)
		bound := slices.IndexFunc(r.Contacts, func(c store.Contact) bool { return c.Subscription != store.SubscriptionNone || c.Approved })
		if len(r.Contacts) != 300 || bound >= 0 || len(r.Pending) > 0 || r.Version <= last {
			t.Fatalf("owner %d has left: %d contacts, the first with a subscription %d, %d requests, version %d after %d",
				owner, len(r.Contacts), bound, len(r.Pending), r.Version, last)
		}
		if _, ok, err := f.Rosters.ChangesSince(f.ctx, owner, last); ok || err != nil {
			t.Fatalf("changes since before leaving are known: %v, %v", ok, err)
		}
	}
}

// testEndIsLast: sessions on disk name rows of archives by their keys, so the note that they are true comes behind everything.
func testEndIsLast(t *testing.T, f *fixture) {
	_, err := f.Sessions.Begin(f.ctx)
	must(t, err)
	var tickets []store.Ticket
	for i := range 2000 {
		_, ticket := f.Archive.Append(store.Entry{Owner: store.Owner(1 + i%8), Peer: "bob@example.org", Stanza: make([]byte, 2000)})
		tickets = append(tickets, ticket)
	}
	f.wait(t, f.Sessions.End())
	for i, ticket := range tickets {
		if done, err := ticket.Outcome(); !done || err != nil {
			t.Fatalf("the end came before row %d: %v, %v", i, done, err)
		}
	}
}

// testManySessions: at the end of a process all sessions come at once, and one that is refused makes all void.
func testManySessions(t *testing.T, f *fixture) {
	_, err := f.Sessions.Begin(f.ctx)
	must(t, err)
	state := make([]byte, 200<<10)
	var owners []store.Owner
	for i := range 8 {
		owners = append(owners, f.account(t, fmt.Sprint("u", i)))
	}
	var tickets []store.Ticket
	for i := range 400 {
		k := f.kept(owners[i%8], fmt.Sprint(i), 5)
		k.State = state
		tickets = append(tickets, f.Sessions.Put(k))
	}
	f.wait(t, tickets...)
	f.wait(t, f.Sessions.End())
}

// testOfNobody: what is called for an account that is gone, or has left, leaves nothing behind.
func testOfNobody(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	must(t, f.Circles.Make(f.ctx, "example.org", "Team"))
	must(t, f.Accounts.Delete(f.ctx, alice))
	f.wait(t, f.Leavers.Leave(bob, f.clock.Now().Add(time.Hour)))
	for _, o := range []store.Owner{alice, bob, 999} {
		if err := f.Circles.Join(f.ctx, "example.org", "Team", o, 0); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("owner %d joined a circle: %v", o, err)
		}
		if err := f.Sessions.Put(f.kept(alice, "s", 9)).Wait(f.ctx); err != nil {
			t.Errorf("session of nobody: %v", err)
		}
	}
	list, err := f.Circles.Circles(f.ctx, "example.org")
	must(t, err)
	if list[0].Members != 0 {
		t.Errorf("%d members of whom none is there", list[0].Members)
	}
	f.checkSessions(t, alice)
}

// storm calls everything for one owner from many goroutines until stop is closed. Errors that an account which goes away explains are none.
func (f *fixture) storm(t *testing.T, owner store.Owner, local string, stop <-chan struct{}) *sync.WaitGroup {
	var all sync.WaitGroup
	key := credentials()[0].StoredKey
	calls := []func(i int) error{
		func(i int) error {
			return f.enter(owner, f.device(fmt.Sprint("d", i%5)), func(l *store.Login) { l.Issue = f.token(fmt.Sprint(i)) })
		},
		func(i int) error {
			return f.enter(owner, f.device("d1"), func(l *store.Login) { l.Under, l.Issue = key, f.token(fmt.Sprint(i)) })
		},
		func(int) error { return f.Accounts.SetCredentials(f.ctx, owner, credentials()[:1]) },
		func(int) error { return f.Credentials.Add(f.ctx, owner, credentials()[1], key) },
		func(int) error { return f.Devices.Revoke(f.ctx, owner, "d2") },
		func(i int) error {
			return f.Places.SetPlace(owner, []byte(fmt.Sprint(i)), f.clock.Now(), 3).Wait(f.ctx)
		},
		func(i int) error { return f.Sessions.Put(f.kept(owner, fmt.Sprint("s", i%7), 5)).Wait(f.ctx) },
		func(int) error { return f.Circles.Join(f.ctx, "example.org", "Team", owner, 0) },
		func(int) error { return f.Circles.Part(f.ctx, "example.org", "Team", owner) },
		func(i int) error {
			return f.Invites.Put(f.invite(fmt.Sprint(local, i), func(v *store.Invite) { v.Owner, v.Expires = owner, f.clock.Now() })).Wait(f.ctx)
		},
	}
	for _, call := range calls {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := call(i); err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict) {
					t.Errorf("owner %d: %v", owner, err)
					return
				}
			}
		})
	}
	return &all
}

// testStorm: accounts are erased while everything is called for them. Afterwards nothing of them is there, and whoever was in a circle with
// them looks again.
func testStorm(t *testing.T, f *fixture) {
	must(t, f.Circles.Make(f.ctx, "example.org", "Team"))
	stays := f.account(t, "stays")
	must(t, f.Circles.Join(f.ctx, "example.org", "Team", stays, 0))
	for round := range 5 {
		local := fmt.Sprint("goes", round)
		a, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: local, Credentials: credentials()[:1]})
		must(t, err)
		stop := make(chan struct{})
		all := f.storm(t, a.ID, local, stop)
		f.wait(t, f.apart(t, a.ID)...)
		if round%2 == 0 {
			f.wait(t, f.Leavers.Leave(a.ID, f.clock.Now()))
			must(t, f.Leavers.Erase(f.ctx, a.ID, f.clock.Now()))
		} else {
			must(t, f.Accounts.Delete(f.ctx, a.ID))
		}
		close(stop)
		all.Wait()
		f.nothingLeft(t, a.ID, local)
	}
}

func (f *fixture) nothingLeft(t *testing.T, owner store.Owner, local string) {
	t.Helper()
	for what, n := range f.countApart(t, owner) {
		if n > 0 {
			t.Errorf("%s: %d %s left", local, n, what)
		}
	}
	f.checkSessions(t, owner)
	devices, err := f.Devices.List(f.ctx, owner)
	must(t, err)
	members, err := f.Circles.Circles(f.ctx, "example.org")
	must(t, err)
	invites, err := f.Invites.List(f.ctx, "example.org", owner, 10)
	must(t, err)
	if len(devices) > 0 || members[0].Members != 1 || len(invites) > 0 {
		t.Errorf("%s: %d devices, %d members, invites %v", local, len(devices), members[0].Members, invites)
	}
	for i := range 5 {
		f.seeds(t, owner, fmt.Sprint("d", i))
	}
}

// testLoginRaces: of log-ins with one count of a token one succeeds, and no token of an old password is left behind a new one.
func testLoginRaces(t *testing.T, f *fixture) {
	for round := range 4 {
		a, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: fmt.Sprint("u", round), Credentials: credentials()[:1]})
		must(t, err)
		must(t, f.enter(a.ID, f.device("d"), func(l *store.Login) { l.Issue = f.token("1") }))
		var all sync.WaitGroup
		var mu sync.Mutex
		in := 0
		for range 12 {
			all.Go(func() {
				err := f.enter(a.ID, f.device("d"), func(l *store.Login) { l.Used, l.Count = []byte("1"), 7 })
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					in++
				} else if !errors.Is(err, store.ErrConflict) {
					t.Errorf("a count again: %v", err)
				}
			})
		}
		all.Wait()
		if in != 1 {
			t.Errorf("one count was good for %d log-ins", in)
		}
		old := credentials()[0].StoredKey
		for i := range 12 {
			all.Go(func() {
				_ = f.enter(a.ID, f.device(fmt.Sprint("n", i)), func(l *store.Login) { l.Under, l.Issue, l.Keep = old, f.token(fmt.Sprint(i)), 0 })
			})
		}
		must(t, f.Accounts.SetCredentials(f.ctx, a.ID, credentials()[1:]))
		all.Wait()
		list, err := f.Devices.List(f.ctx, a.ID)
		must(t, err)
		if i := slices.IndexFunc(list, func(d store.Device) bool { return d.Tokens > 0 }); i >= 0 {
			t.Errorf("device %+v has a token under the old password", list[i])
		}
	}
}

// testQuotas: what is bounded stays bounded however many come at once.
func testQuotas(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	must(t, f.Circles.Make(f.ctx, "example.org", "Team"))
	var all sync.WaitGroup
	for i := range 20 {
		o := f.account(t, fmt.Sprint("m", i))
		all.Go(func() { _ = f.Circles.Join(f.ctx, "example.org", "Team", o, 5) })
		all.Go(func() {
			_ = f.Reports.AddReport(store.Report{Reporter: alice, Domain: "example.org", About: fmt.Sprint(i)}, 3, f.clock.Now().Add(-time.Hour)).Wait(f.ctx)
		})
		all.Go(func() { _ = f.Places.SetPlace(alice, []byte{byte(i)}, f.clock.Now(), 4).Wait(f.ctx) })
		all.Go(func() {
			name := store.PrivateName{Space: "a", Local: fmt.Sprint("b", i)}
			_ = f.Personal.SetPrivate(alice, []store.PrivateData{{PrivateName: name, XML: []byte("<b/>")}}, 6, 1000).Wait(f.ctx)
		})
		all.Go(func() { _ = f.enter(alice, f.device(fmt.Sprint("d", i))) })
	}
	all.Wait()
	count := map[string]int{}
	for i := range 20 {
		if p := f.place(t, "alice", string([]byte{byte(i)})); !p.Seen.IsZero() {
			count["places"]++
		}
		xml, err := f.Personal.Private(f.ctx, alice, store.PrivateName{Space: "a", Local: fmt.Sprint("b", i)})
		must(t, err)
		count["private elements"] += min(1, len(xml))
	}
	circles, err := f.Circles.Circles(f.ctx, "example.org")
	must(t, err)
	reports, err := f.Reports.Reports(f.ctx, "example.org", 0, false, 100)
	must(t, err)
	devices, err := f.Devices.List(f.ctx, alice)
	must(t, err)
	count["members"], count["reports"], count["devices"] = circles[0].Members, len(reports), len(devices)
	for what, want := range map[string]int{"members": 5, "reports": 3, "places": 4, "private elements": 6, "devices": 3} {
		if count[what] != want {
			t.Errorf("%d %s, want %d", count[what], what, want)
		}
	}
	if known, err := f.Strangers.Waiting(f.ctx, alice, jid.JID{}); err != nil || len(known) > 0 {
		t.Errorf("%v, %v", known, err)
	}
}
