package sqlstore

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"stonechat/store"
)

// Bits of archive.flags.
const (
	flagOutgoing int64 = 1
	flagOffline  int64 = 2
	flagAside    int64 = 4
	flagAimed    int64 = 8 // it has a target
)

// row is one row of the archive without its place in it.
type row struct {
	key      store.Key
	owner    store.Owner
	peer     string
	resource string
	flags    int64
	origin   int64
	target   int64
	stanza   []byte
}

// tailRow is a committed row that the orders do not hold yet. Its stanza is read from the table.
type tailRow struct {
	row
	prev int32 // the owner's row before it in the same segment, -1 for none
}

// segment is a run of rows in the order of their keys.
type segment struct {
	rows []tailRow
	head map[store.Owner]int32 // the owner's newest row
}

func newSegment() *segment { return &segment{head: map[store.Owner]int32{}} }

// tail holds the rows behind the horizon: those on their way into the orders (frozen, may be nil) and the newer ones. The commit loop
// alone changes it; frozen segments never change.
type tail struct {
	mu      sync.RWMutex
	horizon store.Key // the orders are whole up to here
	frozen  *segment
	active  *segment
}

// add appends a committed row.
func (t *tail) add(rows []op) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.active
	for i := range rows {
		r := rows[i].row
		r.stanza = nil
		// The addresses may be cut out of a whole stanza, which should not stay in memory for them.
		r.peer, r.resource = strings.Clone(r.peer), strings.Clone(r.resource)
		prev, ok := s.head[r.owner]
		if !ok {
			prev = -1
		}
		s.head[r.owner] = int32(len(s.rows))
		s.rows = append(s.rows, tailRow{r, prev})
	}
}

// freeze starts a new segment and returns the old one.
func (t *tail) freeze() *segment {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.frozen, t.active = t.active, newSegment()
	return t.frozen
}

// thaw: the orders hold the frozen segment now.
func (t *tail) thaw() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.horizon = t.frozen.last()
	t.frozen = nil
}

// follow: the tail is empty, and nothing up to this key is to come.
func (t *tail) follow(to store.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.horizon = max(t.horizon, to)
}

// sizes of the two segments.
func (t *tail) sizes() (frozen, active int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.frozen != nil {
		frozen = len(t.frozen.rows)
	}
	return frozen, len(t.active.rows)
}

// reached is the horizon.
func (t *tail) reached() store.Key {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.horizon
}

// newest is the largest key that readers may see.
func (t *tail) newest() store.Key {
	t.mu.RLock()
	defer t.mu.RUnlock()
	newest := max(t.horizon, t.active.last())
	if t.frozen != nil {
		newest = max(newest, t.frozen.last())
	}
	return newest
}

// last is the newest key, zero when empty.
func (s *segment) last() store.Key {
	if len(s.rows) == 0 {
		return 0
	}
	return s.rows[len(s.rows)-1].key
}

// sorted returns the rows in the order of the trees that they will enter, so that each page is touched once.
func (s *segment) sorted() []tailRow {
	rows := slices.Clone(s.rows)
	slices.SortFunc(rows, func(a, b tailRow) int {
		return cmp.Or(cmp.Compare(a.owner, b.owner), cmp.Compare(a.peer, b.peer), cmp.Compare(a.key, b.key))
	})
	return rows
}

// choice selects rows of one owner between two keys, both excluded.
type choice struct {
	owner       store.Owner
	lo, hi      store.Key
	peer        string // empty: any
	resource    string // empty: any
	flags       int64  // all of these bits
	not         int64  // none of these
	withOrigin  bool
	newestFirst bool
	limit       int
}

func (c *choice) matches(r *row) bool {
	return (c.peer == "" || c.peer == r.peer) && (c.resource == "" || c.resource == r.resource) &&
		r.flags&c.flags == c.flags && r.flags&c.not == 0 && (!c.withOrigin || r.origin != 0)
}

// view is what a reader saw of the tail at one moment. Rows are only ever appended behind what it holds, so it needs no lock.
type view struct {
	horizon store.Key
	parts   [2]run // the newer first
}

// run is an owner's rows in a segment: the newest is at, the others hang on it.
type run struct {
	rows []tailRow
	at   int32 // -1 for none
}

// of is what the segment holds of an owner; the caller holds the lock.
func (s *segment) of(owner store.Owner) run {
	if s != nil {
		if at, ok := s.head[owner]; ok {
			return run{s.rows, at}
		}
	}
	return run{at: -1}
}

// view looks at what the tail holds of an owner.
func (t *tail) view(owner store.Owner) view {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return view{t.horizon, [2]run{t.active.of(owner), t.frozen.of(owner)}}
}

// each calls f with the chosen rows, newest first, until it returns false.
func (v *view) each(c *choice, f func(*row) bool) {
	if c.hi <= v.horizon+1 {
		return // all of them are in the orders
	}
	for _, part := range v.parts {
		for at := part.at; at >= 0; at = part.rows[at].prev {
			r := &part.rows[at].row
			if r.key <= c.lo {
				return
			}
			if r.key < c.hi && c.matches(r) && !f(r) {
				return
			}
		}
	}
}

// first returns up to limit chosen rows in the wanted direction.
func (v *view) first(c *choice, limit int) []row {
	var out []row
	if limit <= 0 {
		return nil
	}
	if c.newestFirst {
		v.each(c, func(r *row) bool {
			out = append(out, *r)
			return len(out) < limit
		})
		return out
	}
	// The oldest are found last: they overwrite what was found limit rows before.
	n := 0
	v.each(c, func(r *row) bool {
		if n < limit {
			out = append(out, *r)
		} else {
			out[n%limit] = *r
		}
		n++
		return true
	})
	if n > limit {
		out = slices.Concat(out[n%limit:], out[:n%limit])
	}
	slices.Reverse(out)
	return out
}

// count returns how many rows are chosen, at most limit.
func (v *view) count(c *choice, limit int) int {
	n := 0
	v.each(c, func(*row) bool {
		n++
		return n < limit
	})
	return n
}
