package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"stonechat/store"
)

// devices implements store.Devices.
type devices struct{ db *DB }

const (
	selectDevices = "SELECT d.id, d.name, d.software, d.first_seen, d.last_seen, d.address, " +
		"(SELECT COUNT(*) FROM device_tokens AS t WHERE t.owner = d.owner AND t.device = d.id) " +
		"FROM devices AS d WHERE d.owner = $1 ORDER BY d.last_seen DESC, d.id"
	selectTokens = "SELECT seed, mechanism, issued, expires, used FROM device_tokens WHERE owner = $1 AND device = $2 ORDER BY slot DESC"

	currentSlot = int64(0)
	newSlot     = int64(1)
)

// List implements store.Devices.
func (d devices) List(ctx context.Context, owner store.Owner) ([]store.Device, error) {
	var out []store.Device
	err := d.db.reads.each(ctx, selectDevices, func(rows *sql.Rows) error {
		var x store.Device
		var first, last int64
		err := rows.Scan(&x.ID, &x.Name, &x.Software, &first, &last, &x.Address, &x.Tokens)
		x.First, x.Last = time.UnixMicro(first).UTC(), time.UnixMicro(last).UTC()
		out = append(out, x)
		return err
	}, int64(owner))
	return out, err
}

// Tokens implements store.Devices.
func (d devices) Tokens(ctx context.Context, owner store.Owner, device string) ([]store.Token, error) {
	var out []store.Token
	err := d.db.reads.each(ctx, selectTokens, func(rows *sql.Rows) error {
		var t store.Token
		var issued, expires int64
		err := rows.Scan(&t.Seed, &t.Mechanism, &issued, &expires, &t.Count)
		t.Issued, t.Expires = time.UnixMicro(issued).UTC(), time.UnixMicro(expires).UTC()
		out = append(out, t)
		return err
	}, int64(owner), device)
	return out, err
}

// Enter implements store.Devices.
func (d devices) Enter(owner store.Owner, e store.Login) store.Ticket {
	size := 256 + len(e.Device.Name) + len(e.Device.Software)
	return d.db.queueOf(nobody).change(size, func(w *writer) error {
		// The account may be deleted meanwhile; rows without one would never be erased.
		_, exists, err := w.number("SELECT id FROM accounts WHERE id = $1 AND disabled = 0", int64(owner))
		if err != nil || !exists {
			return errors.Join(err, notFoundUnless(exists))
		}
		if e.Under != nil {
			if err := stillStored(w, owner, e.Under); err != nil {
				return err
			}
		}
		if e.Used != nil {
			if err := useToken(w, owner, &e); err != nil {
				return err
			}
		}
		if err := putDevice(w, owner, &e); err != nil || e.Issue == nil {
			return err
		}
		return putToken(w, owner, e.Device.ID, e.Issue)
	})
}

// stillStored is ErrNotFound when no credential of the account has this StoredKey.
func stillStored(w *writer, owner store.Owner, key []byte) error {
	_, same, err := w.number("SELECT account FROM credentials WHERE account = $1 AND stored_key = $2", int64(owner), key)
	return errors.Join(err, notFoundUnless(err != nil || same))
}

// useToken counts the use of a token and ends the older ones (XEP-0484 section 3.5).
func useToken(w *writer, owner store.Owner, e *store.Login) error {
	slot, used, found := int64(0), int64(0), false
	err := w.query("SELECT slot, seed, used FROM device_tokens WHERE owner = $1 AND device = $2", func(row []driver.Value) error {
		seed, _ := row[1].([]byte)
		if bytes.Equal(seed, e.Used) {
			slot, _ = row[0].(int64)
			used, _ = row[2].(int64)
			found = true
		}
		return nil
	}, int64(owner), e.Device.ID)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("token: %w", store.ErrNotFound)
	case e.Count != 0 && e.Count <= used:
		return fmt.Errorf("token used before with this count: %w", store.ErrConflict)
	case e.Invalidate:
		_, err = w.change("DELETE FROM device_tokens WHERE owner = $1 AND device = $2", int64(owner), e.Device.ID)
		return err
	}
	if slot == newSlot {
		if err := dropSlot(w, owner, e.Device.ID, currentSlot); err != nil {
			return err
		}
	}
	if slot == currentSlot && e.Count == 0 {
		return nil
	}
	_, err = w.change("UPDATE device_tokens SET slot = $4, used = $5 WHERE owner = $1 AND device = $2 AND slot = $3",
		int64(owner), e.Device.ID, slot, currentSlot, max(used, e.Count))
	return err
}

func dropSlot(w *writer, owner store.Owner, device string, slot int64) error {
	_, err := w.change("DELETE FROM device_tokens WHERE owner = $1 AND device = $2 AND slot = $3", int64(owner), device, slot)
	return err
}

// putDevice notes the device and forgets others when there are too many.
func putDevice(w *writer, owner store.Owner, e *store.Login) error {
	d := &e.Device
	_, err := w.change(`INSERT INTO devices (owner, id, name, software, first_seen, last_seen, address) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (owner, id) DO UPDATE SET name = excluded.name, software = excluded.software, last_seen = excluded.last_seen, address = excluded.address`,
		int64(owner), d.ID, d.Name, d.Software, d.Last.UnixMicro(), d.Last.UnixMicro(), d.Address)
	if err != nil || e.Keep <= 0 {
		return err
	}
	var old []string
	seen := 1 // the device itself stays, whatever the clock says
	err = w.query("SELECT id FROM devices WHERE owner = $1 ORDER BY last_seen DESC, id", func(row []driver.Value) error {
		id, _ := row[0].(string)
		if id == d.ID {
			return nil
		}
		if seen++; seen > e.Keep {
			old = append(old, id)
		}
		return nil
	}, int64(owner))
	for _, id := range old {
		err = errors.Join(err, forgetDevice(w, owner, id))
	}
	return err
}

func forgetDevice(w *writer, owner store.Owner, id string) error {
	n, err := w.change("DELETE FROM devices WHERE owner = $1 AND id = $2", int64(owner), id)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("device: %w", store.ErrNotFound)
	}
	_, err = w.change("DELETE FROM device_tokens WHERE owner = $1 AND device = $2", int64(owner), id)
	return errors.Join(err, forgetPushes(w, selectPushOnDevice, int64(owner), id))
}

func putToken(w *writer, owner store.Owner, device string, t *store.Token) error {
	if err := dropSlot(w, owner, device, newSlot); err != nil {
		return err
	}
	_, err := w.change("INSERT INTO device_tokens (owner, device, slot, seed, mechanism, issued, expires, used) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		int64(owner), device, newSlot, orEmpty(t.Seed), t.Mechanism, t.Issued.UnixMicro(), t.Expires.UnixMicro(), int64(0))
	return err
}

// Revoke implements store.Devices.
func (d devices) Revoke(ctx context.Context, owner store.Owner, device string) error {
	return d.db.queueOf(nobody).change(0, func(w *writer) error { return forgetDevice(w, owner, device) }).Wait(ctx)
}

// RevokeAll implements store.Devices.
func (d devices) RevokeAll(ctx context.Context, owner store.Owner) error {
	return d.db.queueOf(nobody).change(0, func(w *writer) error {
		if _, err := w.change("DELETE FROM devices WHERE owner = $1", int64(owner)); err != nil {
			return err
		}
		return dropTokens(w, owner)
	}).Wait(ctx)
}

// dropTokens ends all tokens of an account, and what its devices are sent.
func dropTokens(w *writer, owner store.Owner) error {
	_, err := w.change("DELETE FROM device_tokens WHERE owner = $1", int64(owner))
	return errors.Join(err, forgetPushesOf(w, owner))
}
