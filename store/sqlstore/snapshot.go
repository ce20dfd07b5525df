package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Snapshot is everything that was committed before it was opened, as of one moment, also while a server writes.
type Snapshot struct {
	Tables
	lock *os.File // nil when the server may be running
}

// OpenSnapshot opens the data of a folder, or of the database that Options.Postgres names, beside the server.
func OpenSnapshot(ctx context.Context, folder string, o Options) (*Snapshot, error) {
	o = o.withDefaults()
	if o.Postgres != "" {
		return postgresSnapshot(ctx, o)
	}
	file := sqliteFile{filepath.Join(folder, fileName), o}
	if _, err := os.Stat(file.path); err != nil {
		return nil, err // opening would make it
	}
	w, err := openSQLite(file.readerDSN())
	if err != nil {
		return nil, err
	}
	return newSnapshot(w, sqliteDialect(), "BEGIN")
}

func postgresSnapshot(ctx context.Context, o Options) (*Snapshot, error) {
	c, err := parsePostgres(o.Postgres)
	if err != nil {
		return nil, err
	}
	w, err := openPlain(ctx, with(c, map[string]string{"application_name": "stonechat copy"}))
	if err != nil {
		return nil, err
	}
	return newSnapshot(w, postgresDialect(), "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
}

// newSnapshot takes the session over. The first statement in the transaction fixes the moment.
func newSnapshot(w *writer, d dialect, begin string) (*Snapshot, error) {
	s := &Snapshot{Tables: Tables{w: w, dialect: d}}
	err := w.script(begin)
	if err == nil {
		err = s.describe()
	}
	newest, versionErr := NewestVersion()
	if err = errors.Join(err, versionErr); err == nil && s.version > newest {
		err = fmt.Errorf("the data has schema version %d, but this program knows only up to %d: use the newer program", s.version, newest)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenStopped is OpenSnapshot for a folder of SQLite whose server must not run until Close. An older schema is brought up to date first.
func OpenStopped(ctx context.Context, folder string) (*Snapshot, error) {
	file := sqliteFile{filepath.Join(folder, fileName), Options{}.withDefaults()}
	if _, err := os.Stat(file.path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no data of an embedded database: %w", folder, err)
	}
	lock, err := lockFolder(filepath.Join(folder, lockName))
	if err != nil {
		return nil, err
	}
	w, err := openSQLite(file.writerDSN())
	if err == nil {
		err = errors.Join(migrate(w, sqliteDialect(), migrationFiles, file.aside), w.close())
	}
	var s *Snapshot
	if err == nil {
		s, err = OpenSnapshot(ctx, folder, Options{})
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

// Bytes is about how much room the data takes.
func (s *Snapshot) Bytes() (int64, error) {
	query := "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
	if s.dialect.postgres {
		query = `SELECT COALESCE(SUM(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
			WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`
	}
	n, _, err := s.w.number(query)
	return n, err
}

// Retire gives the database of a stopped folder a name under which no server will use it, and ends the snapshot. Nothing is lost.
func (s *Snapshot) Retire(folder string) error {
	err := s.w.close()
	file := sqliteFile{filepath.Join(folder, fileName), Options{}.withDefaults()}
	w, openErr := openSQLite(file.writerDSN())
	if openErr == nil {
		// What is in the log goes into the file, which is then all of it.
		_, openErr = w.exec("PRAGMA wal_checkpoint(TRUNCATE)")
		openErr = errors.Join(openErr, w.close())
	}
	if err = errors.Join(err, openErr); err == nil {
		if err = os.Rename(file.path, filepath.Join(folder, migratedName)); err == nil {
			err = syncFolderOf(file.path)
		}
	}
	return errors.Join(err, s.unlock())
}

// Close ends it.
func (s *Snapshot) Close() error { return errors.Join(s.w.close(), s.unlock()) }

func (s *Snapshot) unlock() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// NotCopied tells whether a file of the data folder, named relative to it, is part of the database or of the running server. Whatever else
// is there, such as certificates, is kept beside the database.
func NotCopied(name string) bool {
	switch name {
	case fileName, migratedName, fileName + "-wal", fileName + "-shm", fileName + "-journal", lockName, "ctl.sock",
		searchName, searchName + "-wal", searchName + "-shm": // words of messages are noted anew
		return true
	}
	before, _ := filepath.Match(fileName+".before-*", name)
	return before
}
