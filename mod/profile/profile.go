// Package profile keeps what people say of themselves: today the vCard (XEP-0054 version 1.3.0).
//
// Hooks: none. Left out: its picture in presence and as an avatar (XEP-0153, XEP-0084, XEP-0398), and vCard 4 (XEP-0292).
package profile

import (
	"stonechat/config"
	"stonechat/core"
	"stonechat/store"
)

// Module is the family.
type Module struct {
	store  store.Personal
	config config.Personal
	host   *core.Host
}

// New takes what keeps the vCards, how large they may be and for whom they are.
func New(s store.Personal, c config.Personal) *Module { return &Module{store: s, config: c} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "profile" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	m.host = h
	m.installVCard(h)
}
