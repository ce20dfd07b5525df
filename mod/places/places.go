// Package places knows from which networks accounts have logged in, so that whoever tries passwords elsewhere does not slow their users down.
//
// Of a network only a hash is kept, under a key of this server and another for each account: the table does not say where anybody was, nor who
// was where somebody else was. It is written once a day for each network, not with every log-in.
//
// Hooks: none. Port: Places.
package places

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// fresh is how long a place that was noted is not noted again.
const fresh = 24 * time.Hour

// hashSize is how much of a hash is kept, bytes: enough that no two networks meet by chance.
const hashSize = 16

// Module is the feature. One value may be installed on one host.
type Module struct {
	store  store.Places
	secret []byte
	keep   int // networks of each account
	host   *core.Host
}

// New keeps up to keep networks of each account in s, as hashes under the server's secret.
func New(s store.Places, secret []byte, keep int) *Module {
	return &Module{store: s, secret: secret, keep: keep}
}

// Name of the module in lists and logs.
func (m *Module) Name() string { return "places" }

// Install offers the port.
func (m *Module) Install(h *core.Host) {
	m.host = h
	h.Ports.Places = m
}

// Place implements core.Places.
func (m *Module) Place(ctx context.Context, account jid.JID, network netip.Prefix) store.Place {
	p, err := m.store.Place(ctx, account.Domain(), account.Local(), m.hash(account, network))
	if err != nil {
		m.host.Obs.Log.Warn("place not read", obs.JID, account.String(), obs.Err, err)
		return store.Place{}
	}
	return p
}

// LoggedIn implements core.Places.
func (m *Module) LoggedIn(account jid.JID, network netip.Prefix, place store.Place) {
	now := m.host.Now()
	if place.Owner == 0 || m.keep == 0 || now.Sub(place.Seen) < fresh {
		return
	}
	name := account.String()
	m.store.SetPlace(place.Owner, m.hash(account, network), now, m.keep).Done(func(err error) {
		if err != nil {
			// The account is slowed there like anywhere else until its next log-in.
			m.host.Obs.Log.Warn("place not kept", obs.JID, name, obs.Err, err)
		}
	})
}

// hash is what is kept of a network for an account.
func (m *Module) hash(account jid.JID, network netip.Prefix) []byte {
	h := hmac.New(sha256.New, m.secret)
	h.Write([]byte("place\x00" + account.String() + "\x00" + network.String()))
	return h.Sum(nil)[:hashSize]
}
