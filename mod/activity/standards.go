package activity

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0012", Title: "Last Activity", Version: "2.0", Note: "the time of the last log-out is in no presence"},
		{ID: "XEP-0319", Title: "Last User Interaction in Presence", Version: "1.0.2", Note: "told by clients, in presence"},
	}
}
