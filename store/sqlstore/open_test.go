package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"stonechat/store"
)

func TestSecondProcessIsRefused(t *testing.T) {
	folder := t.TempDir()
	db, err := Open(context.Background(), folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(context.Background(), folder, Options{})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("second open: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(context.Background(), folder, Options{}); err != nil {
		t.Fatalf("open after close: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestFilesAreOurs(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "b?c%20#d")
	db, err := Open(context.Background(), folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, ticket := db.Archive.Append(message(1, 10))
	if err := ticket.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{fileName, fileName + "-wal", fileName + "-shm", lockName} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	folder := t.TempDir()
	db, err := Open(context.Background(), folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = db.queueOf(nobody).change(0, func(w *writer) error {
		_, err := w.exec("INSERT INTO schema_version (version) VALUES (999)")
		return err
	}).Wait(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a refusal gives the lock back
		if _, err = Open(context.Background(), folder, Options{}); err == nil || !strings.Contains(err.Error(), "schema version 999") {
			t.Errorf("newer schema: %v", err)
		}
	}
}

func TestMigrationCopiesAside(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "x.db")
	file, dialect := sqliteFile{path, Options{}.withDefaults()}, sqliteDialect()
	files := fstest.MapFS{"migrations/0001_a.sql": {Data: []byte("CREATE TABLE a (id {ID}, b {BLOB} NOT NULL);\nINSERT INTO a (b) VALUES ('old');")}}
	w, err := openSQLite(file.writerDSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	if err := migrate(w, dialect, files, file.aside); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".before-1"); err == nil {
		t.Error("an empty database was copied")
	}
	// A step that fails leaves nothing behind, and is tried again at the next start.
	files["migrations/0002_b.sql"] = &fstest.MapFile{Data: []byte("UPDATE a SET b = 'new'; CREATE TABLE b (x BIGINT); INSERT INTO nowhere VALUES (1);")}
	if err := migrate(w, dialect, files, file.aside); err == nil || !strings.Contains(err.Error(), "0002_b.sql") {
		t.Fatalf("broken migration: %v", err)
	}
	if value(t, path) != "old" {
		t.Error("half a migration was kept")
	}
	files["migrations/0002_b.sql"] = &fstest.MapFile{Data: []byte("UPDATE a SET b = 'new'; CREATE TABLE b (x BIGINT);")}
	for range 2 {
		if err := migrate(w, dialect, files, file.aside); err != nil {
			t.Fatal(err)
		}
	}
	if value(t, path) != "new" || value(t, path+".before-2") != "old" {
		t.Errorf("migrated %q, copy %q", value(t, path), value(t, path+".before-2"))
	}
	files["migrations/0004_gap.sql"] = &fstest.MapFile{}
	if err := migrate(w, dialect, files, file.aside); err == nil {
		t.Error("a gap in the numbers went unnoticed")
	}
}

func value(t *testing.T, path string) (b string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := db.QueryRow("SELECT b FROM a").Scan(&b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestErasingResumes: an account whose rows were not all erased when the process ended is finished by the next one.
func TestErasingResumes(t *testing.T) {
	folder := t.TempDir()
	ctx := context.Background()
	db, err := Open(ctx, folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var last store.Ticket
	for i := range 500 {
		_, last = db.Archive.Append(message(store.Owner(1+i%2), 10))
	}
	if err := last.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	// What Delete leaves when the process dies just behind its first commit.
	err = db.queueOf(nobody).change(0, func(w *writer) error {
		_, err := w.exec("INSERT INTO erasures (owner) VALUES (1)")
		return err
	}).Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(ctx, folder, Options{}); err != nil {
		t.Fatal(err)
	}
	// The note that was read at the start is worked on; joining it waits for its end.
	if err := db.eraser.erase(ctx, 1); err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]int{"archive": 250, "archive_by_owner": 250, "archive_by_peer": 250, "erasures": 0} {
		if n := count(t, db, table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHalfOrderedTail: a process that dies while the tail enters the orders leaves some of it there; nothing is lost or seen twice.
func TestHalfOrderedTail(t *testing.T) {
	folder := t.TempDir()
	ctx := context.Background()
	const rows, owners = 3 * orderChunk, 5
	db := reopened(t, nil, folder)
	var last store.Ticket
	for i := range rows {
		_, last = db.Archive.Append(message(store.Owner(1+i%owners), 10))
	}
	if err := last.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	var half ordering
	err := db.queueOf(nobody).change(0, func(w *writer) error {
		db.lanes[0].tail.mu.RLock()
		half = newOrdering(db.lanes[0].tail.active)
		db.lanes[0].tail.mu.RUnlock()
		n, err := half.chunk(w, db.dialect.inserter(), 1, 0)
		if n != orderChunk {
			t.Errorf("chunk of %d rows", n)
		}
		return err
	}).Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		db = reopened(t, db, folder)
		for owner := store.Owner(1); owner <= owners; owner++ {
			res, err := db.Archive.Page(ctx, owner, store.Query{})
			if want := (rows + owners - int(owner)) / owners; err != nil || res.Count != want {
				t.Errorf("owner %d: %d rows, want %d, %v", owner, res.Count, want, err)
			}
		}
		if err := db.flush(ctx); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "archive_by_peer"); n != rows {
			t.Errorf("%d rows in the order", n)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// reopened closes a store, if there is one, and opens the folder again.
func reopened(t *testing.T, db *DB, folder string) *DB {
	t.Helper()
	if db != nil {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db, err := Open(context.Background(), folder, Options{Tail: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// Readers that hold a connection must not wait for another one: right after a start, when no statement is prepared, many read at once.
func TestManyFirstReadersAtOnce(t *testing.T) {
	folder := t.TempDir()
	db, err := Open(t.Context(), folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Accounts.Create(t.Context(), store.NewAccount{Domain: "example.org", Local: "juliet"}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if db, err = Open(t.Context(), folder, Options{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		errs := make(chan error, 32)
		for range cap(errs) {
			go func() {
				_, err := db.Accounts.Get(ctx, "example.org", "juliet")
				errs <- err
			}()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		cancel()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
