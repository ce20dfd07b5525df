// Package profile keeps what people say of themselves: the vCard (XEP-0054 version 1.3.0), whose picture is the same as the avatar on nodes
// (XEP-0084, XEP-0398 version 1.0.0) and told by presence (XEP-0153 version 1.1.1), and whose fields are the same as those of the vCard 4 on its node
// (XEP-0292 version 0.12.0) and as the nickname (XEP-0172 version 1.1).
//
// vcard.go keeps vCards, avatar.go turns one picture into the other, presence.go tells of it. An avatar goes into the vCard only where everybody may
// read it. fields.go turns one form of a vCard into the other, as pure functions, views.go keeps the nodes and the vCard saying the same, and visible.go
// is who sees which field. A field that the readers of a node do not see does not stand there, also when a client publishes it: it is taken out before
// it is kept. docs/decisions/0025-profile.md says why it is so.
//
// people.go finds people by what they show of themselves (XEP-0055 version 1.3).
//
// Hooks: Loading, Bound, Announcing, Directing, Used, Publishing, Published. Left out: pictures in vCards 4, and fields that only these know while they
// are hidden, which are then not kept.
package profile

import (
	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
)

// Module is the family.
type Module struct {
	store  store.Personal
	config config.Personal
	obs    obs.Obs
	host   *core.Host
	faces  core.Slot[face]
	own    core.Slot[bool] // of sessions: whether the client says that it shows no picture
	people people
}

// New takes what keeps the vCards, how large they may be and for whom they are.
func New(s store.Personal, c config.Personal, o obs.Obs) *Module {
	return &Module{store: s, config: c, obs: o}
}

// Name of the module in lists and logs.
func (m *Module) Name() string { return "profile" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	m.host = h
	m.installVCard(h)
	m.installAvatar(h)
	m.installViews(h)
	m.installVisibility(h)
	m.installPeople(h)
}
