package sqlstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// reach runs f, the beginning of a read, until there is somebody who answers it: a database server may go just then, and come back. It takes as long as
// reads wait for the lock at most, and as ctx allows: in a turn that is too short for a restart. f runs anew each time.
func (r *reads) reach(ctx context.Context, f func() error) error {
	until := time.Now().Add(readsWaiter)
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		err := f()
		if err == nil || r.check == nil || !unreached(err) || time.Now().Add(wait).After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// away are the codes with which a PostgreSQL server ends sessions, or makes none, because it goes or is about to come (appendix A, class 57).
var away = []string{"57P01", "57P02", "57P03"}

// unreached tells whether an error says that the other end is gone.
func unreached(err error) bool {
	var broken *net.OpError
	var said *pgconn.PgError
	return errors.As(err, &broken) && !broken.Timeout() || errors.As(err, &said) && slices.Contains(away, said.Code) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err)
}
