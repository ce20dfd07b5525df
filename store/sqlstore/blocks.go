package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// blocks implements store.Blocks.
type blocks struct{ db *DB }

const selectBlocked = "SELECT jid FROM blocks WHERE owner = $1 ORDER BY jid"

// Blocked implements store.Blocks.
func (b blocks) Blocked(ctx context.Context, owner store.Owner) ([]jid.JID, error) {
	return b.db.addresses(ctx, selectBlocked, int64(owner))
}

// addresses reads a column of addresses, in the order of their bytes whatever the database's collation.
func (db *DB) addresses(ctx context.Context, query string, args ...any) ([]jid.JID, error) {
	var out []jid.JID
	err := db.reads.each(ctx, query, func(rows *sql.Rows) error {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if j, ok := db.address(text); ok {
			out = append(out, j)
		}
		return nil
	}, args...)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b jid.JID) int { return strings.Compare(a.String(), b.String()) })
	return out, nil
}

// ChangeBlocked implements store.Blocks.
func (b blocks) ChangeBlocked(owner store.Owner, c store.BlockChange) store.Ticket {
	size := 0
	for _, j := range slices.Concat(c.Remove, c.Add) {
		size += len(j.String()) + opOverhead
	}
	for _, j := range c.Add {
		if len(j.String()) > store.MaxBlocked {
			return store.Settled(fmt.Errorf("address of %d bytes: %w", len(j.String()), store.ErrInvalid))
		}
	}
	return b.db.queueOf(owner).change(size, func(w *writer) error {
		if c.Clear {
			if _, err := w.change("DELETE FROM blocks WHERE owner = $1", int64(owner)); err != nil {
				return err
			}
		}
		for _, j := range c.Remove {
			if _, err := w.change("DELETE FROM blocks WHERE owner = $1 AND jid = $2", int64(owner), j.String()); err != nil {
				return err
			}
		}
		for _, j := range c.Add {
			if _, err := w.change("INSERT INTO blocks (owner, jid) VALUES ($1, $2) ON CONFLICT (owner, jid) DO NOTHING", int64(owner), j.String()); err != nil {
				return err
			}
		}
		return nil
	})
}
