package sqlstore

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
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
	WriterCacheKiB int  // pages that the commit loop keeps in memory; default 8 MiB
	ReaderCacheKiB int  // the same for each reader; default 1 MiB
	Readers        int  // connections for reading; default 3
	QueueBytes     int  // what may wait for the disk; default 64 MiB
	Tail           int  // archive rows of a lane in memory before they enter the orders; default 16384
	NoSearch       bool // words of messages are not kept, and those that were are removed

	Postgres string        // URL of a PostgreSQL database that keeps everything instead of a file in the folder; a secret
	Writers  int           // commit loops; default 4 on PostgreSQL, where the number may change from start to start; always 1 on SQLite
	Patience time.Duration // how long a commit waits for a PostgreSQL that is away before it fails; default 5 s
	Log      *slog.Logger  // what people should know of the database's connections; default silence

	follow time.Duration // how often the horizon of an idle lane follows the others
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	writers, readers := 1, 3
	if o.Postgres != "" {
		writers, readers = postgresLanes, postgresReads
		if o.Patience <= 0 {
			o.Patience = patience
		}
	} else {
		o.Writers, o.Patience = 0, 0 // a file has one writer, and is either there or not
	}
	for _, d := range []struct {
		field *int
		value int
	}{
		{&o.WriterCacheKiB, 8 << 10},
		{&o.ReaderCacheKiB, 1 << 10},
		{&o.Readers, readers},
		{&o.QueueBytes, 64 << 20},
		{&o.Tail, 16384},
		{&o.Writers, writers},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.follow <= 0 {
		o.follow = time.Minute
	}
	if o.Writers == 1 {
		o.follow = math.MaxInt64
	}
	return o
}

// database is where everything is kept: a file of SQLite, or PostgreSQL.
type database interface {
	// start opens a session for migrations and for what must be read before the first commit.
	start(ctx context.Context) (*writer, error)
	// aside keeps a copy of the data before a migration leaves this version of the schema.
	aside(w *writer, version int64) error
	// lane opens the session of a commit loop.
	lane(id int64) (*writer, error)
	// reads opens the pool for reading.
	reads() (*sql.DB, error)
	// about describes it for people, without secrets.
	about() string
	close() error
}

// DB is the open store. The domains are the fields of the embedded Set.
type DB struct {
	store.Set
	options  Options
	base     database
	path     string // of the file, also where it is not used
	lock     *os.File
	dialect  dialect
	ids      cipher.Block
	warnings []string

	keys       keys
	lanes      []*lane
	reads      *reads
	checkpoint *checkpointer // nil on PostgreSQL
	eraser     *eraser
	searcher   *searcher // nil: words are not kept
	counters   counters
	lost       <-chan struct{} // see Lost

	outcomes     chan []outcome
	freeOutcomes chan []outcome
	closing      chan struct{} // nobody waits for a database any more
	running      sync.WaitGroup
	closeOnce    sync.Once
	loops        []*loop
	closeErr     error
}

// Open opens the store in folder, making both if needed and bringing an older schema up to date. With Options.Postgres the data is there,
// and the folder only locked. A folder or database that another process has open is refused, as is a schema newer than this program.
func Open(ctx context.Context, folder string, o Options) (*DB, error) {
	if err := makeFolder(folder); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := lockFolder(filepath.Join(folder, lockName))
	if err != nil {
		return nil, err
	}
	db := &DB{options: o.withDefaults(), path: filepath.Join(folder, fileName), lock: lock, closing: make(chan struct{})}
	if err := db.start(ctx); err != nil {
		where := db.path
		if o.Postgres != "" {
			where = "the PostgreSQL database"
		}
		return nil, errors.Join(fmt.Errorf("open %s: %w", where, err), db.giveUp(), lock.Close())
	}
	db.work()
	db.eraser.resume()
	return db, nil
}

// connect chooses the database.
func (db *DB) connect(ctx context.Context) error {
	if db.options.Postgres == "" {
		db.base, db.dialect = sqliteFile{db.path, db.options}, sqliteDialect()
		return nil
	}
	p, err := openPostgres(ctx, db.options)
	if err != nil {
		return err
	}
	db.base, db.dialect, db.lost, db.warnings = p, postgresDialect(), p.owner.lost, p.warnings
	if _, err := os.Stat(db.path); err == nil {
		db.warnings = append(db.warnings, db.path+" is not used, since the store is a PostgreSQL database (stonechat migrate copies it there)")
	}
	return nil
}

// start opens connections and reads what has to be in memory.
func (db *DB) start(ctx context.Context) error {
	if err := db.connect(ctx); err != nil {
		return err
	}
	w, err := db.base.start(ctx)
	if err != nil {
		return err
	}
	err = db.load(w)
	if err == nil {
		// Before the session for loading is closed, so that SQLite keeps its log.
		err = db.openReads(ctx)
	}
	if err = errors.Join(err, w.close()); err != nil {
		return err
	}
	for _, l := range db.lanes {
		lp := &loop{db: db, lane: l, in: db.dialect.inserter()}
		db.loops = append(db.loops, lp)
		if err := lp.ensure(); err != nil {
			return err
		}
	}
	return nil
}

// load brings the schema up to date and reads what has to be in memory.
func (db *DB) load(w *writer) error {
	if err := migrate(w, db.dialect, migrationFiles, db.base.aside); err != nil {
		return err
	}
	if db.options.NoSearch {
		if err := db.unlearn(w); err != nil {
			return err
		}
	}
	// Copying aside and creating leave new names in the folder.
	if err := syncFolderOf(db.path); err != nil {
		return err
	}
	if err := db.loadIDs(w); err != nil {
		return err
	}
	db.newLanes(db.options.Writers)
	return db.loadLanes(w)
}

func (db *DB) openReads(ctx context.Context) error {
	pool, err := db.base.reads()
	if err != nil {
		return err
	}
	db.reads = newReads(pool, db.options.Readers, db.dialect.isolation)
	if err := db.reads.db.PingContext(ctx); err != nil {
		return err
	}
	switch base := db.base.(type) {
	case *postgres:
		db.reads.check = base.owner.check
		base.owner.onRetaken(db.reads.forget)
	case sqliteFile:
		db.checkpoint, err = newCheckpointer(base.checkpointDSN(), func(pages int) {
			db.counters.update(func(s *Stats) { s.WALPages = pages })
		})
	}
	return err
}

// giveUp closes what start has opened before it failed.
func (db *DB) giveUp() error {
	var errs []error
	for _, l := range db.loops {
		if l.w != nil {
			errs = append(errs, l.w.close())
		}
	}
	if db.checkpoint != nil {
		errs = append(errs, db.checkpoint.close())
	}
	if db.reads != nil {
		errs = append(errs, db.reads.close())
	}
	if db.base != nil {
		errs = append(errs, db.base.close())
	}
	return errors.Join(errs...)
}

// work starts the goroutines and fills in the domains.
func (db *DB) work() {
	db.outcomes = make(chan []outcome, 2*len(db.loops))
	db.freeOutcomes = make(chan []outcome, 4*len(db.loops))
	for range cap(db.freeOutcomes) {
		db.freeOutcomes <- nil
	}
	db.eraser = newEraser(db)
	if !db.options.NoSearch {
		db.searcher = newSearcher(db)
	}
	db.Set = store.Set{
		Accounts: accounts{db}, Rosters: rosters{db}, Archive: archive{db}, Chats: chats{db}, Fastenings: fastenings{db}, Offline: offline{db}, Prefs: prefs{db}, Secrets: secrets{db}, Holdings: holdings{db},
		Blocks: blocks{db}, Reports: reports{db}, Strangers: strangers{db}, Personal: personal{db},
		Sessions: sessions{db}, Activity: activity{db},
		Invites: invites{db}, Leavers: leavers{db}, Circles: circles{db},
		Places: places{db}, Shapes: shapes{db},
		Rooms: rooms{db}, Affiliations: rooms{db}, Occupants: rooms{db}, Tombstones: tombstones{db},
		Devices: devices{db}, Credentials: credentials{db}, Nodes: nodes{db},
		Files: files{db}, OwnFiles: files{db}, Push: push{db}, Pushed: push{db},
	}
	if db.searcher != nil {
		db.Search = db.searcher
	}
	var loops sync.WaitGroup
	for _, l := range db.loops {
		loops.Go(l.run)
	}
	db.running.Go(func() {
		loops.Wait()
		close(db.outcomes)
	})
	db.running.Go(db.complete)
}

// Lost is closed when the database belongs to another process: from then on changes and reads fail, and only a new start helps. It is nil
// where that cannot happen.
func (db *DB) Lost() <-chan struct{} { return db.lost }

// About describes the database for people, without secrets.
func (db *DB) About() string { return db.base.about() }

// Warnings are what people should know of how it is set up.
func (db *DB) Warnings() []string { return db.warnings }

// Close finishes what waits, gives up the files and returns what went wrong with that. It may be called once more without effect.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.eraser.close()
		searchErr := db.searcher.close()
		for _, l := range db.lanes {
			l.queue.close()
		}
		close(db.closing)
		db.running.Wait()
		var errs []error
		for _, l := range db.loops {
			errs = append(errs, l.closeErr)
		}
		if db.checkpoint != nil {
			errs = append(errs, db.checkpoint.close())
		}
		db.closeErr = errors.Join(append(errs, searchErr, db.reads.close(), db.base.close(), db.lock.Close())...)
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

// reads is the pool for reading, with its prepared statements.
type reads struct {
	db        *sql.DB
	isolation sql.IsolationLevel
	check     func(context.Context) error // refuses reads while the database may be another's; nil: never
	conns     int

	count atomic.Int64 // statements run

	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

func newReads(db *sql.DB, conns int, isolation sql.IsolationLevel) *reads {
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &reads{db: db, isolation: isolation, conns: conns, stmts: map[string]*sql.Stmt{}}
}

// forget closes the connections that nobody uses: there may be nobody at the other end.
func (r *reads) forget() {
	r.db.SetMaxIdleConns(0)
	r.db.SetMaxIdleConns(r.conns)
}

// allowed tells whether reads may go on.
func (r *reads) allowed(ctx context.Context) error {
	if r.check == nil {
		return nil
	}
	return r.check(ctx)
}

// prepared returns the prepared statement for a query, or nil when it is not prepared yet.
func (r *reads) prepared(query string) *sql.Stmt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stmts[query]
}

// stmt returns the prepared statement for a query, which is run once and must be one of a fixed set. It may wait for a connection: see snapshot.
func (r *reads) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	r.count.Add(1)
	return r.prepare(ctx, query)
}

func (r *reads) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := r.allowed(ctx); err != nil {
		return nil, err
	}
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
