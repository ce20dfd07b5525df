package commands

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/stanza"
)

// inviteName is where the hash of the first administrator's invite is kept; an empty one was used.
const inviteName = "first-invite"

// FirstInvite returns a new one-time invite for the first administrator when the host has no account yet, else "". An older invite that
// was not used is worthless from then on.
func (m *Module) FirstInvite(ctx context.Context) (string, error) {
	list, err := m.accounts.List(ctx, m.host.Domain.Domain(), "", 1)
	if err != nil || len(list) > 0 {
		return "", err
	}
	token := strings.ToLower(rand.Text())
	hash := sha256.Sum256([]byte(token))
	return token, m.secrets.Put(ctx, m.inviteKey(), hash[:])
}

func (m *Module) inviteKey() string { return inviteName + "/" + m.host.Domain.Domain() }

// join uses the invite: it makes the first account, with the role of owner.
func (m *Module) join(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	var body struct {
		Token    string `json:"token"`
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if err := core.ReadJSON(r, &body); err != nil {
		return nil, err
	}
	// Only the very first account comes this way: an invite that was not used is worthless as soon as there is any other.
	if list, err := m.accounts.List(ctx, m.host.Domain.Domain(), "", 1); err != nil || len(list) > 0 {
		return nil, cmp.Or(err, error(stanza.NewError(stanza.NotAuthorized, "there are accounts already")))
	}
	want, err := m.secrets.Get(ctx, m.inviteKey())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	got := sha256.Sum256([]byte(body.Token))
	if len(want) != len(got) || subtle.ConstantTimeCompare(want, got[:]) != 1 {
		return nil, stanza.NewError(stanza.NotAuthorized, "the invite is unknown or was used")
	}
	user, err := m.create(ctx, actor, body.Name, body.Password, store.RoleOwner)
	if err != nil {
		return nil, err
	}
	return user, m.secrets.Put(ctx, m.inviteKey(), []byte{})
}
