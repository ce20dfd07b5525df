package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"stonechat/store"
)

// activity implements store.Activity.
type activity struct{ db *DB }

const selectLastSeen = "SELECT at, status, shown FROM last_seen WHERE owner = $1"

// LastSeen implements store.Activity.
func (a activity) LastSeen(ctx context.Context, owner store.Owner) (store.LastSeen, error) {
	out := store.LastSeen{Shown: store.ShownToContacts}
	err := a.db.reads.each(ctx, selectLastSeen, func(rows *sql.Rows) error {
		var at int64
		err := rows.Scan(&at, &out.Status, &out.Shown)
		if at != 0 {
			out.At = time.UnixMicro(at).UTC()
		}
		return err
	}, int64(owner))
	return out, err
}

// SetLastSeen implements store.Activity.
func (a activity) SetLastSeen(owner store.Owner, at time.Time, status string) store.Ticket {
	return a.db.queueOf(owner).changeSoon(len(status), func(w *writer) error {
		_, err := w.change(`INSERT INTO last_seen (owner, at, status, shown) VALUES ($1, $2, $3, $4)
			ON CONFLICT (owner) DO UPDATE SET at = excluded.at, status = excluded.status`,
			int64(owner), at.UnixMicro(), status, string(store.ShownToContacts))
		return err
	})
}

// ShowLastSeen implements store.Activity.
func (a activity) ShowLastSeen(owner store.Owner, to store.ShownTo) store.Ticket {
	return a.db.queueOf(owner).change(0, func(w *writer) error {
		_, err := w.change(`INSERT INTO last_seen (owner, at, status, shown) VALUES ($1, 0, '', $2)
			ON CONFLICT (owner) DO UPDATE SET shown = excluded.shown`, int64(owner), string(to))
		return err
	})
}
