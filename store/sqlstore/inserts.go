package sqlstore

import (
	"cmp"
	"database/sql/driver"
	"slices"
)

const (
	insertLarge = 64 // rows of the large archive insert
	insertSmall = 8  // rows of the small one
	orderInsert = 64 // rows of one statement into an order
)

// inserts holds the generated statements by number of rows.
type inserts struct{ archive, byOwner, byPeer, byTarget map[int]string }

const (
	intoArchive  = "archive (key, owner, peer, resource, flags, origin, target, stanza)"
	intoByOwner  = "archive_by_owner (owner, key, origin, flags)"
	intoByPeer   = "archive_by_peer (owner, peer, key, resource, flags)"
	intoByTarget = "archive_by_target (owner, target, key)"
	ifNew        = " ON CONFLICT DO NOTHING"
)

func newInserts(d dialect) *inserts {
	in := inserts{map[int]string{}, map[int]string{}, map[int]string{}, map[int]string{}}
	for _, n := range []int{1, insertSmall, insertLarge} {
		in.archive[n] = d.insertMany(intoArchive, 8, n, "")
	}
	for _, n := range []int{1, orderInsert} {
		in.byOwner[n] = d.insertMany(intoByOwner, 4, n, ifNew)
		in.byPeer[n] = d.insertMany(intoByPeer, 5, n, ifNew)
		in.byTarget[n] = d.insertMany(intoByTarget, 3, n, ifNew)
	}
	return &in
}

// aimed are the rows that are about others, in the order by target.
func aimed(rows []tailRow) []tailRow {
	var out []tailRow
	for i := range rows {
		if rows[i].target != 0 {
			out = append(out, rows[i])
		}
	}
	slices.SortFunc(out, func(a, b tailRow) int {
		return cmp.Or(cmp.Compare(a.owner, b.owner), cmp.Compare(a.target, b.target), cmp.Compare(a.key, b.key))
	})
	return out
}

// valueInserter writes many rows as one long list of values.
type valueInserter struct {
	statements *inserts
	args       []driver.NamedValue
}

func (v *valueInserter) add(values ...driver.Value) {
	for _, x := range values {
		v.args = append(v.args, driver.NamedValue{Ordinal: len(v.args) + 1, Value: x})
	}
}

func (v *valueInserter) archive(w *writer, ops []op) error {
	for len(ops) > 0 {
		n := 1
		if len(ops) >= insertLarge {
			n = insertLarge
		} else if len(ops) >= insertSmall {
			n = insertSmall
		}
		v.args = v.args[:0]
		for i := range ops[:n] {
			r := &ops[i].row
			v.add(int64(r.key), int64(r.owner), r.peer, r.resource, r.flags, r.origin, r.target, r.stanza)
		}
		if _, err := w.execNamed(v.statements.archive[n], v.args); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return nil
}

func (v *valueInserter) orders(w *writer, rows []tailRow) error {
	if err := v.parts(w, rows, v.order); err != nil {
		return err
	}
	return v.parts(w, aimed(rows), v.orderAimed)
}

// parts calls f with as many rows as there are statements for.
func (v *valueInserter) parts(w *writer, rows []tailRow, f func(*writer, []tailRow) error) error {
	for len(rows) > 0 {
		n := 1
		if len(rows) >= orderInsert {
			n = orderInsert
		}
		if err := f(w, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (v *valueInserter) orderAimed(w *writer, rows []tailRow) error {
	v.args = v.args[:0]
	for i := range rows {
		v.add(int64(rows[i].owner), rows[i].target, int64(rows[i].key))
	}
	_, err := w.execNamed(v.statements.byTarget[len(rows)], v.args)
	return err
}

func (v *valueInserter) order(w *writer, rows []tailRow) error {
	v.args = v.args[:0]
	for i := range rows {
		r := &rows[i]
		v.add(int64(r.owner), int64(r.key), r.origin, r.flags)
	}
	if _, err := w.execNamed(v.statements.byOwner[len(rows)], v.args); err != nil {
		return err
	}
	v.args = v.args[:0]
	for i := range rows {
		r := &rows[i]
		v.add(int64(r.owner), r.peer, int64(r.key), r.resource, r.flags)
	}
	_, err := w.execNamed(v.statements.byPeer[len(rows)], v.args)
	return err
}

// arrayInserter writes many rows as one array for each column, which PostgreSQL takes with one short statement.
type arrayInserter struct {
	keys, owners, flags, origins, targets []int64
	peers, resources                      []string
	stanzas                               [][]byte
	args                                  []driver.NamedValue
}

const (
	archiveArrays = "INSERT INTO " + intoArchive +
		" SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bytea[])"
	byOwnerArrays  = "INSERT INTO " + intoByOwner + " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])" + ifNew
	byTargetArrays = "INSERT INTO " + intoByTarget + " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])" + ifNew
	byPeerArrays   = "INSERT INTO " + intoByPeer + " SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[])" + ifNew
)

func (a *arrayInserter) reset() {
	a.keys, a.owners, a.flags, a.origins = a.keys[:0], a.owners[:0], a.flags[:0], a.origins[:0]
	a.targets = a.targets[:0]
	clear(a.peers)
	clear(a.resources)
	clear(a.stanzas)
	a.peers, a.resources, a.stanzas = a.peers[:0], a.resources[:0], a.stanzas[:0]
}

func (a *arrayInserter) add(r *row) {
	a.keys, a.owners = append(a.keys, int64(r.key)), append(a.owners, int64(r.owner))
	a.flags, a.origins = append(a.flags, r.flags), append(a.origins, r.origin)
	a.peers, a.resources = append(a.peers, r.peer), append(a.resources, r.resource)
	a.targets, a.stanzas = append(a.targets, r.target), append(a.stanzas, r.stanza)
}

func (a *arrayInserter) exec(w *writer, query string, arrays ...any) error {
	a.args = a.args[:0]
	for i, x := range arrays {
		a.args = append(a.args, driver.NamedValue{Ordinal: i + 1, Value: x})
	}
	_, err := w.execNamed(query, a.args)
	return err
}

func (a *arrayInserter) archive(w *writer, ops []op) error {
	defer a.reset()
	for i := range ops {
		a.add(&ops[i].row)
	}
	return a.exec(w, archiveArrays, a.keys, a.owners, a.peers, a.resources, a.flags, a.origins, a.targets, a.stanzas)
}

func (a *arrayInserter) orders(w *writer, rows []tailRow) error {
	defer a.reset()
	for i := range rows {
		a.add(&rows[i].row)
	}
	if err := a.exec(w, byOwnerArrays, a.owners, a.keys, a.origins, a.flags); err != nil {
		return err
	}
	if err := a.exec(w, byPeerArrays, a.owners, a.peers, a.keys, a.resources, a.flags); err != nil {
		return err
	}
	a.reset()
	for _, r := range aimed(rows) {
		a.add(&r.row)
	}
	if len(a.keys) == 0 {
		return nil
	}
	return a.exec(w, byTargetArrays, a.owners, a.targets, a.keys)
}
