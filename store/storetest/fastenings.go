package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"stonechat/store"
)

// aim appends rows: a letter stands for itself, "1" to "9" are about that target.
func (f *fixture) aim(t testing.TB, owner store.Owner, peer, kinds string) (out []kept) {
	t.Helper()
	var last store.Ticket
	for _, k := range kinds {
		e := store.Entry{Owner: owner, Peer: peer, Stanza: fmt.Appendf(nil, "%c", k)}
		if '1' <= k && k <= '9' {
			e.Target, e.Aside = uint64(k-'0')<<60|7, true // also with the highest bit
		}
		var key store.Key
		key, last = f.Archive.Append(e)
		out = append(out, kept{e, key, f.Archive.ID(owner, key)})
	}
	f.wait(t, last)
	return out
}

// page is what a query gives, as text.
func (f *fixture) page(t testing.TB, owner store.Owner, q store.Query) (string, store.Result) {
	t.Helper()
	res, err := f.Archive.Page(f.ctx, owner, q)
	must(t, err)
	var b strings.Builder
	for _, r := range res.Rows {
		b.Write(r.Stanza)
	}
	return b.String(), res
}

// about is how many rows are about targets 1, 2, ….
func (f *fixture) about(t testing.TB, owner store.Owner, targets ...uint64) string {
	t.Helper()
	all := make([]uint64, len(targets))
	for i, n := range targets {
		all[i] = n<<60 | 7
	}
	found, err := f.Fastenings.About(f.ctx, owner, all)
	must(t, err)
	var out []string
	for i, x := range found {
		for j, r := range x.Rows {
			if want := fmt.Sprint(targets[i]); string(r.Stanza) != want || f.Archive.ID(owner, r.Key) != r.ID {
				t.Errorf("%s is about %s", r.Stanza, want)
			}
			if j > 0 && r.Key >= x.Rows[j-1].Key {
				t.Errorf("row %d of %d is not older", j, targets[i])
			}
		}
		more := ""
		if x.More {
			more = "+"
		}
		out = append(out, fmt.Sprint(len(x.Rows), more))
	}
	return strings.Join(out, " ")
}

// testFastenings: pages have the rows of one kind, and what is about a row is found by its target, in its own archive, at once and for good.
func testFastenings(t *testing.T, f *fixture) {
	owner := f.account(t, "fastener")
	rows := f.aim(t, owner, "bob@example.org", "a1b1c2d9")
	f.aim(t, owner, "carl@example.org", "x1y")
	f.aim(t, me, "bob@example.org", "z1")
	last := ""
	for _, c := range []struct {
		q        store.Query
		want     string
		complete bool
	}{
		{store.Query{Max: 10}, "a1b1c2d9x1y", false},
		{store.Query{Max: 11}, "a1b1c2d9x1y", true},
		{store.Query{Max: 11, Rows: store.OwnRows}, "abcdxy", true},
		{store.Query{Max: 3, Rows: store.OwnRows}, "abc", false},
		{store.Query{Max: 3, Rows: store.OwnRows, After: rows[4].id}, "dxy", true},
		{store.Query{Max: 3, Rows: store.OwnRows, Before: &last}, "dxy", false},
		{store.Query{Max: 9, Rows: store.OwnRows, Before: &rows[4].id, Flip: true}, "ba", true},
		{store.Query{Max: 9, Rows: store.OwnRows, With: "carl@example.org"}, "xy", true},
		{store.Query{Max: 9, Rows: store.OwnRows, With: "carl@example.org", WithResource: "r"}, "", true},
		{store.Query{Max: 9, Rows: store.AimedRows}, "11291", true},
		{store.Query{Max: 2, Rows: store.AimedRows, With: "bob@example.org"}, "11", false},
		{store.Query{Max: 9, Rows: store.OwnRows, IDs: []string{rows[0].id, rows[1].id}}, "a1", true},
	} {
		if c.want == "a1b1c2d9x1y" && c.q.Max == 10 {
			c.want = c.want[:10]
		}
		got, res := f.page(t, owner, c.q)
		if got != c.want || res.Complete != c.complete || res.Edge != "" {
			t.Errorf("%+v: %q, complete %v, edge %q; want %q, %v", c.q, got, res.Complete, res.Edge, c.want, c.complete)
		}
	}
	for kind, want := range map[store.Rows]int{store.AllRows: 11, store.OwnRows: 6, store.AimedRows: 5} {
		if _, res := f.page(t, owner, store.Query{Rows: kind}); res.Count != want {
			t.Errorf("%d rows of kind %d, want %d", res.Count, kind, want)
		}
	}
	for range 2 {
		if got := f.about(t, owner, 1, 2, 3, 9, 1); got != "3 1 0 1 3" {
			t.Errorf("about them: %s", got)
		}
		f.reopen(t)
	}
	f.wait(t, f.Archive.Replace(owner, rows[1].key, []byte("1")))
	must(t, f.Accounts.Delete(f.ctx, owner))
	if got := f.about(t, owner, 1, 2, 9); got != "0 0 0" {
		t.Errorf("after erasing: %s", got)
	}
	if got := f.about(t, me, 1); got != "1" {
		t.Errorf("of another: %s", got)
	}
	_, err := f.Archive.Expire(f.ctx, f.clock.Now().AddDate(1, 0, 0))
	must(t, err)
	if got := f.about(t, me, 1); got != "0" {
		t.Errorf("expired: %s", got)
	}
}

// testFasteningLimits: neither a popular row nor a great many that are about others make a look long.
func testFasteningLimits(t *testing.T, f *fixture) {
	f.aim(t, me, "bob@example.org", "a"+strings.Repeat("1", store.MaxFastened)+"2")
	if got := f.about(t, me, 1, 2); got != "256 1" {
		t.Errorf("about them: %s", got)
	}
	f.aim(t, me, "bob@example.org", "1")
	if got := f.about(t, me, 1, 2); got != "256+ 1" {
		t.Errorf("about them: %s", got)
	}
	if _, err := f.Fastenings.About(f.ctx, me, make([]uint64, store.MaxTargets+1)); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("too many: %v", err)
	}
	if got := f.about(t, me, make([]uint64, store.MaxTargets)...); !strings.HasPrefix(got, "0 0 0") {
		t.Errorf("many: %s", got)
	}
	var last store.Ticket
	for i := range store.MaxPassed + 500 {
		_, last = f.Archive.Append(store.Entry{Owner: me, Peer: "bob@example.org", Target: uint64(i + 20), Stanza: []byte("r")})
	}
	f.wait(t, last)
	f.aim(t, me, "bob@example.org", "b")
	f.reopen(t)
	for _, with := range []string{"", "bob@example.org"} {
		forth, back := "", ""
		got, newest := "", ""
		for range 20 {
			text, res := f.page(t, me, store.Query{Max: 5, Rows: store.OwnRows, With: with, After: forth})
			if got += text; res.Complete {
				break
			}
			if forth = res.Edge; forth == "" {
				t.Fatal("it ended without an edge")
			}
		}
		if got != "ab" {
			t.Errorf("forth: %q", got)
		}
		for range 20 {
			text, res := f.page(t, me, store.Query{Max: 5, Rows: store.OwnRows, With: with, Before: &back})
			if newest = text + newest; res.Complete {
				break
			}
			if back = res.Edge; back == "" {
				t.Fatal("it ended without an edge")
			}
		}
		if newest != "ab" {
			t.Errorf("back: %q", newest)
		}
	}
}
