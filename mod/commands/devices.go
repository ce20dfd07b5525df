package commands

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/stanza"
)

// Device is what is told of an installation of a client.
type Device struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Software string    `json:"software"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	From     string    `json:"from"`
	Tokens   int       `json:"tokens"`
	Sessions int       `json:"sessions"`
}

// listDevices answers the devices of an account, the one seen last first.
func (m *Module) listDevices(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := m.allowed(actor, core.ActSeeSessions, a); err != nil {
		return nil, err
	}
	list, err := m.devices.List(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	sessions := map[string]int{}
	err = m.host.Ask(ctx, m.address(a), func(_ *core.Work, acc *core.Account) error {
		for _, s := range acc.Sessions() {
			sessions[s.Device]++
		}
		return nil
	})
	out := make([]Device, len(list))
	for i, d := range list {
		out[i] = Device{d.ID, d.Name, d.Software, d.First, d.Last, d.Address, d.Tokens, sessions[d.ID]}
	}
	return out, err
}

// revokeDevices forgets a device, or all of an account, with their tokens, and ends their sessions: first what is kept, so that nothing can
// come in by it any more. Who knows the password may log in again.
func (m *Module) revokeDevices(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	a, err := m.account(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := m.allowed(actor, core.ActEndSessions, a); err != nil {
		return nil, err
	}
	ids := []string{r.PathValue("id")}
	if ids[0] == "" {
		list, err := m.devices.List(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		ids = ids[:0]
		for _, d := range list {
			ids = append(ids, d.ID)
		}
		if err := m.devices.RevokeAll(ctx, a.ID); err != nil {
			return nil, err
		}
	} else if err := m.devices.Revoke(ctx, a.ID, ids[0]); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return nil, stanza.NewError(stanza.ItemNotFound, "no such device")
		}
		return nil, err
	}
	ended := 0
	err = m.host.Ask(ctx, m.address(a), func(w *core.Work, acc *core.Account) error {
		if r.PathValue("id") == "" {
			ids = withThoseOfSessions(ids, acc)
		}
		for _, id := range ids {
			ended += acc.RevokeDevice(w, id)
		}
		return nil
	})
	return map[string]int{"revoked": len(ids), "ended": ended}, err
}

// withThoseOfSessions adds the devices that are here and not kept any more, since others pushed them out, or that came just now.
func withThoseOfSessions(ids []string, a *core.Account) []string {
	for _, s := range a.Sessions() {
		if s.Device != "" && !slices.Contains(ids, s.Device) {
			ids = append(ids, s.Device)
		}
	}
	return ids
}
