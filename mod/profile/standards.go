package profile

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "RFC 6351", Title: "xCard: vCard XML Representation"},
		{ID: "XEP-0054", Title: "vcard-temp", Version: "1.3.0"},
		{ID: "XEP-0055", Title: "Jabber Search", Version: "1.3", Note: "people of the own domain, by what they show"},
		{ID: "XEP-0084", Title: "User Avatar", Version: "1.1.4"},
		{ID: "XEP-0153", Title: "vCard-Based Avatars", Version: "1.1.1"},
		{ID: "XEP-0172", Title: "User Nickname", Version: "1.1"},
		{ID: "XEP-0292", Title: "vCard4 Over XMPP", Version: "0.12.0", Partial: true, Note: "without pictures"},
		{ID: "XEP-0398", Title: "User Avatar to vCard-Based Avatars Conversion", Version: "1.0.0"},
	}
}
