package join

import (
	"context"
	"errors"
	"net/http"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/uri"
)

// pageOfInvites is how many one answer lists.
const pageOfInvites = 1000

// offerRoutes are the rows of the control socket.
func (m *Module) offerRoutes() {
	row := func(pattern string, act core.Action, do func(context.Context, core.Actor, *http.Request) (any, error)) {
		m.host.HTTP.Handle(core.Route{Pattern: pattern, Action: act, Do: do})
	}
	row("GET /invites", core.ActSeeAccounts, m.listInvites)
	row("POST /invites", core.ActInvite, m.makeInvite)
	row("DELETE /invites/{id}", core.ActEditAccounts, m.revokeInvite)
	row("GET /waiting", core.ActSeeAccounts, m.listWaiting)
	row("POST /waiting/{name}", core.ActEditAccounts, m.approve)
	row("DELETE /waiting/{name}", core.ActEditAccounts, m.reject)
	row("POST /users/{name}/reset", core.ActEditAccounts, m.makeReset)
	row("DELETE /users/{name}", core.ActEditAccounts, m.deleteUser)
	row("POST /users/{name}/restore", core.ActEditAccounts, m.restore)
	row("GET /circles", core.ActSeeAccounts, m.listCircles)
	row("GET /circles/{circle}", core.ActSeeAccounts, m.listMembers)
	row("PUT /circles/{circle}", core.ActEditAccounts, m.makeCircle)
	row("DELETE /circles/{circle}", core.ActEditAccounts, m.endCircle)
	row("PUT /circles/{circle}/{name}", core.ActEditAccounts, m.joinCircle)
	row("DELETE /circles/{circle}/{name}", core.ActEditAccounts, m.partCircle)
}

// account finds an account by a name of this host, upon which the actor may act.
func (m *Module) account(ctx context.Context, actor core.Actor, act core.Action, name string) (store.Account, error) {
	local, err := jid.PrepareLocal(name)
	if err != nil {
		return store.Account{}, stanza.NewError(stanza.JIDMalformed, err.Error())
	}
	a, err := m.Accounts.Get(ctx, m.host.Domain.Domain(), local)
	if err != nil {
		return a, known(err, "no such account")
	}
	if err := core.Permit(actor, act, core.Object{Account: m.address(a.Local), Role: a.Role}); err != nil {
		return store.Account{}, err
	}
	return a, nil
}

// Invite is what is told of an invite: everything but its token, which nobody knows any more.
type Invite struct {
	ID      string    `json:"id"`
	Maker   string    `json:"maker,omitempty"`
	Kind    string    `json:"kind"`
	Role    string    `json:"role"`
	Name    string    `json:"name,omitempty"`
	Label   string    `json:"label,omitempty"`
	Circles []string  `json:"circles,omitempty"`
	Uses    int       `json:"uses"`
	Used    int       `json:"used"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// listInvites lists those of everybody, or of ?of=, the newest first.
func (m *Module) listInvites(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	owner := store.Everybody
	if of := r.FormValue("of"); of != "" {
		a, err := m.account(ctx, actor, core.ActSeeAccounts, of)
		if err != nil {
			return nil, err
		}
		owner = a.ID
	}
	list, err := m.Invites.List(ctx, m.host.Domain.Domain(), owner, pageOfInvites)
	out := make([]Invite, len(list))
	for i, v := range list {
		out[i] = Invite{v.ID, v.Maker, string(v.Kind), string(v.Role), v.Name, v.Label, v.Circles, v.Uses, v.Used, v.Created, v.Expires}
	}
	return out, err
}

// makeInvite makes one for the operator, or as an account makes it.
func (m *Module) makeInvite(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	var body struct {
		As      string   `json:"as"`
		Name    string   `json:"name"`
		Role    string   `json:"role"`
		Label   string   `json:"label"`
		Circles []string `json:"circles"`
		Uses    int      `json:"uses"`
		Seconds int64    `json:"seconds"`
	}
	if err := core.ReadJSON(r, &body); err != nil {
		return nil, err
	}
	k := maker{Actor: actor}
	if body.As != "" {
		a, err := m.account(ctx, actor, core.ActEditAccounts, body.As)
		if err != nil {
			return nil, err
		}
		if a.Disabled {
			return nil, stanza.NewError(stanza.NotAllowed, "the account may not log in")
		}
		k = maker{core.Actor{JID: m.address(a.Local), Role: a.Role}, a.ID, a.Local}
	}
	return m.invite(ctx, k, wish{
		account: k.id == 0 || m.mayRegister(), role: store.Role(body.Role), name: body.Name, label: body.Label, circles: body.Circles,
		befriend: k.id != 0, uses: body.Uses, life: time.Duration(body.Seconds) * time.Second,
	})
}

func (m *Module) revokeInvite(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	return nil, known(m.Invites.Revoke(ctx, m.host.Domain.Domain(), r.PathValue("id"), store.Everybody), "no such invite")
}

// Waiting is what is told of somebody who waits for approval.
type Waiting struct {
	Address string    `json:"address"`
	Since   time.Time `json:"since"`
}

func (m *Module) listWaiting(ctx context.Context, _ core.Actor, _ *http.Request) (any, error) {
	list, err := m.Leavers.Waiting(ctx, m.host.Domain.Domain(), pageOfInvites)
	out := make([]Waiting, len(list))
	for i, a := range list {
		out[i] = Waiting{m.address(a.Local).String(), a.Created}
	}
	return out, err
}

func (m *Module) approve(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, actor, core.ActEditAccounts, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	err = known(m.Leavers.Approve(ctx, a.ID), "nobody of that name waits")
	if err == nil {
		m.Obs.Log.Info("account approved", obs.JID, m.address(a.Local).String(), "by", actor.JID.String())
	}
	return nil, err
}

// reject erases the account at once; its name is free again, since it never got anything.
func (m *Module) reject(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, actor, core.ActEditAccounts, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if !a.Waiting {
		return nil, stanza.NewError(stanza.ItemNotFound, "nobody of that name waits")
	}
	m.Obs.Log.Info("account rejected", obs.JID, m.address(a.Local).String(), "by", actor.JID.String())
	return nil, m.host.DeleteAccount(ctx, m.address(a.Local), func(ctx context.Context) error { return m.Accounts.Delete(ctx, a.ID) })
}

// makeReset makes a link by which the owner of an account sets a new password, once.
func (m *Module) makeReset(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, actor, core.ActEditAccounts, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if a.Leaving {
		return nil, stanza.NewError(stanza.ItemNotFound, "no such account")
	}
	i := store.Invite{Owner: a.ID, Kind: store.InviteReset, Role: a.Role, Name: a.Local, Uses: 1}
	return m.put(ctx, i, m.Config.Accounts.ResetExpires.D(), func(token string) uri.URI {
		return uri.URI{JID: m.address(a.Local), Action: uri.Register}.With("preauth", token)
	})
}

// deleteUser has an account leave as if its owner had; with ?now=1 it is erased at once.
func (m *Module) deleteUser(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, actor, core.ActEditAccounts, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	address, now := m.address(a.Local), r.FormValue("now") == "1"
	hold := m.now().Add(m.Config.Accounts.HoldName.D())
	m.Obs.Log.Info("account leaves", obs.JID, address.String(), "by", actor.JID.String(), "now", now)
	switch {
	case now:
		// One that is leaving is in nobody's memory; any other tells its contacts.
		err = m.host.DeleteAccount(ctx, address, func(ctx context.Context) error { return m.Leavers.Erase(ctx, a.ID, hold) })
	default:
		err = m.host.DeleteAccount(ctx, address, func(ctx context.Context) error {
			return m.Leavers.Leave(a.ID, m.now().Add(m.Config.Accounts.Grace.D())).Wait(ctx)
		})
	}
	m.follow()
	return nil, known(err, "the account is leaving already")
}

// restore brings an account back that is leaving.
func (m *Module) restore(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, actor, core.ActEditAccounts, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	if err := m.Leavers.Return(ctx, a.ID); err != nil {
		return nil, known(err, "the account is not leaving")
	}
	m.Obs.Log.Info("account restored", obs.JID, m.address(a.Local).String(), "by", actor.JID.String())
	return nil, nil
}

// failed logs what background work could not do, but for the end of the server.
func (m *Module) failed(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, store.ErrClosed) {
		m.Obs.Log.Error(what, obs.Err, err)
	}
}
