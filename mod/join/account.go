package join

import (
	"context"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

func escaped(text string) string { return string(xmltok.AppendEscaped(nil, text)) }

// registered is XEP-0077 section 3.1: whoever is logged in is registered.
func (m *Module) registered(_ context.Context, e *core.Event) (core.Answer, error) {
	if e.Account.Host != m.host {
		return core.Answer{}, stanza.NewError(stanza.ServiceUnavailable, "")
	}
	return core.Answer{Payload: "<query xmlns='" + ns.Register + "'><registered/><username>" + escaped(e.Account.JID.Local()) + "</username><password/></query>"}, nil
}

// change is XEP-0077 sections 3.2 and 3.3: leaving, or another password. It runs outside turns.
func (m *Module) change(ctx context.Context, e *core.Event) (core.Answer, error) {
	actor := core.Actor{JID: e.Stanza.From, Role: e.Account.Role()}
	if err := core.Permit(actor, core.ActUseAccount, core.Object{Account: e.Account.JID}); err != nil || e.Session == nil {
		return core.Answer{}, stanza.NewError(stanza.Forbidden, "")
	}
	query, _ := e.Stanza.Payload()
	tree, err := query.Tree()
	if err != nil {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "")
	}
	if tree.Child(ns.Register, "remove") == nil {
		return core.Answer{}, m.newPassword(ctx, e)
	}
	if len(tree.Children) != 1 {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "nothing stands beside <remove/>")
	}
	if err := m.Leavers.Leave(e.Account.ID, m.now().Add(m.Config.Accounts.Grace.D())).Wait(ctx); err != nil {
		return core.Answer{}, known(err, "no such account")
	}
	m.Obs.Log.Info("account leaves", obs.JID, e.Account.JID.String(), "by", "its owner")
	// The answer goes out in the turn that calls this, and the end comes in the next. Only then is the account erased, where nothing is left of its
	// time of grace.
	e.After(func(e *core.Event) { m.depart(e.Account) })
	return core.Answer{}, nil
}

// depart ends an account that the store has as leaving, in a turn of its own.
func (m *Module) depart(a *core.Account) {
	err := m.host.Do(a.JID, func(w *core.Work, a *core.Account) {
		a.Depart(w)
		m.follow()
	})
	if err != nil {
		m.Obs.Log.Error("account not ended", obs.JID, a.JID.String(), obs.Err, err)
		m.follow()
	}
}

// newPassword is XEP-0077 section 3.3. Other sessions stay: whoever changes a password at leisure is not thrown out elsewhere. The tokens
// of all devices end with the old password.
func (m *Module) newPassword(ctx context.Context, e *core.Event) error {
	in, err := parse(e.Stanza)
	if err != nil {
		return err
	}
	local := e.Account.JID.Local()
	if in.name == "" || in.password == "" {
		return stanza.NewError(stanza.BadRequest, "name and password are needed")
	}
	// XEP-0077 example 19: some clients give the whole address.
	if name, err := prepareName(in.name, &m.Config.Signup); in.name != e.Account.JID.String() && in.name != local && (err != nil || name != local) {
		return stanza.NewError(stanza.BadRequest, "this is not your name")
	}
	credentials, err := m.credentials(in.password, local)
	if err != nil {
		return err
	}
	if err := m.Accounts.SetCredentials(ctx, e.Account.ID, credentials); err != nil {
		return known(err, "no such account")
	}
	m.Obs.Log.Info("password changed", obs.JID, e.Account.JID.String(), "by", "its owner")
	m.host.Credentials.Add(1)
	return nil
}
