package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stonechat/store"
)

const me store.Owner = 41

// kept is what a test knows of an appended row.
type kept struct {
	store.Entry
	key store.Key
	id  string
}

// fill appends n messages with several peers, some seconds apart.
func (f *fixture) fill(t testing.TB, owner store.Owner, n int) []kept {
	t.Helper()
	var out []kept
	var last store.Ticket
	for i := range n {
		e := store.Entry{
			Owner: owner, Peer: []string{"bob@example.org", "carl@example.org", "me@example.org", "bob@example.org"}[i%4],
			Resource: []string{"", "phone", "tab"}[i%3], Direction: store.Direction(i % 2), Offline: i%2 == 0 && i%3 == 0,
			Origin: uint64(i%5) * 0x9e3779b97f4a7c15, Stanza: fmt.Appendf(nil, "<message id='%d'/>", i),
		}
		key, ticket := f.Archive.Append(e)
		out = append(out, kept{e, key, f.Archive.ID(owner, key)})
		last = ticket
		if i%3 == 0 {
			f.clock.Move(time.Second)
		}
	}
	f.wait(t, last)
	return out
}

func testArchiveIDs(t *testing.T, f *fixture) {
	rows := f.fill(t, me, 50)
	seen := map[string]bool{}
	for i, r := range rows {
		if i > 0 && r.key <= rows[i-1].key {
			t.Fatalf("keys %d, %d", rows[i-1].key, r.key)
		}
		if seen[r.id] || len(r.id) < 20 {
			t.Fatalf("id %q", r.id)
		}
		seen[r.id] = true
		if got, err := f.Archive.Find(f.ctx, me, r.id); err != nil || got != r.key {
			t.Fatalf("Find = %d, %v; want %d", got, err, r.key)
		}
		if _, err := f.Archive.Find(f.ctx, me+1, r.id); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("another owner's id: %v", err)
		}
	}
	for _, id := range []string{
		"", "x", rows[0].id + "A", rows[0].id[1:], strings.Repeat("A", len(rows[0].id)), "\n" + rows[0].id[1:], rows[0].id + "\n",
		f.Archive.ID(me, rows[49].key+1), fmt.Sprint(rows[0].key),
	} {
		if _, err := f.Archive.Find(f.ctx, me, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Find(%q): %v", id, err)
		}
	}
}

func testArchivePages(t *testing.T, f *fixture) {
	all := f.fill(t, me, 107)
	f.fill(t, me+1, 20)
	for _, with := range []string{"", "bob@example.org", "carl@example.org", "me@example.org", "nobody@example.org"} {
		for _, resource := range []string{"", "phone"} {
			if with == "" && resource != "" {
				continue
			}
			want := slices.DeleteFunc(slices.Clone(all), func(k kept) bool {
				return (with != "" && k.Peer != with) || (resource != "" && k.Resource != resource)
			})
			for _, size := range []int{1, 7, 10, 200} {
				for _, flip := range []bool{false, true} {
					q := store.Query{With: with, WithResource: resource, Max: size, Flip: flip}
					f.walk(t, q, want, true)
					f.walk(t, q, want, false)
				}
			}
			res, err := f.Archive.Page(f.ctx, me, store.Query{With: with, WithResource: resource})
			must(t, err)
			if res.Count != len(want) || len(res.Rows) != 0 {
				t.Errorf("count with %q/%q: %d, want %d", with, resource, res.Count, len(want))
			}
		}
	}
}

// walk pages through everything and compares.
func (f *fixture) walk(t testing.TB, q store.Query, want []kept, forwards bool) {
	t.Helper()
	var got []store.Row
	if !forwards {
		q.Before = new(string)
	}
	for pages := 0; ; pages++ {
		res, err := f.Archive.Page(f.ctx, me, q)
		must(t, err)
		rows := res.Rows
		if q.Flip {
			slices.Reverse(rows)
		}
		if forwards {
			got = append(got, rows...)
		} else {
			got = append(rows, got...)
		}
		if res.Complete {
			break
		}
		if len(rows) != q.Max || pages > len(want) {
			t.Fatalf("page %d of %+v has %d rows and is not complete", pages, q, len(rows))
		}
		if forwards {
			q.After = rows[len(rows)-1].ID
		} else {
			q.Before = &rows[0].ID
		}
	}
	f.compare(t, fmt.Sprintf("%+v", q), got, want)
}

func (f *fixture) compare(t testing.TB, what string, got []store.Row, want []kept) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for i, r := range got {
		w := want[i]
		if r.Key != w.key || r.ID != w.id || r.Peer != w.Peer || r.Resource != w.Resource || r.Direction != w.Direction || string(r.Stanza) != string(w.Stanza) {
			t.Fatalf("%s: row %d\n got %+v\nwant %+v", what, i, r, w)
		}
	}
}

func testArchiveUnknownIDs(t *testing.T, f *fixture) {
	rows := f.fill(t, me, 5)
	others := f.fill(t, me+1, 1)
	never := f.Archive.ID(me, rows[4].key+1)
	for _, bad := range []string{never, others[0].id, "nonsense"} {
		for name, q := range map[string]store.Query{
			"after-id": {AfterID: bad}, "before-id": {BeforeID: bad}, "after": {After: bad}, "before": {Before: &bad}, "ids": {IDs: []string{rows[1].id, bad}},
		} {
			for _, q.Max = range []int{0, 10} {
				if _, err := f.Archive.Page(f.ctx, me, q); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s = %q, max %d: %v", name, bad, q.Max, err)
				}
			}
		}
	}
}

func testArchiveLimits(t *testing.T, f *fixture) {
	for name, q := range map[string]store.Query{
		"negative": {Max: -1}, "too many": {Max: store.MaxPage + 1}, "ids": {IDs: make([]string, store.MaxIDs+1)}, "resource alone": {WithResource: "x"},
	} {
		if _, err := f.Archive.Page(f.ctx, me, q); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	big := []byte("<message>" + strings.Repeat("x", 1<<20) + "</message>")
	var tickets []store.Ticket
	for range 12 {
		_, ticket := f.Archive.Append(store.Entry{Owner: me, Peer: "bob@example.org", Stanza: big})
		tickets = append(tickets, ticket)
	}
	f.wait(t, tickets...)
	for _, before := range []*string{nil, new(string)} {
		total := 0
		q := store.Query{Max: 100, Before: before}
		for {
			res, err := f.Archive.Page(f.ctx, me, q)
			must(t, err)
			if len(res.Rows) == 0 || len(res.Rows) > 4 {
				t.Fatalf("page of %d MiB", len(res.Rows))
			}
			total += len(res.Rows)
			if res.Complete {
				break
			}
			if before == nil {
				q.After = res.Rows[len(res.Rows)-1].ID
			} else {
				q.Before = &res.Rows[0].ID
			}
		}
		if total != 12 {
			t.Fatalf("%d rows", total)
		}
	}
}

func testArchiveBounds(t *testing.T, f *fixture) {
	b, err := f.Archive.Bounds(f.ctx, me)
	must(t, err)
	if b != (store.Bounds{}) {
		t.Fatalf("empty archive: %+v", b)
	}
	rows := f.fill(t, me, 30)
	f.fill(t, me+1, 3)
	b, err = f.Archive.Bounds(f.ctx, me)
	must(t, err)
	if want := (store.Bounds{FirstID: rows[0].id, LastID: rows[29].id, First: rows[0].key.Time(), Last: rows[29].key.Time()}); b != want {
		t.Fatalf("got %+v, want %+v", b, want)
	}
}

func testArchiveRecent(t *testing.T, f *fixture) {
	rows := f.fill(t, me, 40)
	f.fill(t, me+1, 3)
	var want []store.Seen
	for _, r := range rows[10:] {
		if r.Origin != 0 {
			want = append(want, store.Seen{Key: r.key, Origin: r.Origin})
		}
	}
	for _, limit := range []int{1, 5, 1000} {
		got, err := f.Archive.Recent(f.ctx, me, rows[10].key.Time(), limit)
		must(t, err)
		if !slices.Equal(got, want[max(0, len(want)-limit):]) {
			t.Errorf("limit %d: %v", limit, got)
		}
	}
}

func testArchiveExpire(t *testing.T, f *fixture) {
	rows := f.fill(t, me, 600)
	others := f.fill(t, me+1, 10)
	n, err := f.Archive.Expire(f.ctx, rows[450].key.Time())
	must(t, err)
	if n != 450 {
		t.Fatalf("erased %d", n)
	}
	f.walk(t, store.Query{Max: 50}, rows[450:], true)
	f.walk(t, store.Query{Max: 50, With: "bob@example.org"}, slices.DeleteFunc(slices.Clone(rows[450:]), func(k kept) bool { return k.Peer != "bob@example.org" }), false)
	if _, err := f.Archive.Page(f.ctx, me, store.Query{Max: 5, After: rows[449].id}); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("expired id: %v", err)
	}
	if _, err := f.Archive.Page(f.ctx, me, store.Query{Max: 5, IDs: []string{rows[449].id}}); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("expired id: %v", err)
	}
	if b, err := f.Archive.Bounds(f.ctx, me); err != nil || b.FirstID != rows[450].id {
		t.Fatalf("bounds %+v, %v", b, err)
	}
	if n, err := f.Archive.Expire(f.ctx, f.clock.Now().Add(time.Hour)); err != nil || n != 160 {
		t.Fatalf("erased %d, %v", n, err)
	}
	if _, err := f.Archive.Find(f.ctx, me+1, others[9].id); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("expired row: %v", err)
	}
}

// testArchiveConcurrency: many producers; each sees its own rows in its own order as soon as its ticket is done, and readers never see
// a gap that is filled later.
func testArchiveConcurrency(t *testing.T, f *fixture) {
	const producers, each = 8, 200
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		var last string
		for {
			res, err := f.Archive.Page(f.ctx, me, store.Query{Max: 500, After: last})
			if err != nil {
				t.Error(err)
				return
			}
			if len(res.Rows) > 0 {
				last = res.Rows[len(res.Rows)-1].ID
			}
			for i := 1; i < len(res.Rows); i++ {
				if res.Rows[i].Key <= res.Rows[i-1].Key {
					t.Error("rows out of order")
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	keys := make([][]store.Key, producers)
	for p := range producers {
		writers.Go(func() {
			for i := range each {
				key, ticket := f.Archive.Append(store.Entry{Owner: me, Peer: fmt.Sprintf("p%d@example.org", p), Stanza: fmt.Appendf(nil, "%d", i)})
				keys[p] = append(keys[p], key)
				if i%10 != 0 {
					continue
				}
				if err := ticket.Wait(f.ctx); err != nil {
					t.Error(err)
				}
				if got, err := f.Archive.Find(f.ctx, me, f.Archive.ID(me, key)); err != nil || got != key {
					t.Errorf("a promised row is not there: %v", err)
				}
			}
		})
	}
	writers.Wait()
	f.wait(t, f.Offline.SetDelivered(me, 1))
	close(stop)
	readers.Wait()
	for p := range producers {
		res, err := f.Archive.Page(f.ctx, me, store.Query{Max: 500, With: fmt.Sprintf("p%d@example.org", p)})
		must(t, err)
		if len(res.Rows) != each {
			t.Fatalf("producer %d: %d rows", p, len(res.Rows))
		}
		for i, r := range res.Rows {
			if string(r.Stanza) != fmt.Sprint(i) || r.Key != keys[p][i] {
				t.Fatalf("producer %d, row %d: %q", p, i, r.Stanza)
			}
		}
	}
}

// testArchiveOwnRows: what a page returns belongs to the caller.
func testArchiveOwnRows(t *testing.T, f *fixture) {
	want := f.fill(t, me, 20)
	for range 2 {
		res, err := f.Archive.Page(f.ctx, me, store.Query{Max: 20})
		must(t, err)
		f.compare(t, "page", res.Rows, want)
		for _, r := range res.Rows {
			clear(r.Stanza)
		}
	}
}

func testOffline(t *testing.T, f *fixture) {
	rows := f.fill(t, me, 60)
	f.fill(t, me+1, 12)
	fit := slices.DeleteFunc(slices.Clone(rows), func(k kept) bool { return !k.Offline })
	mark, err := f.Offline.Delivered(f.ctx, me)
	must(t, err)
	var got []store.Row
	for {
		page, err := f.Offline.After(f.ctx, me, mark, 4)
		must(t, err)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		mark = page[len(page)-1].Key
		f.wait(t, f.Offline.SetDelivered(me, mark))
	}
	f.compare(t, "offline", got, fit)
	f.wait(t, f.Offline.SetDelivered(me, rows[0].key))
	if now, err := f.Offline.Delivered(f.ctx, me); err != nil || now != mark {
		t.Fatalf("mark %d, %v; want %d", now, err, mark)
	}
	if _, err := f.Offline.After(f.ctx, me, 0, store.MaxPage+1); !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("limit: %v", err)
	}
}

// testArchiveReplace: a row's stanza is another one afterwards, also behind a restart, and nothing else is.
func testArchiveReplace(t *testing.T, f *fixture) {
	rows := f.fill(t, me, 20)
	other := f.fill(t, me+1, 3)
	f.wait(t, f.Archive.Replace(me, rows[4].key, []byte("<message id='tomb'/>")))
	for owner, key := range map[store.Owner]store.Key{me + 1: rows[5].key, me: other[0].key} {
		if err := f.Archive.Replace(owner, key, []byte("<message/>")).Wait(t.Context()); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the row of another: %v", err)
		}
	}
	look := func() {
		t.Helper()
		res, err := f.Archive.Page(t.Context(), me, store.Query{Max: 50})
		if err != nil || len(res.Rows) != len(rows) {
			t.Fatal(len(res.Rows), err)
		}
		for i, r := range res.Rows {
			want := string(rows[i].Stanza)
			if i == 4 {
				want = "<message id='tomb'/>"
			}
			if string(r.Stanza) != want || r.ID != rows[i].id || r.Peer != rows[i].Peer {
				t.Errorf("row %d: %s of %s", i, r.Stanza, r.Peer)
			}
		}
	}
	look()
	f.reopen(t)
	look()
}
