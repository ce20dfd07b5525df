package displayed

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0490", Title: "Message Displayed Synchronization", Version: "1.0.1", Note: "with assistance by the server"},
		{ID: "XEP-0333", Title: "Displayed Markers", Version: "1.0.0", Note: "told by clients; the server learns what was read from them"},
	}
}
