package join

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/stanza"
)

// maxCircleName bounds a circle's name, bytes: it is a group in rosters.
const maxCircleName = 200

// circleName refuses what cannot be the name of a group.
func circleName(name string) error {
	if name == "" || len(name) > maxCircleName || strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl) || strings.ContainsAny(name, "/") {
		return stanza.NewError(stanza.NotAcceptable, "this cannot be the name of a circle")
	}
	return nil
}

// Circle is what is told of a circle.
type Circle struct {
	Name    string `json:"name"`
	Members int    `json:"members"`
}

func (m *Module) listCircles(ctx context.Context, _ core.Actor, _ *http.Request) (any, error) {
	list, err := m.Circles.Circles(ctx, m.host.Domain.Domain())
	out := make([]Circle, len(list))
	for i, c := range list {
		out[i] = Circle(c)
	}
	return out, err
}

func (m *Module) listMembers(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	list, err := m.Circles.Members(ctx, m.host.Domain.Domain(), r.PathValue("circle"))
	out := make([]string, len(list))
	for i, local := range list {
		out[i] = m.address(local).String()
	}
	return out, known(err, "no such circle")
}

func (m *Module) makeCircle(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	name := r.PathValue("circle")
	if err := circleName(name); err != nil {
		return nil, err
	}
	return nil, m.Circles.Make(ctx, m.host.Domain.Domain(), name)
}

func (m *Module) endCircle(ctx context.Context, _ core.Actor, r *http.Request) (any, error) {
	err := m.Circles.End(ctx, m.host.Domain.Domain(), r.PathValue("circle"))
	m.follow()
	return nil, known(err, "no such circle")
}

func (m *Module) joinCircle(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	return m.member(ctx, actor, r, func(circle string, a store.Account) error {
		err := m.Circles.Join(ctx, m.host.Domain.Domain(), circle, a.ID, m.Config.Accounts.CircleMembers)
		if errors.Is(err, store.ErrTooMany) {
			return stanza.NewError(stanza.ResourceConstraint, "the circle has as many members as accounts.circle_members allows")
		}
		return known(err, "no such circle")
	})
}

func (m *Module) partCircle(ctx context.Context, actor core.Actor, r *http.Request) (any, error) {
	return m.member(ctx, actor, r, func(circle string, a store.Account) error {
		return known(m.Circles.Part(ctx, m.host.Domain.Domain(), circle, a.ID), "not a member of that circle")
	})
}

// member does something to an account in a circle, and has rosters follow.
func (m *Module) member(ctx context.Context, actor core.Actor, r *http.Request, do func(circle string, a store.Account) error) (any, error) {
	// Members of any rank may be put into circles: that takes nothing from them.
	a, err := m.account(ctx, actor, core.ActSeeAccounts, r.PathValue("name"))
	if err == nil && a.Leaving {
		err = stanza.NewError(stanza.ItemNotFound, "no such account")
	}
	if err == nil {
		err = do(r.PathValue("circle"), a)
	}
	m.follow()
	return nil, err
}
