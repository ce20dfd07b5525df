package roster

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Shown is what administrators are told of a contact.
type Shown struct {
	JID          string   `json:"jid"`
	Name         string   `json:"name,omitempty"`
	Subscription string   `json:"subscription"`
	Ask          bool     `json:"ask,omitempty"` // a request of the account is not answered yet
	Groups       []string `json:"groups,omitempty"`
}

// contactsOf answers with the roster of an account, ordered by address. With whom somebody talks is nothing for everybody who may list accounts: it
// takes the right to edit this one, and is logged.
func (r *roster) contactsOf(ctx context.Context, actor core.Actor, q *http.Request) (any, error) {
	bare, err := jid.New(q.PathValue("name"), r.host.Domain.Domain(), "")
	if err != nil {
		return nil, stanza.NewError(stanza.JIDMalformed, err.Error())
	}
	out := []Shown{}
	err = r.host.Ask(ctx, bare, func(_ *core.Work, a *core.Account) error {
		if !a.Exists {
			return stanza.NewError(stanza.ItemNotFound, "no such account")
		}
		if err := core.Permit(actor, core.ActEditAccounts, core.Object{Account: a.JID, Role: a.Role()}); err != nil {
			return err
		}
		for j, kept := range r.books.Of(a).contacts {
			if c := kept.contact(); c.state.has(listed) {
				out = append(out, Shown{j.String(), c.name, string(c.state.subscription()), c.state.has(pendingOut), c.groups.names()})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Shown) int { return strings.Compare(a.JID, b.JID) })
	r.obs.Log.Info("contacts shown", obs.JID, bare.String(), "by", actor.JID.String())
	return out, nil
}
