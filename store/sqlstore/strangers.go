package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// strangers implements store.Strangers.
type strangers struct{ db *DB }

const (
	selectStrangerPrefs = "SELECT mode, members FROM stranger_prefs WHERE owner = $1"
	selectAcquaintances = "SELECT jid FROM acquaintances WHERE owner = $1 LIMIT $2 + 0"
	selectWaiting       = "SELECT key, sender, stanza FROM stranger_messages WHERE owner = $1 ORDER BY key"
	expireWaiting       = "DELETE FROM stranger_messages WHERE (owner, key) IN (SELECT owner, key FROM stranger_messages WHERE key < $1 ORDER BY key LIMIT $2 + 0)"
)

// StrangerPrefs implements store.Strangers.
func (s strangers) StrangerPrefs(ctx context.Context, owner store.Owner) (store.StrangerPrefs, error) {
	var p store.StrangerPrefs
	var members int64
	st, err := s.db.reads.stmt(ctx, selectStrangerPrefs)
	if err != nil {
		return p, err
	}
	err = st.QueryRowContext(ctx, int64(owner)).Scan(&p.Mode, &members)
	if errors.Is(err, sql.ErrNoRows) {
		return store.StrangerPrefs{}, nil
	}
	p.Members = members != 0
	return p, err
}

// SetStrangerPrefs implements store.Strangers.
func (s strangers) SetStrangerPrefs(owner store.Owner, p store.StrangerPrefs) store.Ticket {
	members := int64(0)
	if p.Members {
		members = 1
	}
	return s.db.queueOf(owner).change(0, func(w *writer) error {
		_, err := w.change(`INSERT INTO stranger_prefs (owner, mode, members) VALUES ($1, $2, $3)
			ON CONFLICT (owner) DO UPDATE SET mode = excluded.mode, members = excluded.members`, int64(owner), string(p.Mode), members)
		return err
	})
}

// Acquaintances implements store.Strangers.
func (s strangers) Acquaintances(ctx context.Context, owner store.Owner, limit int) ([]jid.JID, error) {
	return s.db.addresses(ctx, selectAcquaintances, int64(owner), limit)
}

// AddAcquaintance implements store.Strangers.
func (s strangers) AddAcquaintance(owner store.Owner, bare jid.JID) store.Ticket {
	return s.db.queueOf(owner).change(len(bare.String()), func(w *writer) error {
		_, err := w.change("INSERT INTO acquaintances (owner, jid) VALUES ($1, $2) ON CONFLICT (owner, jid) DO NOTHING", int64(owner), bare.String())
		return err
	})
}

// AddWaiting implements store.Strangers.
func (s strangers) AddWaiting(owner store.Owner, sender jid.JID, stanza []byte) store.Ticket {
	_, t := s.db.queueOf(owner).put(op{size: len(stanza)}, true, func(o *op, key store.Key) {
		o.run = func(w *writer) error {
			_, err := w.change("INSERT INTO stranger_messages (owner, key, sender, stanza) VALUES ($1, $2, $3, $4)",
				int64(owner), int64(key), sender.String(), stanza)
			return err
		}
	})
	return t
}

// Waiting implements store.Strangers. A box is small, so one statement serves both uses.
func (s strangers) Waiting(ctx context.Context, owner store.Owner, sender jid.JID) ([]store.WaitingMessage, error) {
	var out []store.WaitingMessage
	err := s.db.reads.each(ctx, selectWaiting, func(rows *sql.Rows) error {
		var m store.WaitingMessage
		var text string
		if err := rows.Scan(&m.Key, &text, &m.Stanza); err != nil {
			return err
		}
		var ok bool
		if m.Sender, ok = s.db.address(text); ok && (sender.IsZero() || m.Sender == sender) {
			out = append(out, m)
		}
		return nil
	}, int64(owner))
	if err != nil {
		return nil, err
	}
	return out, nil
}

// RemoveWaiting implements store.Strangers.
func (s strangers) RemoveWaiting(owner store.Owner, sender jid.JID, upTo store.Key) store.Ticket {
	return s.db.queueOf(owner).change(0, func(w *writer) error {
		_, err := w.change("DELETE FROM stranger_messages WHERE owner = $1 AND key <= $2 AND sender = $3", int64(owner), int64(upTo), sender.String())
		return err
	})
}

// ExpireWaiting implements store.Strangers.
func (s strangers) ExpireWaiting(ctx context.Context, before time.Time) (int64, error) {
	p := newPace(eraseRows)
	var total int64
	for {
		n, err := s.db.eraseChunk(ctx, nobody, &p, []string{expireWaiting}, func(rows int) []any { return []any{int64(store.KeyAt(before)), int64(rows)} })
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}
