package external

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0215", Title: "External Service Discovery", Version: "1.0.0", Note: "STUN and TURN, as configured"},
	}
}
