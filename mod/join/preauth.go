package join

import (
	"context"
	"errors"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/uri"
)

// readTime bounds the look at one token in a turn.
const readTime = 500 * time.Millisecond

// receiving is XEP-0379 section 3.5 on the server: a request with a good token of the account's own is approved by itself. Any other token is
// left as it is (XEP-0379 section 4.1): the account's client may have made it.
func (m *Module) receiving(e *core.Event) core.Verdict {
	st, a := e.Stanza, e.Account
	if st.Kind != stanza.Presence || st.Type != stanza.Subscribe || !a.Exists || st.From.Bare() == a.JID {
		return core.Next
	}
	child, ok := st.Child(ns.PreAuth, "preauth")
	if !ok {
		return core.Next
	}
	typed, _ := child.Attr("token")
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	i, err := m.find(ctx, typed)
	if err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			m.Obs.Log.Warn("token not read", obs.JID, a.JID.String(), obs.Err, err)
		}
		return core.Next
	}
	// XEP-0379 section 5.2: where it is known who gets the token, nobody else may use it.
	if i.Owner != a.ID || !i.Befriend || i.Kind == store.InviteReset || (i.Name != "" && st.From.Bare() != m.address(i.Name)) {
		return core.Next
	}
	used, ticket := m.Invites.Use(a.ID, hash(uri.Token(typed)))
	e.Wait(ticket)
	e.After(func(e *core.Event) {
		if !*used {
			m.host.Router.Route(e.Work, st) // somebody was faster: now it is a request like any other
			return
		}
		if e.Account.Blocks(st.From) {
			return // since the token was shown
		}
		m.Obs.Log.Info("invite used by a contact", "id", i.ID, obs.JID, a.JID.String())
		m.host.Ports.Ties.Grant(e.Work, e.Account, st.From.Bare()).Done(func(err error) {
			if err != nil {
				m.Obs.Log.Warn("contact of an invite not kept", obs.JID, a.JID.String(), obs.Err, err)
			}
		})
	})
	return core.Done
}
