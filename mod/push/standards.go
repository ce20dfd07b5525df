package push

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "RFC 8030", Title: "Generic Event Delivery Using HTTP Push"},
		{ID: "RFC 8291", Title: "Message Encryption for Web Push"},
		{ID: "RFC 8292", Title: "Voluntary Application Server Identification (VAPID) for Web Push"},
		{ID: "XEP-0357", Title: "Push Notifications", Version: "0.4.1"},
	}
}
