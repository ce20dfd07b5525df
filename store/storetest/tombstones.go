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

// buried makes a room of those owners and destroys it, as the first of them.
func (f *fixture) buried(t testing.TB, local string, t0 store.Tombstone, owners ...string) {
	t.Helper()
	r := store.Room{Local: local, Creator: owners[0], Created: f.clock.Now()}
	var first []store.Affiliation
	for _, o := range owners {
		first = append(first, store.Affiliation{JID: o, Kind: "owner"})
	}
	r = f.room(t, r, first...)
	t0.By, t0.At, t0.Owners = owners[0], f.clock.Now(), owners
	f.wait(t, f.Tombstones.Bury(r.ID, t0, 3))
}

// stones are the names of those that have a tombstone.
func (f *fixture) stones(t testing.TB, names ...string) (out []string) {
	t.Helper()
	for _, name := range names {
		switch _, err := f.Tombstones.Tombstone(f.ctx, roomsDomain, name); {
		case err == nil:
			out = append(out, name)
		case !errors.Is(err, store.ErrNotFound):
			t.Errorf("%s: %v", name, err)
		}
	}
	return out
}

const (
	digger = "alice@example.org"
	helper = "bob@example.net"
)

// testTombstones: what stands in the place of a room comes and goes with it, in one commit, and keeps the name for its owners.
func testTombstones(t *testing.T, f *fixture) {
	until := f.clock.Now().Add(time.Hour).UTC()
	r := f.room(t, store.Room{Local: "r", Creator: digger}, store.Affiliation{JID: digger, Kind: "owner"}, store.Affiliation{JID: helper, Kind: "owner"},
		store.Affiliation{JID: "carol@example.org", Kind: "admin"})
	stone := store.Tombstone{
		By: digger, At: f.clock.Now(), Until: until, Reason: "Macbeth doth come.", Alternate: "coven@" + roomsDomain,
		Owners: []string{digger, helper, "carol@example.org", "dave@example.org"},
	}
	f.wait(t, f.Tombstones.Bury(r.ID, stone, 3))
	f.reopen(t)
	if _, err := f.Rooms.Get(f.ctx, roomsDomain, "r"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the room: %v", err)
	}
	want := store.Tombstone{Until: until, Reason: stone.Reason, Alternate: stone.Alternate, Owners: []string{digger, helper}}
	if got, err := f.Tombstones.Tombstone(f.ctx, roomsDomain, "r"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := f.Tombstones.Tombstone(f.ctx, "rooms.example.net", "r"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("in another domain: %v", err)
	}
	if err := f.Tombstones.Bury(r.ID, stone, 3).Wait(f.ctx); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("destroyed twice: %v", err)
	}
	again := func(creator string, at time.Time) error {
		return f.Rooms.Create(store.Room{Domain: roomsDomain, Local: "r", Creator: creator, Created: at}, []store.Affiliation{{JID: creator, Kind: "owner"}},
			func(o store.Owner) { r.ID = o }).Wait(f.ctx)
	}
	if err := again("carol@example.org", until.Add(-time.Microsecond)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("made by another: %v", err)
	}
	if err := again(helper, until.Add(-time.Microsecond)); err != nil {
		t.Errorf("made by an owner: %v", err)
	}
	if got := f.stones(t, "r"); got != nil {
		t.Errorf("of a room that is there: %q", got)
	}
	stone.By, stone.Owners = helper, []string{helper}
	f.wait(t, f.Tombstones.Bury(r.ID, stone, 3))
	if err := again("carol@example.org", until); err != nil {
		t.Errorf("made when it is over: %v", err)
	}
	stone.By, stone.Owners = digger, []string{digger}
	f.wait(t, f.Tombstones.Bury(r.ID, stone, 3))
	if got := f.stones(t, "r"); got != nil {
		t.Errorf("of nobody: %q", got)
	}
}

// testTombstoneLimits: of what somebody leaves the newest stay, until they are over.
func testTombstoneLimits(t *testing.T, f *fixture) {
	base := f.clock.Now()
	f.buried(t, "other", store.Tombstone{Until: base.Add(time.Hour)}, helper, digger)
	var names []string
	for i := range 5 {
		names = append(names, fmt.Sprint("n", i))
		f.clock.Move(time.Second)
		f.buried(t, names[i], store.Tombstone{Until: base.Add(time.Duration(60-i) * time.Minute)}, digger, helper)
	}
	all := append(slices.Clone(names), "other")
	if got := f.stones(t, all...); !reflect.DeepEqual(got, []string{"n2", "n3", "n4", "other"}) {
		t.Errorf("%q", got)
	}
	expire := func(at time.Time, n int64, left ...string) {
		t.Helper()
		got, err := f.Tombstones.ExpireTombstones(f.ctx, at)
		if err != nil || got != n {
			t.Errorf("erased %d, %v", got, err)
		}
		if got := f.stones(t, all...); !reflect.DeepEqual(got, left) {
			t.Errorf("%q are left", got)
		}
	}
	expire(base.Add(56*time.Minute-time.Microsecond), 0, "n2", "n3", "n4", "other")
	expire(base.Add(57*time.Minute), 2, "n2", "other")
	expire(base.Add(time.Hour), 2)
}

// testTombstonesErased: a name is kept for accounts, not for addresses: whoever has one of them later is nobody.
func testTombstonesErased(t *testing.T, f *fixture) {
	until := f.clock.Now().Add(time.Hour)
	for i, end := range []func(store.Owner) error{
		func(o store.Owner) error { return f.Accounts.Delete(f.ctx, o) },
		func(o store.Owner) error { return f.Leavers.Erase(f.ctx, o, time.Now()) },
		func(o store.Owner) error { return f.Leavers.Leave(o, time.Now()).Wait(f.ctx) },
	} {
		name := fmt.Sprint("gone", i)
		address, account := name+"@example.org", f.account(t, name)
		f.buried(t, "own"+name, store.Tombstone{Until: until}, address)
		f.buried(t, "shared"+name, store.Tombstone{Until: until}, address, helper)
		f.buried(t, "others"+name, store.Tombstone{Until: until}, helper)
		must(t, end(account))
		f.reopen(t)
		if got := f.stones(t, "own"+name, "shared"+name, "others"+name); !reflect.DeepEqual(got, []string{"shared" + name, "others" + name}) {
			t.Errorf("%q", got)
		}
		if got, err := f.Tombstones.Tombstone(f.ctx, roomsDomain, "shared"+name); err != nil || !reflect.DeepEqual(got.Owners, []string{helper}) {
			t.Errorf("%+v, %v", got, err)
		}
		// What somebody who is gone had left counts for nobody: the next one of the address has three of their own.
		for range 3 {
			f.clock.Move(time.Second)
			f.buried(t, fmt.Sprint(f.clock.Now().Unix(), name), store.Tombstone{Until: until}, address)
		}
		if got := f.stones(t, "shared"+name); got == nil {
			t.Error("it was pushed out")
		}
	}
}
