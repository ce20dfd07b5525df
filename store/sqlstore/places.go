package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stonechat/store"
)

// places implements store.Places.
type places struct{ db *DB }

const selectPlace = "SELECT a.id, p.seen FROM accounts AS a LEFT JOIN places AS p ON p.owner = a.id AND p.network = $3 WHERE a.domain = $1 AND a.local = $2"

// Place implements store.Places.
func (p places) Place(ctx context.Context, domain, local string, network []byte) (store.Place, error) {
	s, err := p.db.reads.stmt(ctx, selectPlace)
	if err != nil {
		return store.Place{}, err
	}
	var out store.Place
	var seen *int64
	err = s.QueryRowContext(ctx, domain, local, orEmpty(network)).Scan(&out.Owner, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Place{}, nil
	}
	if seen != nil {
		out.Seen = time.UnixMicro(*seen).UTC()
	}
	return out, err
}

// SetPlace implements store.Places.
func (p places) SetPlace(owner store.Owner, network []byte, seen time.Time, keep int) store.Ticket {
	network = append([]byte{}, network...)
	return p.db.queueOf(owner).changeSoon(len(network), func(w *writer) error {
		// The account may be deleted meanwhile; a place without one would never be erased.
		if _, exists, err := w.number("SELECT id FROM accounts WHERE id = $1", int64(owner)); err != nil || !exists {
			return errors.Join(err, notFoundUnless(exists))
		}
		if _, err := w.change(`INSERT INTO places (owner, network, seen) VALUES ($1, $2, $3)
			ON CONFLICT (owner, network) DO UPDATE SET seen = excluded.seen`, int64(owner), network, seen.UnixMicro()); err != nil {
			return err
		}
		_, err := w.change(`DELETE FROM places WHERE owner = $1 AND network NOT IN
			(SELECT network FROM places WHERE owner = $1 ORDER BY seen DESC, network LIMIT $2 + 0)`, int64(owner), int64(max(keep, 0)))
		return err
	})
}

// shapes implements store.Shapes.
type shapes struct{ db *DB }

// shapesQuery counts accounts by what they have for n mechanisms, which are $3 and so on. One of each shape stands for it.
func shapesQuery(n int) string {
	var join, group strings.Builder
	for i := range n {
		fmt.Fprintf(&join, " LEFT JOIN credentials AS c%d ON c%d.account = a.id AND c%d.mechanism = $%d", i, i, i, i+3)
		fmt.Fprintf(&group, ", c%d.iterations, LENGTH(c%d.salt)", i, i)
	}
	by := ""
	if n > 0 {
		by = " GROUP BY" + group.String()[1:]
	}
	return "SELECT COUNT(*) AS n, MIN(a.id) AS one FROM accounts AS a" + join.String() + " WHERE a.domain = $1" + by + " ORDER BY n DESC, one LIMIT $2 + 0"
}

// Shapes implements store.Shapes.
func (s shapes) Shapes(ctx context.Context, domain string, mechanisms []string, limit int) ([]store.Shape, error) {
	args := []any{domain, max(limit, 0)}
	for _, m := range mechanisms {
		args = append(args, m)
	}
	var out []store.Shape
	var one []int64
	err := s.db.reads.each(ctx, shapesQuery(len(mechanisms)), func(rows *sql.Rows) error {
		var n int
		var id *int64
		err := rows.Scan(&n, &id)
		if err == nil && id != nil {
			out, one = append(out, store.Shape{Accounts: n}), append(one, *id)
		}
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		err := s.db.reads.each(ctx, "SELECT mechanism, salt, iterations FROM credentials WHERE account = $1 ORDER BY mechanism", func(rows *sql.Rows) error {
			var c store.Credential
			err := rows.Scan(&c.Mechanism, &c.Salt, &c.Iterations)
			if slices.Contains(mechanisms, c.Mechanism) {
				out[i].Credentials = append(out[i].Credentials, c)
			}
			return err
		}, one[i])
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
