package sqlstore

import (
	"fmt"
	"slices"
	"testing"

	"stonechat/store"
)

// TestTailView compares what a view finds with a search through all rows, and sees that it is not disturbed by what happens later.
func TestTailView(t *testing.T) {
	tl := tail{active: newSegment()}
	var all []row
	add := func(from, to int) {
		var ops []op
		for i := from; i < to; i++ {
			r := row{key: store.Key(i), owner: store.Owner(i % 3), peer: fmt.Sprint("p", i%2), origin: int64(i % 5)}
			ops, all = append(ops, op{row: r}), append(all, r)
		}
		tl.add(ops)
	}
	add(1, 40)
	tl.freeze()
	add(40, 90)
	seen := slices.Clone(all)
	v := tl.view(1)
	add(90, 300)
	tl.thaw()
	for _, c := range []choice{{hi: maxKey}, {lo: 30, hi: 60}, {hi: maxKey, peer: "p1"}, {lo: 3, hi: maxKey, withOrigin: true}, {hi: 1}, {lo: 89, hi: maxKey}} {
		for _, c.newestFirst = range []bool{false, true} {
			for _, limit := range []int{0, 1, 7, 29, 30, 100} {
				c.owner = 1
				var want []store.Key
				for _, r := range seen {
					if r.owner == 1 && r.key > c.lo && r.key < c.hi && c.matches(&r) {
						want = append(want, r.key)
					}
				}
				if c.newestFirst {
					slices.Reverse(want)
				}
				want = want[:min(limit, len(want))]
				var got []store.Key
				for _, r := range v.first(&c, limit) {
					got = append(got, r.key)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%+v, at most %d: %v, want %v", c, limit, got, want)
				}
				if n := v.count(&c, limit); limit > 0 && n != len(want) {
					t.Errorf("%+v: %d counted, want %d", c, n, len(want))
				}
			}
		}
	}
}
