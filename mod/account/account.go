// Package account is how people prove who they are: credentials for log-in, and the devices that they log in with. It keeps no password and
// no token.
//
// account.go is what is kept of passwords, upgrade.go how old accounts get stronger credentials (XEP-0480), devices.go tokens (XEP-0484).
// Hooks: none.
package account

import (
	"context"
	"errors"
	"sync/atomic"

	"stonechat/config"
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
)

// Stores are the parts of the store that the module reads and writes.
type Stores struct {
	Accounts    store.Accounts
	Credentials store.Credentials
	Devices     store.Devices
	Shapes      store.Shapes
}

// Module offers core.Authenticator, core.Upgrades and core.Devices. One value may be installed on one host.
type Module struct {
	stores Stores
	login  config.Login
	keys   Keys
	host   *core.Host

	shapes atomic.Pointer[shapes]
	news   chan struct{} // there is a shape that was not there before
}

// Keys of the module. They stay the same for the life of the server.
type Keys struct {
	// Names is the key of what is made up or derived of names: salts of accounts that do not exist, ids of devices, resources.
	Names []byte
	// Tokens makes tokens of what the store keeps of them. It is not kept in the store, so that a copy of that is no way in. Without it no
	// tokens are given.
	Tokens []byte
}

// New takes what is kept of accounts, and the keys. Accounts that do not exist look like those whose shapes are kept.
func New(s Stores, login config.Login, k Keys) *Module {
	return &Module{stores: s, login: login, keys: k, news: make(chan struct{}, 1)}
}

// Name of the module.
func (m *Module) Name() string { return "account" }

// Install offers the ports. It reads the store.
func (m *Module) Install(h *core.Host) {
	m.host = h
	m.look(context.Background()) // before the doors open, so that nobody is told apart from the first connection on
	h.Ports.Authenticator, h.Ports.Upgrades, h.Ports.Devices = m, m, m
}

// Secret is core.Authenticator's.
func (m *Module) Secret() []byte { return m.keys.Names }

// Credential is core.Authenticator's. Whoever is disabled shows what it always did, and whoever does not exist what somebody else might. Who
// waits for approval is proven like any other, and told so only then: to whoever does not know the password it looks like a wrong one.
func (m *Module) Credential(ctx context.Context, account jid.JID, hash sasl.Hash) (sasl.Credential, bool, error) {
	a, err := m.stores.Accounts.Get(ctx, account.Domain(), account.Local())
	nobody := m.nobody(account, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nobody, false, nil
	}
	if err != nil {
		return sasl.Credential{}, false, err
	}
	m.seen(a.Credentials)
	refusal := ""
	if a.Waiting {
		refusal = "this account waits for the approval of an administrator"
	}
	for _, c := range a.Credentials {
		if c.Mechanism == mechanism(hash) {
			return sasl.Credential{
				Hash: hash, Salt: c.Salt, Iterations: c.Iterations, StoredKey: c.StoredKey, ServerKey: c.ServerKey, Refusal: refusal,
			}, !a.Disabled || a.Waiting, nil
		}
	}
	return sasl.Credential{}, false, nil
}

// enabled reads an account that may log in; ok is false when there is none.
func (m *Module) enabled(ctx context.Context, account jid.JID) (a store.Account, ok bool, err error) {
	a, err = m.stores.Accounts.Get(ctx, account.Domain(), account.Local())
	if errors.Is(err, store.ErrNotFound) || (err == nil && a.Disabled) {
		return store.Account{}, false, nil
	}
	return a, err == nil, err
}

// mechanism is the name under which a credential is kept.
func mechanism(h sasl.Hash) string { return "SCRAM-" + h.String() }

// hashes are what is kept of every new password, the preferred first.
func hashes() []sasl.Hash { return []sasl.Hash{sasl.SHA512, sasl.SHA256, sasl.SHA1} }

// Credentials derives what is kept of a password, one row for each mechanism.
func Credentials(password string, iterations int) ([]store.Credential, error) {
	var out []store.Credential
	for _, h := range hashes() {
		c, err := sasl.NewCredential(h, password, sasl.NewSalt(), iterations)
		if err != nil {
			return nil, err
		}
		out = append(out, kept(c))
	}
	return out, nil
}

func kept(c sasl.Credential) store.Credential {
	return store.Credential{Mechanism: mechanism(c.Hash), Salt: c.Salt, Iterations: c.Iterations, StoredKey: c.StoredKey, ServerKey: c.ServerKey}
}
