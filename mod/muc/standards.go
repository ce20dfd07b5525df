package muc

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0045", Title: "Multi-User Chat", Version: "1.35.5", Note: "groupchat 1.0, presence subscriptions to rooms, approval of registrations are left out"},
		{ID: "XEP-0249", Title: "Direct MUC Invitations", Version: "1.2"},
		{ID: "XEP-0317", Title: "Hats", Version: "0.3.1", Note: "in one language"},
		{ID: "XEP-0410", Title: "MUC Self-Ping (Schrödinger's Chat)", Version: "1.1.0"},
		{ID: "XEP-0421", Title: "Occupant identifiers for semi-anonymous MUCs", Version: "1.0.1"},
		{ID: "XEP-0424", Title: "Message Retraction", Version: "0.4.2", Partial: true, Note: "in rooms, by moderators"},
		{ID: "XEP-0425", Title: "Moderated Message Retraction", Version: "0.3.0"},
		{ID: "XEP-0433", Title: "Extended Channel Search", Version: "0.1.0"},
		{ID: "XEP-0463", Title: "MUC Affiliations Versioning", Version: "0.2.0"},
		{ID: "XEP-0486", Title: "MUC Avatars", Version: "0.1.0"},
		{ID: "XEP-0500", Title: "MUC Slow Mode", Version: "0.1.1"},
	}
}
