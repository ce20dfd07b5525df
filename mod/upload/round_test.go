package upload

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stonechat/config"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/store/blob"
	"stonechat/store/sqlstore"
)

// A round takes files that are due, and contents that no file has and that are old; nothing else.
func TestRound(t *testing.T) {
	folder := t.TempDir()
	db, err := sqlstore.Open(t.Context(), folder, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	blobs, err := blob.OpenFolder(filepath.Join(folder, blob.FolderName))
	if err != nil {
		t.Fatal(err)
	}
	alice, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	put := func(text string, old bool) blob.Hash {
		t.Helper()
		h, err := blob.Put(t.Context(), blobs, strings.NewReader(text), int64(len(text)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if old {
			name := filepath.Join(folder, blob.FolderName, h.String()[:2], h.String())
			if err := os.Chtimes(name, now.Add(-time.Hour), now.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		return h
	}
	file := func(id string, until time.Time, h blob.Hash) {
		t.Helper()
		f := store.File{ID: id, Owner: alice.ID, Size: 1, Name: id, Purpose: forMessage, Created: now, Due: now.Add(time.Hour), Until: until}
		for _, ticket := range []store.Ticket{
			db.Files.Reserve(f, store.Quota{Purposes: []string{forMessage}, Files: 9, Bytes: 9}),
			db.Files.Arrive(f, now, now.Add(time.Hour)), db.Files.Store(f, h[:], "text/plain"),
		} {
			if err := ticket.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept, lone, fresh, due := put("kept", true), put("of nobody", true), put("on its way", false), put("due", true)
	file("kept", time.Time{}, kept)
	file("due", now.Add(-time.Minute), due)
	round := NewRound(db.Files, blobs, obs.Discard())
	for range 2 { // the second finds nothing to do
		round.once(t.Context())
		for h, want := range map[blob.Hash]bool{kept: true, lone: false, fresh: true, due: false} {
			c, err := blobs.Open(t.Context(), h)
			if (err == nil) != want {
				t.Errorf("%s: %v, want it kept %v", h, err, want)
			}
			if err == nil {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
	for id, want := range map[string]bool{"kept": true, "due": false} {
		if _, err := db.Files.Get(t.Context(), id); errors.Is(err, store.ErrNotFound) == want {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// How long files are kept, and what counts together, by purpose and role.
func TestPurposes(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	day, week := now.Add(24*time.Hour), now.Add(7*24*time.Hour)
	for _, x := range []struct {
		purpose string
		keep    time.Duration
		before  time.Time
		want    time.Time
	}{
		{forMessage, 0, time.Time{}, time.Time{}},
		{forMessage, 7 * 24 * time.Hour, time.Time{}, week},
		{forProfile, time.Hour, time.Time{}, time.Time{}},
		{forGood, time.Hour, time.Time{}, time.Time{}},
		{forAWhile, 0, day, day},
		{forAWhile, 7 * 24 * time.Hour, day, day},
		{forAWhile, 24 * time.Hour, week, day},
	} {
		m := New(Parts{Config: config.Upload{Keep: config.Duration(x.keep)}})
		if got := m.until(request{purpose: x.purpose, before: x.before}, now); !got.Equal(x.want) {
			t.Errorf("%+v: until %v", x, got)
		}
	}
	m := New(Parts{Config: config.Upload{Quota: 1, StaffQuota: 2, ProfileQuota: 3, FileBytes: 10, ProfileBytes: 20}})
	for _, x := range []struct {
		purpose string
		role    store.Role
		want    int64
		beside  int
	}{
		{forMessage, store.RoleMember, 1, 3},
		{forGood, store.RoleBot, 1, 3},
		{forAWhile, store.RoleModerator, 2, 3},
		{forMessage, store.RoleOwner, 2, 3},
		{forProfile, store.RoleOwner, 3, 1},
	} {
		if got := m.quota(x.purpose, x.role); got.Bytes != x.want || len(got.Purposes) != x.beside {
			t.Errorf("%+v: %+v", x, got)
		}
	}
	if m.largest(forProfile) != 10 || m.largest(forMessage) != 10 {
		t.Error("a profile's file may be larger than any")
	}
}
