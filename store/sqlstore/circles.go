package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

// circles implements store.Circles.
type circles struct{ db *DB }

const (
	selectCircles = "SELECT c.name, (SELECT COUNT(*) FROM circle_members AS m WHERE m.domain = c.domain AND m.circle = c.name) FROM circles AS c WHERE c.domain = $1 ORDER BY c.name"
	selectMembers = "SELECT a.local FROM circle_members AS m JOIN accounts AS a ON a.id = m.owner WHERE m.domain = $1 AND m.circle = $2 ORDER BY a.local"
	selectTies    = "SELECT t.owner, a.domain, a.local, t.jid, t.befriend, t.dropped, t.wish FROM ties AS t CROSS JOIN accounts AS a " +
		"WHERE a.id = t.owner AND a.domain = $1 ORDER BY t.befriend DESC, t.owner, t.jid LIMIT $2 + 0"
	selectCommon = "SELECT m.circle FROM circle_members AS m JOIN circle_members AS o ON o.domain = m.domain AND o.circle = m.circle " +
		"JOIN accounts AS a ON a.id = o.owner WHERE m.owner = $1 AND a.domain = $2 AND a.local = $3 AND m.domain = $2 ORDER BY m.circle"
	selectCircle = "SELECT 1 FROM circles WHERE domain = $1 AND name = $2"
	// What two members have to look at again, in both directions.
	tieEach = `INSERT INTO ties (owner, jid, befriend, dropped, wish)
		SELECT m.owner, me.local || '@' || me.domain, 0, $4, 0 FROM circle_members AS m, accounts AS me
		WHERE m.domain = $1 AND m.circle = $2 AND me.id = $3 AND m.owner <> $3
		ON CONFLICT (owner, jid, dropped) DO UPDATE SET wish = ties.wish + 1`
	tieOne = `INSERT INTO ties (owner, jid, befriend, dropped, wish)
		SELECT me.id, a.local || '@' || a.domain, 0, $4, 0 FROM circle_members AS m JOIN accounts AS a ON a.id = m.owner, accounts AS me
		WHERE m.domain = $1 AND m.circle = $2 AND me.id = $3 AND m.owner <> $3
		ON CONFLICT (owner, jid, dropped) DO UPDATE SET wish = ties.wish + 1`
)

// address joins the parts of a kept address.
func address(local, domain string) (jid.JID, error) { return jid.New(local, domain, "") }

func noCircle() error { return fmt.Errorf("circle: %w", store.ErrNotFound) }

// Make implements store.Circles.
func (c circles) Make(ctx context.Context, domain, name string) error {
	return c.db.queueOf(nobody).change(len(name), func(w *writer) error {
		_, err := w.change("INSERT INTO circles (domain, name) VALUES ($1, $2) ON CONFLICT (domain, name) DO NOTHING", domain, name)
		return err
	}).Wait(ctx)
}

// End implements store.Circles.
func (c circles) End(ctx context.Context, domain, name string) error {
	return c.db.queueOf(nobody).change(0, func(w *writer) error {
		n, err := w.change("DELETE FROM circles WHERE domain = $1 AND name = $2", domain, name)
		if err != nil || n == 0 {
			if err == nil {
				err = noCircle()
			}
			return err
		}
		_, err = w.change(`INSERT INTO ties (owner, jid, befriend, dropped, wish)
			SELECT m.owner, a.local || '@' || a.domain, 0, $2, 0 FROM circle_members AS m, circle_members AS o JOIN accounts AS a ON a.id = o.owner
			WHERE m.domain = $1 AND m.circle = $2 AND o.domain = $1 AND o.circle = $2 AND m.owner <> o.owner
			ON CONFLICT (owner, jid, dropped) DO UPDATE SET wish = ties.wish + 1`, domain, name)
		if err != nil {
			return err
		}
		_, err = w.change("DELETE FROM circle_members WHERE domain = $1 AND circle = $2", domain, name)
		return err
	}).Wait(ctx)
}

// Circles implements store.Circles.
func (c circles) Circles(ctx context.Context, domain string) ([]store.Circle, error) {
	var out []store.Circle
	err := c.db.reads.each(ctx, selectCircles, func(rows *sql.Rows) error {
		var x store.Circle
		err := rows.Scan(&x.Name, &x.Members)
		out = append(out, x)
		return err
	}, domain)
	return out, err
}

// Members implements store.Circles.
func (c circles) Members(ctx context.Context, domain, name string) ([]string, error) {
	exists := false
	err := c.db.reads.each(ctx, selectCircle, func(*sql.Rows) error { exists = true; return nil }, domain, name)
	if err == nil && !exists {
		err = noCircle()
	}
	if err != nil {
		return nil, err
	}
	var out []string
	err = c.db.reads.each(ctx, selectMembers, func(rows *sql.Rows) error {
		var local string
		err := rows.Scan(&local)
		out = append(out, local)
		return err
	}, domain, name)
	return out, err
}

// Join implements store.Circles.
func (c circles) Join(ctx context.Context, domain, name string, owner store.Owner, limit int) error {
	return c.db.queueOf(nobody).change(0, func(w *writer) error { return joinCircle(w, domain, name, owner, limit) }).Wait(ctx)
}

// stays is ErrNotFound for an account that is gone or leaves: what is written for it now would not be removed with the rest.
func stays(w *writer, owner store.Owner) error {
	_, here, err := w.number("SELECT id FROM accounts WHERE id = $1 AND disabled < 3", int64(owner))
	return errors.Join(err, notFoundUnless(err != nil || here))
}

// joinCircle adds a member and has all rosters follow; limit zero: any number.
func joinCircle(w *writer, domain, name string, owner store.Owner, limit int) error {
	if _, found, err := w.number(selectCircle, domain, name); err != nil || !found {
		if err == nil {
			err = noCircle()
		}
		return err
	}
	if err := stays(w, owner); err != nil {
		return err
	}
	members, _, err := w.number("SELECT COUNT(*) FROM circle_members WHERE domain = $1 AND circle = $2", domain, name)
	if err != nil {
		return err
	}
	n, err := w.change("INSERT INTO circle_members (domain, circle, owner) VALUES ($1, $2, $3) ON CONFLICT (domain, circle, owner) DO NOTHING", domain, name, int64(owner))
	if err != nil || n == 0 {
		return err
	}
	if limit > 0 && members >= int64(limit) {
		return fmt.Errorf("circle: %w", store.ErrTooMany)
	}
	return tieAll(w, domain, name, owner, "")
}

// tieAll has a member's roster and those of all others look at each other again.
func tieAll(w *writer, domain, name string, owner store.Owner, dropped string) error {
	for _, query := range [...]string{tieEach, tieOne} {
		if _, err := w.change(query, domain, name, int64(owner), dropped); err != nil {
			return err
		}
	}
	return nil
}

// Part implements store.Circles.
func (c circles) Part(ctx context.Context, domain, name string, owner store.Owner) error {
	return c.db.queueOf(nobody).change(0, func(w *writer) error { return partCircle(w, domain, name, owner) }).Wait(ctx)
}

func partCircle(w *writer, domain, name string, owner store.Owner) error {
	if err := tieAll(w, domain, name, owner, name); err != nil {
		return err
	}
	n, err := w.change("DELETE FROM circle_members WHERE domain = $1 AND circle = $2 AND owner = $3", domain, name, int64(owner))
	if err == nil && n == 0 {
		err = fmt.Errorf("member: %w", store.ErrNotFound)
	}
	return err
}

// partAll takes an account out of every circle.
func partAll(w *writer, owner store.Owner) error {
	type place struct{ domain, name string }
	var all []place
	err := w.query("SELECT domain, circle FROM circle_members WHERE owner = $1", func(row []driver.Value) error {
		domain, _ := row[0].(string)
		name, _ := row[1].(string)
		all = append(all, place{domain, name})
		return nil
	}, int64(owner))
	for _, p := range all {
		if err == nil {
			err = partCircle(w, p.domain, p.name, owner)
		}
	}
	return err
}

// tie has one roster look at a contact.
func tie(w *writer, owner int64, contact string, befriend bool, dropped string) error {
	_, err := w.change(`INSERT INTO ties (owner, jid, befriend, dropped, wish) VALUES ($1, $2, $3, $4, 0)
		ON CONFLICT (owner, jid, dropped) DO UPDATE SET befriend = excluded.befriend, wish = ties.wish + 1`, owner, contact, truth(befriend), dropped)
	return err
}

// Ties implements store.Circles.
func (c circles) Ties(ctx context.Context, domain string, limit int) ([]store.Tie, error) {
	var out []store.Tie
	err := c.db.reads.each(ctx, selectTies, func(rows *sql.Rows) error {
		var t store.Tie
		var text string
		if err := rows.Scan(&t.Owner, &t.Domain, &t.Local, &text, &t.Befriend, &t.Dropped, &t.Wish); err != nil {
			return err
		}
		var ok bool
		if t.Contact, ok = c.db.address(text); ok {
			out = append(out, t)
		}
		return nil
	}, domain, max(limit, 0))
	for i := range out {
		t := &out[i]
		if err != nil {
			break
		}
		err = c.db.reads.each(ctx, selectCommon, func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			t.Circles = append(t.Circles, name)
			return err
		}, int64(t.Owner), t.Contact.Domain(), t.Contact.Local())
	}
	return out, err
}

// Tied implements store.Circles.
func (c circles) Tied(ctx context.Context, ties []store.Tie) error {
	return c.db.queueOf(nobody).change(64*len(ties), func(w *writer) error {
		for i := range ties {
			t := &ties[i]
			_, err := w.change("DELETE FROM ties WHERE owner = $1 AND jid = $2 AND dropped = $3 AND wish = $4",
				int64(t.Owner), t.Contact.String(), t.Dropped, t.Wish)
			if err != nil {
				return err
			}
		}
		return nil
	}).Wait(ctx)
}
