// Package account is how people prove who they are: credentials for log-in. It keeps no password.
package account

import (
	"context"
	"errors"

	"stonechat/config"
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
)

// Module offers core.Authenticator.
type Module struct {
	accounts store.Accounts
	login    config.Login
	secret   []byte
}

// New takes the accounts and the secret under which salts are made up for accounts that do not exist.
func New(accounts store.Accounts, login config.Login, secret []byte) *Module {
	return &Module{accounts, login, secret}
}

// Name of the module.
func (m *Module) Name() string { return "account" }

// Install offers the port.
func (m *Module) Install(h *core.Host) {
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

// Credential is core.Authenticator's. A disabled account looks like one that does not exist. One that waits for
// approval is proven like any other, and told so only then: to whoever does not know the password it looks like a wrong one.
func (m *Module) Credential(ctx context.Context, account jid.JID, hash sasl.Hash) (sasl.Credential, bool, error) {
	a, err := m.accounts.Get(ctx, account.Domain(), account.Local())
	if errors.Is(err, store.ErrNotFound) || (err == nil && a.Disabled && !a.Waiting) {
		return sasl.Credential{}, false, nil
	}
	if err != nil {
		return sasl.Credential{}, false, err
	}
	for _, c := range a.Credentials {
		if c.Mechanism == "SCRAM-"+hash.String() {
			return sasl.Credential{Hash: hash, Salt: c.Salt, Iterations: c.Iterations, StoredKey: c.StoredKey, ServerKey: c.ServerKey}, true, nil
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
