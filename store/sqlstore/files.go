package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stonechat/store"
)

// files implements store.Files and store.OwnFiles.
type files struct{ db *DB }

const (
	fileColumns    = "id, owner, state, size, media_type, name, purpose, hash, created, due, until"
	lookColumns    = "width, height, duration, blurhash, waveform, thumb, thumb_type, thumb_width, thumb_height"
	selectFile     = "SELECT " + fileColumns + ", " + lookColumns + " FROM files WHERE id = $1"
	selectOwnFiles = "SELECT " + fileColumns + ", " + lookColumns + " FROM files WHERE owner = $1 AND state = $2 AND (due = 0 OR due > $3)"
	// A sum of BIGINT is no BIGINT everywhere.
	selectFileUsage = "SELECT purpose, COUNT(*), CAST(SUM(size) AS BIGINT) FROM files WHERE owner = $1 AND (due = 0 OR due > $2) GROUP BY purpose ORDER BY purpose"
	selectFileHash  = "SELECT COUNT(*) FROM (SELECT 1 AS found FROM files WHERE hash = $1 LIMIT 1) AS f"
	selectFileThumb = "SELECT COUNT(*) FROM (SELECT 1 AS found FROM files WHERE thumb = $1 AND thumb > '' LIMIT 1) AS f"
	storeFile       = "UPDATE files SET (state, due, hash, media_type, size, " + lookColumns +
		") = ($3, until, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) WHERE id = $1 AND state = $2"
	deleteDueFiles = "DELETE FROM files WHERE id IN (SELECT id FROM files WHERE due > 0 AND due <= $1 ORDER BY due LIMIT $2 + 0)"
)

func noFile() error { return fmt.Errorf("file: %w", store.ErrNotFound) }

// moment is a time as the table has it: 0 is never.
func moment(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// momentOf is what moment was made of.
func momentOf(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Get implements store.Files.
func (x files) Get(ctx context.Context, id string) (f store.File, err error) {
	s, err := x.db.reads.stmt(ctx, selectFile)
	if err != nil {
		return f, err
	}
	if f, err = fileOf(s.QueryRowContext(ctx, id)); errors.Is(err, sql.ErrNoRows) {
		return store.File{}, noFile()
	}
	return f, err
}

// fileOf reads the columns of a row.
func fileOf(row interface{ Scan(...any) error }) (f store.File, err error) {
	var created, due, until, duration int64
	var waveform, thumb string
	l := &f.Look
	err = row.Scan(&f.ID, &f.Owner, &f.State, &f.Size, &f.Type, &f.Name, &f.Purpose, &f.Hash, &created, &due, &until,
		&l.Width, &l.Height, &duration, &l.Blurhash, &waveform, &thumb, &l.Thumb.Type, &l.Thumb.Width, &l.Thumb.Height)
	l.Duration = time.Duration(duration) * time.Millisecond
	l.Waveform, l.Thumb.Hash = unhex(waveform), unhex(thumb)
	f.Created, f.Due, f.Until = momentOf(created), momentOf(due), momentOf(until)
	if len(f.Hash) == 0 {
		f.Hash = nil // one database gives this, the other an empty one
	}
	return f, err
}

// unhex are bytes that stand in the table in hexadecimal; nil: none.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) == 0 {
		return nil
	}
	return b
}

// Reserve implements store.Files.
func (x files) Reserve(f store.File, most store.Quota) store.Ticket {
	return x.db.queueOf(f.Owner).change(len(f.Name)+len(f.Type), func(w *writer) error {
		// The account may be deleted meanwhile; a file without one would never be erased.
		if _, exists, err := w.number("SELECT id FROM accounts WHERE id = $1", int64(f.Owner)); err != nil || !exists {
			return errors.Join(err, notFoundUnless(err != nil))
		}
		if err := room(w, f, most); err != nil {
			return err
		}
		n, err := w.change("INSERT INTO files ("+fileColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING",
			f.ID, int64(f.Owner), int64(store.FileSlot), f.Size, f.Type, f.Name, f.Purpose, []byte{}, moment(f.Created), moment(f.Due), moment(f.Until))
		if err == nil && n == 0 {
			err = fmt.Errorf("file: %w", store.ErrConflict)
		}
		return err
	})
}

// room tells whether the owner may have one file more.
func room(w *writer, f store.File, most store.Quota) error {
	var count, bytes int64
	err := w.query(selectFileUsage, func(row []driver.Value) error {
		purpose, _ := row[0].(string)
		n, _ := row[1].(int64)
		size, _ := row[2].(int64)
		if slices.Contains(most.Purposes, purpose) {
			count, bytes = count+n, bytes+size
		}
		return nil
	}, int64(f.Owner), moment(f.Created))
	switch {
	case err != nil:
		return err
	case f.Size > most.Bytes-bytes:
		return fmt.Errorf("file: %w", store.ErrQuota)
	case count >= int64(most.Files):
		return fmt.Errorf("file: %w", store.ErrTooMany)
	}
	return nil
}

// Arrive implements store.Files.
func (x files) Arrive(f store.File, now, due time.Time) store.Ticket {
	return x.db.queueOf(f.Owner).change(0, func(w *writer) error {
		n, err := w.change("UPDATE files SET state = $3, due = $4 WHERE id = $1 AND state = $2 AND due > $5",
			f.ID, int64(store.FileSlot), int64(store.FileArriving), moment(due), moment(now))
		if err != nil || n == 1 {
			return err
		}
		state, there, err := w.number("SELECT state FROM files WHERE id = $1", f.ID)
		switch {
		case err != nil:
			return err
		case there && state != int64(store.FileSlot):
			return fmt.Errorf("file: %w", store.ErrConflict)
		}
		return noFile()
	})
}

// Return implements store.Files.
func (x files) Return(f store.File, due time.Time) store.Ticket {
	return x.db.queueOf(f.Owner).change(0, func(w *writer) error {
		_, err := w.change("UPDATE files SET state = $3, due = $4 WHERE id = $1 AND state = $2",
			f.ID, int64(store.FileArriving), int64(store.FileSlot), moment(due))
		return err
	})
}

// Store implements store.Files.
func (x files) Store(f store.File, hash []byte, mediaType string) store.Ticket {
	hash = slices.Clone(hash)
	l := f.Look
	waveform, thumb := hex.EncodeToString(l.Waveform), hex.EncodeToString(l.Thumb.Hash)
	return x.db.queueOf(f.Owner).change(len(mediaType)+len(waveform)+len(l.Blurhash), func(w *writer) error {
		n, err := w.change(storeFile, f.ID, int64(store.FileArriving), int64(store.FileStored), hash, mediaType, f.Size,
			int64(l.Width), int64(l.Height), l.Duration.Milliseconds(), l.Blurhash, waveform, thumb, l.Thumb.Type, int64(l.Thumb.Width), int64(l.Thumb.Height))
		if err == nil && n == 0 {
			err = noFile()
		}
		return err
	})
}

// Usage implements store.OwnFiles.
func (x files) Usage(ctx context.Context, owner store.Owner, now time.Time) (out []store.FileUsage, err error) {
	err = x.db.reads.each(ctx, selectFileUsage, func(rows *sql.Rows) error {
		var u store.FileUsage
		err := rows.Scan(&u.Purpose, &u.Files, &u.Bytes)
		out = append(out, u)
		return err
	}, int64(owner), moment(now))
	return out, err
}

// List implements store.OwnFiles. Owners have some thousands at most, so there is no order of them in the table.
func (x files) List(ctx context.Context, owner store.Owner, now time.Time) (out []store.File, err error) {
	err = x.db.reads.each(ctx, selectOwnFiles, func(rows *sql.Rows) error {
		f, err := fileOf(rows)
		out = append(out, f)
		return err
	}, int64(owner), int64(store.FileStored), moment(now))
	slices.SortFunc(out, func(a, b store.File) int { return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID)) })
	return out, err
}

// Remove implements store.OwnFiles.
func (x files) Remove(owner store.Owner, id string) store.Ticket {
	return x.db.queueOf(owner).change(0, func(w *writer) error {
		n, err := w.change("DELETE FROM files WHERE id = $1 AND owner = $2", id, int64(owner))
		if err == nil && n == 0 {
			err = noFile()
		}
		return err
	})
}

// Expire implements store.Files.
func (x files) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	var n int64
	err := x.db.queueOf(nobody).change(0, func(w *writer) (err error) {
		n, err = w.change(deleteDueFiles, moment(now), int64(max(limit, 0)))
		return err
	}).Wait(ctx)
	if err != nil {
		return 0, err // n may still be written to when only the context ended
	}
	return int(n), nil
}

// Recover implements store.Files.
func (x files) Recover(ctx context.Context) (int, error) {
	var n int64
	err := x.db.queueOf(nobody).change(0, func(w *writer) (err error) {
		n, err = w.change("UPDATE files SET state = $2 WHERE state = $1", int64(store.FileArriving), int64(store.FileSlot))
		return err
	}).Wait(ctx)
	if err != nil {
		return 0, err // n may still be written to when only the context ended
	}
	return int(n), nil
}

// Holds implements store.Files.
func (x files) Holds(ctx context.Context, hash []byte) (bool, error) {
	held, err := x.found(ctx, selectFileHash, orEmpty(hash))
	if err != nil || held || len(hash) == 0 {
		return held, err
	}
	return x.found(ctx, selectFileThumb, hex.EncodeToString(hash))
}

// found tells whether a statement counts anything.
func (x files) found(ctx context.Context, query string, arg any) (bool, error) {
	s, err := x.db.reads.stmt(ctx, query)
	if err != nil {
		return false, err
	}
	var n int
	err = s.QueryRowContext(ctx, arg).Scan(&n)
	return n > 0, err
}
