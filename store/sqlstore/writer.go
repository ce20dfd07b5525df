package sqlstore

import (
	"database/sql/driver"
)

// session is a connection that changes data, in one of the databases. It is used by one goroutine at a time.
type session interface {
	// exec runs a statement with arguments of the types that drivers know (int64, string, []byte) and returns the number of rows changed.
	exec(query string, args []driver.NamedValue) (int64, error)
	// query calls each with every row of the answer; the values are valid during the call.
	query(query string, args []driver.NamedValue, each func(row []driver.Value) error) error
	// script runs several statements without arguments.
	script(text string) error
	begin() error
	// commit makes the transaction durable. An error that is errInDoubt leaves open whether it is.
	commit() error
	// rollback ends whatever transaction is open, if the database has not ended it already.
	rollback()
	close() error
}

// writer is a session with what all of its users need. Each commit loop has one.
type writer struct {
	session
	rows int64 // rows changed by change since it was last set
	kept bool  // what the session before this one has left in doubt is durable
	args []driver.NamedValue
}

// named numbers the arguments. The slice is valid until the next call.
func (w *writer) named(args []any) []driver.NamedValue {
	w.args = w.args[:0]
	for i, a := range args {
		w.args = append(w.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return w.args
}

// exec runs a statement and returns the number of rows changed.
func (w *writer) exec(query string, args ...any) (int64, error) {
	return w.session.exec(query, w.named(args))
}

func (w *writer) execNamed(query string, args []driver.NamedValue) (int64, error) {
	return w.session.exec(query, args)
}

// change is exec for statements whose rows count as written.
func (w *writer) change(query string, args ...any) (int64, error) {
	n, err := w.exec(query, args...)
	w.rows += n
	return n, err
}

// query calls each with every row of the answer; the values are valid during the call.
func (w *writer) query(query string, each func(row []driver.Value) error, args ...any) error {
	return w.session.query(query, w.named(args), each)
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

// within runs f as one transaction. After an error nothing of it remains, unless the error is errInDoubt.
func (w *writer) within(f func() error) error {
	if err := w.begin(); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = w.commit()
	}
	if err != nil {
		w.rollback()
	}
	return err
}
