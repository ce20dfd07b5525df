package web

import "stonechat/core"

// Standards are those that the door of the web lives up to.
func Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0156", Title: "Discovering Alternative XMPP Connection Methods", Version: "1.4.0"},
	}
}
