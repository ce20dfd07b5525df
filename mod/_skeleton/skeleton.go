// Package skeleton is the smallest module, to copy: it answers one IQ. Here stands which XEP in which version, which hooks, what is left out.
//
//  1. Copy this folder to mod/<family>, rename the package, write one file per concern.
//  2. Add one line to the list in server/modules.go; its place is its place in the order of hooks.
//  3. Add a play to e2e/plays. Options, if any, go to config with default and meaning.
package skeleton

import (
	"context"
	"strconv"

	"stonechat/core"
	"stonechat/xmpp/stanza"
)

// Space is the namespace of the request; a real one is a constant of xmpp/ns.
const Space = "urn:example:skeleton"

// Module is the feature. Its fields are what New got and the slots of Install: whatever changes belongs to an account or a session.
type Module struct {
	asked core.Slot[int] // on a session: how often it has asked
}

// New takes exactly what the module needs, such as one interface of store and its part of config.
func New() *Module { return &Module{} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "skeleton" }

// Install registers everything; nothing is registered later.
func (m *Module) Install(h *core.Host) {
	m.asked = core.NewSlot[int](h)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, Space)
	// A row names its right; core.Permit decides before Do is called. Hooks are added the same way: h.Hooks.Sent.Add(m.Name(), m.sent).
	h.IQ.Handle(core.IQ{
		Space: Space, Local: "count", Type: stanza.Get, To: core.ToOwn, Action: core.ActUseAccount, Do: m.count, Module: m.Name(),
	})
}

// count runs in a turn of the account, alone with it. It must not wait: what is written to the store gives a ticket for e.Wait, and the
// answer goes out when that is done. An error that clients may see is a *stanza.Error; any other becomes internal-server-error.
func (m *Module) count(_ context.Context, e *core.Event) (core.Answer, error) {
	n := m.asked.Of(e.Session)
	*n++
	return core.Answer{Payload: "<count xmlns='" + Space + "'>" + strconv.Itoa(*n) + "</count>"}, nil
}
