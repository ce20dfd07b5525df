// Package pubsub keeps what clients put onto the server as named items: today private XML storage (XEP-0049 version 1.2), where older clients
// have their bookmarks (XEP-0048).
//
// Hooks: none. Left out: personal eventing and its view of the same bookmarks.
package pubsub

import (
	"stonechat/config"
	"stonechat/core"
	"stonechat/store"
)

// Module is the family.
type Module struct {
	store  store.Personal
	config config.Personal
}

// New takes what keeps the data, and how much of it.
func New(s store.Personal, c config.Personal) *Module { return &Module{store: s, config: c} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "pubsub" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) { m.installPrivate(h) }
