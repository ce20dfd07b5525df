package sqlstore

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"stonechat/store"
)

// failure says what an error of the database means for those who wait.
type failure uint8

const (
	failedOp   failure = iota // this operation is wrong; others may go on
	failedDisk                // the disk is full or cannot be written: the whole commit failed, try again later
	failedConn                // the connection is in doubt: the whole commit failed, open a new one
	failedRace                // another transaction stood in the way: the whole commit failed, try again at once
)

// classify tells the kinds apart and gives the error a name that callers know.
func classify(err error) (failure, error) {
	if kind, named, ok := classifyPostgres(err); ok {
		return kind, named
	}
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return failedOp, err
	}
	code := se.Code()
	switch code & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY:
		return failedDisk, fmt.Errorf("%w: %w", store.ErrFull, err)
	case sqlite3.SQLITE_IOERR:
		if writeFailed(code) {
			return failedConn, fmt.Errorf("%w: %w", store.ErrFull, err)
		}
		return failedConn, fmt.Errorf("store: %w", err)
	case sqlite3.SQLITE_CANTOPEN:
		return failedConn, fmt.Errorf("%w: %w", store.ErrFull, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL:
		return failedConn, fmt.Errorf("store: %w", err)
	}
	return failedOp, fmt.Errorf("store: %w", err)
}

// writeFailed: these come when a file could not grow or be made durable.
func writeFailed(code int) bool {
	switch code {
	case sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE,
		sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP, sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_IN_PAGE:
		return true
	}
	return false
}
