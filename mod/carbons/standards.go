package carbons

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0280", Title: "Message Carbons", Version: "1.0.1"},
	}
}
