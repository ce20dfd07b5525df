package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"stonechat/store"
)

const maxKey = store.Key(math.MaxInt64 - 1)

// The statements of archive pages. CROSS JOIN holds SQLite to the order of the tables; both databases know it. Arguments: owner, lowest
// key excluded, highest key excluded, limit, and what the filter needs.
// A LIMIT that is a bare parameter would make SQLite plan the query anew each time it is bound; of an expression it does not ask the value.
const (
	selectRow    = "SELECT a.key, a.peer, a.resource, a.flags, a.stanza FROM "
	byOwner      = "archive_by_owner AS o CROSS JOIN archive AS a WHERE a.key = o.key AND o.owner = $1 AND o.key > $2 AND o.key < $3"
	byPeer       = "archive_by_peer AS o CROSS JOIN archive AS a WHERE a.key = o.key AND o.owner = $1 AND o.key > $2 AND o.key < $3 AND o.peer = $5"
	onlyOffline  = " AND o.flags & 2 = 2"
	onlyResource = " AND o.resource = $6"
	ascending    = " ORDER BY o.key LIMIT $4 + 0"
	descending   = " ORDER BY o.key DESC LIMIT $4 + 0"

	selectExists = "SELECT 1 FROM archive WHERE key = $1 AND owner = $2"

	selectSeen = "SELECT o.key, o.origin FROM archive_by_owner AS o WHERE o.owner = $1 AND o.key > $2 AND o.key < $3"
	onlyOrigin = " AND o.origin <> 0"

	countOwner = "SELECT COUNT(*) FROM (SELECT 1 FROM archive_by_owner AS o WHERE o.owner = $1 AND o.key > $2 AND o.key < $3 LIMIT $4 + 0) AS n"
	countPeer  = "SELECT COUNT(*) FROM (SELECT 1 FROM archive_by_peer AS o WHERE o.owner = $1 AND o.key > $2 AND o.key < $3 AND o.peer = $5 LIMIT $4 + 0) AS n"
	countFull  = "SELECT COUNT(*) FROM (SELECT 1 FROM archive_by_peer AS o WHERE o.owner = $1 AND o.key > $2 AND o.key < $3 AND o.peer = $5 " +
		"AND o.resource = $6 LIMIT $4 + 0) AS n"
)

// rowsQuery is the statement for a choice, with the arguments that its filter adds.
func rowsQuery(c *choice) (query string, more []any) {
	query = selectRow + byOwner
	if c.peer != "" {
		query, more = selectRow+byPeer, []any{c.peer}
		if c.resource != "" {
			query, more = query+onlyResource, append(more, c.resource)
		}
	} else if c.flags == flagOffline {
		query += onlyOffline
	}
	if c.newestFirst {
		return query + descending, more
	}
	return query + ascending, more
}

// seenQuery is the statement for keys and origins.
func seenQuery(c *choice) string {
	query := selectSeen
	if c.withOrigin {
		query += onlyOrigin
	}
	if c.newestFirst {
		return query + descending
	}
	return query + ascending
}

// Page implements store.Archive.
func (a archive) Page(ctx context.Context, owner store.Owner, q store.Query) (store.Result, error) {
	if q.Max < 0 || q.Max > store.MaxPage || len(q.IDs) > store.MaxIDs || (q.WithResource != "" && q.With == "") {
		return store.Result{}, fmt.Errorf("archive query: %w", store.ErrInvalid)
	}
	c, err := a.choose(ctx, owner, &q)
	if err != nil {
		return store.Result{}, err
	}
	var res store.Result
	switch {
	case len(q.IDs) > 0:
		res, err = a.byID(ctx, &c, &q)
	case q.Max == 0:
		res.Count, err = a.count(ctx, &c)
		res.Complete = res.Count == 0
	default:
		c.limit = q.Max + 1
		var p *picker
		if p, err = a.db.rows(ctx, &c); err != nil {
			return res, err
		}
		res.Complete = p.whole() && len(p.out) <= q.Max
		res.Rows = p.out[:min(len(p.out), q.Max)]
		if p.edge != 0 {
			res.Edge = a.db.publicID(owner, p.edge)
		}
	}
	if err != nil {
		return store.Result{}, err
	}
	// XEP-0313 section 5.2.2: flipping changes the order within the page only, not which rows are in it.
	if c.newestFirst != q.Flip {
		slices.Reverse(res.Rows)
	}
	return res, nil
}

// choose turns a query into bounds and a direction, checking that every id it names exists (XEP-0313 section 4.1.3).
func (a archive) choose(ctx context.Context, owner store.Owner, q *store.Query) (choice, error) {
	c := choice{owner: owner, lo: 0, hi: maxKey, peer: q.With, resource: q.WithResource}
	c.kind(q.Rows)
	if !q.Start.IsZero() {
		c.lo = max(c.lo, store.KeyAt(q.Start)-1)
	}
	if !q.End.IsZero() {
		c.hi = min(c.hi, store.KeyAt(q.End)+1)
	}
	for _, id := range []string{q.AfterID, q.After} {
		if id == "" {
			continue
		}
		key, err := a.Find(ctx, owner, id)
		if err != nil {
			return c, err
		}
		c.lo = max(c.lo, key)
	}
	before := []string{q.BeforeID}
	if q.Before != nil {
		before = append(before, *q.Before)
		// XEP-0059 section 2.5: an empty <before/> asks for the last page. With <after/> as well, that side decides.
		c.newestFirst = q.After == ""
	}
	for _, id := range before {
		if id == "" {
			continue
		}
		key, err := a.Find(ctx, owner, id)
		if err != nil {
			return c, err
		}
		c.hi = min(c.hi, key)
	}
	return c, nil
}

// countQuery is the statement that counts the rows of a choice, with the arguments that its filter adds.
func countQuery(c *choice) (query string, more []any) {
	switch {
	case c.ofKind():
		return countKindQuery(c)
	case c.peer == "":
		return countOwner, nil
	case c.resource == "":
		return countPeer, filterArgs(c)
	default:
		return countFull, filterArgs(c)
	}
}

// count returns how many rows match, at most MaxCount.
func (a archive) count(ctx context.Context, c *choice) (int, error) {
	c.limit = store.MaxCount
	tail := a.db.laneOf(c.owner).tail.view(c.owner)
	query, more := countQuery(c)
	args := append([]any{int64(c.owner), int64(c.lo), int64(min(c.hi, tail.horizon+1)), c.limit}, more...)
	n := 0
	err := a.db.reads.each(ctx, query, func(r *sql.Rows) error { return r.Scan(&n) }, args...)
	return min(n+tail.count(c, c.limit), store.MaxCount), err
}

// rows gathers up to c.limit chosen rows in the wanted direction.
func (db *DB) rows(ctx context.Context, c *choice) (*picker, error) {
	tail := db.laneOf(c.owner).tail.view(c.owner)
	p := &picker{db: db, owner: c.owner, limit: c.limit}
	order := p.pickOrder
	if c.ofKind() {
		order = p.pickKind
	}
	if c.newestFirst {
		if err := p.pickTail(ctx, tail.first(c, c.limit)); err != nil {
			return nil, err
		}
		return p, order(ctx, c, tail.horizon)
	}
	if err := order(ctx, c, tail.horizon); err != nil {
		return nil, err
	}
	if p.more() {
		return p, p.pickTail(ctx, tail.first(c, p.limit-len(p.out)))
	}
	return p, nil
}

// picker gathers rows within the limits of a page.
type picker struct {
	db    *DB
	owner store.Owner
	out   []store.Row
	limit int
	bytes int
	full  bool      // ended by bytes
	edge  store.Key // ended here by rows that were not wanted; zero: it was not
}

func (p *picker) more() bool { return p.whole() && len(p.out) < p.limit }

// whole is false when something else than the number of rows has ended them early.
func (p *picker) whole() bool { return !p.full && p.edge == 0 }

// add takes a row, unless the page is full.
func (p *picker) add(r store.Row) {
	if !p.more() {
		return
	}
	if p.bytes > store.MaxPageBytes {
		p.full = true
		return
	}
	p.bytes += len(r.Stanza)
	r.ID = p.db.publicID(p.owner, r.Key)
	p.out = append(p.out, r)
}

// pickOrder takes rows up to the horizon.
func (p *picker) pickOrder(ctx context.Context, c *choice, horizon store.Key) error {
	hi := min(c.hi, horizon+1)
	if !p.more() || c.lo+1 >= hi {
		return nil
	}
	query, more := rowsQuery(c)
	args := append([]any{int64(c.owner), int64(c.lo), int64(hi), p.limit - len(p.out)}, more...)
	err := p.db.reads.each(ctx, query, func(rows *sql.Rows) error {
		r, err := scanRow(rows)
		if err == nil {
			p.add(r)
		}
		if p.full {
			return errPageFull
		}
		return err
	}, args...)
	if errors.Is(err, errPageFull) {
		return nil
	}
	return err
}

// errPageFull ends a read early.
var errPageFull = errors.New("page full")

func scanRow(rows *sql.Rows) (store.Row, error) {
	var r store.Row
	var flags int64
	err := rows.Scan(&r.Key, &r.Peer, &r.Resource, &flags, &r.Stanza)
	r.Direction = directionOf(flags)
	return r, err
}

func directionOf(flags int64) store.Direction {
	if flags&flagOutgoing != 0 {
		return store.Outgoing
	}
	return store.Incoming
}

// fetchSizes are the numbers of keys that one statement fetches; few, so that few statements are kept prepared.
var fetchSizes = [...]int{1, 8, 64}

// pickTail takes rows whose keys are known.
func (p *picker) pickTail(ctx context.Context, tailRows []row) error {
	for len(tailRows) > 0 && p.more() {
		want := min(len(tailRows), p.limit-len(p.out))
		n := fetchSizes[0]
		for _, size := range fetchSizes {
			if want > n {
				n = size
			}
		}
		part := tailRows[:min(n, len(tailRows))]
		tailRows = tailRows[len(part):]
		found, err := p.db.fetch(ctx, p.owner, part, n)
		if err != nil {
			return err
		}
		for i := range part {
			// A row that was erased since the tail was read is missing.
			if r, ok := found[part[i].key]; ok {
				p.add(r)
			}
		}
	}
	return nil
}

// fetch reads rows by key with a statement for n keys. Rows of other owners are not found.
func (db *DB) fetch(ctx context.Context, owner store.Owner, keys []row, n int) (map[store.Key]store.Row, error) {
	args := make([]any, n+1)
	args[0] = int64(owner)
	for i := range n {
		args[i+1] = int64(keys[min(i, len(keys)-1)].key)
	}
	found := make(map[store.Key]store.Row, len(keys))
	err := db.reads.each(ctx, db.fetchQuery(n), func(rows *sql.Rows) error {
		r, err := scanRow(rows)
		found[r.Key] = r
		return err
	}, args...)
	return found, err
}

// fetchQuery reads n rows of one owner by key.
func (db *DB) fetchQuery(n int) string {
	return selectRow + "archive AS a WHERE a.owner = " + db.dialect.placeholder(1) + " AND a.key IN " + db.dialect.list(n, 2)
}

// byID pages through the rows that the query names (XEP-0313 section 4.1.3: every one must exist).
func (a archive) byID(ctx context.Context, c *choice, q *store.Query) (store.Result, error) {
	var keys []row
	for _, id := range q.IDs {
		key, ok := a.db.keyOf(c.owner, id)
		if !ok {
			return store.Result{}, fmt.Errorf("archive id: %w", store.ErrNotFound)
		}
		keys = append(keys, row{key: key})
	}
	slices.SortFunc(keys, func(x, y row) int { return cmp.Compare(x.key, y.key) })
	keys = slices.CompactFunc(keys, func(x, y row) bool { return x.key == y.key })
	var rows []store.Row
	for part := range slices.Chunk(keys, fetchSizes[len(fetchSizes)-1]) {
		found, err := a.db.fetch(ctx, c.owner, part, fetchSizes[len(fetchSizes)-1])
		if err != nil {
			return store.Result{}, err
		}
		if len(found) < len(part) {
			return store.Result{}, fmt.Errorf("archive id: %w", store.ErrNotFound)
		}
		for _, k := range part {
			r := found[k.key]
			if k.key > c.lo && k.key < c.hi && c.matches(&row{peer: r.Peer, resource: r.Resource}) {
				rows = append(rows, r)
			}
		}
	}
	if q.Max == 0 {
		return store.Result{Count: len(rows), Complete: len(rows) == 0}, nil
	}
	if c.newestFirst {
		slices.Reverse(rows)
	}
	p := picker{db: a.db, owner: c.owner, limit: q.Max}
	for _, r := range rows {
		p.add(r)
	}
	return store.Result{Rows: p.out, Complete: len(p.out) == len(rows)}, nil
}
