package backup

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"stonechat/store/dump"
	"stonechat/store/sqlstore"
)

// Options of a backup.
type Options struct {
	Folder   string           // the data folder
	Store    sqlstore.Options // with Postgres, if the data is there
	Program  string           // version
	Replace  bool             // an older backup of the same name is replaced when the new one is whole
	NoSpace  bool             // free space is not looked at
	Progress Progress
}

// partial is how a file is called until it is whole.
const partial = ".partial"

// Write makes a backup of everything that was acknowledged before the call, while the server may go on. The file appears under its name
// when it is whole and durable, and only its owner can read it: it holds the secrets of the server and all messages.
func Write(ctx context.Context, name string, o Options) (r dump.Report, err error) {
	if err := mayWrite(name, o); err != nil {
		return r, err
	}
	from, err := sqlstore.OpenSnapshot(ctx, o.Folder, o.Store)
	if errors.Is(err, fs.ErrNotExist) && o.Store.Postgres == "" {
		return r, fmt.Errorf("%s holds no embedded database; where the data is in PostgreSQL, name the server's --config: %w", o.Folder, err)
	}
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	made := time.Now().UTC()
	if err := enoughSpace(name, from, o); err != nil {
		return r, err
	}
	f, err := createPartial(name + partial)
	if err != nil {
		return r, err
	}
	r.Head = dump.Head{Program: o.Program, Schema: from.Version(), Made: made, Tables: from.List()}
	r.Manifest, err = writeAll(ctx, f, &r.Head, &from.Tables, o)
	if err == nil {
		err = f.Sync()
	}
	if info, statErr := f.Stat(); statErr == nil {
		r.Bytes = info.Size()
	}
	// Renamed before it is closed, since closing gives up the lock on it.
	if err == nil {
		err = publish(f.Name(), name, o.Replace)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return r, errors.Join(err, f.Close())
}

// mayWrite refuses names at which a backup would do harm.
func mayWrite(name string, o Options) error {
	if _, err := os.Lstat(name); err == nil && !o.Replace {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	folder, err1 := filepath.Abs(o.Folder)
	abs, err2 := filepath.Abs(name)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if rel, err := filepath.Rel(folder, abs); err == nil && filepath.IsLocal(rel) {
		return fmt.Errorf("%s is in the data folder, of which it should be a copy: put it on another disk, or at least elsewhere", name)
	}
	return nil
}

// enoughSpace refuses to begin what could not be finished. Compression makes a backup smaller than the data, by how much is not known.
func enoughSpace(name string, from *sqlstore.Snapshot, o Options) error {
	need, err := from.Bytes()
	if err != nil {
		return err
	}
	files, err := filesOf(o.Folder)
	if err != nil {
		return err
	}
	for _, f := range files {
		need += f.size
	}
	free, known, err := freeSpace(filepath.Dir(name))
	if err != nil || !known || o.NoSpace || free >= need {
		return err
	}
	return fmt.Errorf("%d MB are free for %s, and the data takes %d MB; the backup is likely to be smaller: --ignore-space tries it", free>>20, name, need>>20)
}

// publish gives the whole file its name, durably.
func publish(from, to string, replace bool) error {
	if !replace {
		// Linking fails where renaming would replace what has come meanwhile.
		if err := os.Link(from, to); err == nil {
			return errors.Join(os.Remove(from), syncPath(filepath.Dir(to)))
		} else if errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncPath(filepath.Dir(to))
}

// writeAll writes a whole backup.
func writeAll(ctx context.Context, to io.Writer, h *dump.Head, from *sqlstore.Tables, o Options) (dump.Manifest, error) {
	var none dump.Manifest
	w, err := dump.NewWriter(to, h)
	if err != nil {
		return none, err
	}
	for i := range h.Tables {
		name, done := h.Tables[i].Name, int64(0)
		err := chunks(from, &h.Tables[i], func(rows [][]driver.Value) error {
			done += int64(len(rows))
			o.Progress(name, done)
			return errors.Join(ctx.Err(), w.Rows(name, rows))
		})
		if err != nil {
			return none, fmt.Errorf("table %s: %w", name, err)
		}
	}
	counters, err := from.Counters()
	if err != nil {
		return none, err
	}
	files, err := filesOf(o.Folder)
	if err != nil {
		return none, err
	}
	for _, f := range files {
		if err := writeFile(w, o.Folder, f); err != nil && !errors.Is(err, fs.ErrNotExist) { // some are there for a moment only
			return none, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return w.Close(counters)
}

const (
	steady    = 5        // how often a file that changes while it is read is read again
	largeFile = 16 << 20 // from this size on a file is not held in memory
)

// writeFile writes one file. It may be replaced meanwhile, as certificates are: then the new one is taken.
func writeFile(w *dump.Writer, folder string, f file) error {
	path := filepath.Join(folder, filepath.FromSlash(f.name))
	if f.size >= largeFile {
		return writeLargeFile(w, path, f)
	}
	for range steady {
		b, mode, ok, err := readSteady(path)
		if err != nil {
			return err
		}
		if ok {
			return w.File(f.name, mode, int64(len(b)), bytes.NewReader(b))
		}
	}
	return errors.New("it changes all the time")
}

// writeLargeFile writes a file as it stands; one that changes meanwhile ends the backup.
func writeLargeFile(w *dump.Writer, path string, f file) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	err = w.File(f.name, f.mode, f.size, from)
	if info, statErr := from.Stat(); err == nil && statErr == nil && info.Size() != f.size {
		err = errors.New("it changed while it was read")
	}
	return errors.Join(err, from.Close())
}

// readSteady reads a file; ok is false when it changed meanwhile.
func readSteady(path string) (b []byte, mode fs.FileMode, ok bool, err error) {
	before, err := os.Lstat(path)
	if err != nil {
		return nil, 0, false, err
	}
	if !before.Mode().IsRegular() {
		return nil, 0, false, fmt.Errorf("%s is no file any more", path)
	}
	if b, err = os.ReadFile(path); err != nil {
		return nil, 0, false, err
	}
	after, err := os.Lstat(path)
	if err != nil {
		return nil, 0, false, err
	}
	return b, after.Mode(), before.ModTime().Equal(after.ModTime()) && os.SameFile(before, after) && int64(len(b)) == after.Size(), nil
}
