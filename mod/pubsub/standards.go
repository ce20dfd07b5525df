package pubsub

import "stonechat/core"

// Standards are those that the module lives up to.
func (m *Module) Standards() []core.Standard {
	return []core.Standard{
		{ID: "XEP-0049", Title: "Private XML Storage", Version: "1.2"},
		{ID: "XEP-0060", Title: "Publish-Subscribe", Version: "1.30.0", Note: "collections, options of subscriptions and several subscriptions of one address are left out"},
		{ID: "XEP-0163", Title: "Personal Eventing Protocol", Version: "1.2.2"},
		{ID: "XEP-0222", Title: "Persistent Storage of Public Data via PubSub", Version: "1.0"},
		{ID: "XEP-0223", Title: "Persistent Storage of Private Data via PubSub", Version: "1.1.1"},
		{ID: "XEP-0373", Title: "OpenPGP for XMPP", Version: "0.7.0", Note: "keys are kept and told"},
		{ID: "XEP-0384", Title: "OMEMO Encryption", Version: "0.9.1", Note: "keys are kept and told"},
		{ID: "XEP-0390", Title: "Entity Capabilities 2.0", Version: "0.3.2", Partial: true, Note: "clients that have it are asked what they want to hear of; the server announces none of its own"},
		{ID: "XEP-0503", Title: "Server-side spaces", Version: "0.3.0"},
	}
}
