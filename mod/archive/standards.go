package archive

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0059", Title: "Result Set Management", Version: "1.0"},
		{ID: "XEP-0160", Title: "Best Practices for Handling Offline Messages", Version: "1.0.1"},
		{ID: "XEP-0313", Title: "Message Archive Management", Version: "1.1.3"},
		{ID: "XEP-0334", Title: "Message Processing Hints", Version: "1.0.0"},
		{ID: "XEP-0359", Title: "Unique and Stable Stanza IDs", Version: "0.7.0", Note: "what others say in our name is taken out"},
		{ID: "XEP-0427", Title: "MAM Fastening Collation", Version: "0.1.0", Partial: true, Note: "pages are full unless something else is asked for; what is about a message of an older page is a row of its own"},
		{ID: "XEP-0431", Title: "Full Text Search in MAM", Version: "0.2.0"},
		{ID: "XEP-0441", Title: "Message Archive Management Preferences", Version: "0.2.0"},
	}
}
