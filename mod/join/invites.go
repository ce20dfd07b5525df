package join

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/uri"
)

// maxLabel bounds what the maker of an invite notes, bytes.
const maxLabel = 256

// maker is who makes an invite.
type maker struct {
	core.Actor
	id   store.Owner // zero: the operator, who has no account
	name string
}

// staff tells whether the maker administers accounts.
func (k maker) staff() bool {
	return core.Permit(k.Actor, core.ActEditAccounts, core.Object{}) == nil
}

// wish is what an invite shall be.
type wish struct {
	account  bool // makes an account; otherwise a contact
	role     store.Role
	name     string
	label    string
	circles  []string
	befriend bool
	uses     int
	life     time.Duration
}

// Link is an invite as its maker gets it, once.
type Link struct {
	ID      string    `json:"id"`
	URI     string    `json:"uri"`
	Code    string    `json:"code"`
	Landing string    `json:"landing,omitempty"`
	Expires time.Time `json:"expires"`
}

// hash is what is kept of a token.
func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// mayRegister tells whether an invite can make an account under this configuration.
func (m *Module) mayRegister() bool { return m.Config.Signup.Mode != "closed" }

// invite makes an invite.
func (m *Module) invite(ctx context.Context, k maker, w wish) (Link, error) {
	if w.role == "" {
		w.role = store.RoleMember
	}
	w.uses = max(w.uses, 1)
	if w.life == 0 {
		w.life = m.Config.Invites.Expires.D()
	}
	if err := m.mayInvite(k, &w); err != nil {
		return Link{}, err
	}
	if w.name != "" {
		if _, err := m.Accounts.Get(ctx, m.host.Domain.Domain(), w.name); err == nil {
			return Link{}, taken()
		}
	}
	if err := errors.Join(m.haveCircles(ctx, w.circles), m.roomForInvite(ctx, k)); err != nil {
		return Link{}, err
	}
	i := store.Invite{
		Owner: k.id, Kind: store.InviteContact, Role: w.role, Name: w.name, Label: w.label, Circles: w.circles, Befriend: w.befriend && k.id != 0, Uses: w.uses,
	}
	if w.account {
		i.Kind = store.InviteAccount
	}
	return m.put(ctx, i, w.life, func(token string) uri.URI {
		u := uri.URI{JID: m.host.Domain, Action: uri.Register}
		if w.name != "" {
			u.JID = m.address(w.name) // XEP-0401 section 5.2
		}
		if i.Befriend && w.name == "" {
			u = uri.URI{JID: m.address(k.name), Action: uri.Roster}
		}
		u = u.With("preauth", token)
		if u.Action == uri.Roster && w.account {
			u = u.With("ibr", "y") // XEP-0401 section 5.1: only where the token makes an account
		}
		return u
	})
}

// mayInvite asks for the rights that a wish takes, and bounds it.
func (m *Module) mayInvite(k maker, w *wish) error {
	least := store.Role(m.Config.Invites.By)
	if err := core.Permit(k.Actor, core.ActInvite, core.Object{Role: w.role, Least: least}); err != nil {
		return err
	}
	special := w.uses > 1 || w.name != "" || len(w.circles) > 0 || w.role != store.RoleMember
	if special && !k.staff() {
		return stanza.NewError(stanza.Forbidden, "only administrators choose name, role, circles or the number of uses")
	}
	switch {
	case !w.role.Known():
		return stanza.NewError(stanza.BadRequest, "no such role")
	case w.account && !m.mayRegister():
		return stanza.NewError(stanza.NotAllowed, "no account can be made by an invite: signup.mode is closed")
	case !w.account && (!w.befriend || k.id == 0):
		return stanza.NewError(stanza.NotAllowed, "the invite would be good for nothing: signup.mode is closed, and nobody becomes a contact")
	case w.uses > m.Config.Invites.MaxUses:
		return stanza.NewError(stanza.NotAcceptable, "so many uses are not allowed")
	case w.life < 0 || w.life > m.Config.Invites.MaxExpires.D():
		return stanza.NewError(stanza.NotAcceptable, "an invite cannot be good for so long")
	case len(w.label) > maxLabel || len(w.circles) > 20:
		return stanza.NewError(stanza.NotAcceptable, "the label is too long, or there are too many circles")
	}
	if w.name == "" {
		return nil
	}
	var err error
	w.name, err = prepareName(w.name, &m.Config.Signup)
	return err
}

// haveCircles refuses names that no circle has, most likely mistyped.
func (m *Module) haveCircles(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	list, err := m.Circles.Circles(ctx, m.host.Domain.Domain())
	for _, name := range names {
		if err == nil && !slices.ContainsFunc(list, func(c store.Circle) bool { return c.Name == name }) {
			return stanza.NewError(stanza.ItemNotFound, "no such circle: "+name)
		}
	}
	return err
}

// roomForInvite bounds the invites of one account that are still good for something.
func (m *Module) roomForInvite(ctx context.Context, k maker) error {
	if k.id == 0 {
		return nil
	}
	most := m.Config.Invites.PerAccount
	list, err := m.Invites.List(ctx, m.host.Domain.Domain(), k.id, 4*most)
	if err != nil {
		return err
	}
	open, now := 0, m.now()
	for i := range list {
		if list[i].Expires.After(now) && list[i].Used < list[i].Uses {
			open++
		}
	}
	if open >= most || len(list) >= 4*most {
		m.host.Metrics().Refused("invites")
		return stanza.NewError(stanza.ResourceConstraint, "you have too many invites that nobody has used")
	}
	return nil
}

// put keeps an invite and returns its link.
func (m *Module) put(ctx context.Context, i store.Invite, life time.Duration, link func(token string) uri.URI) (Link, error) {
	token := uri.NewToken()
	now := m.now().UTC().Truncate(time.Microsecond)
	i.Hash, i.ID, i.Domain = hash(token), uri.NewToken()[:8], m.host.Domain.Domain()
	// Whole seconds, as the link says them.
	i.Created, i.Expires = now, now.Add(life).Truncate(time.Second)
	if err := m.Invites.Put(i).Wait(ctx); err != nil {
		return Link{}, known(err, "")
	}
	m.Obs.Log.Info("invite made", "id", i.ID, "kind", string(i.Kind), "role", string(i.Role), "uses", i.Uses, "expires", i.Expires)
	l := Link{ID: i.ID, URI: link(token).String(), Code: uri.Code(token) + "@" + i.Domain, Expires: i.Expires}
	if page := m.Config.Invites.Landing; page != "" && i.Kind != store.InviteReset {
		l.Landing = strings.TrimSuffix(page, "/") + "/" + token
	}
	return l, nil
}

// find returns the invite of a token that is still good, or ErrNotFound: expired, used up, or its maker may not invite so any more.
func (m *Module) find(ctx context.Context, typed string) (store.Invite, error) {
	token := uri.Token(typed)
	if token == "" {
		return store.Invite{}, store.ErrNotFound
	}
	i, err := m.Invites.Get(ctx, m.host.Domain.Domain(), hash(token))
	if err == nil && (i.Used >= i.Uses || !i.Expires.After(m.now()) || !m.standsFor(&i)) {
		err = store.ErrNotFound
	}
	return i, err
}

// stands is ErrNotFound when an invite has been ended, or its maker may not invite so any more, since the token was shown. Its time does not
// count again (XEP-0445 section 4).
func (m *Module) stands(ctx context.Context, hash string) error {
	i, err := m.Invites.Get(ctx, m.host.Domain.Domain(), hash)
	if err == nil && !m.standsFor(&i) {
		err = store.ErrNotFound
	}
	return err
}

// standsFor tells whether the maker could still make the invite. An operator's always stands, and a link for the own password.
func (m *Module) standsFor(i *store.Invite) bool {
	if i.Owner == 0 || i.Kind == store.InviteReset {
		return true
	}
	actor := core.Actor{JID: m.address(i.Maker), Role: i.MakerRole}
	return i.MakerActive && core.Permit(actor, core.ActInvite, core.Object{Role: i.Role, Least: store.Role(m.Config.Invites.By)}) == nil
}
