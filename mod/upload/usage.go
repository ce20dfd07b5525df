package upload

import (
	"context"
	"errors"
	"net/http"

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

// usage tells administrators what an account has uploaded.
func (m *Module) usage(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	name, err := jid.New(r.PathValue("name"), m.host.Domain.Domain(), "")
	if err != nil {
		return nil, stanza.NewError(stanza.ItemNotFound, "no such account")
	}
	a, err := m.host.Accounts.Get(ctx, name.Domain(), name.Local())
	if errors.Is(err, store.ErrNotFound) {
		return nil, stanza.NewError(stanza.ItemNotFound, "no such account")
	}
	if err != nil {
		return nil, err
	}
	list, err := m.Files.Usage(ctx, a.ID, m.now())
	if err != nil {
		return nil, err
	}
	out := make([]Usage, len(list))
	for i, u := range list {
		out[i] = Usage{u.Purpose, u.Files, u.Bytes, m.quota(u.Purpose, a.Role).Bytes}
	}
	return out, nil
}
