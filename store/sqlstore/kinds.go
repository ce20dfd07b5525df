package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stonechat/store"
)

// Every account knows of which kind its credentials are, and every kind how many accounts are of it; both change with the credentials, in one
// transaction. All of it goes through the lane of nobody, so counts meet no other writer.

const (
	// ofKind and itsFirst enclose what an account of a kind is searched by. The order says by which index: a planner that thinks that the kind is
	// frequent would read accounts until it meets one, and one that is rare stands behind all others.
	ofKind   = "(SELECT x.id FROM accounts AS x WHERE x.kind = "
	itsFirst = " ORDER BY x.disabled, x.id LIMIT 1)"

	// selectKinds reads one account of each kind with its credentials, as many rows as it has of them and one at least.
	selectKinds = "SELECT k.accounts, a.id, a.disabled, c.mechanism, c.salt, c.iterations FROM credential_kinds AS k " +
		"JOIN accounts AS a ON a.id = " + ofKind + "k.id" + itsFirst + " LEFT JOIN credentials AS c ON c.account = a.id " +
		"WHERE k.domain = $1 ORDER BY k.shape, c.mechanism"
	selectKind = "SELECT id FROM credential_kinds WHERE domain = $1 AND shape = $2"
	// dropKind removes a kind that no account is of.
	dropKind = "DELETE FROM credential_kinds WHERE id = $1 AND accounts <= 0 AND " + ofKind + "$1" + itsFirst + " IS NULL"
)

// accountKind is what accounts have in common whose credentials differ in salts and keys alone.
type accountKind struct {
	accounts int
	active   bool // somebody of it may log in
	one      store.Owner
	example  []store.Credential // those of one account, without the keys, by mechanism name
}

// kindsOf reads the kinds of a domain's accounts.
func (db *DB) kindsOf(ctx context.Context, domain string) ([]accountKind, error) {
	var out []accountKind
	err := db.reads.each(ctx, selectKinds, func(rows *sql.Rows) error {
		var k accountKind
		var state accountState
		var mechanism *string
		var iterations *int
		var c store.Credential
		if err := rows.Scan(&k.accounts, &k.one, &state, &mechanism, &c.Salt, &iterations); err != nil {
			return err
		}
		if n := len(out); n == 0 || out[n-1].one != k.one {
			k.active = state == stateActive
			out = append(out, k)
		}
		if mechanism != nil {
			c.Mechanism, c.Iterations = *mechanism, *iterations
			last := &out[len(out)-1]
			last.example = append(last.example, c)
		}
		return nil
	}, domain)
	return out, err
}

// tally is how a change moves accounts between kinds. What many accounts of one change have in common is written once.
type tally struct {
	w      *writer
	known  map[[2]string]int64 // kinds by domain and shape
	change map[int64]int64     // of the number of accounts, by kind
}

func newTally(w *writer) *tally {
	return &tally{w, map[[2]string]int64{}, map[int64]int64{}}
}

// kind finds or makes the kind of credentials.
func (t *tally) kind(domain string, list []store.Credential) (int64, error) {
	name := [2]string{domain, shapeOf(list)}
	if id, ok := t.known[name]; ok {
		return id, nil
	}
	id, found, err := t.w.number(selectKind, name[0], name[1])
	if err == nil && !found {
		id, _, err = t.w.number("INSERT INTO credential_kinds (domain, shape, accounts) VALUES ($1, $2, 0) RETURNING id", name[0], name[1])
	}
	if err == nil {
		t.known[name] = id
	}
	return id, err
}

// came notes that there is an account of a kind.
func (t *tally) came(kind int64) { t.change[kind]++ }

// goes notes that an account is about to be deleted.
func (t *tally) goes(id store.Owner) error {
	kind, found, err := t.w.number("SELECT kind FROM accounts WHERE id = $1", int64(id))
	if found {
		t.change[kind]--
	}
	return err
}

// write brings the counts up to date, when everything else of the change is written.
func (t *tally) write() error {
	for _, id := range slices.Sorted(maps.Keys(t.change)) {
		if _, err := t.w.change("UPDATE credential_kinds SET accounts = accounts + $2 WHERE id = $1", id, t.change[id]); err != nil {
			return err
		}
		if t.change[id] >= 0 {
			continue
		}
		if _, err := t.w.change(dropKind, id); err != nil {
			return err
		}
	}
	return nil
}

// setKind notes that the credentials of an account are others now.
func setKind(w *writer, id store.Owner, list []store.Credential) error {
	var domain string
	var before int64
	err := w.query("SELECT domain, kind FROM accounts WHERE id = $1", func(row []driver.Value) error {
		domain, _ = row[0].(string)
		before, _ = row[1].(int64)
		return nil
	}, int64(id))
	if err != nil {
		return err
	}
	kinds := newTally(w)
	now, err := kinds.kind(domain, list)
	if err != nil || now == before {
		return err
	}
	if _, err := w.change("UPDATE accounts SET kind = $2 WHERE id = $1", int64(id), now); err != nil {
		return err
	}
	kinds.came(now)
	kinds.change[before]--
	return kinds.write()
}

// shapeOf is the name of a kind; migration 7 says it in SQL.
func shapeOf(list []store.Credential) string {
	list = slices.Clone(list)
	slices.SortFunc(list, func(x, y store.Credential) int { return strings.Compare(x.Mechanism, y.Mechanism) })
	var b strings.Builder
	for i, c := range list {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, "%s %d %d", c.Mechanism, c.Iterations, len(c.Salt))
	}
	return b.String()
}

// shapes implements store.Shapes.
type shapes struct{ db *DB }

// Shapes implements store.Shapes.
func (s shapes) Shapes(ctx context.Context, domain string, mechanisms []string, limit int) ([]store.Shape, error) {
	kinds, err := s.db.kindsOf(ctx, domain)
	if err != nil {
		return nil, err
	}
	// Kinds that differ in other mechanisms only are one shape. The account with the lowest id stands for it, as long as it is there.
	slices.SortFunc(kinds, func(x, y accountKind) int { return cmp.Compare(x.one, y.one) })
	var out []store.Shape
	places := map[string]int{}
	for _, k := range kinds {
		var list []store.Credential
		for _, c := range k.example {
			if slices.Contains(mechanisms, c.Mechanism) {
				list = append(list, c)
			}
		}
		shape := shapeOf(list)
		i, ok := places[shape]
		if !ok {
			i = len(out)
			places[shape] = i
			out = append(out, store.Shape{Credentials: list})
		}
		out[i].Accounts += max(k.accounts, 1)
	}
	slices.SortStableFunc(out, func(x, y store.Shape) int { return cmp.Compare(y.Accounts, x.Accounts) })
	return out[:min(len(out), max(limit, 0))], nil
}
