package sqlstore

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"stonechat/store"
)

// Names within the data folder.
const (
	fileName = "stonechat.db"
	lockName = "stonechat.lock"
)

// Sync says when a commit counts as durable.
type Sync uint8

// The modes. SyncOff loses what was promised when the machine stops; it exists to show that the crash tests notice.
const (
	SyncFull Sync = iota
	SyncOff
)

// Options of a store; the zero value of each field means the default.
type Options struct {
	Now            func() time.Time // clock; default time.Now
	Sync           Sync
	WriterCacheKiB int // pages that the commit loop keeps in memory; default 8 MiB
	ReaderCacheKiB int // the same for each reader; default 1 MiB
	Readers        int // connections for reading; default 3
	QueueBytes     int // what may wait for the disk; default 64 MiB
	Tail           int // archive rows in memory before they enter the orders; default 16384
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&o.WriterCacheKiB, 8 << 10}, {&o.ReaderCacheKiB, 1 << 10}, {&o.Readers, 3}, {&o.QueueBytes, 64 << 20}, {&o.Tail, 16384}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return o
}

// DB is the open store. The domains are the fields of the embedded Set.
type DB struct {
	store.Set
	options Options
	path    string
	lock    *os.File
	dialect dialect
	inserts inserts
	ids     cipher.Block

	queue      queue
	tail       tail
	reads      *reads
	checkpoint *checkpointer
	eraser     *eraser
	counters   counters

	outcomes     chan []outcome
	freeOutcomes chan []outcome
	running      sync.WaitGroup
	closeOnce    sync.Once
	writerErr    error // of closing the writer; read after running
	closeErr     error
}

// Open opens the store in folder, making both if needed and bringing an older schema up to date. A folder that another process has open
// is refused, as is a schema newer than this program.
func Open(ctx context.Context, folder string, o Options) (*DB, error) {
	if err := makeFolder(folder); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := lockFolder(filepath.Join(folder, lockName))
	if err != nil {
		return nil, err
	}
	db := &DB{options: o.withDefaults(), path: filepath.Join(folder, fileName), lock: lock, dialect: sqliteDialect()}
	w, err := db.start(ctx)
	if err == nil {
		db.work(w)
		db.eraser.resume()
		return db, nil
	}
	if w != nil {
		err = errors.Join(err, w.close())
	}
	if db.checkpoint != nil {
		err = errors.Join(err, db.checkpoint.close())
	}
	if db.reads != nil {
		err = errors.Join(err, db.reads.close())
	}
	return nil, errors.Join(fmt.Errorf("open %s: %w", db.path, err), lock.Close())
}

// start opens connections and reads what has to be in memory. The writer is returned also with an error.
func (db *DB) start(ctx context.Context) (*writer, error) {
	if err := createFile(db.path); err != nil {
		return nil, err
	}
	w, err := openWriter(db.writerDSN())
	if err != nil {
		return nil, err
	}
	if err := migrate(w, db.dialect, migrationFiles, db.path); err != nil {
		return w, err
	}
	// Copying aside and creating leave new names in the folder.
	if err := syncFolderOf(db.path); err != nil {
		return w, err
	}
	if err := db.loadIDs(w); err != nil {
		return w, err
	}
	if err := db.loadTail(w); err != nil {
		return w, err
	}
	db.inserts = newInserts(db.dialect)
	if db.reads, err = openReads(db.readerDSN(), db.options.Readers); err != nil {
		return w, err
	}
	if err := db.reads.db.PingContext(ctx); err != nil {
		return w, err
	}
	db.checkpoint, err = newCheckpointer(db.checkpointDSN(), func(pages int) {
		db.counters.update(func(s *Stats) { s.WALPages = pages })
	})
	return w, err
}

// work starts the goroutines and fills in the domains.
func (db *DB) work(w *writer) {
	db.outcomes = make(chan []outcome, 2)
	db.freeOutcomes = make(chan []outcome, 4)
	for range cap(db.freeOutcomes) {
		db.freeOutcomes <- nil
	}
	db.eraser = newEraser(db)
	db.Set = store.Set{
		Accounts: accounts{db}, Rosters: rosters{db}, Archive: archive{db}, Offline: offline{db}, Prefs: prefs{db}, Secrets: secrets{db},
		Blocks: blocks{db}, Reports: reports{db}, Strangers: strangers{db}, Personal: personal{db},
		Sessions: sessions{db}, Activity: activity{db},
		Invites: invites{db}, Leavers: leavers{db}, Circles: circles{db},
		Places: places{db}, Shapes: shapes{db},
		Devices: devices{db}, Credentials: credentials{db},
	}
	l := &loop{db: db, w: w}
	db.running.Go(l.run)
	db.running.Go(db.complete)
}

// Close finishes what waits, gives up the files and returns what went wrong with that. It may be called once more without effect.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.eraser.close()
		db.queue.close()
		db.running.Wait()
		db.closeErr = errors.Join(db.checkpoint.close(), db.reads.close(), db.writerErr, db.lock.Close())
	})
	return db.closeErr
}

// loadIDs reads the secret of the archive's public ids.
func (db *DB) loadIDs(w *writer) error {
	fresh := make([]byte, 16)
	if _, err := rand.Read(fresh); err != nil {
		return err
	}
	var secret []byte
	err := ensureSecret(w, "archive-ids", fresh, &secret)
	if err != nil {
		return err
	}
	db.ids, err = aes.NewCipher(secret)
	return err
}

// loadTail reads the rows behind the horizon and the last key dealt out.
func (db *DB) loadTail(w *writer) error {
	horizon, _, err := w.number("SELECT indexed FROM archive_state WHERE id = 1")
	if err != nil {
		return err
	}
	db.tail.horizon, db.tail.active = store.Key(horizon), newSegment()
	if err := readTail(w, &db.tail); err != nil {
		return err
	}
	// The horizon stays when rows are erased, so no key is given twice; versions are dealt out with the keys.
	version, _, err := w.number("SELECT MAX(version) FROM rosters")
	if err != nil {
		return err
	}
	last := max(db.tail.newest(), store.Key(version))
	now := func() store.Key { return store.KeyAt(db.options.Now()) }
	db.queue.limit, db.queue.now, db.queue.last, db.queue.wake = db.options.QueueBytes, now, last, make(chan struct{}, 1)
	return nil
}

// dsn returns the data source name with pragmas that are executed in this order.
func (db *DB) dsn(pragmas ...string) string {
	u := url.URL{Path: db.path}
	s := "file:" + u.EscapedPath() + "?"
	for _, p := range append([]string{"busy_timeout(5000)"}, pragmas...) {
		s += "&_pragma=" + p
	}
	return s
}

func (db *DB) writerDSN() string {
	sync := "synchronous(FULL)"
	if db.options.Sync == SyncOff {
		sync = "synchronous(OFF)"
	}
	return db.dsn("page_size(4096)", "journal_mode(WAL)", sync, "wal_autocheckpoint(0)", "secure_delete(FAST)", "temp_store(MEMORY)",
		cacheSize(db.options.WriterCacheKiB))
}

func (db *DB) readerDSN() string {
	return db.dsn("query_only(1)", "temp_store(MEMORY)", cacheSize(db.options.ReaderCacheKiB))
}

// checkpointDSN: a checkpoint that would have to wait for somebody gives up instead, since it would hold up commits meanwhile. It needs
// the writer's mode of syncing, or the log would be given up before the database is durable.
func (db *DB) checkpointDSN() string {
	sync := "synchronous(FULL)"
	if db.options.Sync == SyncOff {
		sync = "synchronous(OFF)"
	}
	return db.dsn(sync, "wal_autocheckpoint(0)", "busy_timeout(0)", cacheSize(64))
}

func cacheSize(kib int) string { return "cache_size(-" + strconv.Itoa(kib) + ")" }

// reads is the pool for reading, with its prepared statements.
type reads struct {
	db    *sql.DB
	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

func openReads(dsn string, conns int) (*reads, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &reads{db: db, stmts: map[string]*sql.Stmt{}}, nil
}

// prepared returns the prepared statement for a query, or nil when it is not prepared yet.
func (r *reads) prepared(query string) *sql.Stmt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stmts[query]
}

// stmt returns the prepared statement for a query, which must be one of a fixed set. It may wait for a connection: see snapshot.
func (r *reads) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := r.prepared(query); s != nil {
		return s, nil
	}
	s, err := r.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, ok := r.stmts[query]; ok {
		return first, s.Close()
	}
	r.stmts[query] = s
	return s, nil
}

func (r *reads) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, s := range r.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, r.db.Close())...)
}
