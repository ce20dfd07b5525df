package storetest

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"stonechat/store"
)

// kept is a session of an owner that ends some minutes from now.
func (f *fixture) kept(owner store.Owner, id string, minutes int) store.KeptSession {
	return store.KeptSession{
		Owner: owner, ID: []byte(id), Resource: "r-" + id, State: []byte("state of " + id + "\x00\xff"),
		Ends: f.clock.Now().Add(time.Duration(minutes) * time.Minute).UTC().Truncate(time.Microsecond),
	}
}

// checkSessions compares all sessions of an owner.
func (f *fixture) checkSessions(t *testing.T, owner store.Owner, want ...store.KeptSession) {
	t.Helper()
	got, err := f.Sessions.Of(f.ctx, owner)
	must(t, err)
	if len(got) != len(want) {
		t.Errorf("owner %d has %d sessions on disk, want %d", owner, len(got), len(want))
		return
	}
	for _, w := range want {
		one, err := f.Sessions.Get(f.ctx, owner, w.ID)
		must(t, err)
		if !reflect.DeepEqual(one, w) {
			t.Errorf("got %+v, want %+v", one, w)
		}
	}
}

func testSessions(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	if n, err := f.Sessions.Begin(f.ctx); err != nil || n != 0 {
		t.Fatalf("%d sessions of nobody: %v", n, err)
	}
	a1, a2, b1 := f.kept(alice, "a1", 9), f.kept(alice, "a2", 7), f.kept(bob, "b1", 8)
	old := a1
	old.State = []byte("an older state")
	f.wait(t, f.Sessions.Put(old), f.Sessions.Put(a1), f.Sessions.Put(a2), f.Sessions.Put(b1))
	if err := f.Sessions.Put(store.KeptSession{ID: []byte("x")}).Wait(f.ctx); err == nil {
		t.Error("a session of nobody was kept")
	}
	if _, err := f.Sessions.Get(f.ctx, bob, a1.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another's session: %v", err)
	}
	f.wait(t, f.Sessions.End())
	f.reopen(t)
	n, err := f.Sessions.Begin(f.ctx)
	must(t, err)
	if n != 0 {
		t.Errorf("%d sessions were voided after an orderly end", n)
	}
	f.checkSessions(t, alice, a1, a2)
	f.checkSessions(t, bob, b1)
	resting, err := f.Sessions.Resting(f.ctx)
	must(t, err)
	if want := []store.Resting{{Domain: "example.org", Local: "alice", Ends: a2.Ends}, {Domain: "example.org", Local: "bob", Ends: b1.Ends}}; !reflect.DeepEqual(resting, want) {
		t.Errorf("resting: %+v, want %+v", resting, want)
	}
	f.wait(t, f.Sessions.Remove(alice, a1.ID, []byte("unknown")))
	f.checkSessions(t, alice, a2)
	f.wait(t, f.Sessions.Put(a1), f.Sessions.Remove(alice))
	f.checkSessions(t, alice)
	f.checkSessions(t, bob, b1)
	must(t, f.Accounts.Delete(f.ctx, bob))
	f.checkSessions(t, bob)
}

// Nothing is left of a process that did not end in order, whatever it kept itself or had found.
func testSessionsDisorder(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	_, err := f.Sessions.Begin(f.ctx)
	must(t, err)
	f.wait(t, f.Sessions.Put(f.kept(alice, "found", 9)), f.Sessions.End())
	f.reopen(t)
	_, err = f.Sessions.Begin(f.ctx)
	must(t, err)
	f.wait(t, f.Sessions.Put(f.kept(alice, "own", 9)))
	f.reopen(t)
	n, err := f.Sessions.Begin(f.ctx)
	must(t, err)
	if n != 2 {
		t.Errorf("%d sessions were voided, want 2", n)
	}
	f.checkSessions(t, alice)
	f.wait(t, f.Sessions.End())
}

func testSessionMessages(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	var keys []store.Key
	var tickets []store.Ticket
	for range 200 {
		k, ticket := f.Archive.Append(store.Entry{Owner: alice, Peer: "p@example.net", Stanza: []byte("<message/>")})
		keys, tickets = append(keys, k), append(tickets, ticket)
	}
	f.wait(t, tickets...)
	got, err := f.Sessions.Messages(f.ctx, alice, append(keys, keys[0], keys[199]+1))
	must(t, err)
	if len(got) != 200 || !bytes.Equal(got[keys[7]].Stanza, []byte("<message/>")) || got[keys[7]].ID != f.Archive.ID(alice, keys[7]) {
		t.Errorf("%d rows, such as %+v", len(got), got[keys[7]])
	}
	for owner, keys := range map[store.Owner][]store.Key{bob: keys, alice: nil} {
		if got, err := f.Sessions.Messages(f.ctx, owner, keys); err != nil || len(got) != 0 {
			t.Errorf("owner %d: %d rows: %v", owner, len(got), err)
		}
	}
}

func testActivity(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	check := func(want store.LastSeen) {
		t.Helper()
		got, err := f.Activity.LastSeen(f.ctx, alice)
		must(t, err)
		if got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	check(store.LastSeen{Shown: store.ShownToContacts})
	f.wait(t, f.Activity.ShowLastSeen(alice, store.ShownToNobody))
	check(store.LastSeen{Shown: store.ShownToNobody})
	at := f.clock.Now().UTC().Truncate(time.Microsecond)
	f.wait(t, f.Activity.SetLastSeen(alice, at.Add(-time.Hour), "old"), f.Activity.SetLastSeen(alice, at, "off to Mantua"))
	f.reopen(t)
	check(store.LastSeen{At: at, Status: "off to Mantua", Shown: store.ShownToNobody})
	f.wait(t, f.Activity.ShowLastSeen(alice, store.ShownToContacts))
	check(store.LastSeen{At: at, Status: "off to Mantua", Shown: store.ShownToContacts})
	must(t, f.Accounts.Delete(f.ctx, alice))
	check(store.LastSeen{Shown: store.ShownToContacts})
}
