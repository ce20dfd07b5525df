package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"stonechat/store/storetest/pgtest"
)

// PostgresForTests is the server of all tests of this package, inside and outside of it.
var PostgresForTests pgtest.Shared

// KindsAreTrue compares what is kept of the kinds of accounts with the accounts and their credentials.
func KindsAreTrue(db *DB) error {
	for what, query := range map[string]string{
		"accounts of another kind than their credentials": `SELECT COUNT(*) FROM accounts AS a LEFT JOIN credential_kinds AS k ON k.id = a.kind
			WHERE k.id IS NULL OR k.domain <> a.domain OR k.shape <> COALESCE((
				SELECT string_agg(c.mechanism || ' ' || c.iterations || ' ' || LENGTH(c.salt), ';' ORDER BY c.mechanism) FROM credentials AS c WHERE c.account = a.id), '')`,
		"kinds with a wrong count, or without accounts": `SELECT COUNT(*) FROM credential_kinds AS k LEFT JOIN
			(SELECT kind, COUNT(*) AS n FROM accounts GROUP BY kind) AS a ON a.kind = k.id WHERE a.n IS NULL OR a.n <> k.accounts`,
	} {
		var n int
		err := db.reads.each(context.Background(), query, func(rows *sql.Rows) error { return rows.Scan(&n) })
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%d %s", n, what)
		}
	}
	return nil
}
