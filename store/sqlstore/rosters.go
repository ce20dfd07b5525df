package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// keptGone is how many removed contacts a roster remembers, for clients that ask what changed.
const keptGone = 256

// noGroups is how most contacts' groups are stored.
const noGroups = "null"

// rosters implements store.Rosters.
type rosters struct{ db *DB }

const (
	selectVersion = "SELECT version, floor FROM rosters WHERE owner = $1"
	selectItems   = "SELECT jid, name, subscription, ask, approved, groups_json, bond, version FROM roster_items WHERE owner = $1 AND version > $2 ORDER BY jid"
	selectGone    = "SELECT jid, version FROM roster_gone WHERE owner = $1 AND version > $2 ORDER BY jid"
	selectPending = "SELECT jid, stanza, since FROM roster_pending WHERE owner = $1 ORDER BY jid"
)

// snapshot reads several statements as of one moment.
type snapshot struct {
	ctx   context.Context
	r     *reads
	tx    *sql.Tx
	fresh []string // statements that were not prepared yet
}

// snapshot calls f within one transaction. Preparing needs a connection of its own, and whoever holds one of the few must not wait for
// another; so what is not prepared yet runs as it is and is prepared afterwards.
func (r *reads) snapshot(ctx context.Context, f func(*snapshot) error) error {
	var tx *sql.Tx
	err := r.reach(ctx, func() error {
		err := r.allowed(ctx)
		if err == nil {
			tx, err = r.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: r.isolation})
		}
		return err
	})
	if err != nil {
		return err
	}
	s := snapshot{ctx: ctx, r: r, tx: tx}
	err = f(&s)
	_ = tx.Rollback() // what was read is whole, also when the connection breaks now
	for _, query := range s.fresh {
		if _, perr := r.prepare(ctx, query); err == nil {
			err = perr
		}
	}
	return err
}

func (s *snapshot) each(query string, f func(*sql.Rows) error, args ...any) error {
	var rows *sql.Rows
	var err error
	s.r.count.Add(1)
	if st := s.r.prepared(query); st != nil {
		rows, err = s.tx.StmtContext(s.ctx, st).QueryContext(s.ctx, args...)
	} else {
		s.fresh = append(s.fresh, query)
		rows, err = s.tx.QueryContext(s.ctx, query, args...)
	}
	if err != nil {
		return err
	}
	return scanEach(rows, f)
}

// address reads a stored address. One that can be read no more (the rules of preparation may change with Unicode) is left out and
// counted, so that it does not hide the others.
func (db *DB) address(text string) (jid.JID, bool) {
	j, err := jid.Parse(text)
	if err != nil {
		db.counters.update(func(s *Stats) { s.Unreadable++ })
	}
	return j, err == nil
}

// Load implements store.Rosters.
func (r rosters) Load(ctx context.Context, owner store.Owner) (store.Roster, error) {
	var out store.Roster
	err := r.db.reads.snapshot(ctx, func(s *snapshot) error {
		version, _, err := r.version(s, owner)
		if err != nil {
			return err
		}
		out.Version = version
		items, err := r.items(s, owner, -1)
		if err != nil {
			return err
		}
		for i := range items {
			out.Contacts = append(out.Contacts, items[i].Contact)
		}
		return s.each(selectPending, func(rows *sql.Rows) error {
			var p store.Pending
			var text string
			var since int64
			if err := rows.Scan(&text, &p.Stanza, &since); err != nil {
				return err
			}
			p.Since = time.UnixMicro(since).UTC()
			var ok bool
			if p.JID, ok = r.db.address(text); ok {
				out.Pending = append(out.Pending, p)
			}
			return nil
		}, int64(owner))
	})
	if err != nil {
		return store.Roster{}, err
	}
	return out, nil
}

// version returns the roster's version and the oldest one from which all removals are known.
func (r rosters) version(s *snapshot, owner store.Owner) (version, floor store.Version, err error) {
	err = s.each(selectVersion, func(rows *sql.Rows) error { return rows.Scan(&version, &floor) }, int64(owner))
	return version, floor, err
}

// items returns the contacts that changed after a version, ordered by address.
func (r rosters) items(s *snapshot, owner store.Owner, since store.Version) ([]store.ChangedContact, error) {
	var out []store.ChangedContact
	err := s.each(selectItems, func(rows *sql.Rows) error {
		var c store.ChangedContact
		var text, groups string
		if err := rows.Scan(&text, &c.Name, &c.Subscription, &c.Ask, &c.Approved, &groups, &c.Bond, &c.Version); err != nil {
			return err
		}
		if groups != noGroups {
			if err := json.Unmarshal([]byte(groups), &c.Groups); err != nil {
				return err
			}
		}
		var ok bool
		if c.JID, ok = r.db.address(text); ok {
			out = append(out, c)
		}
		return nil
	}, int64(owner), int64(since))
	return out, err
}

// ChangesSince implements store.Rosters.
func (r rosters) ChangesSince(ctx context.Context, owner store.Owner, since store.Version) (store.RosterChanges, bool, error) {
	var out store.RosterChanges
	ok := false
	err := r.db.reads.snapshot(ctx, func(s *snapshot) error {
		version, floor, err := r.version(s, owner)
		if err != nil {
			return err
		}
		out.Version = version
		ok = since == version || (since > 0 && since >= floor && since < version)
		if !ok || since == version {
			return nil
		}
		if out.Items, err = r.items(s, owner, since); err != nil {
			return err
		}
		return s.each(selectGone, func(rows *sql.Rows) error {
			c := store.ChangedContact{Gone: true}
			var text string
			if err := rows.Scan(&text, &c.Version); err != nil {
				return err
			}
			var fine bool
			if c.JID, fine = r.db.address(text); fine {
				out.Items = append(out.Items, c)
			}
			return nil
		}, int64(owner), int64(since))
	})
	if err != nil || !ok {
		return store.RosterChanges{}, false, err
	}
	slices.SortStableFunc(out.Items, func(a, b store.ChangedContact) int { return cmp.Compare(a.Version, b.Version) })
	return out, true, nil
}

// Change implements store.Rosters.
func (r rosters) Change(owner store.Owner, c store.RosterChange) (store.Version, store.Ticket) {
	ch := rosterChange{owner: owner, RosterChange: c, now: r.db.options.Now().UnixMicro()}
	size := 0
	if c.Put != nil {
		put := *c.Put
		put.Groups = slices.Clone(put.Groups)
		ch.Put = &put
		size += len(put.Name) + 64*len(put.Groups)
	}
	if c.PutPending != nil {
		pending := *c.PutPending
		pending.Stanza = append([]byte{}, pending.Stanza...)
		ch.PutPending = &pending
		size += len(pending.Stanza)
	}
	if c.Put == nil && c.Remove.IsZero() {
		return 0, r.db.queueOf(owner).change(size, ch.apply)
	}
	key, ticket := r.db.queueOf(owner).put(op{size: size}, true, func(o *op, key store.Key) {
		ch.version = int64(key)
		o.run = ch.apply
	})
	return store.Version(key), ticket
}

// rosterChange is a change on its way to the disk.
type rosterChange struct {
	store.RosterChange
	owner   store.Owner
	version int64 // zero: contacts stay as they are
	now     int64
}

func (c *rosterChange) apply(w *writer) error {
	if !c.Remove.IsZero() {
		if err := c.remove(w); err != nil {
			return err
		}
	}
	if c.Put != nil {
		if err := putContact(w, c.owner, c.version, c.Put); err != nil {
			return err
		}
		if _, err := w.change("DELETE FROM roster_gone WHERE owner = $1 AND jid = $2", int64(c.owner), c.Put.JID.String()); err != nil {
			return err
		}
	}
	if c.version > 0 {
		if err := setVersion(w, c.owner, c.version); err != nil {
			return err
		}
	}
	return c.pending(w)
}

func (c *rosterChange) remove(w *writer) error {
	owner, j := int64(c.owner), c.Remove.String()
	if _, err := w.change("DELETE FROM roster_items WHERE owner = $1 AND jid = $2", owner, j); err != nil {
		return err
	}
	_, err := w.change(`INSERT INTO roster_gone (owner, jid, version) VALUES ($1, $2, $3)
		ON CONFLICT (owner, jid) DO UPDATE SET version = excluded.version`, owner, j, c.version)
	if err != nil {
		return err
	}
	cut, found, err := w.number("SELECT version FROM roster_gone WHERE owner = $1 ORDER BY version DESC LIMIT 1 OFFSET $2", owner, int64(keptGone))
	if err != nil || !found {
		return err
	}
	if _, err := w.change("DELETE FROM roster_gone WHERE owner = $1 AND version <= $2", owner, cut); err != nil {
		return err
	}
	_, err = w.change("UPDATE rosters SET floor = $2 WHERE owner = $1", owner, cut)
	return err
}

func (c *rosterChange) pending(w *writer) error {
	if !c.RemovePending.IsZero() {
		if _, err := w.change("DELETE FROM roster_pending WHERE owner = $1 AND jid = $2", int64(c.owner), c.RemovePending.String()); err != nil {
			return err
		}
	}
	if c.PutPending == nil {
		return nil
	}
	since := c.now
	if !c.PutPending.Since.IsZero() {
		since = c.PutPending.Since.UnixMicro()
	}
	_, err := w.change(`INSERT INTO roster_pending (owner, jid, stanza, since) VALUES ($1, $2, $3, $4)
		ON CONFLICT (owner, jid) DO UPDATE SET stanza = excluded.stanza, since = excluded.since`,
		int64(c.owner), c.PutPending.JID.String(), c.PutPending.Stanza, since)
	return err
}

func putContact(w *writer, owner store.Owner, version int64, c *store.Contact) error {
	groups, err := json.Marshal(c.Groups)
	if err != nil {
		return err
	}
	subscription := c.Subscription
	if subscription == "" {
		subscription = store.SubscriptionNone
	}
	_, err = w.change(`INSERT INTO roster_items (owner, jid, name, subscription, ask, approved, groups_json, bond, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (owner, jid) DO UPDATE SET name = excluded.name, subscription = excluded.subscription, ask = excluded.ask,
			approved = excluded.approved, groups_json = excluded.groups_json, bond = excluded.bond, version = excluded.version`,
		int64(owner), c.JID.String(), c.Name, string(subscription), truth(c.Ask), truth(c.Approved), string(groups), int64(c.Bond), version)
	return err
}

func setVersion(w *writer, owner store.Owner, version int64) error {
	_, err := w.change(`INSERT INTO rosters (owner, version, floor) VALUES ($1, $2, 0)
		ON CONFLICT (owner) DO UPDATE SET version = CASE WHEN rosters.version > excluded.version THEN rosters.version ELSE excluded.version END`,
		int64(owner), version)
	return err
}

// truth is how booleans are stored.
func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
