package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stonechat/store"
)

// plenty is a quota that nothing here uses up.
func plenty(purposes ...string) store.Quota {
	return store.Quota{Purposes: purposes, Files: 1000, Bytes: 1 << 40}
}

// slot is a new one, due in five minutes.
func (f *fixture) slot(owner store.Owner, id string, change func(*store.File)) store.File {
	now := f.clock.Now().UTC().Truncate(time.Microsecond)
	x := store.File{
		ID: id, Owner: owner, Size: 10, Type: "image/png", Name: "très cool.png", Purpose: "message", Created: now, Due: now.Add(5 * time.Minute), Until: now.Add(24 * time.Hour),
	}
	if change != nil {
		change(&x)
	}
	return x
}

func (f *fixture) file(t testing.TB, id string) store.File {
	t.Helper()
	x, err := f.Files.Get(f.ctx, id)
	must(t, err)
	return x
}

// stored brings a file all the way.
func (f *fixture) stored(t testing.TB, x store.File, hash string) {
	t.Helper()
	f.wait(t, f.Files.Reserve(x, plenty(x.Purpose)))
	f.wait(t, f.Files.Arrive(x, f.clock.Now(), f.clock.Now().Add(time.Hour)))
	f.wait(t, f.Files.Store(x, []byte(hash), x.Type))
}

func testFiles(t *testing.T, f *fixture) {
	alice := f.account(t, "alice")
	want := f.slot(alice, "one", nil)
	refused := func(what string, ticket store.Ticket, want error) {
		t.Helper()
		if err := ticket.Wait(f.ctx); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	if _, err := f.Files.Get(f.ctx, "one"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of nothing: %v", err)
	}
	f.wait(t, f.Files.Reserve(want, plenty("message")))
	refused("an id twice", f.Files.Reserve(want, plenty("message")), store.ErrConflict)
	refused("of nobody", f.Files.Reserve(f.slot(999, "x", nil), plenty("message")), store.ErrNotFound)
	f.reopen(t)
	if got := f.file(t, "one"); !reflect.DeepEqual(got, want) {
		t.Errorf("slot\n got %+v\nwant %+v", got, want)
	}
	refused("stored before it arrives", f.Files.Store(want, []byte("hash"), ""), store.ErrNotFound)
	f.wait(t, f.Files.Return(want, want.Due.Add(time.Hour))) // it does not arrive: nothing happens
	now := f.clock.Now()
	refused("arrives too late", f.Files.Arrive(want, want.Due, want.Due.Add(time.Hour)), store.ErrNotFound)
	refused("arrives as another", f.Files.Arrive(f.slot(alice, "two", nil), now, want.Due), store.ErrNotFound)
	f.wait(t, f.Files.Arrive(want, now, want.Due.Add(time.Hour)))
	refused("arrives twice", f.Files.Arrive(want, now, want.Due.Add(time.Hour)), store.ErrConflict)
	f.wait(t, f.Files.Return(want, want.Due), f.Files.Arrive(want, now, want.Due.Add(time.Hour)))
	want.Size = 8 // it was made shorter
	want.Look = store.Look{
		Width: 4000, Height: 3000, Duration: 61_234 * time.Millisecond, Blurhash: "LEHV6nWB2yk8'\\?", Waveform: []byte{0, 7, 255},
		Thumb: store.Thumb{Hash: []byte("small\x00"), Type: "image/jpeg", Width: 400, Height: 300},
	}
	f.wait(t, f.Files.Store(want, []byte("hash\x00"), "image/webp"))
	refused("arrives once more", f.Files.Arrive(want, now, want.Due), store.ErrConflict)
	refused("stored twice", f.Files.Store(want, []byte("other"), ""), store.ErrNotFound)
	f.wait(t, f.Files.Return(want, want.Due)) // it does not arrive any more
	f.reopen(t)
	want.State, want.Hash, want.Type, want.Due = store.FileStored, []byte("hash\x00"), "image/webp", want.Until
	if got := f.file(t, "one"); !reflect.DeepEqual(got, want) {
		t.Errorf("stored\n got %+v\nwant %+v", got, want)
	}
	for hash, there := range map[string]bool{"hash\x00": true, "hash": false, "": false, "small\x00": true, "small": false} {
		if got, err := f.Files.Holds(f.ctx, []byte(hash)); err != nil || got != there {
			t.Errorf("hash %q: %v, %v", hash, got, err)
		}
	}
	// What an earlier process has left on its way may be begun anew, and nothing else.
	left := f.slot(alice, "left", nil)
	f.wait(t, f.Files.Reserve(left, plenty("message")), f.Files.Arrive(left, now, left.Due.Add(time.Hour)))
	for n := 1; n >= 0; n-- {
		if got, err := f.Files.Recover(f.ctx); got != n || err != nil {
			t.Errorf("%d are slots again, want %d: %v", got, n, err)
		}
	}
	if x := f.file(t, "left"); x.State != store.FileSlot || !x.Due.Equal(left.Due.Add(time.Hour)) || f.file(t, "one").State != store.FileStored {
		t.Errorf("recovered %+v", x)
	}
	// However many come at once, one is let in.
	race := f.slot(alice, "race", nil)
	f.wait(t, f.Files.Reserve(race, plenty("message")))
	var won atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if f.Files.Arrive(race, now, race.Due.Add(time.Hour)).Wait(f.ctx) == nil {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d were let in", won.Load())
	}
}

func testFilesQuota(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	most := store.Quota{Purposes: []string{"message", "permanent"}, Files: 3, Bytes: 100}
	reserve := func(id string, size int64, purpose string, most store.Quota) error {
		return f.Files.Reserve(f.slot(alice, id, func(x *store.File) { x.Size, x.Purpose = size, purpose }), most).Wait(f.ctx)
	}
	must(t, f.Files.Reserve(f.slot(bob, "bob's", func(x *store.File) { x.Size = 90 }), most).Wait(f.ctx))
	must(t, reserve("a", 60, "message", most))
	if err := reserve("b", 41, "permanent", most); !errors.Is(err, store.ErrQuota) {
		t.Errorf("too much: %v", err)
	}
	must(t, reserve("b", 40, "permanent", most))
	must(t, reserve("c", 1<<39, "profile", plenty("profile"))) // counted apart
	must(t, reserve("d", 0, "message", most))
	if err := reserve("e", 0, "message", most); !errors.Is(err, store.ErrTooMany) {
		t.Errorf("too many: %v", err)
	}
	got, err := f.OwnFiles.Usage(f.ctx, alice, f.clock.Now())
	must(t, err)
	if want := []store.FileUsage{{Purpose: "message", Files: 2, Bytes: 60}, {Purpose: "permanent", Files: 1, Bytes: 40}, {Purpose: "profile", Files: 1, Bytes: 1 << 39}}; !reflect.DeepEqual(got, want) {
		t.Errorf("usage %+v, want %+v", got, want)
	}
	// What is due counts no longer, whether or not it was removed.
	f.clock.Move(time.Hour)
	must(t, reserve("f", 100, "message", most))
	if err := reserve("g", 1<<62, "message", store.Quota{Purposes: most.Purposes, Files: 9, Bytes: 1<<63 - 1}); err != nil {
		t.Errorf("large numbers: %v", err)
	}
}

func testFilesGo(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	f.stored(t, f.slot(alice, "for a day", nil), "h1")
	f.stored(t, f.slot(alice, "for ever", func(x *store.File) { x.Until = time.Time{} }), "h2")
	f.stored(t, f.slot(bob, "bob's", func(x *store.File) { x.Until = time.Time{} }), "h2")
	f.wait(t, f.Files.Reserve(f.slot(alice, "slot", nil), plenty("message")))
	expire := func(limit, want int) {
		t.Helper()
		if n, err := f.Files.Expire(f.ctx, f.clock.Now(), limit); n != want || err != nil {
			t.Errorf("%d went, want %d: %v", n, want, err)
		}
	}
	expire(10, 0)
	f.clock.Move(5 * time.Minute)
	expire(10, 1)
	f.clock.Move(24 * time.Hour)
	if x := f.file(t, "for a day"); !x.Gone(f.clock.Now()) || x.Gone(x.Created) {
		t.Errorf("is not gone: %+v", x)
	}
	expire(0, 0)
	expire(10, 1)
	for id, there := range map[string]bool{"slot": false, "for a day": false, "for ever": true, "bob's": true} {
		if _, err := f.Files.Get(f.ctx, id); there != (err == nil) {
			t.Errorf("%s: %v", id, err)
		}
	}
	for i := range 5 {
		f.wait(t, f.Files.Reserve(f.slot(alice, fmt.Sprint("n", i), nil), plenty("message")))
	}
	arriving := f.slot(alice, "arriving", nil)
	f.wait(t, f.Files.Reserve(arriving, plenty("message")), f.Files.Arrive(arriving, f.clock.Now(), arriving.Due))
	must(t, f.Accounts.Delete(f.ctx, alice))
	if err := f.Files.Store(arriving, []byte("h3"), "").Wait(f.ctx); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("stored for an account that is gone: %v", err)
	}
	if err := f.Files.Reserve(f.slot(alice, "late", nil), plenty("message")).Wait(f.ctx); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("slot for an account that is gone: %v", err)
	}
	if got, err := f.OwnFiles.Usage(f.ctx, alice, f.clock.Now()); err != nil || len(got) != 0 {
		t.Errorf("an account that is gone has %+v, %v", got, err)
	}
	for hash, there := range map[string]bool{"h1": false, "h2": true, "h3": false} {
		if got, err := f.Files.Holds(f.ctx, []byte(hash)); err != nil || got != there {
			t.Errorf("hash %q: %v, %v", hash, got, err)
		}
	}
	f.clock.Move(time.Hour)
	expire(10, 0) // nothing was left behind
}

// Owners see what they have stored, newest first, and nobody removes what is another's.
func testOwnFiles(t *testing.T, f *fixture) {
	alice, bob := f.account(t, "alice"), f.account(t, "bob")
	f.stored(t, f.slot(alice, "first", nil), "h1")
	f.clock.Move(time.Second)
	f.stored(t, f.slot(bob, "bob's", nil), "h1")
	f.stored(t, f.slot(alice, "second", func(x *store.File) { x.Until = time.Time{} }), "h2")
	f.wait(t, f.Files.Reserve(f.slot(alice, "slot", nil), plenty("message")))
	list := func(want ...string) {
		t.Helper()
		got, err := f.OwnFiles.List(f.ctx, alice, f.clock.Now())
		must(t, err)
		var ids []string
		for _, x := range got {
			ids = append(ids, x.ID)
			if !reflect.DeepEqual(x, f.file(t, x.ID)) {
				t.Errorf("listed as %+v", x)
			}
		}
		if fmt.Sprint(ids) != fmt.Sprint(want) {
			t.Errorf("alice has %v, want %v", ids, want)
		}
	}
	list("second", "first")
	for _, id := range []string{"bob's", "nothing", ""} {
		if err := f.OwnFiles.Remove(alice, id).Wait(f.ctx); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("removes %q: %v", id, err)
		}
	}
	f.wait(t, f.OwnFiles.Remove(alice, "second"), f.OwnFiles.Remove(alice, "slot"))
	f.reopen(t)
	list("first")
	for hash, there := range map[string]bool{"h1": true, "h2": false} {
		if got, err := f.Files.Holds(f.ctx, []byte(hash)); err != nil || got != there {
			t.Errorf("hash %q: %v, %v", hash, got, err)
		}
	}
	if got, err := f.OwnFiles.Usage(f.ctx, alice, f.clock.Now()); err != nil || len(got) != 1 || got[0].Files != 1 {
		t.Errorf("usage %+v, %v", got, err)
	}
	f.file(t, "bob's")
	// What is removed while it arrives is not stored.
	late := f.slot(alice, "late", nil)
	f.wait(t, f.Files.Reserve(late, plenty("message")), f.Files.Arrive(late, f.clock.Now(), late.Due), f.OwnFiles.Remove(alice, "late"))
	if err := f.Files.Store(late, []byte("h3"), "").Wait(f.ctx); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("stored although it was removed: %v", err)
	}
	f.clock.Move(48 * time.Hour)
	list()
}
