package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"stonechat/store"
)

// device is a log-in of a device, now.
func (f *fixture) device(id string) store.Login {
	return store.Login{Device: store.Device{ID: id, Name: "phone", Software: "Client", Last: f.clock.Now(), Address: "192.0.2.1"}, Keep: 3}
}

func (f *fixture) token(seed string) *store.Token {
	now := f.clock.Now().UTC()
	return &store.Token{Seed: []byte(seed), Mechanism: "HT-SHA-256-NONE", Issued: now, Expires: now.Add(time.Hour)}
}

// enter notes a log-in and returns how that ended.
func (f *fixture) enter(owner store.Owner, l store.Login, change ...func(*store.Login)) error {
	for _, c := range change {
		c(&l)
	}
	return f.Devices.Enter(owner, l).Wait(f.ctx)
}

func (f *fixture) seeds(t *testing.T, owner store.Owner, device string, want ...string) {
	t.Helper()
	tokens, err := f.Devices.Tokens(f.ctx, owner, device)
	must(t, err)
	var got []string
	for _, k := range tokens {
		got = append(got, string(k.Seed))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("tokens %q, want %q", got, want)
	}
}

func testDevices(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	must(t, f.enter(alice, f.device("a")))
	first := f.clock.Now().UTC()
	f.clock.Move(time.Minute)
	must(t, f.enter(alice, f.device("b"), func(l *store.Login) { l.Issue = f.token("1") }))
	f.clock.Move(time.Minute)
	must(t, f.enter(alice, f.device("a"), func(l *store.Login) { l.Device.Address, l.Device.Software = "192.0.2.2", "Newer" }))
	f.reopen(t)
	got, err := f.Devices.List(f.ctx, alice)
	must(t, err)
	want := []store.Device{
		{ID: "a", Name: "phone", Software: "Newer", First: first, Last: first.Add(2 * time.Minute), Address: "192.0.2.2"},
		{ID: "b", Name: "phone", Software: "Client", First: first.Add(time.Minute), Last: first.Add(time.Minute), Address: "192.0.2.1", Tokens: 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("devices %+v", got)
	}
	// The fourth of three makes the one go that was not seen for longest, with its tokens.
	must(t, f.enter(alice, f.device("c")))
	f.clock.Move(-time.Hour) // the newcomer stays, whatever the clock says
	must(t, f.enter(alice, f.device("d")))
	got, err = f.Devices.List(f.ctx, alice)
	must(t, err)
	if len(got) != 3 || got[0].ID != "a" && got[1].ID != "a" || got[2].ID != "d" {
		t.Fatalf("devices %+v", got)
	}
	f.seeds(t, alice, "b")
	if list, err := f.Devices.List(f.ctx, bob); err != nil || len(list) != 0 {
		t.Fatalf("bob has %v, %v", list, err)
	}
	if err := f.enter(999, f.device("a")); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("nobody's device: %v", err)
	}
	must(t, f.Accounts.SetDisabled(f.ctx, bob, true))
	if err := f.enter(bob, f.device("a")); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("a disabled account's device: %v", err)
	}
}

func testDeviceTokens(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	use := func(seed string) func(*store.Login) { return func(l *store.Login) { l.Used = []byte(seed) } }
	issue := func(seed string) func(*store.Login) { return func(l *store.Login) { l.Issue = f.token(seed) } }
	count := func(n int64) func(*store.Login) { return func(l *store.Login) { l.Count = n } }

	must(t, f.enter(alice, f.device("a"), issue("1")))
	tokens, err := f.Devices.Tokens(f.ctx, alice, "a")
	must(t, err)
	if !reflect.DeepEqual(tokens, []store.Token{*f.token("1")}) {
		t.Fatalf("tokens %+v", tokens)
	}
	f.seeds(t, alice, "b")
	// One that was never used gives way to the next.
	must(t, f.enter(alice, f.device("a"), issue("2")))
	f.seeds(t, alice, "a", "2")
	// The current one stays good until the new one is used.
	must(t, f.enter(alice, f.device("a"), use("2"), issue("3")))
	f.seeds(t, alice, "a", "3", "2")
	must(t, f.enter(alice, f.device("a"), use("2")))
	f.seeds(t, alice, "a", "3", "2")
	must(t, f.enter(alice, f.device("a"), use("3")))
	f.seeds(t, alice, "a", "3")
	if err := f.enter(alice, f.device("a"), use("2"), issue("4")); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("an older token: %v", err)
	}
	if err := f.enter(alice, f.device("b"), use("3")); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("another device's token: %v", err)
	}
	f.seeds(t, alice, "a", "3")
	// Counts go up only.
	must(t, f.enter(alice, f.device("a"), use("3"), count(5)))
	for _, n := range []int64{5, 4, -1} {
		if err := f.enter(alice, f.device("a"), use("3"), count(n), issue("4")); !errors.Is(err, store.ErrConflict) {
			t.Fatalf("count %d after 5: %v", n, err)
		}
	}
	must(t, f.enter(alice, f.device("a"), use("3"), count(6), issue("4")))
	must(t, f.enter(alice, f.device("a"), use("4"), count(1)))
	f.seeds(t, alice, "a", "4")
	// A device that leaves leaves nothing behind, unless it asks for another.
	must(t, f.enter(alice, f.device("a"), issue("5")))
	must(t, f.enter(alice, f.device("a"), use("4"), func(l *store.Login) { l.Invalidate = true }))
	f.seeds(t, alice, "a")
	if err := f.enter(alice, f.device("a"), use("4")); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("an invalidated token: %v", err)
	}
	must(t, f.enter(alice, f.device("a"), issue("6")))
	must(t, f.enter(alice, f.device("a"), use("6"), issue("7"), func(l *store.Login) { l.Invalidate = true }))
	f.seeds(t, alice, "a", "7")
}

func testDevicesRevoked(t *testing.T, f *fixture) {
	a, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: "alice", Credentials: credentials()})
	must(t, err)
	key := credentials()[0].StoredKey
	under := func(key []byte) func(*store.Login) {
		return func(l *store.Login) { l.Under, l.Issue = key, f.token(fmt.Sprint(key)) }
	}
	for _, id := range []string{"a", "b"} {
		must(t, f.enter(a.ID, f.device(id), under(key)))
	}
	must(t, f.Devices.Revoke(f.ctx, a.ID, "a"))
	f.seeds(t, a.ID, "a")
	if list, err := f.Devices.List(f.ctx, a.ID); err != nil || len(list) != 1 || list[0].ID != "b" {
		t.Fatalf("devices %+v, %v", list, err)
	}
	if err := f.Devices.Revoke(f.ctx, a.ID, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("revoked twice: %v", err)
	}
	// A password that is changed ends all tokens, and none comes of the old one any more.
	must(t, f.Accounts.SetCredentials(f.ctx, a.ID, credentials()[1:]))
	f.seeds(t, a.ID, "b")
	if err := f.enter(a.ID, f.device("b"), under(key)); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("a token under the old password: %v", err)
	}
	must(t, f.enter(a.ID, f.device("b"), under(credentials()[1].StoredKey)))
	must(t, f.Devices.RevokeAll(f.ctx, a.ID))
	f.seeds(t, a.ID, "b")
	// Nor does a token outlive that its account was shut, and work when that is open again.
	current := under(credentials()[1].StoredKey)
	for what, shut := range map[string]func() error{
		"disabled": func() error {
			return errors.Join(f.Accounts.SetDisabled(f.ctx, a.ID, true), f.Accounts.SetDisabled(f.ctx, a.ID, false))
		},
		"leaving": func() error {
			return errors.Join(f.Leavers.Leave(a.ID, f.clock.Now().Add(time.Hour)).Wait(f.ctx), f.Leavers.Return(f.ctx, a.ID))
		},
	} {
		must(t, f.enter(a.ID, f.device("b"), current))
		must(t, shut())
		if tokens, err := f.Devices.Tokens(f.ctx, a.ID, "b"); err != nil || len(tokens) != 0 {
			t.Errorf("%s: %d tokens, %v", what, len(tokens), err)
		}
	}
	// Nothing outlives its account.
	must(t, f.enter(a.ID, f.device("b"), current))
	must(t, f.Accounts.Delete(f.ctx, a.ID))
	f.seeds(t, a.ID, "b")
	if list, err := f.Devices.List(f.ctx, a.ID); err != nil || len(list) != 0 {
		t.Fatalf("devices %+v, %v", list, err)
	}
}

func testCredentials(t *testing.T, f *fixture) {
	a, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: "alice", Credentials: credentials()[:1]})
	must(t, err)
	for name, c := range map[string][]store.Credential{"bob": credentials(), "carl": nil} {
		_, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: name, Credentials: c})
		must(t, err)
	}
	_, err = f.Accounts.Create(f.ctx, store.NewAccount{Domain: "example.org", Local: "dora", Credentials: credentials()[1:], Disabled: true})
	must(t, err)
	shared := func(all, some []string) {
		t.Helper()
		f.reopen(t)
		a, s, err := f.Credentials.Shared(f.ctx, "example.org")
		must(t, err)
		if !reflect.DeepEqual(a, all) || !reflect.DeepEqual(s, some) {
			t.Fatalf("all have %v and some %v, want %v and %v", a, s, all, some)
		}
	}
	const weak, strong = "SCRAM-SHA-1", "SCRAM-SHA-256"
	shared([]string{weak}, []string{weak, strong})
	more := credentials()[1]
	if err := f.Credentials.Add(f.ctx, a.ID, more, []byte("another")); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("under another password: %v", err)
	}
	must(t, f.Credentials.Add(f.ctx, a.ID, more, a.Credentials[0].StoredKey))
	a.Credentials = credentials()
	f.check(t, a)
	both := []string{weak, strong}
	shared(both, both)
	more.Salt = []byte("fresh")
	must(t, f.Credentials.Add(f.ctx, a.ID, more, a.Credentials[0].StoredKey))
	a.Credentials[1] = more
	f.check(t, a)
}
