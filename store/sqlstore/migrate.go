package sqlstore

import (
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

const createVersion = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)"

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

// migrate brings the schema to the newest version. Each step is a transaction. Data that is there is put aside first by the given function.
func migrate(w *writer, d dialect, files fs.FS, aside func(w *writer, version int64) error) error {
	steps, err := migrations(files)
	if err != nil {
		return err
	}
	if _, err := w.exec(createVersion); err != nil {
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
		if err := aside(w, have+1); err != nil {
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

// aside copies the database to path.before-N, where N is the step that would change it.
func (f sqliteFile) aside(w *writer, step int64) error {
	return copyAside(w, fmt.Sprintf("%s.before-%d", f.path, step))
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
	return w.within(func() error { return m.run(w, d) })
}

// run takes the step within the open transaction.
func (m migration) run(w *writer, d dialect) error {
	if err := w.script(d.words.Replace(m.text)); err != nil {
		return err
	}
	_, err := w.exec("INSERT INTO schema_version (version) VALUES ($1)", m.version)
	return err
}
