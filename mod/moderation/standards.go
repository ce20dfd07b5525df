package moderation

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0377", Title: "Blocking Command Reports", Version: "0.4.1", Note: "reports stay with this server, and in its earlier form"},
	}
}
