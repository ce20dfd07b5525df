package backup

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"stonechat/store"
	"stonechat/store/dump"
	"stonechat/store/sqlstore"
	"stonechat/store/storetest"
	"stonechat/store/storetest/pgtest"
)

// postgres is the server of all tests of this package.
var postgres pgtest.Shared

func TestMain(m *testing.M) {
	code := m.Run()
	if err := postgres.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func silent(string, int64) {}

// manyRows is more than one part of a table holds.
const manyRows = 2*chunkRows + 17

// full makes a data folder in which every table has rows, also those that were added after this was written, and some files.
func full(t testing.TB) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "data")
	must(t, os.Mkdir(folder, 0o700))
	newest, err := sqlstore.NewestVersion()
	must(t, err)
	l, err := sqlstore.NewLoader(context.Background(), folder, sqlstore.Options{}, newest)
	must(t, err)
	for _, table := range l.List() {
		n := 30
		if table.Name == "archive" || table.Name == "owners" {
			n = manyRows
		}
		var rows [][]driver.Value
		for i := range n {
			rows = append(rows, storetest.AnyRow(&table, i))
		}
		must(t, l.Add(context.Background(), &table, rows))
	}
	for table, column := range map[string]string{"invites": "kind", "sessions": ""} {
		i := slices.IndexFunc(l.List(), func(x dump.Table) bool { return x.Name == table })
		row := storetest.AnyRow(&l.List()[i], 1000)
		if c := slices.IndexFunc(l.List()[i].Columns, func(x dump.Column) bool { return x.Name == column }); c >= 0 {
			row[c] = string(store.InviteReset)
		}
		must(t, l.Add(context.Background(), &l.List()[i], [][]driver.Value{row}))
	}
	must(t, l.SetCounters(map[string]int64{"owners": 77_777_777}))
	must(t, l.Finish())
	for name, mode := range map[string]fs.FileMode{"self-signed.crt": 0o644, "self-signed.key": 0o600, "acme/account/key.pem": 0o600, "empty": 0o600, "files/ab/abcd": 0o600} {
		path := filepath.Join(folder, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(strings.Repeat(name, 1000*len(name)%7)), mode))
	}
	must(t, os.Mkdir(filepath.Join(folder, "files", "incoming"), 0o700))
	must(t, os.WriteFile(filepath.Join(folder, "files", "incoming", "part-1"), []byte("half a fi"), 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "stonechat.lock"), []byte("1\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(folder, "stonechat.db.before-1"), []byte("old"), 0o600))
	return folder
}

// state is everything of a store: sums of all tables, counters.
type state struct {
	sums     map[string]string
	counters map[string]int64
}

func stateOf(t testing.TB, folder string, o sqlstore.Options) state {
	t.Helper()
	s, err := sqlstore.OpenSnapshot(context.Background(), folder, o)
	must(t, err)
	defer func() { must(t, s.Close()) }()
	out := state{sums: map[string]string{}}
	for _, table := range s.List() {
		sum, err := sumOf(&s.Tables, &table)
		must(t, err)
		out.sums[table.Name] = fmt.Sprint(sum.Rows, " ", sum.Hash())
	}
	out.counters, err = s.Counters()
	must(t, err)
	return out
}

// restored is what of this state is there again after a restore; folder holds it.
func (s state) restored(t testing.TB, folder string, o sqlstore.Options) state {
	t.Helper()
	from, err := sqlstore.OpenSnapshot(context.Background(), folder, o)
	must(t, err)
	defer func() { must(t, from.Close()) }()
	out := state{sums: maps.Clone(s.sums), counters: s.counters}
	for _, table := range from.List() {
		sum := new(dump.Sum)
		kind := slices.IndexFunc(table.Columns, func(c dump.Column) bool { return c.Name == "kind" })
		must(t, from.Rows(&table, func(row []driver.Value) error {
			if table.Name == "sessions" || table.Name == "room_occupants" || table.Name == "invites" && row[kind] == string(store.InviteReset) {
				return nil
			}
			return sum.Add(row)
		}))
		out.sums[table.Name] = fmt.Sprint(sum.Rows, " ", sum.Hash())
	}
	for _, table := range []string{"sessions", "room_occupants", "invites"} {
		if out.sums[table] == s.sums[table] {
			t.Errorf("%s has nothing that is void after a restore", table)
		}
	}
	return out
}

func (s state) same(t testing.TB, other state) {
	t.Helper()
	if !maps.Equal(s.sums, other.sums) {
		t.Errorf("tables are\n%v\nand should be\n%v", other.sums, s.sums)
	}
	if !maps.Equal(s.counters, other.counters) {
		t.Errorf("counters are %v and should be %v", other.counters, s.counters)
	}
}

// tablesOf asks SQLite itself which tables there are and how many rows they have.
func tablesOf(t testing.TB, folder string) map[string]int64 {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(folder, "stonechat.db"))
	must(t, err)
	defer func() { must(t, db.Close()) }()
	rows, err := db.Query("SELECT name FROM sqlite_schema WHERE type = 'table'")
	must(t, err)
	out := map[string]int64{}
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		if !strings.HasPrefix(name, "sqlite_") && name != "schema_version" {
			out[name] = 0
		}
	}
	must(t, errors.Join(rows.Err(), rows.Close()))
	for name := range out {
		var n int64
		must(t, db.QueryRow("SELECT COUNT(*) FROM "+name).Scan(&n))
		out[name] = n
	}
	return out
}

func write(t testing.TB, folder, name string, o sqlstore.Options) dump.Report {
	t.Helper()
	r, err := Write(context.Background(), name, Options{Folder: folder, Store: o, Program: "test", Progress: silent})
	must(t, err)
	return r
}

// TestEveryTableIsInABackup also holds for tables that nobody thought of here.
func TestEveryTableIsInABackup(t *testing.T) {
	folder := full(t)
	r := write(t, folder, filepath.Join(t.TempDir(), "b"), sqlstore.Options{})
	for name, n := range tablesOf(t, folder) {
		if got := r.Manifest.Tables[name].Rows; n == 0 || got != n {
			t.Errorf("%s has %d rows, the backup %d", name, n, got)
		}
	}
}

func TestBackupAndRestore(t *testing.T) {
	folder := full(t)
	name := filepath.Join(t.TempDir(), "b")
	write(t, folder, name, sqlstore.Options{})
	info, err := os.Stat(name)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v", info.Mode())
	}
	if _, err := os.Lstat(name + partial); err == nil {
		t.Error("the unfinished file is still there")
	}
	r, err := Verify(name)
	must(t, err)
	if len(r.Manifest.Files) != 5 {
		t.Errorf("files %v", r.Manifest.Files)
	}
	to := filepath.Join(t.TempDir(), "restored")
	_, err = Restore(context.Background(), name, to, sqlstore.Options{}, silent)
	must(t, err)
	stateOf(t, folder, sqlstore.Options{}).restored(t, folder, sqlstore.Options{}).same(t, stateOf(t, to, sqlstore.Options{}))
	sameFiles(t, folder, to)
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
	for _, what := range []string{restoring, "/" + marker, "/stonechat.db-wal"} {
		if _, err := os.Lstat(to + what); err == nil {
			t.Errorf("%s is still there", what)
		}
	}
	if _, err = Restore(context.Background(), name, to, sqlstore.Options{}, silent); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("restored over data: %v", err)
	}
}

func sameFiles(t *testing.T, a, b string) {
	t.Helper()
	list, err := filesOf(a)
	must(t, err)
	for _, f := range list {
		one, err1 := os.ReadFile(filepath.Join(a, f.name))
		two, err2 := os.ReadFile(filepath.Join(b, f.name))
		info, err3 := os.Stat(filepath.Join(b, f.name))
		must(t, errors.Join(err1, err2, err3))
		if !bytes.Equal(one, two) || info.Mode().Perm() != f.mode {
			t.Errorf("%s differs, or its mode %v", f.name, info.Mode())
		}
	}
	if other, err := filesOf(b); err != nil || len(other) != len(list) {
		t.Errorf("%d files instead of %d, %v", len(other), len(list), err)
	}
}

// TestThroughPostgres: migrate, back up there, restore into a folder, and into another database.
func TestThroughPostgres(t *testing.T) {
	folder := full(t)
	want, list := stateOf(t, folder, sqlstore.Options{}), tablesOf(t, folder)
	o := sqlstore.Options{Postgres: postgres.Database(t)}
	tables, stays, err := Migrate(context.Background(), folder, o, silent)
	must(t, err)
	if len(tables) != len(list) || len(stays) != 5 {
		t.Errorf("%d tables, files %v", len(tables), stays)
	}
	want.same(t, stateOf(t, folder, o))
	if _, err := Write(context.Background(), filepath.Join(t.TempDir(), "b"), Options{Folder: folder, Progress: silent}); err == nil {
		t.Error("a backup of the database that was migrated")
	}
	if _, err := sqlstore.Open(context.Background(), folder, sqlstore.Options{}); err == nil || !strings.Contains(err.Error(), "went to PostgreSQL") {
		t.Errorf("a server that forgot PostgreSQL: %v", err)
	}
	database := filepath.Join(folder, "stonechat.db")
	must(t, os.Rename(database+".migrated", database))
	want.same(t, stateOf(t, folder, sqlstore.Options{}))
	if _, _, err := Migrate(context.Background(), folder, o, silent); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("migrated over data: %v", err)
	}
	name := filepath.Join(t.TempDir(), "b")
	write(t, folder, name, o)
	to := filepath.Join(t.TempDir(), "restored")
	_, err = Restore(context.Background(), name, to, sqlstore.Options{}, silent)
	must(t, err)
	want = want.restored(t, folder, o)
	want.same(t, stateOf(t, to, sqlstore.Options{}))
	other := sqlstore.Options{Postgres: postgres.Database(t)}
	beside := filepath.Join(t.TempDir(), "beside")
	_, err = Restore(context.Background(), name, beside, other, silent)
	must(t, err)
	want.same(t, stateOf(t, beside, other))
	sameFiles(t, folder, beside)
	if _, err := os.Stat(filepath.Join(beside, "stonechat.db")); err == nil {
		t.Error("a database file beside PostgreSQL")
	}
}

// TestMigrateInterrupted: a run that ends in the middle leaves an empty database, and the next one succeeds.
func TestMigrateInterrupted(t *testing.T) {
	folder := full(t)
	url := postgres.Database(t)
	o := sqlstore.Options{Postgres: url}
	for _, interrupt := range []func(cancel func()){
		func(cancel func()) { cancel() },
		func(func()) {
			must(t, postgres.Server(t).SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'stonechat%'"))
		},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		_, _, err := Migrate(ctx, folder, o, func(table string, rows int64) {
			if table == "owners" && rows > chunkRows {
				interrupt(cancel)
			}
		})
		cancel()
		if err == nil {
			t.Fatal("not interrupted")
		}
	}
	want := stateOf(t, folder, sqlstore.Options{})
	_, _, err := Migrate(context.Background(), folder, o, silent)
	must(t, err)
	want.same(t, stateOf(t, folder, o))
}

// TestRunningServerIsNotMigrated: what it acknowledges meanwhile would be lost.
func TestRunningServerIsNotMigrated(t *testing.T) {
	folder := t.TempDir()
	o := sqlstore.Options{Postgres: postgres.Database(t)}
	db, err := sqlstore.Open(context.Background(), folder, sqlstore.Options{})
	must(t, err)
	if _, _, err := Migrate(context.Background(), folder, o, silent); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("migrated a running server: %v", err)
	}
	must(t, db.Close())
	other := t.TempDir()
	db, err = sqlstore.Open(context.Background(), other, o)
	must(t, err)
	if _, _, err := Migrate(context.Background(), folder, o, silent); err == nil {
		t.Error("migrated into a database that a server uses")
	}
	must(t, db.Close())
}

func TestBackupRefuses(t *testing.T) {
	folder := full(t)
	name := filepath.Join(t.TempDir(), "b")
	write(t, folder, name, sqlstore.Options{})
	o := Options{Folder: folder, Progress: silent}
	if _, err := Write(context.Background(), name, o); !errors.Is(err, fs.ErrExist) {
		t.Errorf("replaced a file: %v", err)
	}
	o.Replace = true
	if _, err := Write(context.Background(), name, o); err != nil {
		t.Error(err)
	}
	if _, err := Write(context.Background(), filepath.Join(folder, "b"), o); err == nil {
		t.Error("a backup in the folder that it is a backup of")
	}
	o.Folder = t.TempDir()
	if _, err := Write(context.Background(), name, o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a backup of nothing: %v", err)
	}
	o.Folder, o.Store.Postgres = folder, "postgres://u:hunter2@db.example.org/x"
	if _, err := Write(context.Background(), name, o); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a connection in the clear: %v", err)
	}
	must(t, errors.Join(func() error { _, err := Verify(name); return err }()))
}

// TestInterruptedBackup leaves nothing under the name, and what is left of a killed one is taken over.
func TestInterruptedBackup(t *testing.T) {
	folder := full(t)
	name := filepath.Join(t.TempDir(), "b")
	must(t, os.WriteFile(name+partial, bytes.Repeat([]byte("left by a killed one"), 100_000), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Write(ctx, name, Options{Folder: folder, Progress: func(string, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if list, err := os.ReadDir(filepath.Dir(name)); err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
	held, err := createPartial(name + partial)
	must(t, err)
	if _, err := Write(context.Background(), name, Options{Folder: folder, Progress: silent}); err == nil {
		t.Error("two backups write one file")
	}
	must(t, held.Close())
	write(t, folder, name, sqlstore.Options{})
	_, err = Verify(name)
	must(t, err)
}

// TestRestoreTakesOver: what an earlier restore left in the middle is done again; a folder of somebody else's is left alone.
func TestRestoreTakesOver(t *testing.T) {
	folder := full(t)
	name := filepath.Join(t.TempDir(), "b")
	write(t, folder, name, sqlstore.Options{})
	to := filepath.Join(t.TempDir(), "x")
	must(t, os.MkdirAll(to+restoring, 0o700))
	if _, err := Restore(context.Background(), name, to, sqlstore.Options{}, silent); err == nil {
		t.Error("took over a folder that it did not make")
	}
	must(t, os.WriteFile(filepath.Join(to+restoring, marker), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(to+restoring, "stonechat.db"), []byte("half"), 0o600))
	_, err := Restore(context.Background(), name, to, sqlstore.Options{}, silent)
	must(t, err)
	stateOf(t, folder, sqlstore.Options{}).restored(t, folder, sqlstore.Options{}).same(t, stateOf(t, to, sqlstore.Options{}))
	// One that fails leaves nothing.
	b, err := os.ReadFile(name)
	must(t, err)
	must(t, os.WriteFile(name, b[:len(b)-100], 0o600))
	to = filepath.Join(t.TempDir(), "y")
	if _, err := Restore(context.Background(), name, to, sqlstore.Options{}, silent); err == nil {
		t.Error("restored half a backup")
	}
	if list, err := os.ReadDir(filepath.Dir(to)); err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// TestNoFileOfTheServer: a backup that somebody made by hand cannot bring a database or a socket.
func TestNoFileOfTheServer(t *testing.T) {
	for _, name := range []string{"stonechat.db", "stonechat.db-wal", "stonechat.db-shm", "stonechat.lock", "ctl.sock", "stonechat.db.before-7", marker} {
		target := &target{folder: t.TempDir()}
		if err := target.File(name, 0o600, strings.NewReader("x")); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

// TestStoresGoOn: what a store shows is the same after each move, with the same public ids, and what comes then is new.
func TestStoresGoOn(t *testing.T) {
	ctx := context.Background()
	folder := filepath.Join(t.TempDir(), "data")
	onPostgres := sqlstore.Options{Postgres: postgres.Database(t), Tail: 20}
	var want [][]string
	var owners []store.Owner
	use := func(folder string, o sqlstore.Options, round int) {
		t.Helper()
		db, err := sqlstore.Open(ctx, folder, o)
		must(t, err)
		if round > 0 {
			if got := shown(t, db, owners); !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("round %d: archives differ", round)
			}
		}
		must(t, grow(ctx, db, &owners, round))
		want = shown(t, db, owners)
		must(t, db.Close())
	}
	use(folder, sqlstore.Options{Tail: 20}, 0)
	_, _, err := Migrate(ctx, folder, onPostgres, silent)
	must(t, err)
	use(folder, onPostgres, 1)
	name := filepath.Join(t.TempDir(), "b")
	write(t, folder, name, onPostgres)
	back := filepath.Join(t.TempDir(), "back")
	_, err = Restore(ctx, name, back, sqlstore.Options{}, silent)
	must(t, err)
	use(back, sqlstore.Options{Tail: 20}, 2)
	use(back, sqlstore.Options{}, 3)
}

// grow adds an account, deletes it, adds another, and appends messages to the archives of all.
func grow(ctx context.Context, db *sqlstore.DB, owners *[]store.Owner, round int) error {
	for _, local := range []string{"gone", fmt.Sprint("user", round)} {
		a, err := db.Accounts.Create(ctx, store.NewAccount{Domain: "example.org", Local: local})
		if err != nil {
			return err
		}
		if n := len(*owners); n > 0 && a.ID <= (*owners)[n-1] {
			return fmt.Errorf("account id %d is not new", a.ID)
		}
		if local == "gone" {
			err = db.Accounts.Delete(ctx, a.ID)
		} else {
			*owners = append(*owners, a.ID)
		}
		if err != nil {
			return err
		}
	}
	var last []store.Ticket
	for i := range 60 {
		for _, owner := range *owners {
			_, ticket := db.Archive.Append(store.Entry{Owner: owner, Peer: "bob@example.org", Hidden: i == 7, Stanza: fmt.Append(nil, round, " ", i, "\x00")})
			last = append(last, ticket)
		}
	}
	for _, ticket := range last {
		if err := ticket.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// shown is what each owner's archive shows.
func shown(t *testing.T, db *sqlstore.DB, owners []store.Owner) [][]string {
	t.Helper()
	out := make([][]string, len(owners))
	for i, owner := range owners {
		res, err := db.Archive.Page(context.Background(), owner, store.Query{Max: 500})
		must(t, err)
		for _, r := range res.Rows {
			out[i] = append(out[i], r.ID+string(r.Stanza))
		}
		hidden, err := db.Offline.After(context.Background(), owner, 0, 500)
		must(t, err)
		for _, r := range hidden {
			out[i] = append(out[i], string(r.Stanza))
		}
	}
	return out
}
