package inbox

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0430", Title: "Inbox", Version: "0.2.0"},
		{ID: "XEP-0469", Title: "Bookmark Pinning", Version: "0.1.0", Note: "shown in the inbox"},
		{ID: "XEP-0492", Title: "Chat notification settings", Version: "0.2.0", Note: "shown in the inbox"},
	}
}
