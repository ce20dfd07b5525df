package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"stonechat/store"
)

// errGone: the connection to the database broke or could not be made.
var errGone = errors.New("no connection")

// pgSession speaks to pgx directly. One that belongs to a lane begins each transaction by putting its number into the lane's row of the
// table of writers, if the row still bears this process's token. That is the proof of ownership, in the transaction that it is for: who
// takes the database over changes the tokens, waits for those who hold such a row, and afterwards every commit of the old process finds
// no row to change. The number tells, after a connection broke in a commit, whether that commit is durable.
type pgSession struct {
	conn  *pgx.Conn
	args  []any
	row   []driver.Value
	id    int64
	lane  *laneState // nil: no lane
	owner *ownership
}

// failed marks errors of a connection that can be used no more.
func (s *pgSession) failed(err error) error {
	if err != nil && s.conn.IsClosed() {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return err
}

func (s *pgSession) values(args []driver.NamedValue) []any {
	clear(s.args)
	s.args = s.args[:0]
	for i := range args {
		s.args = append(s.args, args[i].Value)
	}
	return s.args
}

func (s *pgSession) exec(query string, args []driver.NamedValue) (int64, error) {
	tag, err := s.conn.Exec(context.Background(), query, s.values(args)...)
	return tag.RowsAffected(), s.failed(err)
}

func (s *pgSession) query(query string, args []driver.NamedValue, each func(row []driver.Value) error) error {
	rows, err := s.conn.Query(context.Background(), query, s.values(args)...)
	if err != nil {
		return s.failed(err)
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		s.row = s.row[:0]
		for _, v := range values {
			s.row = append(s.row, plainValue(v))
		}
		if err := each(s.row); err != nil {
			return err
		}
	}
	return s.failed(rows.Err())
}

// plainValue gives numbers the one type that the other database knows.
func plainValue(v any) driver.Value {
	switch n := v.(type) {
	case int32:
		return int64(n)
	case int16:
		return int64(n)
	}
	return v
}

func (s *pgSession) script(text string) error {
	_, err := s.simple(text)
	return err
}

// simple runs statements without arguments in one round trip.
func (s *pgSession) simple(text string) ([]*pgconn.Result, error) {
	results, err := s.conn.PgConn().Exec(context.Background(), text).ReadAll()
	return results, s.failed(err)
}

func (s *pgSession) begin() error {
	if s.lane == nil {
		return s.script("BEGIN")
	}
	s.lane.trying = s.lane.seq + 1
	results, err := s.simple(fmt.Sprintf("BEGIN; UPDATE writers SET seq = %d WHERE lane = %d AND token = '%s'", s.lane.trying, s.id, s.owner.token))
	if err == nil && (len(results) != 2 || results[1].CommandTag.RowsAffected() != 1) {
		err = s.owner.lose("its row in the table of writers bears another token")
	}
	if err != nil {
		s.rollback()
	}
	return err
}

func (s *pgSession) commit() error {
	results, err := s.simple("COMMIT")
	switch {
	case err != nil && s.conn.IsClosed():
		if s.lane != nil {
			s.lane.doubt = true
		}
		return fmt.Errorf("%w: %w", errInDoubt, err)
	case err != nil:
		return err // the server says that nothing of it remains
	case len(results) != 1 || results[0].CommandTag.String() != "COMMIT":
		return errors.New("an operation has overlooked the error of a statement")
	}
	if s.lane != nil {
		s.lane.seq = s.lane.trying
	}
	return nil
}

func (s *pgSession) rollback() {
	if s.conn.IsClosed() || s.conn.PgConn().TxStatus() == 'I' {
		return
	}
	if err := s.script("ROLLBACK"); err != nil {
		return // the connection is gone, and the transaction with it
	}
}

func (s *pgSession) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), connectTime)
	defer cancel()
	return s.conn.Close(ctx)
}

// join finds out where the lane stands. A transaction of the session before this one is waited for, since it holds the lane's row.
func (s *pgSession) join(ctx context.Context) (kept bool, err error) {
	var token string
	var seq int64
	err = s.conn.QueryRow(ctx, "SELECT token, seq FROM writers WHERE lane = $1 FOR UPDATE", s.id).Scan(&token, &seq)
	switch {
	case err != nil:
		if s.lane.pid != 0 {
			err = errors.Join(err, s.owner.terminate(ctx, s.conn, s.lane.pid))
		}
		return false, fmt.Errorf("%w: %w", errGone, err)
	case token != s.owner.token:
		return false, s.owner.lose("the table of writers bears another token")
	case s.lane.doubt && seq == s.lane.trying:
		kept = true
	case seq != s.lane.seq:
		// A standby that lagged behind has taken over, or an older copy was put in place: what we hold in memory is not what is kept.
		return false, s.owner.lose(fmt.Sprintf("transaction %d of writer %d was durable and has gone; the database has %d", s.lane.seq, s.id, seq))
	}
	s.lane.seq, s.lane.doubt, s.lane.pid = seq, false, s.conn.PgConn().PID()
	return kept, nil
}

// postgresFailures says what codes mean (PostgreSQL, appendix A); what is not listed is the fault of one operation.
var postgresFailures = map[string]failure{
	"53100": failedDisk, "58030": failedDisk, // disk_full, io_error
	"40001": failedRace, "40P01": failedRace, // serialization_failure, deadlock_detected
	"53200": failedConn, "53300": failedConn, "55P03": failedConn, "57014": failedConn, // out of memory, connections; lock and statement timeouts
	"57P01": failedConn, "57P02": failedConn, "57P03": failedConn, "57P05": failedConn, "25P03": failedConn, // shutdowns, sessions that were ended
	"25006": failedConn, "0A000": failedConn, "26000": failedConn, // a standby now; statements that must be prepared again
	"XX000": failedConn, "XX001": failedConn, "XX002": failedConn, // internal errors, damaged data
}

// classifyPostgres is classify for errors of PostgreSQL; ok is false for others.
func classifyPostgres(err error) (kind failure, named error, ok bool) {
	var pe *pgconn.PgError
	switch {
	case errors.Is(err, errLost):
		return failedConn, err, true
	case errors.Is(err, errGone), errors.Is(err, errInDoubt):
		return failedConn, fmt.Errorf("%w: %w", store.ErrAway, err), true
	case !errors.As(err, &pe):
		return failedOp, err, false
	}
	kind = postgresFailures[pe.Code]
	switch kind {
	case failedDisk:
		return kind, fmt.Errorf("%w: %w", store.ErrFull, err), true
	case failedConn:
		return kind, fmt.Errorf("%w: %w", store.ErrAway, err), true
	}
	return kind, fmt.Errorf("store: %w", err), true
}
