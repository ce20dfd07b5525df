package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"stonechat/store"
)

// accounts implements store.Accounts.
type accounts struct{ db *DB }

const (
	selectAccount = "SELECT a.id, a.role, a.disabled, c.mechanism, c.salt, c.iterations, c.stored_key, c.server_key, a.created " +
		"FROM accounts AS a LEFT JOIN credentials AS c ON c.account = a.id WHERE a.domain = $1 AND a.local = $2 ORDER BY c.mechanism"
	selectAccounts = "SELECT id, local, role, disabled, created FROM accounts WHERE domain = $1 AND local > $2 ORDER BY local LIMIT $3 + 0"
)

// Get implements store.Accounts. One statement, since every log-in begins with it.
func (a accounts) Get(ctx context.Context, domain, local string) (store.Account, error) {
	out := store.Account{Domain: domain, Local: local}
	err := a.db.reads.each(ctx, selectAccount, func(rows *sql.Rows) error {
		var mechanism *string
		var iterations *int
		var c store.Credential
		var state accountState
		err := scanAccount(rows, &out, &out.ID, &out.Role, &state, &mechanism, &c.Salt, &iterations, &c.StoredKey, &c.ServerKey)
		state.show(&out)
		if err == nil && mechanism != nil {
			c.Mechanism, c.Iterations = *mechanism, *iterations
			out.Credentials = append(out.Credentials, c)
		}
		return err
	}, domain, local)
	if err == nil && out.ID == 0 {
		err = fmt.Errorf("account: %w", store.ErrNotFound)
	}
	if err != nil {
		return store.Account{}, err
	}
	return out, nil
}

// accountState is the column disabled: why an account cannot log in.
type accountState int64

const (
	stateActive accountState = iota
	stateDisabled
	stateWaiting
	stateLeaving // and above: with what it was before added
)

func (s accountState) show(a *store.Account) {
	a.Disabled, a.Waiting, a.Leaving = s != stateActive, s == stateWaiting, s >= stateLeaving
}

// scanAccount reads into the given fields and then the time of creation.
func scanAccount(rows *sql.Rows, a *store.Account, fields ...any) error {
	var created int64
	err := rows.Scan(append(fields, &created)...)
	a.Created = time.UnixMicro(created).UTC()
	return err
}

// List implements store.Accounts.
func (a accounts) List(ctx context.Context, domain, after string, limit int) ([]store.Account, error) {
	return a.db.accountsOf(ctx, domain, selectAccounts, domain, after, max(limit, 0))
}

// accountsOf reads accounts of a domain without credentials.
func (db *DB) accountsOf(ctx context.Context, domain, query string, args ...any) ([]store.Account, error) {
	var out []store.Account
	err := db.reads.each(ctx, query, func(rows *sql.Rows) error {
		one := store.Account{Domain: domain}
		var state accountState
		err := scanAccount(rows, &one, &one.ID, &one.Local, &one.Role, &state)
		state.show(&one)
		out = append(out, one)
		return err
	}, args...)
	return out, err
}

// Create implements store.Accounts.
func (a accounts) Create(ctx context.Context, n store.NewAccount) (store.Account, error) {
	if err := a.complete(&n); err != nil {
		return store.Account{}, err
	}
	var out store.Account
	_, ticket := a.db.queueOf(nobody).put(op{size: sizeOf(&n)}, true, func(o *op, key store.Key) {
		o.run = func(w *writer) error {
			kinds := newTally(w)
			id, err := create(w, kinds, &n, int64(key))
			out = store.Account{
				ID: id, Domain: n.Domain, Local: n.Local, Role: n.Role, Disabled: n.Disabled,
				Created: n.Created.UTC().Truncate(time.Microsecond), Credentials: n.Credentials,
			}
			if err != nil {
				return err
			}
			return kinds.write()
		}
	})
	if err := ticket.Wait(ctx); err != nil {
		return store.Account{}, err
	}
	return out, nil
}

// complete fills in defaults and refuses what cannot be an account.
func (a accounts) complete(n *store.NewAccount) error {
	if n.Domain == "" || n.Local == "" {
		return fmt.Errorf("account without a name: %w", store.ErrInvalid)
	}
	if n.Role == "" {
		n.Role = store.RoleMember
	}
	if n.Created.IsZero() {
		n.Created = a.db.options.Now()
	}
	n.Credentials = slices.Clone(n.Credentials)
	slices.SortFunc(n.Credentials, func(x, y store.Credential) int { return strings.Compare(x.Mechanism, y.Mechanism) })
	return nil
}

// sizeOf estimates the bytes of an account in the queue.
func sizeOf(n *store.NewAccount) int { return 256*len(n.Credentials) + 256*len(n.Contacts) }

// create adds an account, or returns ErrConflict before anything was changed. The caller writes the tally.
func create(w *writer, kinds *tally, n *store.NewAccount, version int64) (store.Owner, error) {
	_, exists, err := w.number("SELECT id FROM accounts WHERE domain = $1 AND local = $2", n.Domain, n.Local)
	if err != nil {
		return 0, err
	}
	if exists {
		return 0, fmt.Errorf("account: %w", store.ErrConflict)
	}
	id, _, err := w.number("INSERT INTO owners (kind) VALUES ('account') RETURNING id")
	if err != nil {
		return 0, err
	}
	kind, err := kinds.kind(n.Domain, n.Credentials)
	if err != nil {
		return 0, err
	}
	_, err = w.change("INSERT INTO accounts (id, domain, local, role, disabled, created, kind) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		id, n.Domain, n.Local, string(n.Role), truth(n.Disabled), n.Created.UnixMicro(), kind)
	if err != nil {
		return 0, err
	}
	kinds.came(kind)
	owner := store.Owner(id)
	if err := putCredentials(w, owner, n.Credentials); err != nil {
		return 0, err
	}
	for i := range n.Contacts {
		if err := putContact(w, owner, version, &n.Contacts[i]); err != nil {
			return 0, err
		}
	}
	if len(n.Contacts) > 0 {
		err = setVersion(w, owner, version)
	}
	return owner, err
}

func putCredentials(w *writer, id store.Owner, list []store.Credential) error {
	for i := range list {
		c := &list[i]
		_, err := w.change("INSERT INTO credentials (account, mechanism, salt, iterations, stored_key, server_key) VALUES ($1, $2, $3, $4, $5, $6)",
			int64(id), c.Mechanism, orEmpty(c.Salt), int64(c.Iterations), orEmpty(c.StoredKey), orEmpty(c.ServerKey))
		if err != nil {
			return err
		}
	}
	return nil
}

// orEmpty: nil would be NULL.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// SetCredentials implements store.Accounts.
func (a accounts) SetCredentials(ctx context.Context, id store.Owner, c []store.Credential) error {
	c = slices.Clone(c)
	return a.db.queueOf(nobody).change(256*len(c), func(w *writer) error { return setCredentials(w, id, c) }).Wait(ctx)
}

func setCredentials(w *writer, id store.Owner, c []store.Credential) error {
	// The account may be deleted meanwhile; credentials without one would never be erased.
	if _, exists, err := w.number("SELECT id FROM accounts WHERE id = $1", int64(id)); err != nil || !exists {
		return errors.Join(err, notFoundUnless(exists))
	}
	if _, err := w.change("DELETE FROM credentials WHERE account = $1", int64(id)); err != nil {
		return err
	}
	// Whoever got a token by the old password must not stay.
	if err := dropTokens(w, id); err != nil {
		return err
	}
	if err := putCredentials(w, id, c); err != nil {
		return err
	}
	return setKind(w, id, c)
}

func notFoundUnless(exists bool) error {
	if exists {
		return nil
	}
	return fmt.Errorf("account: %w", store.ErrNotFound)
}

// SetRole implements store.Accounts.
func (a accounts) SetRole(ctx context.Context, id store.Owner, r store.Role) error {
	return a.update(ctx, "UPDATE accounts SET role = $2 WHERE id = $1", id, string(r))
}

// SetDisabled implements store.Accounts.
func (a accounts) SetDisabled(ctx context.Context, id store.Owner, disabled bool) error {
	return a.db.queueOf(nobody).change(0, func(w *writer) error {
		n, err := w.change("UPDATE accounts SET disabled = $2 WHERE id = $1 AND disabled < 2", int64(id), truth(disabled))
		if err != nil || n == 0 {
			return errors.Join(err, notFoundUnless(err != nil))
		}
		if !disabled {
			return nil
		}
		return dropTokens(w, id) // whoever has one must not come back with it
	}).Wait(ctx)
}

func (a accounts) update(ctx context.Context, query string, id store.Owner, value any) error {
	return a.db.queueOf(nobody).change(0, func(w *writer) error {
		n, err := w.change(query, int64(id), value)
		return errors.Join(err, notFoundUnless(err != nil || n > 0))
	}).Wait(ctx)
}

// Delete implements store.Accounts.
func (a accounts) Delete(ctx context.Context, id store.Owner) error {
	var gone []store.Owner
	t := a.db.queueOf(nobody).change(0, func(w *writer) (err error) {
		gone, err = deleteAccount(w, id)
		return err
	})
	if err := a.db.eraser.behind(t, &gone).Wait(ctx); err != nil {
		return err
	}
	return a.db.eraser.erase(ctx, id)
}

// deleteAccount removes the account itself and notes that the rest is to be erased. It returns the rooms that go with it.
func deleteAccount(w *writer, id store.Owner) ([]store.Owner, error) {
	// Whoever is in a circle with it looks again; that must be written while its memberships are known.
	if err := partAll(w, id); err != nil {
		return nil, err
	}
	gone, err := disinherit(w, id)
	if err != nil {
		return nil, err
	}
	kinds := newTally(w)
	if err := kinds.goes(id); err != nil {
		return nil, err
	}
	n, err := w.change("DELETE FROM accounts WHERE id = $1", int64(id))
	if err != nil || n == 0 {
		return nil, errors.Join(err, notFoundUnless(err != nil))
	}
	for _, query := range [...]string{
		"DELETE FROM credentials WHERE account = $1",
		"DELETE FROM leavers WHERE owner = $1",
		"DELETE FROM invites WHERE owner = $1",
		"INSERT INTO erasures (owner) VALUES ($1)",
	} {
		if _, err := w.change(query, int64(id)); err != nil {
			return nil, err
		}
	}
	return gone, kinds.write()
}

// importWeight is how much (accounts and contacts) one chunk of an import holds at first.
const importWeight = 128

// Import implements store.Accounts.
func (a accounts) Import(ctx context.Context, all iter.Seq[store.NewAccount]) (store.Imported, error) {
	im := importing{accounts: a, pace: newPace(importWeight)}
	for n := range all {
		err := a.complete(&n)
		if err != nil {
			return im.done, errors.Join(err, im.flush(ctx))
		}
		im.chunk = append(im.chunk, n)
		im.weight += 1 + len(n.Credentials) + len(n.Contacts)
		if im.weight < im.pace.n {
			continue
		}
		if err := im.flush(ctx); err != nil {
			return im.done, err
		}
	}
	return im.done, im.flush(ctx)
}

// importing is an import on its way.
type importing struct {
	accounts
	pace   pace
	chunk  []store.NewAccount
	weight int
	done   store.Imported
}

// flush makes the chunk durable.
func (im *importing) flush(ctx context.Context) error {
	if len(im.chunk) == 0 {
		return nil
	}
	size := 0
	for i := range im.chunk {
		size += sizeOf(&im.chunk[i])
	}
	var chunk store.Imported
	_, ticket := im.db.queueOf(nobody).put(op{size: size}, true, func(o *op, key store.Key) {
		o.run = func(w *writer) error {
			chunk = store.Imported{}
			return im.pace.measure(func() error {
				kinds := newTally(w)
				for i := range im.chunk {
					_, err := create(w, kinds, &im.chunk[i], int64(key))
					switch {
					case errors.Is(err, store.ErrConflict):
						chunk.Existing++
					case err != nil:
						return err
					default:
						chunk.Created++
					}
				}
				return kinds.write()
			})
		}
	})
	if err := ticket.Wait(ctx); err != nil {
		return err
	}
	im.done.Created += chunk.Created
	im.done.Existing += chunk.Existing
	im.chunk, im.weight = nil, 0
	return nil
}
