package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"stonechat/store"
)

func (f *fixture) place(t testing.TB, local, network string) store.Place {
	t.Helper()
	p, err := f.Places.Place(f.ctx, "example.org", local, []byte(network))
	must(t, err)
	return p
}

func testPlaces(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	if p := f.place(t, "nobody", "a\x00b"); p != (store.Place{}) {
		t.Fatalf("of nobody: %+v", p)
	}
	if p := f.place(t, "alice", "a\x00b"); p != (store.Place{Owner: alice}) {
		t.Fatalf("never there: %+v", p)
	}
	seen := f.clock.Now().UTC()
	f.wait(t, f.Places.SetPlace(alice, []byte("a\x00b"), seen, 3), f.Places.SetPlace(bob, []byte("c"), seen, 3))
	f.reopen(t)
	if p := f.place(t, "alice", "a\x00b"); p != (store.Place{Owner: alice, Seen: seen}) {
		t.Fatalf("there once: %+v", p)
	}
	if p := f.place(t, "bob", "a\x00b"); p != (store.Place{Owner: bob}) {
		t.Fatalf("another's place: %+v", p)
	}
	// The newest three stay. One that is seen again is new.
	for i := range 5 {
		f.wait(t, f.Places.SetPlace(alice, []byte(fmt.Sprint("n", i)), seen.Add(time.Duration(i)*time.Minute), 3))
	}
	f.wait(t, f.Places.SetPlace(alice, []byte("n2"), seen.Add(time.Hour), 3), f.Places.SetPlace(alice, []byte("n5"), seen.Add(2*time.Hour), 3))
	for network, want := range map[string]bool{"a\x00b": false, "n0": false, "n1": false, "n2": true, "n3": false, "n4": true, "n5": true} {
		if p := f.place(t, "alice", network); !p.Seen.IsZero() != want {
			t.Errorf("%q: %+v, want it kept %v", network, p, want)
		}
	}
	f.wait(t, f.Places.SetPlace(bob, []byte("c"), seen, 0))
	if p := f.place(t, "bob", "c"); !p.Seen.IsZero() {
		t.Errorf("kept although none is to be: %+v", p)
	}
	must(t, f.Accounts.Delete(f.ctx, alice))
	if err := f.Places.SetPlace(alice, []byte("n6"), seen, 3).Wait(f.ctx); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("place of a deleted account: %v", err)
	}
	again := f.account(t, "alice")
	if p := f.place(t, "alice", "n5"); p != (store.Place{Owner: again}) {
		t.Errorf("the next alice knows %+v", p)
	}
}

func testShapes(t *testing.T, f *fixture) {
	mechanisms := []string{"SCRAM-SHA-1", "SCRAM-SHA-256"}
	if got, err := f.Shapes.Shapes(f.ctx, "example.org", mechanisms, 9); err != nil || len(got) != 0 {
		t.Fatalf("of nobody: %+v, %v", got, err)
	}
	add := func(n int, domain string, list ...store.Credential) {
		for i := range n {
			_, err := f.Accounts.Create(f.ctx, store.NewAccount{Domain: domain, Local: fmt.Sprint("u", len(list), list, i), Credentials: list})
			must(t, err)
		}
	}
	key := []byte("key")
	one := store.Credential{Mechanism: "SCRAM-SHA-1", Salt: []byte("0123"), Iterations: 4096, StoredKey: key, ServerKey: key}
	long := one
	long.Salt = []byte("01234567")
	two := store.Credential{Mechanism: "SCRAM-SHA-256", Salt: []byte("01"), Iterations: 10000, StoredKey: key, ServerKey: key}
	other := store.Credential{Mechanism: "OTHER", Salt: []byte("x"), Iterations: 1, StoredKey: key, ServerKey: key}
	add(3, "example.org", one)
	add(5, "example.org", two, one)
	add(2, "example.org", long)
	add(4, "example.org", other)
	add(1, "example.org", two)
	add(9, "example.net", long, two)
	bare := func(c store.Credential) store.Credential {
		c.StoredKey, c.ServerKey = nil, nil
		return c
	}
	want := []store.Shape{
		{Accounts: 5, Credentials: []store.Credential{bare(one), bare(two)}},
		{Accounts: 4},
		{Accounts: 3, Credentials: []store.Credential{bare(one)}},
		{Accounts: 2, Credentials: []store.Credential{bare(long)}},
	}
	got, err := f.Shapes.Shapes(f.ctx, "example.org", mechanisms, 4)
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
