// Package marks keeps how far somebody has read for a client that says so in the message that tells the other one: server assist of XEP-0490
// version 1.0.1, section 4.5.3. The mark goes onto the node where all devices find it, and out of the message, since it is nobody else's business.
//
// Hooks: Sending, before everything that keeps or copies messages. Left out: that marks only move forward, which is the clients' to see to (section 5.1).
package marks

import (
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Module is the feature.
type Module struct {
	obs  obs.Obs
	host *core.Host
}

// New takes where failures are logged.
func New(o obs.Obs) *Module { return &Module{obs: o} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "marks" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	m.host = h
	h.Hooks.Sending.Add(m.Name(), m.sending)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.DisplayedAssist)
}

func isMark(c stanza.Child) bool { return c.Space == ns.Displayed && c.Local == "displayed" }

// sending takes the mark out of a message, whatever becomes of it, and publishes it. What was confirmed to the client is durable, so the message
// waits for the mark; a mark that cannot be kept does not stop it.
func (m *Module) sending(e *core.Event) core.Verdict {
	if e.Stanza.Kind != stanza.Message {
		return core.Next
	}
	mark, ok := e.Stanza.Child(ns.Displayed, "displayed")
	if !ok {
		return core.Next
	}
	tree, err := mark.Tree()
	to := e.Stanza.To
	e.Stanza = e.Stanza.Without(isMark).Seal()
	publisher := m.host.Ports.Publisher
	if err != nil || to.IsZero() || publisher == nil || e.Account.Guest() {
		return core.Next
	}
	// XEP-0490 section 7: on a node for nobody else. One that is not there is made so.
	if access := publisher.Access(e.Account, ns.Displayed); access != "" && access != "whitelist" {
		return core.Next
	}
	t, kept, name := publisher.Publish(e.Work, e.Account, ns.Displayed, to.String(), string(tree.AppendXML(nil, "")), nil), new(store.Promise), e.Account.JID.String()
	t.Done(func(err error) {
		if err != nil {
			m.obs.Log.Warn("mark of what was read not kept", obs.JID, name, obs.Err, err)
		}
		kept.Settle(nil)
	})
	e.Wait(kept.Ticket())
	return core.Next
}
