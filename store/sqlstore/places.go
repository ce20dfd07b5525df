package sqlstore

import (
	"context"
	"database/sql"
	"errors"
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
