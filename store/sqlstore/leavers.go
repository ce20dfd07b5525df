package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"stonechat/store"
)

// leavers implements store.Leavers.
type leavers struct{ db *DB }

const (
	// CROSS JOIN: SQLite would come by all accounts of the domain to find the few that leave.
	selectDue = "SELECT l.owner, a.domain, a.local, l.due FROM leavers AS l CROSS JOIN accounts AS a " +
		"WHERE a.id = l.owner AND a.domain = $1 AND l.due <= $2 ORDER BY l.due LIMIT $3 + 0"
	selectApplicants = "SELECT id, local, role, disabled, created FROM accounts WHERE domain = $1 AND disabled = 2 ORDER BY local LIMIT $2 + 0"
)

// Leave implements store.Leavers.
func (l leavers) Leave(owner store.Owner, due time.Time) store.Ticket {
	id := int64(owner)
	var gone []store.Owner
	// It ends what the owner's lane has: nothing of that may still be on its way.
	t := l.db.behind([]*lane{l.db.laneOf(owner)}, op{}, true, func(o *op, key store.Key) {
		o.run = func(w *writer) error {
			// What it was before stands beside it, so that it comes back as that: see stateLeaving.
			n, err := w.change("UPDATE accounts SET disabled = disabled + 3 WHERE id = $1 AND disabled < 3", id)
			if err != nil || n == 0 {
				return errors.Join(err, notFoundUnless(err != nil))
			}
			if err := errors.Join(partAll(w, owner), dropTokens(w, owner)); err != nil {
				return err
			}
			if gone, err = disinherit(w, owner); err != nil {
				return err
			}
			for _, query := range [...]string{
				// A circle's contacts go with it; the others are listed without a subscription, since theirs end too.
				"DELETE FROM roster_items WHERE owner = $1 AND bond = 1",
				"UPDATE roster_items SET subscription = 'none', ask = 0, approved = 0, bond = 0 WHERE owner = $1",
				"DELETE FROM roster_gone WHERE owner = $1",
				"DELETE FROM roster_pending WHERE owner = $1",
				"DELETE FROM ties WHERE owner = $1",
				"DELETE FROM invites WHERE owner = $1",
			} {
				if _, err := w.change(query, id); err != nil {
					return err
				}
			}
			// The whole roster is new to clients that come back: no version from before is a base for changes.
			_, err = w.change(`INSERT INTO rosters (owner, version, floor) VALUES ($1, $2, $3)
				ON CONFLICT (owner) DO UPDATE SET version = excluded.version, floor = excluded.floor`, id, int64(key), int64(key))
			if err != nil {
				return err
			}
			_, err = w.change("INSERT INTO leavers (owner, due) VALUES ($1, $2)", id, due.UnixMicro())
			return err
		}
	})
	return l.db.eraser.behind(t, &gone)
}

// Return implements store.Leavers.
func (l leavers) Return(ctx context.Context, owner store.Owner) error {
	return l.change(ctx, owner, "UPDATE accounts SET disabled = disabled - 3 WHERE id = $1 AND disabled >= 3", "DELETE FROM leavers WHERE owner = $1")
}

// Approve implements store.Leavers.
func (l leavers) Approve(ctx context.Context, owner store.Owner) error {
	return l.change(ctx, owner, "UPDATE accounts SET disabled = 0 WHERE id = $1 AND disabled = 2")
}

// change runs statements of which the first must find its account.
func (l leavers) change(ctx context.Context, owner store.Owner, queries ...string) error {
	return l.db.queueOf(nobody).change(0, func(w *writer) error {
		for i, query := range queries {
			n, err := w.change(query, int64(owner))
			if err != nil || (i == 0 && n == 0) {
				return errors.Join(err, notFoundUnless(err != nil))
			}
		}
		return nil
	}).Wait(ctx)
}

// Due implements store.Leavers.
func (l leavers) Due(ctx context.Context, domain string, by time.Time, limit int) ([]store.Leaver, error) {
	var out []store.Leaver
	err := l.db.reads.each(ctx, selectDue, func(rows *sql.Rows) error {
		var x store.Leaver
		var due int64
		err := rows.Scan(&x.Owner, &x.Domain, &x.Local, &due)
		x.Due = time.UnixMicro(due).UTC()
		out = append(out, x)
		return err
	}, domain, by.UnixMicro(), max(limit, 0))
	return out, err
}

// Waiting implements store.Leavers.
func (l leavers) Waiting(ctx context.Context, domain string, limit int) ([]store.Account, error) {
	return l.db.accountsOf(ctx, domain, selectApplicants, domain, max(limit, 0))
}

// Erase implements store.Leavers.
func (l leavers) Erase(ctx context.Context, owner store.Owner, hold time.Time) error {
	return l.erase(ctx, owner, hold, func(*writer) error { return nil })
}

// EraseDue implements store.Leavers.
func (l leavers) EraseDue(ctx context.Context, owner store.Owner, by, hold time.Time) error {
	return l.erase(ctx, owner, hold, func(w *writer) error {
		_, due, err := w.number("SELECT owner FROM leavers WHERE owner = $1 AND due <= $2", int64(owner), by.UnixMicro())
		return errors.Join(err, notFoundUnless(err != nil || due))
	})
}

// erase removes an account if nothing is against it in the moment of doing so.
func (l leavers) erase(ctx context.Context, owner store.Owner, hold time.Time, check func(*writer) error) error {
	var gone []store.Owner
	t := l.db.queueOf(nobody).change(0, func(w *writer) error {
		if err := check(w); err != nil {
			return err
		}
		hash := ""
		err := w.query("SELECT domain, local FROM accounts WHERE id = $1", func(row []driver.Value) error {
			domain, _ := row[0].(string)
			local, _ := row[1].(string)
			hash = nameHash(domain, local)
			return nil
		}, int64(owner))
		if err != nil {
			return err
		}
		_, err = w.change("INSERT INTO held_names (hash, until) VALUES ($1, $2) ON CONFLICT (hash) DO UPDATE SET until = excluded.until", hash, hold.UnixMicro())
		if err != nil {
			return err
		}
		gone, err = deleteAccount(w, owner)
		return err
	})
	if err := l.db.eraser.behind(t, &gone).Wait(ctx); err != nil {
		return err
	}
	return l.db.eraser.erase(ctx, owner)
}
