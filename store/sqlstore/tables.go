package sqlstore

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"stonechat/store/dump"
)

// notCopied are tables that say something of one database, not of what is kept in it.
var notCopied = map[string]bool{"schema_version": true, "writers": true, "search_state": true, "search_words": true}

// Tables is everything that is kept, table by table, for copying. Which tables there are is asked of the database, so one that a migration
// adds is copied without another word.
type Tables struct {
	w       *writer
	dialect dialect
	version int64
	list    []dump.Table
}

// List returns the tables, ordered by name.
func (t *Tables) List() []dump.Table { return t.list }

// Version is that of the schema.
func (t *Tables) Version() int64 { return t.version }

// NewestVersion is the version of the schema that this program makes.
func NewestVersion() (int64, error) {
	steps, err := migrations(migrationFiles)
	return int64(len(steps)), err
}

// describe reads which tables there are.
func (t *Tables) describe() error {
	var found bool
	var err error
	if t.version, found, err = t.w.number("SELECT MAX(version) FROM schema_version"); err != nil || !found {
		return errors.Join(err, errorUnless(found, "the database has no schema"))
	}
	query := sqliteColumns
	if t.dialect.postgres {
		query = postgresColumns
	}
	return t.w.query(query, func(v []driver.Value) error {
		table, ok1 := v[0].(string)
		name, ok2 := v[1].(string)
		kind, ok3 := v[2].(string)
		if !ok1 || !ok2 || !ok3 {
			return errors.New("columns of an unexpected type")
		}
		if notCopied[table] {
			return nil
		}
		k, known := kinds[strings.ToLower(kind)]
		if !known {
			return fmt.Errorf("column %s.%s has the type %s, which is not copied", table, name, kind)
		}
		if n := len(t.list); n == 0 || t.list[n-1].Name != table {
			t.list = append(t.list, dump.Table{Name: table})
		}
		last := &t.list[len(t.list)-1]
		last.Columns = append(last.Columns, dump.Column{Name: name, Kind: k})
		return nil
	})
}

func errorUnless(ok bool, text string) error {
	if ok {
		return nil
	}
	return errors.New(text)
}

// kinds of the types that migrations use.
var kinds = map[string]dump.Kind{"integer": dump.Int, "bigint": dump.Int, "text": dump.Text, "blob": dump.Blob, "bytea": dump.Blob}

const (
	sqliteColumns = `SELECT m.name, c.name, c.type FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY m.name, c.cid`
	postgresColumns = `SELECT t.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_class AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
		WHERE t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY t.relname::text COLLATE "C", a.attnum`
)

// columnsOf lists the names for a statement.
func columnsOf(t *dump.Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quoted(c.Name)
	}
	return strings.Join(names, ", ")
}

// quoted is a name of the database within a statement.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Rows calls each with every row of a table, in no order that means anything. Values are int64, string, []byte or nil, as the columns say,
// and valid during the call.
func (t *Tables) Rows(table *dump.Table, each func(row []driver.Value) error) error {
	return t.w.query("SELECT "+columnsOf(table)+" FROM "+quoted(table.Name), func(row []driver.Value) error {
		if err := table.Check(row); err != nil {
			return err
		}
		return each(row)
	})
}

// Counters returns, for each table that gives out ids, the last one given: ids are never given twice, not even those of erased rows.
func (t *Tables) Counters() (map[string]int64, error) {
	out := map[string]int64{}
	if !t.dialect.postgres {
		return out, t.w.query("SELECT name, seq FROM sqlite_sequence", func(v []driver.Value) error {
			name, ok1 := v[0].(string)
			seq, ok2 := v[1].(int64)
			out[name] = seq
			return errorUnless(ok1 && ok2, "sqlite_sequence of an unexpected type")
		})
	}
	sequences, err := t.sequences()
	if err != nil {
		return nil, err
	}
	for table, sequence := range sequences {
		n, _, err := t.w.number("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM " + sequence)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			out[table] = n
		}
	}
	return out, nil
}

// sequences of PostgreSQL's tables that give out ids; the names are fit for statements.
func (t *Tables) sequences() (map[string]string, error) {
	out := map[string]string{}
	return out, t.w.query(`SELECT t.relname::text, pg_get_serial_sequence(quote_ident(t.relname), a.attname) FROM pg_class AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
		WHERE t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace AND a.attidentity <> ''`, func(v []driver.Value) error {
		table, ok1 := v[0].(string)
		sequence, ok2 := v[1].(string)
		out[table] = sequence
		return errorUnless(ok1 && ok2, "sequences of an unexpected type")
	})
}
