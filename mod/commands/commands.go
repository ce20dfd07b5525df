// Package commands is administration: accounts, sessions, the order of hooks. Every door to it calls the same functions, and each says which right
// it takes and logs who has done what. The doors are the control socket and the commands of service administration (XEP-0133 1.3.1): service.go and its
// neighbours, which ask the rows of the control socket, those of other modules as well. adhoc.go speaks the protocol of ad-hoc commands (XEP-0050 1.3.0)
// for whatever modules have put into the host's table; left out there: more than two stages, other languages than English.
//
// Left out of XEP-0133: lists of whom the whole service does not talk to; restart and shut-down, since who starts the process ends it.
package commands

import (
	"context"
	"errors"
	"net/http"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Deriver makes what is kept of a password.
type Deriver func(password string, iterations int) ([]store.Credential, error)

// Module is the feature.
type Module struct {
	accounts store.Accounts
	secrets  store.Secrets
	devices  store.Devices
	kept     Kept
	login    config.Login
	derive   Deriver
	host     *core.Host
}

// Stores are the parts of the store that the module reads and writes.
type Stores struct {
	Accounts store.Accounts
	Secrets  store.Secrets
	Devices  store.Devices
	Kept     Kept
}

// Kept is what accounts keep, which an export reads.
type Kept struct {
	Rosters  store.Rosters
	Blocks   store.Blocks
	Personal store.Personal
	Nodes    store.Nodes
	Archive  store.Archive
}

// New takes the stores and the way passwords become credentials.
func New(s Stores, login config.Login, derive Deriver) *Module {
	return &Module{accounts: s.Accounts, secrets: s.Secrets, devices: s.Devices, kept: s.Kept, login: login, derive: derive}
}

// Name of the module.
func (m *Module) Name() string { return "commands" }

// Install registers the rows.
func (m *Module) Install(h *core.Host) {
	m.host = h
	row := func(pattern string, act core.Action, do func(context.Context, core.Actor, *http.Request) (any, error)) {
		h.HTTP.Handle(core.Route{Pattern: pattern, Action: act, Do: do})
	}
	row("GET /users", core.ActSeeAccounts, m.listUsers)
	row("POST /users", core.ActEditAccounts, m.addUser)
	row("POST /users/import", core.ActEditAccounts, m.importUsers)
	row("GET /users/{name}/export", core.ActTakeAccounts, m.exportUser)
	row("PUT /users/{name}/password", core.ActEditAccounts, m.setPassword)
	row("PUT /users/{name}/role", core.ActSetRoles, m.setRole)
	row("PUT /users/{name}/disabled", core.ActEditAccounts, m.setDisabled)
	row("GET /sessions", core.ActSeeSessions, m.listSessions)
	row("DELETE /sessions/{jid...}", core.ActEndSessions, m.endSession)
	row("GET /users/{name}/devices", core.ActSeeSessions, m.listDevices)
	row("DELETE /users/{name}/devices", core.ActEndSessions, m.revokeDevices)
	row("DELETE /users/{name}/devices/{id}", core.ActEndSessions, m.revokeDevices)
	row("GET /hooks", core.ActSeeServer, m.hooks)
	row("POST /join", core.ActSeeHost, m.join)
	installAdhoc(h, m.Name())
	m.offerService()
}

// account finds the account named in the path: a name of this host.
func (m *Module) account(ctx context.Context, r *http.Request) (store.Account, error) {
	local, err := jid.PrepareLocal(r.PathValue("name"))
	if err != nil {
		return store.Account{}, stanza.NewError(stanza.JIDMalformed, err.Error())
	}
	a, err := m.accounts.Get(ctx, m.host.Domain.Domain(), local)
	return a, known(err)
}

// known turns the store's errors into answers.
func known(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return stanza.NewError(stanza.ItemNotFound, "no such account")
	case errors.Is(err, store.ErrConflict):
		return stanza.NewError(stanza.Conflict, "the name is taken")
	}
	return err
}

// allowed asks for a right upon an account.
func (m *Module) allowed(actor core.Actor, act core.Action, a store.Account) error {
	if err := core.Permit(actor, act, core.Object{Account: m.address(a), Role: a.Role}); err != nil {
		return err
	}
	return nil
}

// note logs what an administrator has done to an account, whichever door they came through.
func (m *Module) note(what string, actor core.Actor, a store.Account, more ...any) {
	m.host.Obs.Log.Info(what, append([]any{obs.JID, m.address(a).String(), "by", actor.JID.String()}, more...)...)
}

func (m *Module) address(a store.Account) jid.JID {
	j, err := jid.New(a.Local, a.Domain, "")
	if err != nil {
		return jid.JID{}
	}
	return j
}

func (m *Module) hooks(context.Context, core.Actor, *http.Request) (any, error) {
	return m.host.Hooks.HookList(), nil
}
