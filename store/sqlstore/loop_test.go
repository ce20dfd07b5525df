package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"stonechat/store"
)

func openTest(t testing.TB, o Options) *DB {
	t.Helper()
	db, err := Open(context.Background(), t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// stall holds the commit loop within a commit until the returned function is called, so that what is queued meanwhile is one batch.
func stall(t testing.TB, db *DB) (release func()) {
	t.Helper()
	reached, gate := make(chan struct{}), make(chan struct{})
	ticket := db.queueOf(nobody).change(0, func(*writer) error {
		close(reached)
		<-gate
		return nil
	})
	<-reached
	return func() {
		close(gate)
		if err := ticket.Wait(context.Background()); err != nil {
			t.Errorf("stall: %v", err)
		}
	}
}

func message(owner store.Owner, size int) store.Entry {
	return store.Entry{Owner: owner, Peer: "bob@example.org", Stanza: make([]byte, size)}
}

func TestFailingOperationFailsAlone(t *testing.T) {
	db := openTest(t, Options{})
	release := stall(t, db)
	key1, first := db.Archive.Append(message(1, 10))
	half := db.queueOf(nobody).change(0, func(w *writer) error {
		if _, err := w.change("INSERT INTO secrets (name, value) VALUES ('half', $1)", []byte{1}); err != nil {
			return err
		}
		return store.ErrConflict
	})
	broken := db.queueOf(nobody).change(0, func(w *writer) error {
		_, err := w.change("INSERT INTO archive_state (id, indexed) VALUES (1, 0)")
		return err
	})
	key2, second := db.Archive.Append(message(1, 10))
	release()
	ctx := context.Background()
	if err := errors.Join(first.Wait(ctx), second.Wait(ctx)); err != nil {
		t.Errorf("the others failed too: %v", err)
	}
	if err := half.Wait(ctx); !errors.Is(err, store.ErrConflict) {
		t.Errorf("half an operation: %v", err)
	}
	if err := broken.Wait(ctx); err == nil {
		t.Error("a broken constraint went unnoticed")
	}
	if _, err := db.Secrets.Get(ctx, "half"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("half an operation was kept: %v", err)
	}
	res, err := db.Archive.Page(ctx, 1, store.Query{Max: 10})
	if err != nil || len(res.Rows) != 2 || res.Rows[0].Key != key1 || res.Rows[1].Key != key2 {
		t.Errorf("page %+v, %v", res, err)
	}
}

func pragma(t testing.TB, db *DB, text string) int64 {
	t.Helper()
	var n int64
	err := db.queueOf(nobody).change(0, func(w *writer) (err error) {
		n, _, err = w.number("PRAGMA " + text)
		return err
	}).Wait(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFullDisk(t *testing.T) {
	db := openTest(t, Options{Tail: 4})
	ctx := context.Background()
	_, before := db.Archive.Append(message(1, 100))
	if err := before.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	pragma(t, db, fmt.Sprintf("max_page_count = %d", pragma(t, db, "page_count")))
	for range 3 {
		release := stall(t, db)
		var tickets []store.Ticket
		for range 20 {
			_, ticket := db.Archive.Append(message(1, 20_000))
			tickets = append(tickets, ticket)
		}
		release()
		for _, ticket := range tickets {
			if err := ticket.Wait(ctx); !errors.Is(err, store.ErrFull) {
				t.Fatalf("append to a full disk: %v", err)
			}
		}
		if res, err := db.Archive.Page(ctx, 1, store.Query{Max: 50}); err != nil || len(res.Rows) != 1 {
			t.Fatalf("reading while the disk is full: %d rows, %v", len(res.Rows), err)
		}
	}
	if s := db.Stats(); s.Failures == 0 || s.QueuedBytes != 0 {
		t.Errorf("stats %+v", s)
	}
	pragma(t, db, "max_page_count = 1000000")
	var last store.Ticket
	for range 20 {
		_, last = db.Archive.Append(message(1, 20_000))
	}
	if err := last.Wait(ctx); err != nil {
		t.Fatalf("after space came back: %v", err)
	}
	if res, err := db.Archive.Page(ctx, 1, store.Query{Max: 50}); err != nil || len(res.Rows) != 21 {
		t.Fatalf("%d rows, %v", len(res.Rows), err)
	}
}

func TestConnectionInDoubtIsReplaced(t *testing.T) {
	db := openTest(t, Options{})
	ctx := context.Background()
	var first, second *writer
	// A checkpoint within a transaction is refused as locked, which stands for every failure that puts the connection in doubt.
	bad := db.queueOf(nobody).change(0, func(w *writer) error {
		first = w
		_, err := w.exec("PRAGMA wal_checkpoint(FULL)")
		return err
	})
	if err := bad.Wait(ctx); err == nil {
		t.Fatal("no failure")
	}
	if err := db.queueOf(nobody).change(0, func(w *writer) error { second = w; return nil }).Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("the connection was kept")
	}
	if _, ticket := db.Archive.Append(message(1, 10)); ticket.Wait(ctx) != nil {
		t.Error("append after the failure")
	}
}

func TestStalledDiskBoundsTheQueue(t *testing.T) {
	db := openTest(t, Options{QueueBytes: 100_000})
	ctx := context.Background()
	release := stall(t, db)
	var tickets []store.Ticket
	for range 30 {
		_, ticket := db.Archive.Append(message(1, 10_000))
		tickets = append(tickets, ticket)
	}
	// Reads do not wait for the disk's writer.
	if res, err := db.Archive.Page(ctx, 1, store.Query{Max: 50}); err != nil || len(res.Rows) != 0 {
		t.Errorf("reading while the disk stalls: %d rows, %v", len(res.Rows), err)
	}
	release()
	kept := 0
	for i, ticket := range tickets {
		switch err := ticket.Wait(ctx); {
		case err == nil && kept == i:
			kept++
		case errors.Is(err, store.ErrBusy):
		default:
			t.Fatalf("append %d: %v", i, err)
		}
	}
	if kept < 5 || kept > 9 {
		t.Errorf("%d appends of 10 kB fit into 100 kB", kept)
	}
	if _, ticket := db.Archive.Append(message(1, 10_000)); ticket.Wait(ctx) != nil {
		t.Error("append after the stall")
	}
}

func TestCallbacksRunInOrder(t *testing.T) {
	db := openTest(t, Options{})
	var next atomic.Int64
	done := make(chan struct{})
	for i := range int64(3000) {
		_, ticket := db.Archive.Append(message(1, 10))
		ticket.Done(func(err error) {
			if err != nil || !next.CompareAndSwap(i, i+1) {
				t.Errorf("callback %d: %v, expected %d", i, err, next.Load())
			}
			if i == 2999 {
				close(done)
			}
		})
	}
	<-done
}

// TestWriteBudget: a chat message between two local users writes two rows of archives and nothing else.
func TestWriteBudget(t *testing.T) {
	db := openTest(t, Options{Tail: 1 << 20})
	const messages = 50
	before := db.Stats()
	var last store.Ticket
	for range messages {
		db.Archive.Append(message(1, 300))
		_, last = db.Archive.Append(message(2, 300))
	}
	if err := last.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	after := db.Stats()
	if got := after.ArchiveRows - before.ArchiveRows; got != 2*messages {
		t.Errorf("%d archive rows for %d messages", got, messages)
	}
	if got := after.OtherRows - before.OtherRows; got != 0 {
		t.Errorf("%d other rows", got)
	}
	if err := db.Offline.SetDelivered(1, 5).Wait(context.Background()); err != nil || db.Stats().OtherRows != after.OtherRows+1 {
		t.Errorf("a mark is one row: %v, %+v", err, db.Stats())
	}
}

// TestGroupCommit: what was queued while a commit ran goes with the next one.
func TestGroupCommit(t *testing.T) {
	db := openTest(t, Options{})
	release := stall(t, db)
	var last store.Ticket
	for range 700 {
		_, last = db.Archive.Append(message(1, 10))
	}
	before := db.Stats().Commits
	release()
	if err := last.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s := db.Stats(); s.Commits != before+2 || s.LargestBatch != 700 {
		t.Errorf("%d commits, largest batch %d", s.Commits-before, s.LargestBatch)
	}
}

func TestTailEntersOrders(t *testing.T) {
	db := openTest(t, Options{Tail: 100})
	ctx := context.Background()
	var last store.Ticket
	for i := range 5000 {
		_, last = db.Archive.Append(message(store.Owner(i%7+1), 10))
		if i%50 == 0 {
			if err := last.Wait(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.flush(ctx); err != nil {
		t.Fatal(err)
	}
	s := db.Stats()
	if s.OrderRows != 5000 || s.TailRows != 0 {
		t.Errorf("%d rows in the orders, %d in the tail", s.OrderRows, s.TailRows)
	}
	for _, table := range []string{"archive", "archive_by_owner", "archive_by_peer"} {
		if n := count(t, db, table); n != 5000 {
			t.Errorf("%s has %d rows", table, n)
		}
	}
}

func count(t testing.TB, db *DB, table string) int {
	t.Helper()
	var n int
	if err := db.reads.db.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLogIsBounded writes several times as much as the log may hold.
func TestLogIsBounded(t *testing.T) {
	db := openTest(t, Options{})
	ctx := context.Background()
	const rows, size = 2400, 128 << 10 // about 80,000 pages
	for i := range rows {
		_, ticket := db.Archive.Append(message(1, size))
		if i%20 == 0 {
			if err := ticket.Wait(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	info, err := os.Stat(db.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(3 * walHard * 4096); info.Size() > limit {
		t.Errorf("log of %d bytes", info.Size())
	}
	if pages := db.checkpoint.pragma("TRUNCATE"); pages != 0 {
		t.Errorf("%d pages left", pages)
	}
	if info, err = os.Stat(db.path + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("log of %d bytes after it was emptied, %v", info.Size(), err)
	}
}
