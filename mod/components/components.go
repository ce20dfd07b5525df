// Package components has the host serve the domains of other programs: XEP-0114 version 1.6, and XEP-0356 version 0.4.1.
//
// Hooks: none of its own; core tells components who comes and goes. What they say comes in by edge/component. Left out of XEP-0356: requests in the name of
// accounts (section 6) and the presence of their contacts (section 7.4).
package components

import (
	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
)

// Module is the feature.
type Module struct {
	config *config.Config
	obs    obs.Obs
}

// New takes the whole configuration, since which component belongs to which host depends on the domains.
func New(c *config.Config, o obs.Obs) *Module { return &Module{c, o} }

// Name of the module.
func (m *Module) Name() string { return "components" }

// Install serves the domains of the host's components.
func (m *Module) Install(h *core.Host) {
	for i := range m.config.Components.Serve {
		c := &m.config.Components.Serve[i]
		if m.config.HostOf(c.Domain) != h.Domain.Domain() {
			continue
		}
		domain, err := jid.Parse(c.Domain)
		if err != nil {
			m.obs.Log.Error("no domain of a component", obs.Err, err) // the configuration is checked: ServeComponent reports it at the start
		}
		h.ServeComponent(domain, m.config.Components.QueueBytes, core.Privileges{
			RosterGet: c.Roster == "get" || c.Roster == "both", RosterSet: c.Roster == "set" || c.Roster == "both", RosterPush: c.Pushes(),
			Message: c.Message == "outgoing", Presence: c.Presence == "managed_entity",
		})
		h.Disco.HostItems = append(h.Disco.HostItems, core.DiscoItem{JID: domain, Name: c.Name})
	}
}
