package roster

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "RFC 6121", Title: "XMPP: Instant Messaging and Presence"},
		{ID: "XEP-0191", Title: "Blocking Command", Version: "1.3"},
	}
}
