package upload

import (
	"context"
	"errors"
	"net/http"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Usage is what an account has uploaded for one purpose, slots that can still be used included.
type Usage struct {
	Purpose string `json:"purpose"`
	Files   int    `json:"files"`
	Bytes   int64  `json:"bytes"`
	// Quota is for all purposes that are counted together: those of a profile, or all others.
	Quota int64 `json:"quota"`
}

// Listed is a file of an account, as administrators see it: without its address.
type Listed struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Type    string    `json:"type"`
	Purpose string    `json:"purpose"`
	Bytes   int64     `json:"bytes"`
	Created time.Time `json:"created"`
	// Expires is zero for a file that stays.
	Expires time.Time `json:"expires,omitzero"`
}

// usageOf sums up what an account has.
func (m *Module) usageOf(ctx context.Context, account store.Owner, role store.Role) ([]Usage, error) {
	list, err := m.Own.Usage(ctx, account, m.now())
	out := make([]Usage, len(list))
	for i, u := range list {
		out[i] = Usage{u.Purpose, u.Files, u.Bytes, m.quota(u.Purpose, role).Bytes}
	}
	return out, err
}

// account of a request, if the actor may do that with its files.
func (m *Module) account(ctx context.Context, actor core.Actor, act core.Action, r *http.Request) (a store.Account, err error) {
	name, err := jid.New(r.PathValue("name"), m.host.Domain.Domain(), "")
	if err != nil {
		return a, stanza.NewError(stanza.ItemNotFound, "no such account")
	}
	a, err = m.host.Accounts.Get(ctx, name.Domain(), name.Local())
	if errors.Is(err, store.ErrNotFound) {
		return a, stanza.NewError(stanza.ItemNotFound, "no such account")
	}
	if err != nil {
		return a, err
	}
	if err := core.Permit(actor, act, core.Object{Account: name, Role: a.Role}); err != nil {
		return a, err
	}
	return a, nil
}

// usage tells administrators how much an account has uploaded.
func (m *Module) usage(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, actor, core.ActSeeAccounts, r)
	if err != nil {
		return nil, err
	}
	return m.usageOf(ctx, a.ID, a.Role)
}

// list tells them which files it has.
func (m *Module) list(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, actor, core.ActEditAccounts, r)
	if err != nil {
		return nil, err
	}
	files, err := m.Own.List(ctx, a.ID, m.now())
	out := make([]Listed, len(files))
	for i, f := range files {
		out[i] = Listed{f.ID, f.Name, f.Type, f.Purpose, f.Size, f.Created, f.Due}
	}
	return out, err
}

// remove ends one of them, which the log says: its owner did not ask for it.
func (m *Module) remove(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, actor, core.ActEditAccounts, r)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	if err := m.Own.Remove(a.ID, id).Wait(ctx); err != nil {
		return nil, noSuchFile(err)
	}
	m.Obs.Log.Info("a file was removed", "file", id, "account", int64(a.ID), "by", actor.JID.String(), "role", string(actor.Role))
	return nil, nil
}

// noSuchFile is what whoever asks is told.
func noSuchFile(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return stanza.NewError(stanza.ItemNotFound, "there is no such file")
	}
	return err
}
