package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"stonechat/store"
)

// rooms implements store.Rooms, store.Affiliations and store.Occupants.
type rooms struct{ db *DB }

const (
	roomColumns       = "owner, domain, local, creator, created, listed, temporary, config, subject, secret"
	selectRoom        = "SELECT " + roomColumns + " FROM rooms WHERE domain = $1 AND local = $2"
	listedColumns     = "owner, domain, local, creator, created, listed, temporary, config, NULL, NULL"
	selectRooms       = "SELECT " + listedColumns + " FROM rooms WHERE domain = $1 AND local > $2 ORDER BY local LIMIT $3 + 0"
	selectPublicRooms = "SELECT " + listedColumns + " FROM rooms WHERE domain = $1 AND listed = 1 AND local > $2 ORDER BY local LIMIT $3 + 0"
	countRooms        = "SELECT COUNT(*) FROM rooms WHERE domain = $1 AND creator = $2"
	// From the rooms on: the sum is of what the index of their items' order holds.
	sumRoomItems       = "SELECT CAST(COALESCE(SUM(i.bytes), 0) AS BIGINT) FROM rooms AS r CROSS JOIN node_items AS i WHERE i.owner = r.owner AND r.domain = $1 AND r.creator = $2"
	sumRoomPeople      = "SELECT CAST(COALESCE(SUM(length(a.jid)), 0) AS BIGINT) FROM rooms AS r CROSS JOIN node_affiliations AS a WHERE a.owner = r.owner AND r.domain = $1 AND r.creator = $2"
	selectAffiliations = "SELECT jid, kind, nick, reason, hats, been FROM room_affiliations WHERE owner = $1 ORDER BY jid"
	selectOccupants    = "SELECT occupants FROM room_occupants WHERE owner = $1"
	// The rooms with somebody in them are few beside all rooms.
	selectOccupied  = "SELECT r.local FROM room_occupants AS o JOIN rooms AS r ON r.owner = o.owner WHERE r.domain = $1"
	selectTemporary = "SELECT local FROM rooms WHERE domain = $1 AND temporary = 1"
)

func scanRoom(rows *sql.Rows) (r store.Room, err error) {
	var created int64
	err = rows.Scan(&r.ID, &r.Domain, &r.Local, &r.Creator, &created, &r.Public, &r.Temporary, &r.Config, &r.Subject, &r.Secret)
	r.Created = time.UnixMicro(created).UTC()
	for _, b := range []*[]byte{&r.Config, &r.Subject, &r.Secret} {
		if len(*b) == 0 {
			*b = nil // one database gives this, the other an empty one
		}
	}
	return r, err
}

// list reads rooms.
func (v rooms) list(ctx context.Context, query string, args ...any) (out []store.Room, err error) {
	err = v.db.reads.each(ctx, query, func(rows *sql.Rows) error {
		r, err := scanRoom(rows)
		out = append(out, r)
		return err
	}, args...)
	return out, err
}

func noRoom() error { return fmt.Errorf("room: %w", store.ErrNotFound) }

// Get implements store.Rooms.
func (v rooms) Get(ctx context.Context, domain, local string) (store.Room, error) {
	all, err := v.list(ctx, selectRoom, domain, local)
	if err == nil && len(all) == 0 {
		err = noRoom()
	}
	if err != nil {
		return store.Room{}, err
	}
	return all[0], nil
}

// List implements store.Rooms.
func (v rooms) List(ctx context.Context, domain, after string, limit int, public bool) ([]store.Room, error) {
	query := selectRooms
	if public {
		query = selectPublicRooms
	}
	return v.list(ctx, query, domain, after, max(limit, 0))
}

// CountBy implements store.Rooms.
func (v rooms) CountBy(ctx context.Context, domain, creator string) (int, error) {
	return v.figure(ctx, countRooms, domain, creator)
}

// BytesBy implements store.Rooms.
func (v rooms) BytesBy(ctx context.Context, domain, creator string) (int, error) {
	items, err := v.figure(ctx, sumRoomItems, domain, creator)
	if err != nil {
		return 0, err
	}
	people, err := v.figure(ctx, sumRoomPeople, domain, creator)
	return items + people, err
}

func (v rooms) figure(ctx context.Context, query, domain, creator string) (n int, err error) {
	s, err := v.db.reads.stmt(ctx, query)
	if err != nil {
		return 0, err
	}
	return n, s.QueryRowContext(ctx, domain, creator).Scan(&n)
}

// Create implements store.Rooms.
func (v rooms) Create(r store.Room, first []store.Affiliation, made func(store.Owner)) store.Ticket {
	if r.Domain == "" || r.Local == "" {
		return store.Settled(fmt.Errorf("room without a name: %w", store.ErrInvalid))
	}
	return v.db.queueOf(nobody).change(len(r.Config)+len(r.Subject)+64*len(first), func(w *writer) error {
		_, taken, err := w.number("SELECT owner FROM rooms WHERE domain = $1 AND local = $2", r.Domain, r.Local)
		if err != nil {
			return err
		}
		if taken {
			return fmt.Errorf("room: %w", store.ErrConflict)
		}
		if err := claim(w, r); err != nil {
			return err
		}
		id, _, err := w.number("INSERT INTO owners (kind) VALUES ('room') RETURNING id")
		if err != nil {
			return err
		}
		_, err = w.change("INSERT INTO rooms ("+roomColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			id, r.Domain, r.Local, r.Creator, r.Created.UnixMicro(), truth(r.Public), truth(r.Temporary), orEmpty(r.Config), orEmpty(r.Subject), orEmpty(r.Secret))
		if err != nil {
			return err
		}
		made(store.Owner(id))
		return setAffiliations(w, store.Owner(id), first)
	})
}

// Change implements store.Rooms.
func (v rooms) Change(r store.Room) store.Ticket {
	return v.db.queueOf(r.ID).change(len(r.Config)+len(r.Subject), func(w *writer) error {
		n, err := w.change("UPDATE rooms SET listed = $2, temporary = $3, config = $4, subject = $5 WHERE owner = $1",
			int64(r.ID), truth(r.Public), truth(r.Temporary), orEmpty(r.Config), orEmpty(r.Subject))
		if err == nil && n == 0 {
			err = noRoom()
		}
		return err
	})
}

// Delete implements store.Rooms. The room goes at once, and the note that the rest is to be erased comes with it: what an end of the process
// interrupts goes on with the next start.
func (v rooms) Delete(owner store.Owner) store.Ticket {
	return v.db.eraser.behind(v.db.queueOf(owner).change(0, func(w *writer) error { return deleteRoom(w, owner) }), &[]store.Owner{owner})
}

func deleteRoom(w *writer, owner store.Owner) error {
	n, err := w.change("DELETE FROM rooms WHERE owner = $1", int64(owner))
	if err == nil && n == 0 {
		err = noRoom()
	}
	if err != nil {
		return err
	}
	for _, query := range [...]string{
		"DELETE FROM room_affiliations WHERE owner = $1",
		"DELETE FROM room_occupants WHERE owner = $1",
		"INSERT INTO erasures (owner) VALUES ($1)",
	} {
		if _, err := w.change(query, int64(owner)); err != nil {
			return err
		}
	}
	return nil
}

// Of implements store.Affiliations.
func (v rooms) Of(ctx context.Context, room store.Owner) (out []store.Affiliation, err error) {
	err = v.db.reads.each(ctx, selectAffiliations, func(rows *sql.Rows) error {
		var a store.Affiliation
		err := rows.Scan(&a.JID, &a.Kind, &a.Nick, &a.Reason, &a.Hats, &a.Been)
		out = append(out, a)
		return err
	}, int64(room))
	return out, err
}

// Set implements store.Affiliations.
func (v rooms) Set(room store.Owner, changes []store.Affiliation) store.Ticket {
	size := 0
	for i := range changes {
		size += len(changes[i].JID) + len(changes[i].Nick) + len(changes[i].Reason) + len(changes[i].Hats)
	}
	return v.db.queueOf(room).change(size, func(w *writer) error {
		if err := roomStays(w, room); err != nil {
			return err
		}
		return setAffiliations(w, room, changes)
	})
}

// roomStays keeps what comes late from being kept for a room that is gone.
func roomStays(w *writer, room store.Owner) error {
	_, exists, err := w.number("SELECT owner FROM rooms WHERE owner = $1", int64(room))
	if err == nil && !exists {
		err = noRoom()
	}
	return err
}

func setAffiliations(w *writer, room store.Owner, changes []store.Affiliation) (err error) {
	for _, a := range changes {
		if a.Kind == "" && a.Nick == "" && a.Hats == "" {
			_, err = w.change("DELETE FROM room_affiliations WHERE owner = $1 AND jid = $2", int64(room), a.JID)
		} else {
			_, err = w.change(`INSERT INTO room_affiliations (owner, jid, kind, nick, reason, hats, been) VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (owner, jid) DO UPDATE SET kind = excluded.kind, nick = excluded.nick, reason = excluded.reason, hats = excluded.hats, been = excluded.been`,
				int64(room), a.JID, a.Kind, a.Nick, a.Reason, a.Hats, truth(a.Been))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Occupants implements store.Occupants.
func (v rooms) Occupants(ctx context.Context, room store.Owner) ([]byte, error) {
	return v.db.blob(ctx, selectOccupants, int64(room))
}

// SetOccupants implements store.Occupants.
func (v rooms) SetOccupants(room store.Owner, occupants []byte) store.Ticket {
	return v.db.queueOf(room).change(len(occupants), func(w *writer) error {
		if occupants == nil {
			_, err := w.change("DELETE FROM room_occupants WHERE owner = $1", int64(room))
			return err
		}
		if err := roomStays(w, room); err != nil {
			return err
		}
		_, err := w.change("INSERT INTO room_occupants (owner, occupants) VALUES ($1, $2) ON CONFLICT (owner) DO UPDATE SET occupants = excluded.occupants",
			int64(room), occupants)
		return err
	})
}

// Waking implements store.Occupants.
func (v rooms) Waking(ctx context.Context, domain string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	add := func(rows *sql.Rows) error {
		var local string
		err := rows.Scan(&local)
		if err == nil && !seen[local] {
			seen[local] = true
			out = append(out, local)
		}
		return err
	}
	err := v.db.reads.each(ctx, selectOccupied, add, domain)
	return out, errors.Join(err, v.db.reads.each(ctx, selectTemporary, add, domain))
}
