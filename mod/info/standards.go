package info

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0030", Title: "Service Discovery", Version: "2.5.0"},
		{ID: "XEP-0092", Title: "Software Version", Version: "1.1"},
		{ID: "XEP-0115", Title: "Entity Capabilities", Version: "1.6.0"},
		{ID: "XEP-0128", Title: "Service Discovery Extensions", Version: "1.0.1"},
		{ID: "XEP-0157", Title: "Contact Addresses for XMPP Services", Version: "1.1.1"},
		{ID: "XEP-0199", Title: "XMPP Ping", Version: "2.0.1"},
		{ID: "XEP-0202", Title: "Entity Time", Version: "2.0"},
	}
}
