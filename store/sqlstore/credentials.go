package sqlstore

import (
	"context"
	"database/sql"

	"stonechat/store"
)

// credentials implements store.Credentials.
type credentials struct{ db *DB }

// The row without a mechanism counts the accounts that have any.
const selectShared = "SELECT c.mechanism, COUNT(*) FROM accounts AS a JOIN credentials AS c ON c.account = a.id " +
	"WHERE a.domain = $1 AND a.disabled = 0 GROUP BY c.mechanism " +
	"UNION ALL SELECT '', COUNT(DISTINCT c.account) FROM accounts AS a JOIN credentials AS c ON c.account = a.id " +
	"WHERE a.domain = $1 AND a.disabled = 0"

// Shared implements store.Credentials.
func (c credentials) Shared(ctx context.Context, domain string) (by map[string]int, all int, err error) {
	by = map[string]int{}
	err = c.db.reads.each(ctx, selectShared, func(rows *sql.Rows) error {
		var mechanism string
		var n int
		err := rows.Scan(&mechanism, &n)
		if mechanism == "" {
			all = n
		} else {
			by[mechanism] = n
		}
		return err
	}, domain)
	return by, all, err
}

// Add implements store.Credentials.
func (c credentials) Add(ctx context.Context, id store.Owner, n store.Credential, under []byte) error {
	return c.db.queueOf(nobody).change(256, func(w *writer) error {
		if err := stillStored(w, id, under); err != nil {
			return err
		}
		if _, err := w.change("DELETE FROM credentials WHERE account = $1 AND mechanism = $2", int64(id), n.Mechanism); err != nil {
			return err
		}
		return putCredentials(w, id, []store.Credential{n})
	}).Wait(ctx)
}
