package core

import (
	"testing"

	"stonechat/xmpp/stanza"
)

// What is news in a chat, and what is only about others.
func TestSays(t *testing.T) {
	for inner, want := range map[string]bool{
		"<body>x</body>": true,
		"<body>x</body><markable xmlns='urn:xmpp:chat-markers:0'/><request xmlns='urn:xmpp:receipts'/>":   true,
		"<body>x</body><replace xmlns='urn:xmpp:message-correct:0' id='1'/>":                              false,
		"<body>x</body><retract xmlns='urn:xmpp:message-retract:1' id='1'/>":                              false,
		"<body>x</body><reactions xmlns='urn:xmpp:reactions:0' id='1'><reaction>x</reaction></reactions>": false,
		"<reactions xmlns='urn:xmpp:reactions:0' id='1'/>":                                                false,
		"<received xmlns='urn:xmpp:receipts' id='1'/>":                                                    false,
		"<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>":                                             false,
		"<subject>x</subject>": false,
		"<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/><payload>x</payload></encrypted>":                                true,
		"<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>":                                                    false,
		"<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/></encrypted><encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:omemo:2'/>": false,
		"<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>":                                                                                true,
		"<proceed xmlns='urn:xmpp:jingle-message:0' id='1'/>":                                                                                false,
		"<x xmlns='jabber:x:conference' jid='r@rooms.example.org'/>":                                                                         true,
		"<x xmlns='jabber:x:oob'><url>https://example.org</url></x>":                                                                         true,
		"<store xmlns='urn:xmpp:hints'/>":                                                                                                    false,
	} {
		st, err := stanza.Parse("<message type='chat'>" + inner + "</message>")
		if err != nil {
			t.Fatal(err)
		}
		if got := Says(st); got != want {
			t.Errorf("%s: %v", inner, got)
		}
	}
}
