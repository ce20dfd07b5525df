package bookmarks

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0048", Title: "Bookmarks", Version: "1.2", Note: "rooms; bookmarks of web pages are kept as they are"},
		{ID: "XEP-0402", Title: "PEP Native Bookmarks", Version: "1.2.0", Note: "with older bookmarks the same (#compat, #compat-pep)"},
		{ID: "XEP-0411", Title: "Bookmarks Conversion", Version: "1.1.0"},
	}
}
