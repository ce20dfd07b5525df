package target

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// execSQL runs a script on a SQLite file, waiting while a server writes.
func execSQL(ctx context.Context, path, script string) (err error) {
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(60000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, script)
	return err
}

// CloneArchive multiplies the stored messages of a user of a peer, in the
// peer's database, until there are factor times as many. Messages of the
// clones are later than the originals and keep their order. Servers that can
// be filled by sending are an error.
func (s *Server) CloneArchive(ctx context.Context, user string, factor int) error {
	const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) `
	var script string
	switch s.kind.(type) {
	case prosody:
		script = fmt.Sprintf(numbers+`INSERT INTO prosodyarchive (host, user, store, key, "when", with, type, value)
			SELECT host, user, store, key || '-' || i, "when" + 3600*i, with, type, value
			FROM n, prosodyarchive WHERE user = '%s' AND store = 'archive' ORDER BY i, sort_id`, factor-1, user)
	case ejabberd:
		script = fmt.Sprintf(numbers+`INSERT INTO archive (username, timestamp, peer, bare_peer, xml, txt, kind, nick)
			SELECT username, timestamp + 3600000000*i, peer, bare_peer, xml, txt, kind, nick
			FROM n, archive WHERE username = '%s' ORDER BY i, timestamp`, factor-1, user)
	default:
		return fmt.Errorf("target: no way to clone archives of %s", s.Name)
	}
	return execSQL(ctx, filepath.Join(s.dir, "archive.sqlite"), script)
}

// Clones tells whether CloneArchive works for this server.
func (s *Server) Clones() bool {
	switch s.kind.(type) {
	case prosody, ejabberd:
		return true
	}
	return false
}
