package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"stonechat/store"
)

// tombstones implements store.Tombstones.
type tombstones struct{ db *DB }

const (
	selectTombstone       = "SELECT room, until, reason, alternate FROM room_tombstones WHERE domain = $1 AND local = $2"
	selectTombstoneOwners = "SELECT jid FROM room_tombstone_owners WHERE room = $1 ORDER BY jid"
	selectTombstoneOf     = "SELECT room FROM room_tombstone_owners WHERE room = $1 AND jid = $2"
	// Those that somebody has left, but for the newest: at most a hundred at once, should there suddenly be room for fewer.
	selectOldTombstones = "SELECT room FROM room_tombstone_owners WHERE jid = $1 AND buried > 0 ORDER BY buried DESC, room DESC LIMIT 100 OFFSET $2 + 0"
	expiredTombstones   = "(SELECT room FROM room_tombstones WHERE until <= $1 ORDER BY until, room LIMIT $2 + 0)"
)

// expireTombstones: $1 is a time, $2 a number of tombstones.
var expireTombstones = [...]string{
	"DELETE FROM room_tombstone_owners WHERE room IN " + expiredTombstones,
	"DELETE FROM room_tombstones WHERE room IN " + expiredTombstones,
}

// Tombstone implements store.Tombstones.
func (v tombstones) Tombstone(ctx context.Context, domain, local string) (store.Tombstone, error) {
	var t store.Tombstone
	var room int64
	err := v.db.reads.each(ctx, selectTombstone, func(rows *sql.Rows) error {
		var until int64
		err := rows.Scan(&room, &until, &t.Reason, &t.Alternate)
		t.Until = time.UnixMicro(until).UTC()
		return err
	}, domain, local)
	if err == nil && room == 0 {
		err = fmt.Errorf("tombstone: %w", store.ErrNotFound)
	}
	if err != nil {
		return store.Tombstone{}, err
	}
	err = v.db.reads.each(ctx, selectTombstoneOwners, func(rows *sql.Rows) error {
		var owner string
		err := rows.Scan(&owner)
		t.Owners = append(t.Owners, owner)
		return err
	}, room)
	return t, err
}

// Bury implements store.Tombstones. It is a change of nobody, like the end of an account and the making of a room: with several lanes one of those could
// otherwise miss what this is about to write.
func (v tombstones) Bury(room store.Owner, t store.Tombstone, most int) store.Ticket {
	return v.db.eraser.behind(v.db.behind([]*lane{v.db.laneOf(room)}, op{run: func(w *writer) error {
		if err := bury(w, room, t); err != nil {
			return err
		}
		old, err := w.owners(selectOldTombstones, t.By, int64(max(most, 0)))
		if err != nil {
			return err
		}
		for _, one := range old {
			if err := removeTombstone(w, one); err != nil {
				return err
			}
		}
		return deleteRoom(w, room)
	}}, false, nil), &[]store.Owner{room})
}

// bury puts a tombstone beside a room that is still there, if somebody is to have its name.
func bury(w *writer, room store.Owner, t store.Tombstone) error {
	owners := int64(0)
	for _, jid := range t.Owners {
		buried := int64(0)
		if jid == t.By {
			buried = t.At.UnixMicro()
		}
		n, err := w.change("INSERT INTO room_tombstone_owners (room, jid, buried) SELECT owner, jid, CAST($3 AS BIGINT) FROM room_affiliations"+
			" WHERE owner = $1 AND jid = $2 AND kind = 'owner'", int64(room), jid, buried)
		if err != nil {
			return err
		}
		owners += n
	}
	if owners == 0 {
		return nil
	}
	_, err := w.change("INSERT INTO room_tombstones (room, domain, local, until, reason, alternate)"+
		" SELECT owner, domain, local, CAST($2 AS BIGINT), CAST($3 AS TEXT), CAST($4 AS TEXT) FROM rooms WHERE owner = $1",
		int64(room), t.Until.UnixMicro(), t.Reason, t.Alternate)
	return err
}

func removeTombstone(w *writer, room store.Owner) error {
	for _, query := range [...]string{"DELETE FROM room_tombstones WHERE room = $1", "DELETE FROM room_tombstone_owners WHERE room = $1"} {
		if _, err := w.change(query, int64(room)); err != nil {
			return err
		}
	}
	return nil
}

// claim takes away what stands in the place of a room that is being created, unless it keeps the name for others.
func claim(w *writer, r store.Room) error {
	var room, until int64
	err := w.query(selectTombstone, func(row []driver.Value) error {
		room, _ = row[0].(int64)
		until, _ = row[1].(int64)
		return nil
	}, r.Domain, r.Local)
	if err != nil || room == 0 {
		return err
	}
	if until > r.Created.UnixMicro() {
		_, own, err := w.number(selectTombstoneOf, room, r.Creator)
		if err != nil {
			return err
		}
		if !own {
			return fmt.Errorf("tombstone of a room: %w", store.ErrConflict)
		}
	}
	return removeTombstone(w, store.Owner(room))
}

// ExpireTombstones implements store.Tombstones.
func (v tombstones) ExpireTombstones(ctx context.Context, now time.Time) (int64, error) {
	p := newPace(eraseRows)
	var total int64
	for {
		n, err := v.db.eraseChunk(ctx, nobody, &p, expireTombstones[:], func(rows int) []any { return []any{now.UnixMicro(), int64(rows)} })
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
}
