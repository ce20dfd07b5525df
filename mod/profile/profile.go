// Package profile keeps what people say of themselves: the vCard (XEP-0054 version 1.3.0), whose picture is the same as the avatar on nodes
// (XEP-0084, XEP-0398 version 1.0.0) and told by presence (XEP-0153 version 1.1.1).
//
// vcard.go keeps vCards, avatar.go turns one picture into the other, presence.go tells of it. An avatar goes into the vCard only where everybody may
// read it. vCard 4 (XEP-0292) and the nickname (XEP-0172) are nodes like others.
//
// Hooks: Loading, Announcing, Directing, Published.
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
}
