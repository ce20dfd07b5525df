package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stonechat/store"
)

// personal implements store.Personal.
type personal struct{ db *DB }

const (
	selectPrivate    = "SELECT xml FROM private_xml WHERE owner = $1 AND space = $2 AND local = $3"
	selectAllPrivate = "SELECT space, local, xml FROM private_xml WHERE owner = $1"
	countPrivate     = "SELECT COUNT(*) FROM private_xml WHERE owner = $1"
	sumPrivate       = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM private_xml WHERE owner = $1"
	selectVCard      = "SELECT vcard FROM vcards WHERE owner = $1"
	selectVCards     = "SELECT v.owner, a.local, v.vcard FROM vcards AS v CROSS JOIN accounts AS a " +
		"WHERE a.id = v.owner AND v.owner > $2 AND a.domain = $1 AND a.disabled = 0 ORDER BY v.owner LIMIT $3 + 0"
)

// Private implements store.Personal.
func (p personal) Private(ctx context.Context, owner store.Owner, name store.PrivateName) ([]byte, error) {
	return p.db.blob(ctx, selectPrivate, int64(owner), name.Space, name.Local)
}

// AllPrivate implements store.Personal. The order is that of bytes whatever the database's collation.
func (p personal) AllPrivate(ctx context.Context, owner store.Owner) ([]store.PrivateData, error) {
	var out []store.PrivateData
	err := p.db.reads.each(ctx, selectAllPrivate, func(rows *sql.Rows) error {
		var d store.PrivateData
		if err := rows.Scan(&d.Space, &d.Local, &d.XML); err != nil {
			return err
		}
		out = append(out, d)
		return nil
	}, int64(owner))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b store.PrivateData) int {
		return cmp.Or(strings.Compare(a.Space, b.Space), strings.Compare(a.Local, b.Local))
	})
	return out, nil
}

// blob reads one value, nil when there is none.
func (db *DB) blob(ctx context.Context, query string, args ...any) ([]byte, error) {
	var value []byte
	err := db.reads.reach(ctx, func() error {
		s, err := db.reads.stmt(ctx, query)
		if err == nil {
			err = s.QueryRowContext(ctx, args...).Scan(&value)
		}
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

// SetPrivate implements store.Personal. Whether there is room is known when everything is in its place; if not, it is taken back.
func (p personal) SetPrivate(owner store.Owner, data []store.PrivateData, most, mostBytes int) store.Ticket {
	size := 0
	for _, d := range data {
		size += len(d.XML) + len(d.Space) + len(d.Local)
	}
	var refused error
	t := p.db.queueOf(owner).change(size, func(w *writer) error {
		refused = nil
		if _, err := w.exec("SAVEPOINT private"); err != nil {
			return err
		}
		room, err := setPrivate(w, owner, data, most, mostBytes)
		if err != nil {
			return err
		}
		if !room {
			refused = fmt.Errorf("private storage: %w", store.ErrQuota)
			if _, err := w.exec("ROLLBACK TO private"); err != nil {
				return err
			}
		}
		_, err = w.exec("RELEASE private")
		return err
	})
	return unless(t, &refused)
}

func setPrivate(w *writer, owner store.Owner, data []store.PrivateData, most, mostBytes int) (room bool, err error) {
	for _, d := range data {
		_, err := w.change(`INSERT INTO private_xml (owner, space, local, bytes, xml) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (owner, space, local) DO UPDATE SET bytes = excluded.bytes, xml = excluded.xml`,
			int64(owner), d.Space, d.Local, int64(len(d.XML)+len(d.Space)+len(d.Local)), d.XML)
		if err != nil {
			return false, err
		}
	}
	n, _, err := w.number(countPrivate, int64(owner))
	if err != nil {
		return false, err
	}
	bytes, _, err := w.number(sumPrivate, int64(owner))
	return n <= int64(most) && bytes <= int64(mostBytes), err
}

// VCard implements store.Personal.
func (p personal) VCard(ctx context.Context, owner store.Owner) ([]byte, error) {
	return p.db.blob(ctx, selectVCard, int64(owner))
}

// VCards implements store.Personal.
func (p personal) VCards(ctx context.Context, domain string, after store.Owner, limit int) ([]store.OwnedVCard, error) {
	var out []store.OwnedVCard
	err := p.db.reads.each(ctx, selectVCards, func(rows *sql.Rows) error {
		var one store.OwnedVCard
		err := rows.Scan(&one.Owner, &one.Local, &one.VCard)
		out = append(out, one)
		return err
	}, domain, int64(after), max(limit, 0))
	return out, err
}

// SetVCard implements store.Personal.
func (p personal) SetVCard(owner store.Owner, vcard []byte) store.Ticket {
	return p.db.queueOf(owner).change(len(vcard), func(w *writer) error {
		if len(vcard) == 0 {
			_, err := w.change("DELETE FROM vcards WHERE owner = $1", int64(owner))
			return err
		}
		_, err := w.change("INSERT INTO vcards (owner, vcard) VALUES ($1, $2) ON CONFLICT (owner) DO UPDATE SET vcard = excluded.vcard",
			int64(owner), vcard)
		return err
	})
}
