package preview

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0511", Title: "Link Metadata", Version: "0.1.1", Note: "made for who is about to send the link"},
	}
}
