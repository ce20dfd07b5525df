package sqlstore

import (
	"context"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the schema.
type migration struct {
	version int64
	name    string
	text    string
}

// migrations returns the steps in order: files named 0001_what.sql, without gaps.
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var steps []migration
	for _, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil || v != int64(len(steps)+1) {
			return nil, fmt.Errorf("migration %s: expected number %d", name, len(steps)+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, migration{v, name, string(text)})
	}
	return steps, nil
}

// migrate brings the schema to the newest version. Each step is a transaction. A database with data in it is copied aside first, to
// path.before-N, where N is the version that it leaves.
func migrate(w *writer, d dialect, files fs.FS, path string) error {
	steps, err := migrations(files)
	if err != nil {
		return err
	}
	if _, err := w.exec("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)"); err != nil {
		return err
	}
	have, _, err := w.number("SELECT MAX(version) FROM schema_version")
	if err != nil {
		return err
	}
	newest := int64(len(steps))
	if have > newest {
		return fmt.Errorf("the data has schema version %d, but this program knows only up to %d: run the newer program, or restore a backup", have, newest)
	}
	if have == newest {
		return nil
	}
	if have > 0 {
		if err := copyAside(w, fmt.Sprintf("%s.before-%d", path, have+1)); err != nil {
			return fmt.Errorf("copy before migration: %w", err)
		}
	}
	for _, m := range steps[have:] {
		if err := m.apply(w, d); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	return nil
}

// copyAside writes a consistent copy of the database and makes it durable. A copy of an earlier, failed try is replaced.
func copyAside(w *writer, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := w.exec("VACUUM INTO $1", to); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Sync(), f.Close(), syncFolderOf(to))
}

func (m migration) apply(w *writer, d dialect) error {
	if err := w.begin(); err != nil {
		return err
	}
	if err := m.run(w, d); err != nil {
		w.rollback()
		return err
	}
	return w.commit()
}

func (m migration) run(w *writer, d dialect) error {
	s, err := w.conn.Prepare(d.words.Replace(m.text))
	if err != nil {
		return err
	}
	ex, ok := s.(driver.StmtExecContext)
	if !ok {
		return errors.New("driver without StmtExecContext")
	}
	_, err = ex.ExecContext(context.Background(), nil)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	_, err = w.exec("INSERT INTO schema_version (version) VALUES ($1)", m.version)
	return err
}
