package account

import (
	"context"
	"slices"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/sasl"
)

// Hashes is core.Upgrades'. What is offered is the same for everybody, or the offer would tell who has an account here (XEP-0388, "Security
// Considerations"), and only what every account can use, or those that came with an older credential could not log in. Upgrades, new passwords
// and disabling dead accounts widen it.
func (m *Module) Hashes(ctx context.Context) ([]sasl.Hash, error) {
	if len(m.login.Hashes) > 0 {
		return slices.DeleteFunc(hashes(), func(h sasl.Hash) bool { return !slices.Contains(m.login.Hashes, h.String()) }), nil
	}
	all, some, err := m.stores.Credentials.Shared(ctx, m.host.Domain.Domain())
	if err != nil {
		return nil, err
	}
	if len(some) == 0 {
		return hashes(), nil // whoever comes first gets all of them
	}
	out := among(all)
	if len(out) == 0 {
		// Accounts that have nothing in common: some client will find what its account lacks.
		out = among(some)
	}
	return out, nil
}

// among returns the hashes whose credentials have one of these names.
func among(mechanisms []string) []sasl.Hash {
	return slices.DeleteFunc(hashes(), func(h sasl.Hash) bool { return !slices.Contains(mechanisms, mechanism(h)) })
}

// Missing is core.Upgrades'.
func (m *Module) Missing(ctx context.Context, account jid.JID) ([]sasl.Hash, error) {
	a, ok, err := m.enabled(ctx, account)
	if !ok {
		return nil, err
	}
	return slices.DeleteFunc(hashes(), func(h sasl.Hash) bool {
		return slices.ContainsFunc(a.Credentials, func(c store.Credential) bool { return c.Mechanism == mechanism(h) })
	}), nil
}

// Upgrade is core.Upgrades'.
func (m *Module) Upgrade(ctx context.Context, account jid.JID, c, proven sasl.Credential) error {
	a, ok, err := m.enabled(ctx, account)
	if err != nil || !ok {
		return err
	}
	defer m.host.Credentials.Add(1)
	return m.stores.Credentials.Add(ctx, a.ID, kept(c), proven.StoredKey)
}
