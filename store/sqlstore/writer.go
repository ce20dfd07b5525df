package sqlstore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"

	"modernc.org/sqlite"
)

// writer is the one connection that changes data, with its prepared statements. It speaks to the driver directly: the checks and locks
// of database/sql cost as much as the insert itself.
type writer struct {
	conn  driver.Conn
	stmts map[string]driver.Stmt
	rows  int64 // rows changed by exec since the writer was opened
	args  []driver.NamedValue
}

func openWriter(dsn string) (*writer, error) {
	conn, err := (&sqlite.Driver{}).Open(dsn)
	if err != nil {
		return nil, err
	}
	return &writer{conn: conn, stmts: map[string]driver.Stmt{}}, nil
}

func (w *writer) close() error {
	for _, s := range w.stmts {
		if err := s.Close(); err != nil {
			continue // closing the connection below says what is wrong
		}
	}
	w.stmts = nil
	return w.conn.Close()
}

func (w *writer) prepare(query string) (driver.Stmt, error) {
	if s, ok := w.stmts[query]; ok {
		return s, nil
	}
	s, err := w.conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	w.stmts[query] = s
	return s, nil
}

// named numbers the arguments. The slice is valid until the next call.
func (w *writer) named(args []any) []driver.NamedValue {
	w.args = w.args[:0]
	for i, a := range args {
		w.args = append(w.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return w.args
}

// exec runs a statement with arguments of the types that drivers know (int64, string, []byte) and returns the number of rows changed.
func (w *writer) exec(query string, args ...any) (int64, error) {
	return w.execNamed(query, w.named(args))
}

func (w *writer) execNamed(query string, args []driver.NamedValue) (int64, error) {
	s, err := w.prepare(query)
	if err != nil {
		return 0, err
	}
	ex, ok := s.(driver.StmtExecContext)
	if !ok {
		return 0, fmt.Errorf("store: driver without StmtExecContext")
	}
	res, err := ex.ExecContext(context.Background(), args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// change is exec for statements whose rows count as written.
func (w *writer) change(query string, args ...any) (int64, error) {
	n, err := w.exec(query, args...)
	w.rows += n
	return n, err
}

// query calls each with every row of the answer; the values are valid during the call.
func (w *writer) query(query string, each func(row []driver.Value) error, args ...any) error {
	s, err := w.prepare(query)
	if err != nil {
		return err
	}
	q, ok := s.(driver.StmtQueryContext)
	if !ok {
		return fmt.Errorf("store: driver without StmtQueryContext")
	}
	rows, err := q.QueryContext(context.Background(), w.named(args))
	if err != nil {
		return err
	}
	dest := make([]driver.Value, len(rows.Columns()))
	for {
		if err = rows.Next(dest); err != nil {
			break
		}
		if err = each(dest); err != nil {
			break
		}
	}
	if closeErr := rows.Close(); err == io.EOF {
		err = closeErr
	}
	return err
}

// number returns the first column of the first row; ok is false when there is none or it is NULL.
func (w *writer) number(query string, args ...any) (n int64, ok bool, err error) {
	err = w.query(query, func(row []driver.Value) error {
		if !ok {
			n, ok = row[0].(int64)
		}
		return nil
	}, args...)
	return n, ok, err
}

func (w *writer) begin() error {
	_, err := w.exec("BEGIN IMMEDIATE")
	return err
}

func (w *writer) commit() error {
	_, err := w.exec("COMMIT")
	return err
}

// rollback ends whatever transaction is open. SQLite may have ended it already, which it reports as an error of no interest.
func (w *writer) rollback() {
	if _, err := w.exec("ROLLBACK"); err != nil {
		return
	}
}
