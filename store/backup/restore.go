package backup

import (
	"bufio"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"stonechat/store/dump"
	"stonechat/store/sqlstore"
)

// restoring is how a data folder is called until it is whole.
const restoring = ".restoring"

// Verify reads a backup completely and compares it with its manifest.
func Verify(name string) (dump.Report, error) {
	return readFile(name, nothing{})
}

func readFile(name string, to dump.Sink) (dump.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return dump.Report{}, err
	}
	r, err := dump.Read(bufio.NewReaderSize(f, 1<<20), to)
	if info, statErr := f.Stat(); statErr == nil {
		r.Bytes = info.Size()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// nothing is a sink that keeps nothing.
type nothing struct{}

func (nothing) Head(dump.Head) error                     { return nil }
func (nothing) Rows(*dump.Table, [][]driver.Value) error { return nil }
func (nothing) File(_ string, _ fs.FileMode, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// Restore makes a data folder of a backup, and fills the empty PostgreSQL database of o if one is named. The folder must not exist, or be
// empty; it appears when everything in it is proved and durable. Sessions and links that set a password are void afterwards.
func Restore(ctx context.Context, name, folder string, o sqlstore.Options, progress Progress) (dump.Report, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return dump.Report{}, err
	}
	if err := mayRestore(folder); err != nil {
		return dump.Report{}, err
	}
	t := &target{ctx: ctx, folder: folder + restoring, options: o, progress: progress, sums: map[string]*dump.Sum{}}
	if err := t.begin(); err != nil {
		return dump.Report{}, err
	}
	r, err := readFile(name, t)
	if err == nil {
		err = t.finish(&r.Manifest)
	}
	if err != nil {
		return r, errors.Join(err, t.abort())
	}
	if err := os.Rename(t.folder, folder); err != nil {
		what := ""
		if o.Postgres != "" {
			what = " (the database is restored already)"
		}
		return r, fmt.Errorf("everything is restored in %s and has to be moved by hand%s: %w", t.folder, what, err)
	}
	return r, syncPath(filepath.Dir(folder))
}

// mayRestore refuses a folder in which something is.
func mayRestore(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: it has %s", folder, entries[0].Name())
	}
	return nil
}

// marker is in a folder that a restore has begun and not finished.
const marker = "restore-is-not-finished"

// target is a data folder on its way.
type target struct {
	ctx      context.Context
	folder   string
	options  sqlstore.Options
	progress Progress
	loader   *sqlstore.Loader
	tables   []dump.Table
	sums     map[string]*dump.Sum
}

// begin makes the folder, in place of one that an earlier restore has left.
func (t *target) begin() error {
	if _, err := os.Lstat(filepath.Join(t.folder, marker)); err == nil {
		if err := os.RemoveAll(t.folder); err != nil {
			return err
		}
	}
	if err := os.Mkdir(t.folder, 0o700); err != nil {
		return fmt.Errorf("look at %s, where an earlier restore may have finished all but the last step, and remove it: %w", t.folder, err)
	}
	return os.WriteFile(filepath.Join(t.folder, marker), nil, 0o600)
}

// Head makes the database.
func (t *target) Head(h dump.Head) error {
	loader, err := sqlstore.NewLoader(t.ctx, t.folder, t.options, h.Schema)
	if err != nil {
		return err
	}
	t.loader, t.tables = loader, h.Tables
	for i := range h.Tables {
		t.sums[h.Tables[i].Name] = new(dump.Sum)
	}
	return sameTables(h.Tables, loader)
}

// Rows adds them.
func (t *target) Rows(table *dump.Table, rows [][]driver.Value) error {
	if err := t.ctx.Err(); err != nil {
		return err
	}
	sum := t.sums[table.Name]
	for _, row := range rows {
		if err := sum.Add(row); err != nil {
			return err
		}
	}
	t.progress(table.Name, sum.Rows)
	return t.loader.Add(t.ctx, table, rows)
}

// File writes it; none may stand in for a file of the database or of the running server.
func (t *target) File(name string, mode fs.FileMode, r io.Reader) error {
	if sqlstore.NotCopied(name) || name == marker {
		return errors.New("it would take the place of a file of the server")
	}
	path := filepath.Join(t.folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode&0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Chmod(mode&0o644|0o400), f.Close())
}

// finish compares what has arrived in the database and makes everything durable.
func (t *target) finish(m *dump.Manifest) error {
	for i := range t.tables {
		if err := compare(t.loader, &t.tables[i], t.sums[t.tables[i].Name]); err != nil {
			return err
		}
	}
	if err := t.loader.Outdate(); err != nil {
		return err
	}
	if err := t.loader.SetCounters(m.Counters); err != nil {
		return err
	}
	loader := t.loader
	t.loader = nil
	if err := os.Remove(filepath.Join(t.folder, marker)); err != nil {
		return err
	}
	if t.options.Postgres != "" {
		// The folder first: what may fail should fail before the database is changed.
		if err := syncAll(t.folder); err != nil {
			return errors.Join(err, loader.Abort())
		}
		return loader.Finish()
	}
	if err := loader.Finish(); err != nil {
		return err
	}
	return syncAll(t.folder)
}

// abort removes everything again.
func (t *target) abort() error {
	var err error
	if t.loader != nil {
		err = t.loader.Abort()
	}
	return errors.Join(err, os.RemoveAll(t.folder))
}
