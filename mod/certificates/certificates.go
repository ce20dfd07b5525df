// Package certificates lets administrators see which certificates are shown, and have them read again.
//
// Hooks: none. Left out: uploading one; whoever may write files on the machine does that there.
package certificates

import (
	"context"
	"net/http"

	"stonechat/certs"
	"stonechat/core"
)

// Book is what holds the certificates of the server.
type Book interface {
	List() []certs.Certificate
	Reload() []certs.Reloaded
}

// Module is the feature.
type Module struct{ book Book }

// New takes the server's certificates.
func New(b Book) *Module { return &Module{b} }

// Name of the module.
func (m *Module) Name() string { return "certificates" }

// Install registers the rows.
func (m *Module) Install(h *core.Host) {
	h.HTTP.Handle(core.Route{
		Pattern: "GET /certificates", Action: core.ActSeeServer,
		Do: func(context.Context, core.Actor, *http.Request) (any, error) { return m.book.List(), nil },
	})
	h.HTTP.Handle(core.Route{
		Pattern: "POST /certificates/reload", Action: core.ActEditServer,
		Do: func(context.Context, core.Actor, *http.Request) (any, error) { return m.book.Reload(), nil },
	})
}
