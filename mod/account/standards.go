package account

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0480", Title: "SASL Upgrade Tasks", Version: "0.2.0"},
		{ID: "XEP-0484", Title: "Fast Authentication Streamlining Tokens", Version: "0.2.0"},
	}
}
