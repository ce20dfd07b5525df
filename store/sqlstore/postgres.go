package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	oldestPostgres = 130000
	connectTime    = 5 * time.Second
	postgresLanes  = 4 // commit loops; the server joins their waits for the disk
	postgresReads  = 8 // connections for reading
	patience       = 5 * time.Second
)

// postgres is a PostgreSQL database that this process owns.
type postgres struct {
	config   *pgx.ConnConfig
	options  Options
	owner    *ownership
	lanes    []laneState // by id - 1; each is touched by its commit loop alone, once the store is open
	version  string
	warnings []string
}

// laneState is what a commit loop knows of its row in the table of writers.
type laneState struct {
	seq    int64 // number of the last transaction that is known to be durable
	trying int64 // number of the one that is under way
	doubt  bool  // nobody knows yet what became of that one
	pid    uint32
}

// PostgresURL checks that a database may be reached in the way that a connection URL says: through a Unix socket, on this machine's
// loopback addresses, or with TLS. Errors never show the URL, which may hold a password.
func PostgresURL(text string) error {
	_, err := parsePostgres(text)
	return err
}

func parsePostgres(text string) (*pgx.ConnConfig, error) {
	if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return nil, errors.New("the address of the database must begin with postgres://")
	}
	c, err := pgx.ParseConfig(text)
	if err != nil {
		// The error may quote what it could not read.
		return nil, errors.New("the URL of the database cannot be read: it should look like " +
			"postgres://user@/name?host=/run/postgresql or postgres://user:password@host/name?sslmode=verify-full")
	}
	refuse := func(host string, clear bool) error {
		if !clear || onThisMachine(host) {
			return nil
		}
		return fmt.Errorf("the connection to %s could be in the clear: add sslmode=verify-full (or sslmode=require, which does not say who answers) "+
			"to the URL of the database, or use its Unix socket", host)
	}
	if err := refuse(c.Host, c.TLSConfig == nil); err != nil {
		return nil, err
	}
	for _, f := range c.Fallbacks {
		if err := refuse(f.Host, f.TLSConfig == nil); err != nil {
			return nil, err
		}
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout > connectTime {
		c.ConnectTimeout = connectTime
	}
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}, Control: unconfirmed,
	}
	c.DialFunc = dialer.DialContext
	// What the server does with a client that has died is as important as what we do with a server that has.
	for name, value := range map[string]string{
		"client_encoding": "UTF8", "default_transaction_isolation": "read committed", "default_transaction_read_only": "off", "jit": "off",
		"tcp_keepalives_idle": "15", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
	} {
		c.RuntimeParams[name] = value
	}
	return c, nil
}

// onThisMachine: nobody can listen on the way to a Unix socket or a loopback address.
func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" || ip != nil && ip.IsLoopback()
}

// unverified: the server shows a certificate and nobody looks at it.
func unverified(c *pgx.ConnConfig) bool {
	return c.TLSConfig != nil && c.TLSConfig.InsecureSkipVerify && c.TLSConfig.VerifyPeerCertificate == nil && c.TLSConfig.VerifyConnection == nil &&
		!onThisMachine(c.Host)
}

// with returns the configuration with further parameters of the session.
func with(c *pgx.ConnConfig, params map[string]string) *pgx.ConnConfig {
	c = c.Copy()
	for name, value := range params {
		c.RuntimeParams[name] = value
	}
	return c
}

// openPostgres connects, checks the server, and takes the database for this process.
func openPostgres(ctx context.Context, o Options) (*postgres, error) {
	c, err := parsePostgres(o.Postgres)
	if err != nil {
		return nil, err
	}
	p := &postgres{options: o, lanes: make([]laneState, o.Writers)}
	if unverified(c) {
		p.warnings = append(p.warnings, "sslmode=require does not say who answers: prefer sslmode=verify-full")
	}
	p.owner = newOwnership(c, o)
	p.config = p.owner.config
	if err := p.owner.take(ctx, p); err != nil {
		return nil, errors.Join(err, p.owner.close())
	}
	p.owner.watch()
	return p, nil
}

// inspect refuses servers that cannot keep the store's promises and notes what weakens them. It decides what counts as durable.
func (p *postgres) inspect(ctx context.Context, conn *pgx.Conn) error {
	var number int
	var encoding, fsync, pages, durable, schema string
	var standby bool
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding'),
		current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'), pg_is_in_recovery(), COALESCE(current_schema(), '')`).
		Scan(&number, &p.version, &encoding, &fsync, &pages, &durable, &standby, &schema)
	if err != nil {
		return err
	}
	switch {
	case number < oldestPostgres:
		return fmt.Errorf("PostgreSQL %s is too old: 13 is the oldest that will do", p.version)
	case encoding != "UTF8":
		return fmt.Errorf("the encoding of the database is %s, not UTF8", encoding)
	case standby:
		return errors.New("the database is a standby and cannot be written")
	case schema == "":
		return errors.New("no schema of the search path exists")
	}
	if fsync != "on" || pages != "on" {
		p.warnings = append(p.warnings, "fsync or full_page_writes is off in the database: what is acknowledged can be lost in a power cut")
	}
	return p.decideSync(durable)
}

// decideSync: "on" waits for the disk, and for a standby where one is named; "remote_apply" waits for more. Anything else would lose what
// was acknowledged with the machine, so it is not taken from the server's configuration, and refused where somebody asks for it.
func (p *postgres) decideSync(configured string) error {
	asked := p.config.RuntimeParams["synchronous_commit"]
	weak := configured != "on" && configured != "remote_apply"
	switch {
	case p.options.Sync == SyncOff:
		configured = "off"
	case weak && asked != "":
		return fmt.Errorf("synchronous_commit=%s in the URL of the database would lose acknowledged messages: leave it out", asked)
	case weak:
		p.warnings = append(p.warnings, "synchronous_commit is "+strconv.Quote(configured)+" in the database; Stonechat sets it to on for itself")
		configured = "on"
	}
	p.config.RuntimeParams["synchronous_commit"] = configured
	return nil
}

// start opens a session for migrations.
func (p *postgres) start(ctx context.Context) (*writer, error) { return openPlain(ctx, p.config) }

// openPlain opens a session that no lane stands behind.
func openPlain(ctx context.Context, c *pgx.ConnConfig) (*writer, error) {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errGone, err)
	}
	return &writer{session: &pgSession{conn: conn}}, nil
}

// lane opens the session of a commit loop. There is no limit of time for statements: a commit that is cut short while it waits for a
// standby would count as done.
func (p *postgres) lane(id int64) (*writer, error) {
	if err := p.owner.gone(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*connectTime)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, with(p.config, map[string]string{"lock_timeout": "10s", "idle_in_transaction_session_timeout": "30s"}))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errGone, err)
	}
	s := &pgSession{conn: conn, id: id, lane: &p.lanes[id-1], owner: p.owner}
	kept, err := s.join(ctx)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return &writer{session: s, kept: kept}, nil
}

// reads opens the pool for reading.
func (p *postgres) reads() (*sql.DB, error) {
	return stdlib.OpenDB(*with(p.config, map[string]string{"statement_timeout": "60s", "idle_in_transaction_session_timeout": "60s"})), nil
}

// aside: there is no cheap copy; the steps of the schema are transactions, and backups are the administrator's.
func (p *postgres) aside(*writer, int64) error { return nil }

func (p *postgres) close() error { return p.owner.close() }

func (p *postgres) about() string {
	where := p.config.Host
	if p.config.TLSConfig != nil {
		where += " with TLS"
	}
	return fmt.Sprintf("PostgreSQL %s, database %s at %s, %d writers, synchronous_commit %s",
		p.version, p.config.Database, where, len(p.lanes), p.config.RuntimeParams["synchronous_commit"])
}

// logger returns a logger that may be silent.
func (o Options) logger() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}
