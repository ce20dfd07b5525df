package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"modernc.org/sqlite"
)

// sqliteSession speaks to the driver directly: the checks and locks of database/sql cost as much as the insert itself.
type sqliteSession struct {
	conn  driver.Conn
	stmts map[string]driver.Stmt
}

func openSQLite(dsn string) (*writer, error) {
	conn, err := (&sqlite.Driver{}).Open(dsn)
	if err != nil {
		return nil, err
	}
	return &writer{session: &sqliteSession{conn: conn, stmts: map[string]driver.Stmt{}}}, nil
}

func (s *sqliteSession) close() error {
	for _, st := range s.stmts {
		if err := st.Close(); err != nil {
			continue // closing the connection below says what is wrong
		}
	}
	s.stmts = nil
	return s.conn.Close()
}

func (s *sqliteSession) prepare(query string) (driver.Stmt, error) {
	if st, ok := s.stmts[query]; ok {
		return st, nil
	}
	st, err := s.conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	s.stmts[query] = st
	return st, nil
}

func (s *sqliteSession) exec(query string, args []driver.NamedValue) (int64, error) {
	st, err := s.prepare(query)
	if err != nil {
		return 0, err
	}
	return execStmt(st, args)
}

func execStmt(st driver.Stmt, args []driver.NamedValue) (int64, error) {
	ex, ok := st.(driver.StmtExecContext)
	if !ok {
		return 0, fmt.Errorf("store: driver without StmtExecContext")
	}
	res, err := ex.ExecContext(context.Background(), args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (s *sqliteSession) query(query string, args []driver.NamedValue, each func(row []driver.Value) error) error {
	st, err := s.prepare(query)
	if err != nil {
		return err
	}
	q, ok := st.(driver.StmtQueryContext)
	if !ok {
		return fmt.Errorf("store: driver without StmtQueryContext")
	}
	rows, err := q.QueryContext(context.Background(), args)
	if err != nil {
		return err
	}
	dest := make([]driver.Value, len(rows.Columns()))
	for {
		if err = rows.Next(dest); err != nil {
			break
		}
		if err = each(dest); err != nil {
			break
		}
	}
	if closeErr := rows.Close(); err == io.EOF {
		err = closeErr
	}
	return err
}

// script is not kept prepared: it runs once.
func (s *sqliteSession) script(text string) error {
	st, err := s.conn.Prepare(text)
	if err != nil {
		return err
	}
	_, err = execStmt(st, nil)
	if closeErr := st.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (s *sqliteSession) begin() error {
	_, err := s.exec("BEGIN IMMEDIATE", nil)
	return err
}

func (s *sqliteSession) commit() error {
	_, err := s.exec("COMMIT", nil)
	return err
}

// rollback: SQLite may have ended the transaction already, which it reports as an error of no interest.
func (s *sqliteSession) rollback() {
	if _, err := s.exec("ROLLBACK", nil); err != nil {
		return
	}
}

// sqliteFile is a database file and how it is opened.
type sqliteFile struct {
	path    string
	options Options
}

// start makes the file if it is not there.
func (f sqliteFile) start(context.Context) (*writer, error) {
	if err := refuseMigrated(f.path); err != nil {
		return nil, err
	}
	if err := createFile(f.path); err != nil {
		return nil, err
	}
	return openSQLite(f.writerDSN())
}

func (f sqliteFile) lane(int64) (*writer, error) { return openSQLite(f.writerDSN()) }

func (f sqliteFile) about() string { return "SQLite, " + f.path }

func (f sqliteFile) close() error { return nil }

// reads opens the pool for reading.
func (f sqliteFile) reads() (*sql.DB, error) { return sql.Open("sqlite", f.readerDSN()) }

// dsn returns the data source name with pragmas that are executed in this order.
func (f sqliteFile) dsn(pragmas ...string) string {
	u := url.URL{Path: f.path}
	s := "file:" + u.EscapedPath() + "?"
	for _, p := range append([]string{"busy_timeout(5000)"}, pragmas...) {
		s += "&_pragma=" + p
	}
	return s
}

// synchronous is the pragma of what counts as durable.
func (f sqliteFile) synchronous() string {
	if f.options.Sync == SyncOff {
		return "synchronous(OFF)"
	}
	return "synchronous(FULL)"
}

func (f sqliteFile) writerDSN() string {
	return f.dsn("page_size(4096)", "journal_mode(WAL)", f.synchronous(), "wal_autocheckpoint(0)", "secure_delete(FAST)", "temp_store(MEMORY)",
		cacheSize(f.options.WriterCacheKiB))
}

func (f sqliteFile) readerDSN() string {
	return f.dsn("query_only(1)", "temp_store(MEMORY)", cacheSize(f.options.ReaderCacheKiB))
}

// checkpointDSN: a checkpoint that would have to wait for somebody gives up instead, since it would hold up commits meanwhile. It needs
// the writer's mode of syncing, or the log would be given up before the database is durable.
func (f sqliteFile) checkpointDSN() string {
	return f.dsn(f.synchronous(), "wal_autocheckpoint(0)", "busy_timeout(0)", cacheSize(64))
}

func cacheSize(kib int) string { return "cache_size(-" + strconv.Itoa(kib) + ")" }
