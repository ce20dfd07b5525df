package activity

import (
	"context"
	"net/http"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// shown answers who may know.
func (x *activity) shown(_ context.Context, e *core.Event) (core.Answer, error) {
	v, err := x.read(e.Account)
	if err != nil {
		return core.Answer{}, err
	}
	return core.Answer{Payload: "<last-seen xmlns='" + Space + "' shown='" + string(v.seen.Shown) + "'/>"}, nil
}

// show sets it.
func (x *activity) show(_ context.Context, e *core.Event) (core.Answer, error) {
	p, _ := e.Stanza.Payload()
	text, _ := p.Attr("shown")
	ticket, err := x.set(e.Account, store.ShownTo(text))
	if err != nil {
		return core.Answer{}, err
	}
	e.Wait(ticket)
	return core.Answer{}, nil
}

// set changes who may know, in a turn of the account. In memory it counts at once: should the disk fail, less is shown than was, or somebody is
// shown what he could ask for a moment ago.
func (x *activity) set(a *core.Account, to store.ShownTo) (store.Ticket, error) {
	if to != store.ShownToContacts && to != store.ShownToNobody {
		return store.Ticket{}, stanza.NewError(stanza.BadRequest, "it is shown to contacts or to nobody")
	}
	v, err := x.read(a)
	if err != nil {
		return store.Ticket{}, err
	}
	v.seen.Shown = to
	return x.store.ShowLastSeen(a.ID, to), nil
}

// setting is the body of the requests of administrators.
type setting struct {
	Shown store.ShownTo `json:"shown"`
}

// known is the answer: who else may know, and for administrators themselves when it was; zero: never, or nobody knows any more. While sessions of the
// account are there it is about the time before.
type known struct {
	setting
	At time.Time `json:"at,omitzero"`
}

// httpShown answers an administrator who may know.
func (x *activity) httpShown(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	var out known
	return &out, x.turn(ctx, r, func(a *core.Account) error {
		v, err := x.read(a)
		out.Shown, out.At = v.seen.Shown, v.seen.At
		return err
	})
}

// httpShow sets it for an administrator.
func (x *activity) httpShow(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	var in setting
	if err := core.ReadJSON(r, &in); err != nil {
		return nil, err
	}
	var ticket store.Ticket
	err := x.turn(ctx, r, func(a *core.Account) error {
		if err := core.Permit(actor, core.ActEditAccounts, core.Object{Account: a.JID, Role: a.Role()}); err != nil {
			return err
		}
		var err error
		ticket, err = x.set(a, in.Shown)
		return err
	})
	if err != nil {
		return nil, err
	}
	return nil, ticket.Wait(ctx)
}

// turn has f called in a turn of the account that the path names.
func (x *activity) turn(ctx context.Context, r *http.Request, f func(*core.Account) error) error {
	bare, err := jid.New(r.PathValue("name"), x.host.Domain.Domain(), "")
	if err != nil {
		return stanza.NewError(stanza.JIDMalformed, err.Error())
	}
	return x.host.Ask(ctx, bare, func(_ *core.Work, a *core.Account) error {
		if !a.Exists {
			return stanza.NewError(stanza.ItemNotFound, "no such account")
		}
		return f(a)
	})
}
