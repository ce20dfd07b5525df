package commands

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// User is what is told of an account.
type User struct {
	Address  string    `json:"address"`
	Role     string    `json:"role"`
	Disabled bool      `json:"disabled,omitempty"`
	Waiting  bool      `json:"waiting,omitempty"` // for approval
	Leaving  bool      `json:"leaving,omitempty"` // until it is erased
	Created  time.Time `json:"created"`
}

// pageOfUsers is how many accounts one answer lists.
const pageOfUsers = 1000

// listUsers answers a page of accounts in the order of their names, those after ?after=.
func (m *Module) listUsers(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	list, err := m.accounts.List(ctx, m.host.Domain.Domain(), r.FormValue("after"), pageOfUsers)
	if err != nil {
		return nil, err
	}
	users := make([]User, len(list))
	for i, a := range list {
		users[i] = m.user(a)
	}
	return users, nil
}

func (m *Module) user(a store.Account) User {
	return User{Address: m.address(a).String(), Role: string(a.Role), Disabled: a.Disabled, Waiting: a.Waiting, Leaving: a.Leaving, Created: a.Created}
}

// newUser is the body of POST /users.
type newUser struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	Role     string `json:"role"`
}

func (m *Module) addUser(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	var u newUser
	if err := core.ReadJSON(r, &u); err != nil {
		return nil, err
	}
	role := store.Role(u.Role)
	if role == "" {
		role = store.RoleMember
	}
	if err := m.allowed(actor, core.ActEditAccounts, store.Account{Role: role}); err != nil {
		return nil, err
	}
	return m.create(ctx, actor, u.Name, u.Password, role)
}

// create adds an account.
func (m *Module) create(ctx context.Context, actor core.Actor, name, password string, role store.Role) (any, error) {
	if !role.Known() {
		return nil, stanza.NewError(stanza.BadRequest, "no such role: "+strconv.Quote(string(role)))
	}
	local, err := jid.PrepareLocal(name)
	if err != nil {
		return nil, stanza.NewError(stanza.JIDMalformed, "not a name: "+strconv.Quote(name))
	}
	credentials, err := m.derive(password, m.login.Iterations)
	if err != nil {
		return nil, stanza.NewError(stanza.NotAcceptable, err.Error())
	}
	defer m.host.Credentials.Add(1)
	a, err := m.accounts.Create(ctx, store.NewAccount{Domain: m.host.Domain.Domain(), Local: local, Role: role, Credentials: credentials})
	if err != nil {
		return nil, known(err)
	}
	m.note("account added", actor, a, "role", string(role))
	return m.user(a), nil
}

func (m *Module) setPassword(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	var body struct {
		Password string `json:"password"`
	}
	if err := core.ReadJSON(r, &body); err != nil {
		return nil, err
	}
	a, err := m.account(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := m.allowed(actor, core.ActEditAccounts, a); err != nil {
		return nil, err
	}
	credentials, err := m.derive(body.Password, m.login.Iterations)
	if err != nil {
		return nil, stanza.NewError(stanza.NotAcceptable, err.Error())
	}
	if err := m.accounts.SetCredentials(ctx, a.ID, credentials); err != nil {
		return nil, known(err)
	}
	m.host.Credentials.Add(1)
	m.note("password set", actor, a)
	return nil, nil
}

func (m *Module) setRole(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	var body struct {
		Role string `json:"role"`
	}
	if err := core.ReadJSON(r, &body); err != nil {
		return nil, err
	}
	role := store.Role(body.Role)
	if !role.Known() {
		return nil, stanza.NewError(stanza.BadRequest, "no such role: "+strconv.Quote(body.Role))
	}
	a, err := m.account(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := m.allowed(actor, core.ActSetRoles, a); err != nil {
		return nil, err
	}
	if err := m.accounts.SetRole(ctx, a.ID, role); err != nil {
		return nil, known(err)
	}
	m.note("role set", actor, a, "role", string(role), "before", string(a.Role))
	return nil, m.host.Ask(ctx, m.address(a), func(_ *core.Work, acc *core.Account) error {
		acc.SetRole(role)
		return nil
	})
}

func (m *Module) setDisabled(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	var body struct {
		Disabled bool `json:"disabled"`
	}
	if err := core.ReadJSON(r, &body); err != nil {
		return nil, err
	}
	a, err := m.account(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := m.allowed(actor, core.ActEditAccounts, a); err != nil {
		return nil, err
	}
	defer m.host.Credentials.Add(1)
	if err := m.accounts.SetDisabled(ctx, a.ID, body.Disabled); err != nil {
		return nil, known(err)
	}
	m.note("log-in allowed or not", actor, a, "disabled", body.Disabled)
	if !body.Disabled {
		return nil, nil
	}
	return nil, m.host.Ask(ctx, m.address(a), func(w *core.Work, acc *core.Account) error {
		acc.ShutOut(w)
		return nil
	})
}
