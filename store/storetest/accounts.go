package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

func testTickets(t *testing.T, f *fixture) {
	owner := f.account(t, "alice")
	_, ticket := f.Archive.Append(store.Entry{Owner: owner, Peer: "bob@example.org", Stanza: []byte("<message/>")})
	done := make(chan error, 2)
	ticket.Done(func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatalf("callback got %v", err)
	}
	must(t, ticket.Wait(f.ctx))
	select {
	case <-done:
		t.Fatal("callback ran twice")
	default:
	}

	mark := f.Offline.SetDelivered(owner, 7)
	f.wait(t, mark)
	ran := false
	mark.Done(func(error) { ran = true })
	if !ran {
		t.Fatal("a callback registered after the end must run at once")
	}
}

func credentials() []store.Credential {
	return []store.Credential{
		{Mechanism: "SCRAM-SHA-1", Salt: []byte{1, 0, 2}, Iterations: 4096, StoredKey: []byte{3}, ServerKey: []byte{4}},
		{Mechanism: "SCRAM-SHA-256", Salt: []byte{5}, Iterations: 10000, StoredKey: []byte{6, 7}, ServerKey: []byte{8}},
	}
}

func testAccounts(t *testing.T, f *fixture) {
	want, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: "alice", Credentials: credentials()})
	must(t, err)
	if want.Role != store.RoleMember || want.ID == 0 || !want.Created.Equal(f.clock.Now()) {
		t.Fatalf("defaults: %+v", want)
	}
	other, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.net", Local: "alice", Role: store.RoleBot})
	must(t, err)
	if other.ID == want.ID {
		t.Fatal("two accounts, one id")
	}
	f.check(t, want)
	if _, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: "alice"}); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("second alice: %v", err)
	}
	if _, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org"}); !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("no name: %v", err)
	}
	if _, err := f.Accounts.Get(f.ctx, "example.org", "bob"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("unknown account: %v", err)
	}

	want.Credentials = credentials()[1:]
	must(t, f.Accounts.SetCredentials(f.ctx, want.ID, want.Credentials))
	f.check(t, want)
	want.Role, want.Disabled = store.RoleAdmin, true
	must(t, f.Accounts.SetRole(f.ctx, want.ID, store.RoleAdmin))
	must(t, f.Accounts.SetDisabled(f.ctx, want.ID, true))
	f.check(t, want)
	f.check(t, other)
	for name, err := range map[string]error{
		"SetRole":        f.Accounts.SetRole(f.ctx, 999, store.RoleAdmin),
		"SetDisabled":    f.Accounts.SetDisabled(f.ctx, 999, true),
		"SetCredentials": f.Accounts.SetCredentials(f.ctx, 999, nil),
		"Delete":         f.Accounts.Delete(f.ctx, 999),
	} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s of nobody: %v", name, err)
		}
	}
}

// check reads an account and compares.
func (f *fixture) check(t testing.TB, want store.Account) {
	t.Helper()
	got, err := f.Accounts.Get(f.ctx, want.Domain, want.Local)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("account\n got %+v\nwant %+v", got, want)
	}
}

func testAccountsList(t *testing.T, f *fixture) {
	var want []string
	for i := range 23 {
		local := fmt.Sprintf("user%02d", i)
		want = append(want, local)
		f.account(t, local)
	}
	_, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.net", Local: "user05x"})
	must(t, err)
	var got []string
	for after := ""; ; {
		page, err := f.Accounts.List(f.ctx, "example.org", after, 5)
		must(t, err)
		if len(page) == 0 {
			break
		}
		if len(page) > 5 {
			t.Fatalf("page of %d", len(page))
		}
		for _, a := range page {
			got = append(got, a.Local)
		}
		after = got[len(got)-1]
	}
	if !slices.Equal(got, want) {
		t.Fatalf("listed %v", got)
	}
}

func testAccountsImport(t *testing.T, f *fixture) {
	f.account(t, "user7")
	const users = 300
	made := func(yield func(store.NewAccount) bool) {
		for i := range users {
			n := store.NewAccount{Domain: "example.org", Local: fmt.Sprint("user", i), Credentials: credentials()}
			for c := range 5 {
				n.Contacts = append(n.Contacts, store.Contact{JID: address(t, fmt.Sprintf("user%d@example.org", (i+c+1)%users)), Subscription: store.SubscriptionBoth})
			}
			if !yield(n) {
				return
			}
		}
	}
	for round, want := range []store.Imported{{Created: users - 1, Existing: 1}, {Existing: users}} {
		got, err := f.Accounts.Import(f.ctx, made)
		must(t, err)
		if got != want {
			t.Fatalf("round %d: %+v, want %+v", round, got, want)
		}
	}
	a, err := f.Accounts.Get(f.ctx, "example.org", "user299")
	must(t, err)
	r, err := f.Rosters.Load(f.ctx, a.ID)
	must(t, err)
	if len(a.Credentials) != 2 || len(r.Contacts) != 5 || r.Version == 0 || r.Contacts[0].JID.String() != "user0@example.org" {
		t.Fatalf("imported %+v with roster %+v", a, r)
	}
	broken := func(yield func(store.NewAccount) bool) {
		_ = yield(store.NewAccount{Domain: "example.org", Local: "fine"}) && yield(store.NewAccount{Domain: "example.org"})
	}
	got, err := f.Accounts.Import(f.ctx, broken)
	if !errors.Is(err, store.ErrInvalid) || got.Created != 1 {
		t.Fatalf("nameless account: %+v, %v", got, err)
	}
	if _, err := f.Accounts.Get(f.ctx, "example.org", "fine"); err != nil {
		t.Fatalf("the account before the broken one: %v", err)
	}
}

func testAccountsDelete(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	var tickets []store.Ticket
	for i := range 700 {
		for _, o := range []store.Owner{alice, bob} {
			_, ticket := f.Archive.Append(store.Entry{Owner: o, Peer: fmt.Sprintf("p%d@example.net", i%3), Stanza: []byte("<message/>")})
			tickets = append(tickets, ticket)
		}
	}
	contact := &store.Contact{JID: address(t, "carol@example.org"), Subscription: store.SubscriptionTo}
	for _, o := range []store.Owner{alice, bob} {
		_, ticket := f.Rosters.Change(o, store.RosterChange{Put: contact, PutPending: &store.Pending{JID: contact.JID, Stanza: []byte("<presence/>")}})
		tickets = append(tickets, ticket, f.Offline.SetDelivered(o, 5), f.Prefs.SetArchivePrefs(o, store.ArchivePrefs{Default: store.ArchiveNever}))
		tickets = append(tickets, f.apart(t, o)...)
	}
	f.wait(t, tickets...)
	must(t, f.Accounts.Delete(f.ctx, alice))

	if _, err := f.Accounts.Get(f.ctx, "example.org", "alice"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("deleted account: %v", err)
	}
	for _, c := range []struct {
		owner store.Owner
		rows  int
	}{{alice, 0}, {bob, 700}} {
		res, err := f.Archive.Page(f.ctx, c.owner, store.Query{})
		must(t, err)
		r, err := f.Rosters.Load(f.ctx, c.owner)
		must(t, err)
		mark, err := f.Offline.Delivered(f.ctx, c.owner)
		must(t, err)
		p, err := f.Prefs.ArchivePrefs(f.ctx, c.owner)
		must(t, err)
		kept := c.rows > 0
		if res.Count != c.rows || (len(r.Contacts) == 1) != kept || (len(r.Pending) == 1) != kept || (r.Version > 0) != kept || (mark == 5) != kept || (p.Default != "") != kept {
			t.Errorf("owner %d: %d rows, roster %+v, mark %d, prefs %+v", c.owner, res.Count, r, mark, p)
		}
		for what, n := range f.countApart(t, c.owner) {
			if (n == 1) != kept {
				t.Errorf("owner %d: %d %s", c.owner, n, what)
			}
		}
	}
	if again := f.account(t, "alice"); again <= bob {
		t.Fatalf("id %d was given twice", again)
	}
}

func testSecrets(t *testing.T, f *fixture) {
	if _, err := f.Secrets.Get(f.ctx, "x"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("unknown secret: %v", err)
	}
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() {
			b, err := f.Secrets.Ensure(f.ctx, "x", []byte{byte('a' + i), 0})
			if err != nil {
				t.Error(err)
			}
			got[i] = string(b)
		})
	}
	wg.Wait()
	if len(slices.Compact(got)) != 1 || len(got[0]) != 2 {
		t.Fatalf("secrets differ: %q", got)
	}
	must(t, f.Secrets.Put(f.ctx, "x", []byte("new")))
	b, err := f.Secrets.Get(f.ctx, "x")
	must(t, err)
	if string(b) != "new" {
		t.Fatalf("got %q", b)
	}
}

func testPrefs(t *testing.T, f *fixture) {
	got, err := f.Prefs.ArchivePrefs(f.ctx, 3)
	must(t, err)
	if !reflect.DeepEqual(got, store.ArchivePrefs{}) {
		t.Fatalf("never chosen: %+v", got)
	}
	for _, want := range []store.ArchivePrefs{
		{Default: store.ArchiveRoster, Always: []string{"a@b", "c@d/\"e\n"}, Never: []string{"x@y"}},
		{Default: store.ArchiveAlways, Never: []string{"z"}},
	} {
		f.wait(t, f.Prefs.SetArchivePrefs(3, want))
		got, err := f.Prefs.ArchivePrefs(f.ctx, 3)
		must(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
}

func testReopen(t *testing.T, f *fixture) {
	a, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: "alice", Credentials: credentials()})
	must(t, err)
	key, ticket := f.Archive.Append(store.Entry{Owner: a.ID, Peer: "bob@example.org", Stanza: []byte("<message/>")})
	id := f.Archive.ID(a.ID, key)
	version, roster := f.Rosters.Change(a.ID, store.RosterChange{Put: &store.Contact{JID: address(t, "bob@example.org")}})
	must(t, f.Secrets.Put(f.ctx, "x", []byte("y")))
	f.wait(t, ticket, roster)

	f.clock.Move(-time.Hour) // a clock that was set back must not give keys twice
	f.reopen(t)
	f.check(t, a)
	if found, err := f.Archive.Find(f.ctx, a.ID, id); err != nil || found != key {
		t.Fatalf("old id: key %d, %v; want %d", found, err, key)
	}
	key, version = f.later(t, a.ID, key, version)
	if _, err := f.Archive.Expire(f.ctx, f.clock.Now().Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	f.reopen(t)
	f.later(t, a.ID, key, version)
	if r, err := f.Rosters.Load(f.ctx, a.ID); err != nil || len(r.Contacts) != 1 {
		t.Fatalf("roster %+v, %v", r, err)
	}
}

// later: the next version and the next key are behind the given ones. It returns them.
func (f *fixture) later(t testing.TB, owner store.Owner, key store.Key, version store.Version) (store.Key, store.Version) {
	t.Helper()
	v, roster := f.Rosters.Change(owner, store.RosterChange{Put: &store.Contact{JID: address(t, "bob@example.org")}})
	k, row := f.Archive.Append(store.Entry{Owner: owner, Peer: "bob@example.org", Stanza: []byte("<message/>")})
	f.wait(t, roster, row)
	if k <= key || v <= version || k == store.Key(v) || v == store.Version(key) {
		t.Fatalf("key %d after %d, version %d after %d", k, key, v, version)
	}
	return k, v
}

func testClosed(t *testing.T, f *fixture) {
	var tickets []store.Ticket
	for range 100 {
		_, ticket := f.Archive.Append(store.Entry{Owner: 1, Peer: "bob@example.org", Stanza: []byte("<message/>")})
		tickets = append(tickets, ticket)
	}
	must(t, f.Close())
	f.wait(t, tickets...) // Close finishes what waits
	_, late := f.Archive.Append(store.Entry{Owner: 1, Peer: "bob@example.org", Stanza: []byte("<message/>")})
	if err := late.Wait(context.Background()); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("append after close: %v", err)
	}
	if err := f.Accounts.SetRole(f.ctx, 1, store.RoleAdmin); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("change after close: %v", err)
	}
}

// testHoldings: each kind is told from the first row on, of its owner alone, and none when all is gone.
func testHoldings(t *testing.T, f *fixture) {
	a, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: "alice", Credentials: credentials()})
	must(t, err)
	b, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: "bob"})
	must(t, err)
	peer := jid.MustParse("carol@example.org")
	held := func(o store.Owner) store.Held {
		h, err := f.Holdings.Held(f.ctx, o)
		must(t, err)
		return h
	}
	var want store.Held
	for _, x := range []struct {
		kind store.Held
		keep func() store.Ticket
	}{
		{store.HoldsRoster, func() store.Ticket {
			_, ticket := f.Rosters.Change(a.ID, store.RosterChange{Put: &store.Contact{JID: peer, Subscription: "both"}})
			return ticket
		}},
		{store.HoldsPending, func() store.Ticket {
			_, ticket := f.Rosters.Change(a.ID, store.RosterChange{PutPending: &store.Pending{JID: peer, Stanza: []byte("<presence/>")}})
			return ticket
		}},
		{store.HoldsBlocks, func() store.Ticket { return f.Blocks.ChangeBlocked(a.ID, store.BlockChange{Add: []jid.JID{peer}}) }},
		{store.HoldsStrangerPrefs, func() store.Ticket {
			return f.Strangers.SetStrangerPrefs(a.ID, store.StrangerPrefs{Mode: store.StrangersQuiet})
		}},
		{store.HoldsAcquaintances, func() store.Ticket { return f.Strangers.AddAcquaintance(a.ID, peer) }},
		{store.HoldsStrangerMessages, func() store.Ticket { return f.Strangers.AddWaiting(a.ID, peer, []byte("<message/>")) }},
		{store.HoldsArchivePrefs, func() store.Ticket { return f.Prefs.SetArchivePrefs(a.ID, store.ArchivePrefs{}) }},
		{store.HoldsDelivered, func() store.Ticket { return f.Offline.SetDelivered(a.ID, 7) }},
		{store.HoldsNodes, func() store.Ticket {
			return f.Nodes.ChangeNode(a.ID, store.NodeChange{Node: "n", Make: &store.NewNode{Creator: peer, Config: "{}"}})
		}},
		{store.HoldsPrivate, func() store.Ticket {
			return f.Personal.SetPrivate(a.ID, []store.PrivateData{{PrivateName: store.PrivateName{Space: "a", Local: "b"}, XML: []byte("<b xmlns='a'/>")}}, 10, 1000)
		}},
		{store.HoldsVCard, func() store.Ticket { return f.Personal.SetVCard(a.ID, []byte("<vCard xmlns='vcard-temp'/>")) }},
	} {
		must(t, x.keep().Wait(f.ctx))
		want |= x.kind
		if got := held(a.ID); got != want {
			t.Fatalf("held %b, want %b", got, want)
		}
	}
	if got := held(b.ID); got != 0 {
		t.Errorf("of another: %b", got)
	}
	must(t, f.Accounts.Delete(f.ctx, a.ID))
	if got := held(a.ID); got != 0 {
		t.Errorf("of an erased one: %b", got)
	}
}
