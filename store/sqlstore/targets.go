package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stonechat/store"
)

// fastenings implements store.Fastenings.
type fastenings struct{ db *DB }

// aboutQuery goes straight to the newest keys of each of n targets, and brings them as text. One more than are given says that there are others.
func (d dialect) aboutQuery(n int) string {
	values := make([]string, n)
	for i := range values {
		values[i] = "(CAST(" + d.placeholder(i+3) + " AS BIGINT))"
	}
	return "SELECT t.column1, (SELECT string_agg(n.key || '', ',') FROM (SELECT o.key FROM archive_by_target AS o WHERE o.owner = " + d.placeholder(1) +
		" AND o.target = t.column1 AND o.key < " + d.placeholder(2) + " ORDER BY o.key DESC LIMIT " + strconv.Itoa(store.MaxFastened+1) +
		") AS n) FROM (VALUES " + strings.Join(values, ",") + ") AS t"
}

// About implements store.Fastenings.
func (f fastenings) About(ctx context.Context, owner store.Owner, targets []uint64) ([]store.Fastened, error) {
	if len(targets) > store.MaxTargets {
		return nil, fmt.Errorf("%d targets: %w", len(targets), store.ErrInvalid)
	}
	keys := make(map[int64][]row, len(targets)) // newest first
	for _, t := range targets {
		keys[int64(t)] = nil
	}
	tail := f.db.laneOf(owner).tail.view(owner)
	tail.each(&choice{owner: owner, hi: maxKey, flags: flagAimed}, func(r *row) bool {
		if k, ok := keys[r.target]; ok && len(k) <= store.MaxFastened {
			keys[r.target] = append(k, row{key: r.key})
		}
		return true
	})
	for part := range slices.Chunk(targets, fetchSizes[len(fetchSizes)-1]) {
		if err := f.ordered(ctx, owner, part, tail.horizon, keys); err != nil {
			return nil, err
		}
	}
	out, left := make([]store.Fastened, len(targets)), store.MaxFastenings
	bytes := 0
	for i, t := range targets {
		k := keys[int64(t)]
		n := min(len(k), store.MaxFastened, left)
		p := picker{db: f.db, owner: owner, limit: n, bytes: bytes}
		if err := p.pickTail(ctx, k[:n]); err != nil {
			return nil, err
		}
		out[i] = store.Fastened{Rows: p.out, More: n < len(k) || p.full}
		left, bytes = left-n, p.bytes
	}
	return out, nil
}

// ordered adds what the order has of some targets.
func (f fastenings) ordered(ctx context.Context, owner store.Owner, targets []uint64, horizon store.Key, keys map[int64][]row) error {
	n := fetchSizes[0]
	for _, size := range fetchSizes {
		if len(targets) > n {
			n = size
		}
	}
	args := []any{int64(owner), int64(horizon + 1)}
	for i := range n {
		args = append(args, int64(targets[min(i, len(targets)-1)]))
	}
	found := make(map[int64][]row, len(targets))
	err := f.db.reads.each(ctx, f.db.dialect.aboutQuery(n), func(rows *sql.Rows) error {
		var target int64
		var list sql.NullString
		if err := rows.Scan(&target, &list); err != nil || !list.Valid {
			return err
		}
		var err error
		found[target], err = keysIn(list.String)
		return err
	}, args...)
	for target, more := range found {
		keys[target] = append(keys[target], more...)
	}
	return err
}

// keysIn reads a list of keys and puts the newest first.
func keysIn(text string) ([]row, error) {
	var out []row
	for one := range strings.SplitSeq(text, ",") {
		key, err := strconv.ParseInt(one, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("key of a target: %w", err)
		}
		out = append(out, row{key: store.Key(key)})
	}
	slices.SortFunc(out, func(a, b row) int { return cmp.Compare(b.key, a.key) })
	return out, nil
}

// kind makes a choice one of some rows only.
func (c *choice) kind(k store.Rows) {
	switch k {
	case store.OwnRows:
		c.not = flagAimed
	case store.AimedRows:
		c.flags = flagAimed
	case store.AllRows:
	}
}

// ofKind: rows of one kind are wanted, among others.
func (c *choice) ofKind() bool { return (c.flags|c.not)&flagAimed != 0 }

// passedQuery is the statement that walks past rows of any kind, with the arguments that its filter adds.
func passedQuery(c *choice) (query string, more []any) {
	query = "SELECT o.key, o.flags FROM " + passedFrom(c)
	if c.newestFirst {
		return query + descending, filterArgs(c)
	}
	return query + ascending, filterArgs(c)
}

func passedFrom(c *choice) string {
	switch {
	case c.peer == "":
		return "archive_by_owner AS o WHERE o.owner = $1 AND o.key > $2 AND o.key < $3"
	case c.resource == "":
		return "archive_by_peer AS o WHERE o.owner = $1 AND o.key > $2 AND o.key < $3 AND o.peer = $5"
	default:
		return "archive_by_peer AS o WHERE o.owner = $1 AND o.key > $2 AND o.key < $3 AND o.peer = $5" + onlyResource
	}
}

func filterArgs(c *choice) []any {
	switch {
	case c.peer == "":
		return nil
	case c.resource == "":
		return []any{c.peer}
	default:
		return []any{c.peer, c.resource}
	}
}

// countKindQuery counts rows of one kind among the first ones.
func countKindQuery(c *choice) (query string, more []any) {
	query = "SELECT COUNT(*) FROM (SELECT o.flags FROM " + passedFrom(c) + " LIMIT $4 + 0) AS n WHERE n.flags & "
	if c.not != 0 {
		return query + "8 = 0", filterArgs(c)
	}
	return query + "8 = 8", filterArgs(c)
}

// pickKind takes rows of one kind up to the horizon. Others are passed in the order, without reading them, and not too many.
func (p *picker) pickKind(ctx context.Context, c *choice, horizon store.Key) error {
	lo, hi := c.lo, min(c.hi, horizon+1)
	query, more := passedQuery(c)
	var wanted []row
	for passed, step := 0, 4*p.limit; p.more() && lo+1 < hi; step *= 2 {
		wanted = wanted[:0]
		step, seen, want := min(step, store.MaxPassed-passed), 0, p.limit-len(p.out)
		var last store.Key
		err := p.db.reads.each(ctx, query, func(rows *sql.Rows) error {
			var r row
			if err := rows.Scan(&r.key, &r.flags); err != nil {
				return err
			}
			seen, last = seen+1, r.key
			if r.flags&c.flags == c.flags && r.flags&c.not == 0 {
				wanted = append(wanted, r)
			}
			if len(wanted) == want {
				return errPageFull
			}
			return nil
		}, append([]any{int64(c.owner), int64(lo), int64(hi), step}, more...)...)
		if err != nil && !errors.Is(err, errPageFull) {
			return err
		}
		if err := p.pickTail(ctx, wanted); err != nil {
			return err
		}
		if seen < step && !errors.Is(err, errPageFull) {
			return nil // there are no others
		}
		if passed += seen; passed >= store.MaxPassed && p.more() {
			p.edge = last
		}
		if c.newestFirst {
			hi = last
		} else {
			lo = last
		}
	}
	return nil
}
