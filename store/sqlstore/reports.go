package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"stonechat/store"
)

// reports implements store.Reports.
type reports struct{ db *DB }

const (
	countReports = "SELECT COUNT(*) FROM reports WHERE owner = $1 AND id >= $2"
	reportHead   = "SELECT id, owner, reporter, domain, about, reason, said, closed, closed_by, note, "
	listReports  = reportHead + "'', '' FROM reports WHERE domain = $1 AND id < $2 AND closed <= $3 ORDER BY id DESC LIMIT $4 + 0"
	selectReport = reportHead + "refs, messages FROM reports WHERE id = $1 AND domain = $2"
	expireReport = "DELETE FROM reports WHERE closed > 0 AND closed < $1"
)

// AddReport implements store.Reports. The id is a key, so it tells the time, too.
func (r reports) AddReport(x store.Report, most int, since time.Time) store.Ticket {
	var refused error
	size := len(x.Text) + len(x.References) + len(x.Messages)
	_, t := r.db.queueOf(nobody).put(op{size: size}, true, func(o *op, key store.Key) {
		o.run = func(w *writer) error {
			refused = nil
			n, _, err := w.number(countReports, int64(x.Reporter), int64(store.KeyAt(since)))
			if err != nil {
				return err
			}
			if n >= int64(most) {
				refused = fmt.Errorf("reports: %w", store.ErrQuota)
				return nil
			}
			_, err = w.change(`INSERT INTO reports (id, owner, reporter, domain, about, reason, said, refs, messages, closed, closed_by, note)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '', '')`,
				int64(key), int64(x.Reporter), x.By, x.Domain, x.About, x.Reason, x.Text, x.References, x.Messages)
			return err
		}
	})
	return unless(t, &refused)
}

// unless is a ticket that also ends with what its function has found. That is no failure of the store, and undoes nothing of others.
func unless(t store.Ticket, refused *error) store.Ticket {
	p := new(store.Promise)
	t.Done(func(err error) {
		if err == nil {
			err = *refused
		}
		p.Settle(err)
	})
	return p.Ticket()
}

// Reports implements store.Reports.
func (r reports) Reports(ctx context.Context, domain string, before int64, open bool, limit int) ([]store.Report, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	closed := int64(math.MaxInt64)
	if open {
		closed = 0
	}
	var out []store.Report
	err := r.db.reads.each(ctx, listReports, func(rows *sql.Rows) error {
		x, err := scanReport(rows.Scan)
		out = append(out, x)
		return err
	}, domain, before, closed, limit)
	return out, err
}

// Report implements store.Reports.
func (r reports) Report(ctx context.Context, domain string, id int64) (store.Report, error) {
	s, err := r.db.reads.stmt(ctx, selectReport)
	if err != nil {
		return store.Report{}, err
	}
	x, err := scanReport(s.QueryRowContext(ctx, id, domain).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return store.Report{}, fmt.Errorf("report: %w", store.ErrNotFound)
	}
	return x, err
}

func scanReport(scan func(...any) error) (store.Report, error) {
	var x store.Report
	var closed int64
	err := scan(&x.ID, &x.Reporter, &x.By, &x.Domain, &x.About, &x.Reason, &x.Text, &closed, &x.ClosedBy, &x.Note, &x.References, &x.Messages)
	x.At = store.Key(x.ID).Time()
	if closed > 0 {
		x.Closed = time.UnixMicro(closed).UTC()
	}
	return x, err
}

// CloseReport implements store.Reports.
func (r reports) CloseReport(ctx context.Context, domain string, id int64, by, note string) error {
	now := r.db.options.Now().UnixMicro()
	var refused error
	t := r.db.queueOf(nobody).change(len(note), func(w *writer) error {
		refused = nil
		n, err := w.change("UPDATE reports SET closed = $1, closed_by = $2, note = $3 WHERE id = $4 AND domain = $5 AND closed = 0", now, by, note, id, domain)
		if err != nil || n > 0 {
			return err
		}
		refused = fmt.Errorf("report: %w", store.ErrConflict)
		_, known, err := w.number("SELECT id FROM reports WHERE id = $1 AND domain = $2", id, domain)
		if !known {
			refused = fmt.Errorf("report: %w", store.ErrNotFound)
		}
		return err
	})
	return unless(t, &refused).Wait(ctx)
}

// ExpireReports implements store.Reports.
func (r reports) ExpireReports(ctx context.Context, closedBefore time.Time) (int64, error) {
	var n int64
	err := r.db.queueOf(nobody).change(0, func(w *writer) (err error) {
		n, err = w.change(expireReport, closedBefore.UnixMicro())
		return err
	}).Wait(ctx)
	if err != nil {
		return 0, err // n may still be written to when only the context ended
	}
	return n, nil
}
