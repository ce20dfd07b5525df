// Package account is how people prove who they are: credentials for log-in. It keeps no password.
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

// Module offers core.Authenticator. One value may be installed on one host.
type Module struct {
	accounts store.Accounts
	login    config.Login
	secret   []byte
	host     *core.Host

	shapesOf store.Shapes
	shapes   atomic.Pointer[shapes]
	news     chan struct{} // there is a shape that was not there before
}

// New takes the accounts and the secret under which salts are made up for accounts that do not exist, which look like those in s.
func New(accounts store.Accounts, s store.Shapes, login config.Login, secret []byte) *Module {
	return &Module{accounts: accounts, shapesOf: s, login: login, secret: secret, news: make(chan struct{}, 1)}
}

// Name of the module.
func (m *Module) Name() string { return "account" }

// Install offers the port. It reads the store.
func (m *Module) Install(h *core.Host) {
	m.host = h
	m.look(context.Background()) // before the doors open, so that nobody is told apart from the first connection on
	h.Ports.Authenticator = m
	h.Hooks.Admitting = append(h.Hooks.Admitting, core.Hook[func(context.Context, jid.JID) (string, error)]{Module: m.Name(), Do: m.admitting})
}

// admitting keeps out whoever waits for approval.
func (m *Module) admitting(ctx context.Context, account jid.JID) (string, error) {
	a, err := m.accounts.Get(ctx, account.Domain(), account.Local())
	if err == nil && a.Waiting {
		return "this account waits for the approval of an administrator", nil
	}
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return "", err
}

// Secret is core.Authenticator's.
func (m *Module) Secret() []byte { return m.secret }

// Credential is core.Authenticator's. Whoever is disabled shows what it always did, and whoever does not exist what somebody else might. Who
// waits for approval is proven like any other, and told so only then: to whoever does not know the password it looks like a wrong one.
func (m *Module) Credential(ctx context.Context, account jid.JID, hash sasl.Hash) (sasl.Credential, bool, error) {
	a, err := m.accounts.Get(ctx, account.Domain(), account.Local())
	nobody := m.nobody(account, hash)
	if errors.Is(err, store.ErrNotFound) {
		return nobody, false, nil
	}
	if err != nil {
		return sasl.Credential{}, false, err
	}
	m.seen(a.Credentials)
	for _, c := range a.Credentials {
		if c.Mechanism == "SCRAM-"+hash.String() {
			return sasl.Credential{
				Hash: hash, Salt: c.Salt, Iterations: c.Iterations, StoredKey: c.StoredKey, ServerKey: c.ServerKey,
			}, !a.Disabled || a.Waiting, nil
		}
	}
	return sasl.Credential{}, false, nil
}

// hashes are what is kept of every new password.
func hashes() []sasl.Hash { return []sasl.Hash{sasl.SHA1, sasl.SHA256} }

// Credentials derives what is kept of a password, one row for each mechanism.
func Credentials(password string, iterations int) ([]store.Credential, error) {
	var out []store.Credential
	for _, h := range hashes() {
		c, err := sasl.NewCredential(h, password, sasl.NewSalt(), iterations)
		if err != nil {
			return nil, err
		}
		out = append(out, store.Credential{
			Mechanism: "SCRAM-" + h.String(), Salt: c.Salt, Iterations: c.Iterations, StoredKey: c.StoredKey, ServerKey: c.ServerKey,
		})
	}
	return out, nil
}
