package join

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0077", Title: "In-Band Registration", Version: "2.4"},
		{ID: "XEP-0379", Title: "Pre-Authenticated Roster Subscription", Version: "0.3.3"},
		{ID: "XEP-0401", Title: "Ad-hoc Account Invitation Generation", Version: "0.6.0"},
		{ID: "XEP-0445", Title: "Pre-Authenticated In-Band Registration", Version: "0.2.0"},
	}
}
