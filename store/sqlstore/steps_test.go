package sqlstore

import (
	"context"
	"database/sql/driver"
	"path/filepath"
	"testing"

	"stonechat/store/storetest"
)

// TestStepsKeepData walks from every version of the schema, with data in all of its tables, to the newest, in both databases.
func TestStepsKeepData(t *testing.T) {
	newest, err := NewestVersion()
	if err != nil {
		t.Fatal(err)
	}
	for version := int64(1); version <= newest; version++ {
		t.Run("SQLite", func(t *testing.T) { stepsKeepData(t, t.TempDir(), Options{}, version, newest) })
		t.Run("Postgres", func(t *testing.T) {
			stepsKeepData(t, t.TempDir(), Options{Postgres: PostgresForTests.Database(t)}, version, newest)
		})
	}
}

func stepsKeepData(t *testing.T, folder string, o Options, version, newest int64) {
	const rows = 50
	ctx := context.Background()
	l, err := NewLoader(ctx, folder, o, version)
	if err != nil {
		t.Fatal(err)
	}
	tables := l.List()
	for _, table := range tables {
		var all [][]driver.Value
		for i := range rows {
			all = append(all, storetest.AnyRow(&table, i))
		}
		if err := l.Add(ctx, &table, all); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	upgrade(t, folder, o)
	s, err := OpenSnapshot(ctx, folder, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if s.Version() != newest {
		t.Errorf("version %d", s.Version())
	}
	there := map[string]int{}
	for _, table := range s.List() {
		there[table.Name] = 0
		if err := s.Rows(&table, func([]driver.Value) error { there[table.Name]++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range tables {
		if n, ok := there[table.Name]; ok && n < rows {
			t.Errorf("from version %d: %s has %d rows of %d", version, table.Name, n, rows)
		}
	}
}

// upgrade brings the schema up to date without starting anything.
func upgrade(t *testing.T, folder string, o Options) {
	t.Helper()
	o = o.withDefaults()
	file := sqliteFile{filepath.Join(folder, fileName), o}
	dialect, aside := sqliteDialect(), file.aside
	w, err := openSQLite(file.writerDSN())
	if o.Postgres != "" {
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		c, parseErr := parsePostgres(o.Postgres)
		if parseErr != nil {
			t.Fatal(parseErr)
		}
		dialect, aside = postgresDialect(), (&postgres{}).aside
		w, err = openPlain(context.Background(), c)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := migrate(w, dialect, migrationFiles, aside); err != nil {
		t.Error(err)
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
}
