package sqlstore

import (
	"database/sql/driver"

	"stonechat/store"
)

// This file is what an account that goes was to rooms and nodes of others.

const (
	addressOf = "(SELECT local || '@' || domain FROM accounts WHERE id = $1)"

	// Rooms and nodes of rooms that have no owner but this account. A temporary room goes with its last occupant, and has no need of one.
	selectBereavedRooms = "SELECT a.owner FROM room_affiliations AS a CROSS JOIN rooms AS r WHERE r.owner = a.owner AND r.temporary = 0 AND a.jid = " + addressOf +
		" AND a.kind = 'owner' AND NOT EXISTS (SELECT 1 FROM room_affiliations AS b WHERE b.owner = a.owner AND b.kind = 'owner' AND b.jid <> a.jid)"
	selectBereavedNodes = "SELECT a.owner FROM node_affiliations AS a CROSS JOIN rooms AS r WHERE r.owner = a.owner AND a.jid = " + addressOf +
		" AND a.affiliation = 'owner' AND NOT EXISTS (SELECT 1 FROM node_affiliations AS b WHERE b.owner = a.owner AND b.node = a.node" +
		" AND b.affiliation = 'owner' AND b.jid <> a.jid)"
	// Who of the same domain is next in a room: an admin, or else a member who belongs to it; of several the oldest account. Numbers of accounts are given
	// in the order of their making.
	selectHeir = "SELECT b.jid FROM room_affiliations AS b CROSS JOIN accounts AS d CROSS JOIN accounts AS c WHERE b.owner = $1 AND d.id = $2" +
		" AND (b.kind = 'admin' OR b.kind = 'member' AND (b.been = 1 OR b.nick <> ''))" +
		" AND c.domain = d.domain AND b.jid = c.local || '@' || c.domain" +
		// The same once more, so that an index leads there; the length of a part may not be negative.
		" AND c.local = CASE WHEN length(b.jid) > length(d.domain) THEN substr(b.jid, 1, length(b.jid) - length(d.domain) - 1) END" +
		" AND c.disabled = 0 ORDER BY b.kind, c.id LIMIT 1"
)

// disinheritance takes an account out of what others keep of its address, so that nobody who gets the name later finds rights there. Bans stay.
var disinheritance = [...]string{
	"DELETE FROM room_affiliations WHERE jid = " + addressOf + " AND kind <> 'outcast'",
	"DELETE FROM node_affiliations WHERE jid = " + addressOf + " AND affiliation <> 'outcast'",
	"DELETE FROM node_subscriptions WHERE bare = " + addressOf,
	"DELETE FROM room_tombstones WHERE room IN (SELECT a.room FROM room_tombstone_owners AS a WHERE a.jid = " + addressOf +
		" AND NOT EXISTS (SELECT 1 FROM room_tombstone_owners AS b WHERE b.room = a.room AND b.jid <> a.jid))",
	"DELETE FROM room_tombstone_owners WHERE jid = " + addressOf,
}

// disinherit ends what an account is to rooms and nodes. What it alone owned has another owner then, or is gone; it returns the numbers of what is, of
// which the rest is to be erased.
func disinherit(w *writer, id store.Owner) ([]store.Owner, error) {
	gone, err := w.owners(selectBereavedNodes, int64(id))
	if err != nil {
		return nil, err
	}
	rooms, err := w.owners(selectBereavedRooms, int64(id))
	if err != nil {
		return nil, err
	}
	for _, room := range rooms {
		heir, err := w.names(selectHeir, int64(room), int64(id))
		if err == nil && len(heir) > 0 {
			_, err = w.change("UPDATE room_affiliations SET kind = 'owner' WHERE owner = $1 AND jid = $2", int64(room), heir[0])
		} else {
			gone = append(gone, room)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, query := range disinheritance {
		if _, err := w.change(query, int64(id)); err != nil {
			return nil, err
		}
	}
	for _, room := range gone {
		if err := deleteRoom(w, room); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// owners reads a column of numbers.
func (w *writer) owners(query string, args ...any) (out []store.Owner, err error) {
	err = w.query(query, func(row []driver.Value) error {
		if id, ok := row[0].(int64); ok {
			out = append(out, store.Owner(id))
		}
		return nil
	}, args...)
	return out, err
}

// behind begins to erase what a change has left behind when that is durable. If the process ends before, the next one does.
func (e *eraser) behind(t store.Ticket, gone *[]store.Owner) store.Ticket {
	t.Done(func(err error) {
		if err != nil {
			return
		}
		for _, owner := range *gone {
			e.begin(owner)
		}
	})
	return t
}
