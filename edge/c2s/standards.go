package c2s

import "stonechat/core"

// Standards are those that the door for clients lives up to.
func Standards() []core.Standard {
	return []core.Standard{
		{ID: "RFC 5802", Title: "SCRAM"},
		{ID: "RFC 6120", Title: "XMPP: Core", Partial: true, Note: "clients only: other servers are not talked to"},
		{ID: "RFC 7395", Title: "XMPP over WebSocket"},
		{ID: "RFC 7590", Title: "Use of TLS in XMPP"},
		{ID: "RFC 7677", Title: "SCRAM-SHA-256"},
		{ID: "RFC 9266", Title: "Channel Bindings for TLS 1.3"},
		{ID: "XEP-0368", Title: "SRV records for XMPP over TLS", Version: "1.1.0", Note: "direct TLS for clients"},
		{ID: "XEP-0386", Title: "Bind 2", Version: "1.1.0"},
		{ID: "XEP-0388", Title: "Extensible SASL Profile", Version: "1.0.4"},
		{ID: "XEP-0440", Title: "SASL Channel-Binding Type Capability", Version: "1.0.0"},
		{ID: "XEP-0474", Title: "SASL SCRAM Downgrade Protection", Version: "0.5.0"},
		{ID: "XEP-0478", Title: "Stream Limits Advertisement", Version: "0.2.0"},
	}
}
