// Package backup carries everything that is kept from one place to another: from SQLite into PostgreSQL, into one file, and back. Which
// tables and files there are is asked of the database and of the folder, so nothing here knows what they mean.
//
// What arrives is compared with what was read, table by table, by number of rows and by a hash over all of them.
package backup

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"stonechat/store/dump"
	"stonechat/store/sqlstore"
)

// Progress is told how many rows of a table are done; it is called often.
type Progress func(table string, rows int64)

// Copied is a table after it was copied.
type Copied struct {
	Table string
	Rows  int64
	Hash  string
}

// Migrate copies a stopped data folder into the empty PostgreSQL database of o and compares every table. The database gets everything or
// nothing: an interrupted run is simply started again. It returns the tables, and the files that stay in the folder and are needed there. The
// embedded database gets another name, so that no server or backup takes it for the current one.
func Migrate(ctx context.Context, folder string, o sqlstore.Options, progress Progress) (tables []Copied, stays []string, err error) {
	from, err := sqlstore.OpenStopped(ctx, folder)
	if err != nil {
		return nil, nil, err
	}
	if tables, err = migrate(ctx, from, o, progress); err != nil {
		return nil, nil, errors.Join(err, from.Close())
	}
	if err := from.Retire(folder); err != nil {
		return tables, nil, fmt.Errorf("everything was copied, but the embedded database kept its name: %w", err)
	}
	files, err := filesOf(folder)
	for _, f := range files {
		stays = append(stays, f.name)
	}
	return tables, stays, err
}

func migrate(ctx context.Context, from *sqlstore.Snapshot, o sqlstore.Options, progress Progress) ([]Copied, error) {
	to, err := sqlstore.NewLoader(ctx, "", o, from.Version())
	if err != nil {
		return nil, err
	}
	tables, err := copyAll(ctx, &from.Tables, to, progress)
	if err != nil {
		return nil, errors.Join(err, to.Abort())
	}
	return tables, to.Finish()
}

// copyAll copies tables and counters and compares what has arrived.
func copyAll(ctx context.Context, from *sqlstore.Tables, to *sqlstore.Loader, progress Progress) ([]Copied, error) {
	list := from.List()
	if err := sameTables(list, to); err != nil {
		return nil, err
	}
	var out []Copied
	for i := range list {
		table := &list[i]
		sum := new(dump.Sum)
		err := chunks(from, table, func(rows [][]driver.Value) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			for _, row := range rows {
				if err := sum.Add(row); err != nil {
					return err
				}
			}
			progress(table.Name, sum.Rows)
			return to.Add(ctx, table, rows)
		})
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", table.Name, err)
		}
		if err := compare(to, table, sum); err != nil {
			return nil, err
		}
		out = append(out, Copied{table.Name, sum.Rows, sum.Hash()})
	}
	counters, err := from.Counters()
	if err == nil {
		err = to.SetCounters(counters)
	}
	return out, err
}

// sameTables refuses to leave a table out.
func sameTables(list []dump.Table, to *sqlstore.Loader) error {
	for i := range list {
		if err := to.Fits(&list[i]); err != nil {
			return err
		}
	}
	if n := len(to.List()); n != len(list) {
		return fmt.Errorf("%d tables here, %d there", len(list), n)
	}
	return nil
}

// compare reads back what was added.
func compare(to *sqlstore.Loader, table *dump.Table, want *dump.Sum) error {
	got, err := sumOf(&to.Tables, table)
	if err != nil {
		return fmt.Errorf("table %s: %w", table.Name, err)
	}
	if !got.Equal(want) {
		return fmt.Errorf("table %s: %d rows with hash %s have arrived, not %d with %s", table.Name, got.Rows, got.Hash(), want.Rows, want.Hash())
	}
	return nil
}
