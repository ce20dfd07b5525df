package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
)

const (
	idSize       = 10 // bytes of a device's id, which people copy
	resourceSize = 9  // bytes of the server's part of a resource
	seedSize     = 16
)

// derive is a keyed hash of parts, which are kept apart.
func derive(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// ID is core.Devices'. The id that the client gives itself is kept nowhere.
func (m *Module) ID(account jid.JID, agent string) string {
	sum := derive(m.keys.Names, "device", account.Bare().String(), strings.ToLower(agent))
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:idSize]))
}

// Resource is core.Devices' (XEP-0386 section 3.2.1: stable, and the user-agent's id cannot be seen in it). It has nothing to do with ID
// either, since others see it.
func (m *Module) Resource(account jid.JID, agent, tag string) string {
	sum := derive(m.keys.Names, "resource", account.Bare().String(), strings.ToLower(agent), tag)
	return base64.RawURLEncoding.EncodeToString(sum[:resourceSize])
}

// secret is the token of a seed. It is bound to account, device and mechanism, so that a row moved to another place in the store is no token.
func (m *Module) secret(owner store.Owner, device, mechanism string, seed []byte) string {
	sum := derive(m.keys.Tokens, "token", strconv.FormatInt(int64(owner), 10), device, mechanism, string(seed))
	return base64.RawURLEncoding.EncodeToString(sum)
}

// Tokens is core.Devices'.
func (m *Module) Tokens(ctx context.Context, account jid.JID, device, mechanism string) ([]core.DeviceToken, error) {
	a, _, err := m.enabled(ctx, account)
	if err != nil || !m.givesTokens() {
		return nil, err
	}
	// Nobody's tokens are looked for, too, so that it takes as long.
	list, err := m.stores.Devices.Tokens(ctx, a.ID, device)
	if err != nil {
		return nil, err
	}
	now := m.host.Now()
	var out []core.DeviceToken
	for i, t := range list {
		if t.Mechanism != mechanism {
			continue // XEP-0484 section 3.4: a token is bound to its mechanism
		}
		out = append(out, core.DeviceToken{
			Token: sasl.Token{Secret: m.secret(a.ID, device, mechanism, t.Seed), Expired: !now.Before(t.Expires)},
			Seed:  t.Seed, New: i == 0, Due: now.Sub(t.Issued) >= m.login.TokenRotate.D(),
		})
	}
	return out, nil
}

func (m *Module) givesTokens() bool { return len(m.keys.Tokens) > 0 && m.login.TokenLife > 0 }

// Enter is core.Devices'. It waits for the disk where something rests on it: a token that is given, used up, or counted. That a device was seen
// once more is noted without waiting.
func (m *Module) Enter(ctx context.Context, l core.DeviceLogin) (*core.NewToken, error) {
	a, ok, err := m.enabled(ctx, l.Account)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, store.ErrNotFound
	}
	now := m.host.Now().UTC()
	e := store.Login{
		Device: store.Device{ID: l.Device, Name: l.Name, Software: l.Software, Last: now, Address: l.Address},
		Keep:   m.login.Devices, Count: l.Count, Invalidate: l.Invalidate,
	}
	wait := l.Count != 0 || l.Invalidate
	if l.Token != nil {
		e.Used = l.Token.Seed
		wait = wait || l.Token.New
	} else {
		e.Under = l.Credential.StoredKey
	}
	var out *core.NewToken
	if want := m.wanted(&l); want != "" {
		seed := make([]byte, seedSize)
		rand.Read(seed)
		e.Issue = &store.Token{Seed: seed, Mechanism: want, Issued: now, Expires: now.Add(m.login.TokenLife.D())}
		out = &core.NewToken{Secret: m.secret(a.ID, l.Device, want, seed), Expires: e.Issue.Expires}
	}
	ticket := m.stores.Devices.Enter(a.ID, e)
	if !wait && out == nil {
		ticket.Done(func(err error) {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				m.host.Obs.Log.Warn("log-in of a device not noted", obs.JID, l.Account.String(), obs.Err, err)
			}
		})
		return nil, nil
	}
	if err := ticket.Wait(ctx); err != nil {
		return nil, err
	}
	return out, nil
}

// wanted is the mechanism of the token to give: what the client asks for, or a successor of one that is due (XEP-0484 section 3.5), but not
// for one that has just been given up (section 3.6).
func (m *Module) wanted(l *core.DeviceLogin) string {
	switch {
	case !m.givesTokens():
		return ""
	case l.Want != "":
		return l.Want
	case l.Token != nil && l.Token.Due && !l.Invalidate:
		return l.Mechanism
	}
	return ""
}
