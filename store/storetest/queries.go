package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"stonechat/store"
)

func testArchiveTimes(t *testing.T, f *fixture) {
	all := f.fill(t, me, 60)
	at := func(i int) time.Time { return all[i].key.Time() }
	for _, c := range []struct {
		name     string
		q        store.Query
		from, to int
	}{
		{"start is included", store.Query{Start: at(20)}, 20, 60},
		{"end is included", store.Query{End: at(20)}, 0, 21},
		{"both", store.Query{Start: at(10), End: at(12)}, 10, 13},
		{"just behind", store.Query{Start: at(10).Add(time.Microsecond), End: at(13).Add(-time.Microsecond)}, 11, 13},
		{"nothing", store.Query{Start: at(59).Add(time.Hour)}, 0, 0},
		{"before 1970", store.Query{Start: time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)}, 0, 60},
		{"end before 1970", store.Query{End: time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)}, 0, 0},
		{"year 9999", store.Query{End: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, 0, 60},
		{"backwards", store.Query{Start: at(10), End: at(12)}, 10, 13},
		{"upside down", store.Query{Start: at(12), End: at(10)}, 0, 0},
		{"after-id", store.Query{AfterID: all[5].id}, 6, 60},
		{"before-id", store.Query{BeforeID: all[5].id}, 0, 5},
		{"between ids", store.Query{AfterID: all[5].id, BeforeID: all[9].id}, 6, 9},
		{"ids and time", store.Query{AfterID: all[5].id, End: at(9)}, 6, 10},
		{"id and page", store.Query{AfterID: all[5].id, After: all[7].id}, 8, 60},
	} {
		c.q.Max = 100
		for range 2 {
			res, err := f.Archive.Page(f.ctx, me, c.q)
			must(t, err)
			f.compare(t, c.name, res.Rows, all[c.from:c.to])
			if !res.Complete {
				t.Errorf("%s: not complete", c.name)
			}
			if c.q.Before == nil {
				c.q.Before = new(string)
			}
		}
	}
}

// testArchiveRandomQueries compares with a plain search through a slice.
func testArchiveRandomQueries(t *testing.T, f *fixture) {
	all := f.fill(t, me, 90)
	rng := rand.New(rand.NewPCG(1, 2))
	maybe := func() bool { return rng.IntN(3) == 0 }
	pick := func() *kept { return &all[rng.IntN(len(all))] }
	for range 600 {
		q := store.Query{Max: rng.IntN(20), Flip: maybe()}
		if maybe() {
			q.With = pick().Peer
			if maybe() {
				q.WithResource = "tab"
			}
		}
		if maybe() {
			q.Start = pick().key.Time()
		}
		if maybe() {
			q.End = pick().key.Time()
		}
		if maybe() {
			q.AfterID = pick().id
		}
		if maybe() {
			q.BeforeID = pick().id
		}
		if maybe() {
			for range 30 {
				q.IDs = append(q.IDs, pick().id)
			}
		}
		if maybe() {
			q.After = pick().id
		} else if maybe() {
			q.Before = new(string)
			if maybe() {
				q.Before = &pick().id
			}
		}
		res, err := f.Archive.Page(f.ctx, me, q)
		must(t, err)
		rows, complete, count := search(all, q)
		f.compare(t, fmt.Sprintf("%+v", q), res.Rows, rows)
		if res.Complete != complete || res.Count != count {
			t.Fatalf("%+v: complete %v, count %d; want %v, %d", q, res.Complete, res.Count, complete, count)
		}
	}
}

// search is the meaning of a query, slowly.
func search(all []kept, q store.Query) (rows []kept, complete bool, count int) {
	key := func(id string) store.Key {
		return all[slices.IndexFunc(all, func(k kept) bool { return k.id == id })].key
	}
	for _, k := range all {
		switch {
		case q.With != "" && k.Peer != q.With, q.WithResource != "" && k.Resource != q.WithResource,
			!q.Start.IsZero() && k.key.Time().Before(q.Start), !q.End.IsZero() && k.key.Time().After(q.End),
			q.AfterID != "" && k.key <= key(q.AfterID), q.BeforeID != "" && k.key >= key(q.BeforeID),
			len(q.IDs) > 0 && !slices.Contains(q.IDs, k.id),
			q.After != "" && k.key <= key(q.After), q.Before != nil && *q.Before != "" && k.key >= key(*q.Before):
		default:
			rows = append(rows, k)
		}
	}
	if q.Max == 0 {
		return nil, len(rows) == 0, len(rows)
	}
	complete = len(rows) <= q.Max
	n := min(len(rows), q.Max)
	if q.Before != nil {
		rows = rows[len(rows)-n:]
	} else {
		rows = rows[:n]
	}
	if q.Flip {
		slices.Reverse(rows)
	}
	return rows, complete, 0
}
