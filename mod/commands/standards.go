package commands

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0050", Title: "Ad-Hoc Commands", Version: "1.3.0", Note: "at most one form for each command; in English"},
		{ID: "XEP-0227", Title: "Portable Import/Export Format for XMPP-IM Servers", Version: "1.1", Partial: true, Note: "archives and offline messages are exported, not imported"},
		{ID: "XEP-0133", Title: "Service Administration", Version: "1.3.1", Note: "lists of who is not talked to, restart and shut-down are left out"},
	}
}
