package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"stonechat/store"
)

// invites implements store.Invites.
type invites struct{ db *DB }

const inviteColumns = "i.hash, i.id, i.domain, i.owner, i.kind, i.role, i.name, i.label, i.circles_json, i.befriend, i.uses, i.used, i.created, i.expires, " +
	"COALESCE(a.local, ''), COALESCE(a.role, ''), COALESCE(a.disabled, 1) FROM invites AS i LEFT JOIN accounts AS a ON a.id = i.owner "

const (
	selectInvite  = "SELECT " + inviteColumns + "WHERE i.hash = $1"
	selectInvites = "SELECT " + inviteColumns + "WHERE i.domain = $1 AND (i.owner = $2 OR $3 = 1) ORDER BY i.created DESC, i.id LIMIT $4 + 0"
	// A name that an invite with a use left keeps for its guest; $4 is the guest's own invite.
	selectReserved = "SELECT 1 FROM invites WHERE domain = $1 AND name = $2 AND kind = 'account' AND used < uses AND expires > $3 AND hash <> $4"
)

func scanInvite(rows *sql.Rows) (store.Invite, error) {
	var i store.Invite
	var circles string
	var created, expires int64
	var state accountState
	err := rows.Scan(&i.Hash, &i.ID, &i.Domain, &i.Owner, &i.Kind, &i.Role, &i.Name, &i.Label, &circles, &i.Befriend, &i.Uses, &i.Used, &created, &expires,
		&i.Maker, &i.MakerRole, &state)
	if err != nil {
		return i, err
	}
	i.Created, i.Expires, i.MakerActive = time.UnixMicro(created).UTC(), time.UnixMicro(expires).UTC(), state == stateActive
	return i, json.Unmarshal([]byte(circles), &i.Circles)
}

// Put implements store.Invites.
func (v invites) Put(i store.Invite) store.Ticket {
	circles, err := json.Marshal(i.Circles)
	if err != nil {
		return store.Settled(err)
	}
	now := v.db.options.Now().UnixMicro()
	return v.db.queueOf(nobody).change(len(i.Label)+len(circles), func(w *writer) error {
		if i.Owner != 0 {
			if err := stays(w, i.Owner); err != nil {
				return err
			}
		}
		if i.Name != "" && i.Kind == store.InviteAccount {
			if _, taken, err := w.number(selectReserved, i.Domain, i.Name, now, i.Hash); err != nil || taken {
				return conflictIf(taken, err)
			}
		}
		_, taken, err := w.number("SELECT 1 FROM invites WHERE hash = $1 OR (domain = $2 AND id = $3)", i.Hash, i.Domain, i.ID)
		if err != nil || taken {
			return conflictIf(taken, err)
		}
		_, err = w.change(`INSERT INTO invites (hash, id, domain, owner, kind, role, name, label, circles_json, befriend, uses, used, created, expires)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13)`,
			i.Hash, i.ID, i.Domain, int64(i.Owner), string(i.Kind), string(i.Role), i.Name, i.Label, string(circles), truth(i.Befriend),
			int64(i.Uses), i.Created.UnixMicro(), i.Expires.UnixMicro())
		return err
	})
}

func conflictIf(taken bool, err error) error {
	if err == nil && taken {
		err = fmt.Errorf("invite: %w", store.ErrConflict)
	}
	return err
}

func noInvite() error { return fmt.Errorf("invite: %w", store.ErrNotFound) }

// Get implements store.Invites.
func (v invites) Get(ctx context.Context, domain, hash string) (store.Invite, error) {
	var out store.Invite
	err := v.db.reads.each(ctx, selectInvite, func(rows *sql.Rows) (err error) {
		out, err = scanInvite(rows)
		return err
	}, hash)
	if err == nil && (out.Hash == "" || out.Domain != domain) {
		err = noInvite()
	}
	if err != nil {
		return store.Invite{}, err
	}
	return out, nil
}

// List implements store.Invites.
func (v invites) List(ctx context.Context, domain string, owner store.Owner, limit int) ([]store.Invite, error) {
	var out []store.Invite
	err := v.db.reads.each(ctx, selectInvites, func(rows *sql.Rows) error {
		i, err := scanInvite(rows)
		out = append(out, i)
		return err
	}, domain, int64(owner), truth(owner == store.Everybody), max(limit, 0))
	return out, err
}

// Revoke implements store.Invites.
func (v invites) Revoke(ctx context.Context, domain, id string, owner store.Owner) error {
	return v.db.queueOf(nobody).change(0, func(w *writer) error {
		n, err := w.change("DELETE FROM invites WHERE domain = $1 AND id = $2 AND (owner = $3 OR $4 = 1)", domain, id, int64(owner), truth(owner == store.Everybody))
		if err == nil && n == 0 {
			err = noInvite()
		}
		return err
	}).Wait(ctx)
}

// Use implements store.Invites.
func (v invites) Use(owner store.Owner, hash string) (*bool, store.Ticket) {
	used := new(bool)
	return used, v.db.queueOf(nobody).change(0, func(w *writer) error {
		n, err := w.change("UPDATE invites SET used = used + 1 WHERE hash = $1 AND owner = $2 AND befriend = 1 AND kind <> 'reset' AND used < uses", hash, int64(owner))
		*used = n > 0
		return err
	})
}

// Register implements store.Invites.
func (v invites) Register(ctx context.Context, r store.Registration) (store.Account, error) {
	a := accounts(v)
	if err := a.complete(&r.NewAccount); err != nil {
		return store.Account{}, err
	}
	now := v.db.options.Now().UnixMicro()
	var out store.Account
	_, ticket := v.db.queueOf(nobody).put(op{size: sizeOf(&r.NewAccount)}, true, func(o *op, key store.Key) {
		o.run = func(w *writer) (err error) {
			out, err = register(w, r, int64(key), now)
			return err
		}
	})
	if err := ticket.Wait(ctx); err != nil {
		return store.Account{}, err
	}
	return out, nil
}

// register is one registration. It is undone as a whole when it fails.
func register(w *writer, r store.Registration, version, now int64) (store.Account, error) {
	none := store.Account{}
	if err := nameIsFree(w, &r, now); err != nil {
		return none, err
	}
	n := r.NewAccount
	var maker int64
	if r.Token != "" {
		var err error
		if maker, err = useInvite(w, &r); err != nil {
			return none, err
		}
	}
	if maker != 0 {
		contact, ok, err := makerOf(w, maker)
		if err != nil {
			return none, err
		}
		if ok {
			n.Contacts = append(slices.Clone(n.Contacts), contact)
		} else {
			maker = 0
		}
	}
	kinds := newTally(w)
	id, err := create(w, kinds, &n, version)
	if err != nil {
		return none, err
	}
	if err := kinds.write(); err != nil {
		return none, err
	}
	state := stateActive
	if r.Waiting {
		state = stateWaiting
	}
	if n.Disabled = r.Waiting; n.Disabled {
		if _, err := w.change("UPDATE accounts SET disabled = $2 WHERE id = $1", int64(id), int64(state)); err != nil {
			return none, err
		}
	}
	if maker != 0 {
		if err := tie(w, maker, n.Local+"@"+n.Domain, true, ""); err != nil {
			return none, err
		}
	}
	for _, c := range r.Circles {
		if err := joinCircle(w, n.Domain, c, id, 0); err != nil && !errors.Is(err, store.ErrNotFound) {
			return none, err
		}
	}
	out := store.Account{
		ID: id, Domain: n.Domain, Local: n.Local, Role: n.Role,
		Created: n.Created.UTC().Truncate(time.Microsecond), Credentials: n.Credentials,
	}
	state.show(&out)
	return out, nil
}

// nameIsFree returns ErrConflict for a name that is held, or reserved for another guest. Whether there is an account, create finds out.
func nameIsFree(w *writer, r *store.Registration, now int64) error {
	_, held, err := w.number("SELECT 1 FROM held_names WHERE hash = $1 AND until > $2", nameHash(r.Domain, r.Local), now)
	if err != nil || held {
		return conflictIf(held, err)
	}
	_, reserved, err := w.number(selectReserved, r.Domain, r.Local, now, r.Token)
	return conflictIf(reserved, err)
}

// nameHash is how the name of an erased account is held.
func nameHash(domain, local string) string {
	sum := sha256.Sum256([]byte("stonechat held name\x00" + domain + "\x00" + local))
	return hex.EncodeToString(sum[:])
}

// useInvite takes one use. It returns the maker if guest and maker become contacts, else zero.
func useInvite(w *writer, r *store.Registration) (maker int64, err error) {
	n, err := w.change("UPDATE invites SET used = used + 1 WHERE hash = $1 AND domain = $2 AND kind = 'account' AND used < uses AND (name = '' OR name = $3)",
		r.Token, r.Domain, r.Local)
	if err == nil && n == 0 {
		err = noInvite()
	}
	if err != nil {
		return 0, err
	}
	maker, _, err = w.number("SELECT owner FROM invites WHERE hash = $1 AND befriend = 1", r.Token)
	return maker, err
}

// makerOf is the maker of an invite as a contact; ok is false when it is no account any more.
func makerOf(w *writer, id int64) (c store.Contact, ok bool, err error) {
	c.Subscription = store.SubscriptionBoth
	err = w.query("SELECT local, domain FROM accounts WHERE id = $1 AND disabled < 2", func(row []driver.Value) error {
		local, _ := row[0].(string)
		domain, _ := row[1].(string)
		c.JID, err = address(local, domain)
		ok = err == nil
		return err
	}, id)
	return c, ok, err
}

// Reset implements store.Invites.
func (v invites) Reset(ctx context.Context, hash string, c []store.Credential) error {
	c = slices.Clone(c)
	return v.db.queueOf(nobody).change(256*len(c), func(w *writer) error {
		owner, found, err := w.number("SELECT owner FROM invites WHERE hash = $1 AND kind = 'reset' AND used < uses", hash)
		if err != nil || !found {
			return errors.Join(err, notFoundUnless(err != nil))
		}
		// One reset makes every other link of the account worthless.
		if _, err := w.change("DELETE FROM invites WHERE owner = $1 AND kind = 'reset'", owner); err != nil {
			return err
		}
		return setCredentials(w, store.Owner(owner), c)
	}).Wait(ctx)
}

// Expire implements store.Invites.
func (v invites) Expire(ctx context.Context, before time.Time) (int64, error) {
	var n int64
	err := v.db.queueOf(nobody).change(0, func(w *writer) (err error) {
		if _, err = w.change("DELETE FROM held_names WHERE until < $1", before.UnixMicro()); err != nil {
			return err
		}
		n, err = w.change("DELETE FROM invites WHERE expires < $1", before.UnixMicro())
		return err
	}).Wait(ctx)
	if err != nil {
		return 0, err // n may still be written to when only the context ended
	}
	return n, nil
}
