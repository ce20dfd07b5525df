package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"stonechat/store/dump"
)

// Loader fills a fresh database with rows that were read elsewhere. On PostgreSQL all of it is one transaction, so what is interrupted has
// never been. On SQLite the file is the caller's to remove.
type Loader struct {
	Tables
	inserts map[string]string
	args    []driver.NamedValue
}

// NewLoader makes an empty database with a schema of this version, in an empty folder or in the database that Options.Postgres names.
func NewLoader(ctx context.Context, folder string, o Options, version int64) (*Loader, error) {
	steps, err := migrations(migrationFiles)
	if err != nil {
		return nil, err
	}
	if version < 1 || version > int64(len(steps)) {
		return nil, fmt.Errorf("schema version %d is not known to this program, whose newest is %d", version, len(steps))
	}
	o = o.withDefaults()
	l := &Loader{inserts: map[string]string{}}
	if o.Postgres != "" {
		err = l.openPostgres(ctx, o)
	} else {
		err = l.openSQLite(filepath.Join(folder, fileName), o)
	}
	if err == nil {
		err = l.prepare(steps[:version])
	}
	if err != nil && l.w != nil {
		err = errors.Join(err, l.w.close())
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Loader) openSQLite(path string, o Options) (err error) {
	if err := createFile(path); err != nil {
		return err
	}
	l.dialect = sqliteDialect()
	if l.w, err = openSQLite(sqliteFile{path, o}.writerDSN()); err == nil {
		err = l.w.begin()
	}
	return err
}

func (l *Loader) openPostgres(ctx context.Context, o Options) error {
	c, err := parsePostgres(o.Postgres)
	if err != nil {
		return err
	}
	own := newOwnership(c, o)
	p := &postgres{config: own.config, options: o}
	if l.w, err = openPlain(ctx, own.config); err != nil {
		return err
	}
	l.dialect = postgresDialect()
	own.conn = l.conn()
	if err := p.inspect(ctx, own.conn); err != nil {
		return err
	}
	if err := own.acquire(ctx); err != nil {
		return err
	}
	if _, err := l.w.exec("SELECT set_config('synchronous_commit', $1, false)", p.config.RuntimeParams["synchronous_commit"]); err != nil {
		return err
	}
	return l.w.begin()
}

// conn is PostgreSQL's connection, nil on SQLite.
func (l *Loader) conn() *pgx.Conn {
	if s, ok := l.w.session.(*pgSession); ok {
		return s.conn
	}
	return nil
}

// prepare makes the schema and empties its tables, within the open transaction.
func (l *Loader) prepare(steps []migration) error {
	if l.dialect.postgres {
		if err := l.refuseUsed(); err != nil {
			return err
		}
	}
	if _, err := l.w.exec(createVersion); err != nil {
		return err
	}
	for _, m := range steps {
		if err := m.run(l.w, l.dialect); err != nil {
			return fmt.Errorf("schema %s: %w", m.name, err)
		}
	}
	if err := l.describe(); err != nil {
		return err
	}
	for _, t := range l.list {
		if _, err := l.w.exec("DELETE FROM " + quoted(t.Name)); err != nil {
			return err
		}
	}
	return nil
}

// refuseUsed refuses a database that holds tables of ours: what is in them would be mixed or lost.
func (l *Loader) refuseUsed() error {
	return l.w.query(`SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
		AND relname IN ('schema_version', 'writers', 'owners', 'accounts', 'archive') LIMIT 1`, func(v []driver.Value) error {
		return fmt.Errorf("the database is not empty: it has a table %s already. Name an empty one, or drop and create this one", v[0])
	})
}

// Fits says whether rows of a table that was described elsewhere can be added.
func (l *Loader) Fits(table *dump.Table) error {
	for i := range l.list {
		if l.list[i].Name == table.Name {
			if !slices.Equal(sortedColumns(&l.list[i]), sortedColumns(table)) {
				return fmt.Errorf("table %s has other columns here", table.Name)
			}
			return nil
		}
	}
	return fmt.Errorf("table %s is unknown to schema version %d", table.Name, l.version)
}

func sortedColumns(t *dump.Table) []dump.Column {
	out := slices.Clone(t.Columns)
	slices.SortFunc(out, func(a, b dump.Column) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Add adds rows, whose values are in the order of the table's columns as given.
func (l *Loader) Add(ctx context.Context, table *dump.Table, rows [][]driver.Value) error {
	for _, row := range rows {
		if err := table.Check(row); err != nil {
			return err
		}
	}
	if conn := l.conn(); conn != nil {
		return copyIn(ctx, conn, table, rows)
	}
	query := l.inserts[table.Name]
	if query == "" {
		query = l.dialect.insertMany(quoted(table.Name)+" ("+columnsOf(table)+")", len(table.Columns), 1, "")
		l.inserts[table.Name] = query
	}
	for _, row := range rows {
		l.args = l.args[:0]
		for i, v := range row {
			l.args = append(l.args, driver.NamedValue{Ordinal: i + 1, Value: v})
		}
		if _, err := l.w.execNamed(query, l.args); err != nil {
			return fmt.Errorf("table %s: %w", table.Name, err)
		}
	}
	// The log of one transaction would be as long as the data.
	if err := l.w.commit(); err != nil {
		return err
	}
	return l.w.begin()
}

// copyIn uses PostgreSQL's COPY.
func copyIn(ctx context.Context, conn *pgx.Conn, table *dump.Table, rows [][]driver.Value) error {
	names := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		names[i] = c.Name
	}
	n, err := conn.CopyFrom(ctx, pgx.Identifier{table.Name}, names, pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		out := make([]any, len(rows[i]))
		for c, v := range rows[i] {
			out[c] = v
			if s, ok := v.(string); ok && strings.ContainsRune(s, 0) {
				return nil, fmt.Errorf("column %s holds a NUL character in %.60q, which PostgreSQL cannot keep: change it first", names[c], s)
			}
		}
		return out, nil
	}))
	if err == nil && n != int64(len(rows)) {
		err = fmt.Errorf("%d rows of %d were added", n, len(rows))
	}
	if err != nil {
		return fmt.Errorf("table %s: %w", table.Name, err)
	}
	return nil
}

// SetCounters sets the last ids that tables have given out.
func (l *Loader) SetCounters(counters map[string]int64) error {
	sequences := map[string]string{}
	if l.dialect.postgres {
		var err error
		if sequences, err = l.sequences(); err != nil {
			return err
		}
	}
	for table, n := range counters {
		if !slices.ContainsFunc(l.list, func(t dump.Table) bool { return t.Name == table }) {
			return fmt.Errorf("table %s, which gives out ids, is unknown", table)
		}
		if err := l.setCounter(table, sequences[table], n); err != nil {
			return fmt.Errorf("ids of table %s: %w", table, err)
		}
	}
	return nil
}

func (l *Loader) setCounter(table, sequence string, n int64) error {
	if !l.dialect.postgres {
		if _, err := l.w.exec("DELETE FROM sqlite_sequence WHERE name = $1", table); err != nil {
			return err
		}
		_, err := l.w.exec("INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)", table, n)
		return err
	}
	if sequence == "" {
		return errors.New("it gives out none here")
	}
	_, err := l.w.exec("SELECT setval($1::text::regclass, $2)", sequence, n)
	return err
}

// outdated are rows that must not come back with an older state of the data: a client that resumes such a session is told that nothing is
// missing, and a link that sets a password may have been used since.
var outdated = []struct{ table, remove string }{
	{"sessions", "DELETE FROM sessions"},
	{"room_occupants", "DELETE FROM room_occupants"}, // they are of these sessions
	{"invites", "DELETE FROM invites WHERE kind = 'reset'"},
}

// Outdate takes out what was true only at the moment that the rows are of. It is for rows that come from the past, not for those that move.
func (l *Loader) Outdate() error {
	for _, o := range outdated {
		if !slices.ContainsFunc(l.list, func(t dump.Table) bool { return t.Name == o.table }) {
			continue // an older schema
		}
		if _, err := l.w.exec(o.remove); err != nil {
			return fmt.Errorf("table %s: %w", o.table, err)
		}
	}
	return nil
}

// Finish makes everything durable and closes the database.
func (l *Loader) Finish() error {
	err := l.w.commit()
	if err == nil && l.dialect.postgres {
		// Without figures of what is there the first queries would be planned for empty tables. The server gets to it by itself if this fails.
		_ = l.w.script("ANALYZE")
	}
	return errors.Join(err, l.w.close())
}

// Abort closes the database without what was added since it was last made durable: on PostgreSQL without anything.
func (l *Loader) Abort() error {
	l.w.rollback()
	return l.w.close()
}
