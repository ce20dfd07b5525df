package sqlstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"stonechat/store"
)

const (
	lockClass   = 0x53544f4e             // of our advisory lock; its second half is the schema
	lockWait    = 5 * time.Second        // how long a start waits for the process before it to be gone
	lockLook    = 100 * time.Millisecond // pause between two tries
	ownerPing   = 5 * time.Second        // how often the connection that holds the lock is tried
	readsWaiter = 2 * time.Second        // how long reads wait for the lock when its connection broke
)

// errLost: the database belongs to another process now, or is not the one that we wrote. This process can write no more.
var errLost = fmt.Errorf("the database was taken over: %w", store.ErrClosed)

const tryLock = "SELECT pg_try_advisory_lock($1, hashtext(current_schema()))"

// ownership is this process's hold on a database. An advisory lock, on a connection of its own, keeps others from starting; it is what
// people see, and not enough: a connection can break without our notice. So every process also writes a token of its own into the table
// of writers, and each transaction checks it: see pgSession.
type ownership struct {
	config *pgx.ConnConfig
	token  string
	log    *slog.Logger
	conn   *pgx.Conn

	held atomic.Bool // the lock is ours

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when held changes
	retaken func()        // called when the lock is ours again, before anybody is told
	lost    chan struct{} // closed when the database is lost for good
	why     error
	stop    context.CancelFunc
	running sync.WaitGroup
}

func newOwnership(c *pgx.ConnConfig, o Options) *ownership {
	var b [16]byte
	rand.Read(b[:])
	own := &ownership{token: hex.EncodeToString(b[:]), log: o.logger(), changed: make(chan struct{}), lost: make(chan struct{})}
	// The name tells our sessions from those of other processes.
	own.config = with(c, map[string]string{"application_name": "stonechat " + own.token[:8]})
	return own
}

// take locks the database and takes over the table of writers. Transactions of the process before us have ended when it returns.
func (o *ownership) take(ctx context.Context, p *postgres) error {
	conn, err := pgx.ConnectConfig(ctx, o.config)
	if err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	o.conn = conn
	if err := p.inspect(ctx, conn); err != nil {
		return err
	}
	if err := o.acquire(ctx); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return o.sign(ctx, tx, p.lanes) })
}

// acquire takes the advisory lock. Sessions of a process that has just ended are given a moment to end, too.
func (o *ownership) acquire(ctx context.Context) error {
	for began := time.Now(); ; {
		var ok bool
		if err := o.conn.QueryRow(ctx, tryLock, lockClass).Scan(&ok); err != nil || ok {
			return err
		}
		if time.Since(began) > lockWait {
			return o.inUse(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockLook):
		}
	}
}

// inUse says who holds the lock.
func (o *ownership) inUse(ctx context.Context) error {
	var pid int
	var name, address string
	err := o.conn.QueryRow(ctx, `SELECT l.pid, COALESCE(a.application_name, ''), COALESCE(host(a.client_addr), 'this machine')
		FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.classid = $1::bigint AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		LIMIT 1`, int64(lockClass)).Scan(&pid, &name, &address)
	if errors.Is(err, pgx.ErrNoRows) {
		return errors.New("the database was in use by another process a moment ago: try again")
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("the database is in use by another process (%q from %s, session %d of the database server)", name, address, pid)
}

// sign writes our token into the row of every lane and reads where the lanes stand.
func (o *ownership) sign(ctx context.Context, tx pgx.Tx, lanes []laneState) error {
	for _, query := range [...]string{
		"CREATE TABLE IF NOT EXISTS writers (lane BIGINT PRIMARY KEY, token TEXT NOT NULL, seq BIGINT NOT NULL)",
		"SET LOCAL lock_timeout = '60s'",
	} {
		if _, err := tx.Exec(ctx, query); err != nil {
			return err
		}
	}
	// Rows of lanes that we do not use belong to whoever was before us: they get the token, too.
	if _, err := tx.Exec(ctx, "UPDATE writers SET token = $1", o.token); err != nil {
		return err
	}
	for i := range lanes {
		_, err := tx.Exec(ctx, "INSERT INTO writers (lane, token, seq) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING", i+1, o.token)
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT seq FROM writers WHERE lane = $1", i+1).Scan(&lanes[i].seq); err != nil {
			return err
		}
	}
	return nil
}

// watch looks after the lock until close.
func (o *ownership) watch() {
	ctx, stop := context.WithCancel(context.Background())
	o.stop = stop
	o.set(true)
	o.running.Go(func() {
		for o.gone() == nil {
			err := o.listen(ctx)
			if ctx.Err() != nil {
				return
			}
			o.set(false)
			o.log.Warn("the connection that holds the lock of the database broke", "err", err)
			if err := o.retake(ctx); err != nil {
				return
			}
			o.renewed()
			o.set(true)
			o.log.Info("the database is locked again")
		}
	})
}

// listen returns when the connection is gone. It waits for a notification, which never comes: so it is told at once.
func (o *ownership) listen(ctx context.Context) error {
	for {
		wait, cancel := context.WithTimeout(ctx, ownerPing)
		_, err := o.conn.WaitForNotification(wait)
		cancel()
		if o.conn.IsClosed() {
			return err
		}
		ping, cancel := context.WithTimeout(ctx, ownerPing)
		err = o.conn.Ping(ping)
		cancel()
		if err != nil {
			return err
		}
	}
}

// retake connects again and takes the lock, unless another process has taken the database meanwhile.
func (o *ownership) retake(ctx context.Context) error {
	before := o.conn.PgConn().PID()
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		ok, err := o.relock(ctx, before)
		switch {
		case ok:
			return nil
		case errors.Is(err, errLost):
			return err
		case err != nil:
			o.log.Debug("locking the database", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (o *ownership) relock(ctx context.Context, before uint32) (ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*connectTime)
	defer cancel()
	if err := o.conn.Close(ctx); err != nil {
		o.log.Debug("closing a connection to the database", "err", err)
	}
	conn, err := pgx.ConnectConfig(ctx, o.config)
	if err != nil {
		return false, err
	}
	o.conn = conn
	if err := conn.QueryRow(ctx, tryLock, lockClass).Scan(&ok); err != nil {
		return false, err
	}
	var others int
	if err := conn.QueryRow(ctx, "SELECT COUNT(*) FROM writers WHERE token <> $1", o.token).Scan(&others); err != nil {
		return false, err
	}
	switch {
	case others > 0:
		return false, o.lose("another process has started on it")
	case !ok:
		return false, o.terminate(ctx, conn, before)
	}
	return true, nil
}

// terminate ends a session of this process whose connection broke, if the server has not noticed that yet.
func (o *ownership) terminate(ctx context.Context, conn *pgx.Conn, pid uint32) error {
	_, err := conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND application_name = $2",
		int64(pid), o.config.RuntimeParams["application_name"])
	return err
}

// onRetaken has f called whenever the connection that holds the lock was replaced: other connections broke with it, most likely.
func (o *ownership) onRetaken(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retaken = f
}

func (o *ownership) renewed() {
	o.mu.Lock()
	f := o.retaken
	o.mu.Unlock()
	if f != nil {
		f()
	}
}

func (o *ownership) set(held bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held.Store(held && o.why == nil)
	close(o.changed)
	o.changed = make(chan struct{})
}

// lose gives the database up for good and returns why.
func (o *ownership) lose(why string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.why == nil {
		o.why = fmt.Errorf("%w: %s", errLost, why)
		o.held.Store(false)
		close(o.lost)
		o.log.Error("the database is lost", "err", o.why)
	}
	return o.why
}

// gone returns why the database is lost, nil if it is not.
func (o *ownership) gone() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.why
}

// check returns nil while the database is ours. When the connection that holds the lock broke it waits a moment for a new one.
func (o *ownership) check(ctx context.Context) error {
	if o.held.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readsWaiter)
	defer cancel()
	for {
		o.mu.Lock()
		why, changed := o.why, o.changed
		o.mu.Unlock()
		if why != nil || o.held.Load() {
			return why
		}
		select {
		case <-changed:
		case <-o.lost:
		case <-ctx.Done():
			return fmt.Errorf("the lock of the database is not held: %w", store.ErrAway)
		}
	}
}

// close gives the lock up.
func (o *ownership) close() error {
	if o.stop != nil {
		o.stop()
		o.running.Wait()
	}
	if o.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTime)
	defer cancel()
	return o.conn.Close(ctx)
}
