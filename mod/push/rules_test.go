package push

import (
	"strings"
	"testing"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

func bookmark(notify string) string {
	return "<conference xmlns='" + ns.Bookmarks + "'><nick>JC</nick><extensions><notify xmlns='" + ns.NotificationSettings + "'>" + notify + "</notify></extensions></conference>"
}

// TestLevel is XEP-0492 section 3: the most specific element counts, whatever the order.
func TestLevel(t *testing.T) {
	const all = "<never identity-category='client' identity-type='pc'/><on-mention identity-category='client' identity-type='phone'/><on-mention identity-category='gateway'/><always/>"
	for _, c := range []struct {
		notify, kind string
		want         level
	}{
		{"", "phone", onMention},
		{"<never/>", "phone", never},
		{"<always/>", "phone", always},
		{"<unknown/><on-mention/>", "phone", onMention},
		{all, "pc", never},
		{all, "phone", onMention},
		{all, "web", always},
		{"<always/><never identity-category='client'/>", "web", never},
		{"<never identity-category='client'/><always identity-category='client' identity-type='web'/>", "web", always},
		{"<never identity-category='gateway'/>", "web", onMention},
		{"<never xmlns='other'/>", "web", onMention},
	} {
		if got := ruleOf(bookmark(c.notify)).level(c.kind, onMention); got != c.want {
			t.Errorf("%s for %s: %d, want %d", c.notify, c.kind, got, c.want)
		}
	}
	if r := ruleOf(bookmark("<never/>")); r.nick != "JC" {
		t.Errorf("the nick is %q", r.nick)
	}
	if r := ruleOf(bookmark(strings.Repeat("<never/>", 2*maxSettings))); len(r.settings) != maxSettings {
		t.Errorf("%d settings", len(r.settings))
	}
}

func TestMentioned(t *testing.T) {
	me := who{account: jid.MustParse("juliet@example.org"), room: jid.MustParse("cave@rooms.example.org"), nick: "Jüle", occupant: "o1"}
	for inner, want := range map[string]bool{
		"<body>nobody</body>":             false,
		"<body>jÜLE: come</body>":         true,
		"<body>@jüle</body>":              true,
		"<body>Jülevin and anjüle</body>": false,
		"<body>Jülevin and jüle!</body>":  true,
		"<subject>Jüle</subject>":         false,
		"<mention xmlns='urn:xmpp:mentions:0' occupantid='o1' begin='0' end='1'/>":                                  true,
		"<mention xmlns='urn:xmpp:mentions:0' occupantid='o2'/>":                                                    false,
		"<mention xmlns='urn:xmpp:mentions:0' jid='juliet@example.org'/>":                                           true,
		"<mention xmlns='urn:xmpp:mentions:0' jid='cave@rooms.example.org/Jüle'/>":                                  true,
		"<mention xmlns='urn:xmpp:mentions:0' jid='other@rooms.example.org/Jüle'/>":                                 false,
		"<mention xmlns='urn:xmpp:mentions:0' mentions='urn:xmpp:mentions:0#channel'/>":                             true,
		"<mention xmlns='urn:xmpp:mentions:0'/>":                                                                    false,
		"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:juliet@example.org'/>":                    true,
		"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:cave@rooms.example.org/J%C3%BCle?join'/>": true,
		"<reference xmlns='urn:xmpp:reference:0' type='data' uri='xmpp:juliet@example.org'/>":                       false,
		"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='https://juliet@example.org'/>":                 false,
		"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:%zz'/>":                                   false,
		"<body>yes</body><reply xmlns='urn:xmpp:reply:0' to='cave@rooms.example.org/Jüle' id='x'/>":                 true,
		"<body>yes</body><reply xmlns='urn:xmpp:reply:0' to='cave@rooms.example.org/other' id='x'/>":                false,
		"<body>" + strings.Repeat("x ", maxMentionText) + "Jüle</body>":                                             false,
	} {
		st, err := stanza.Parse("<message type='groupchat'>" + inner + "</message>")
		if err != nil {
			t.Fatal(err)
		}
		if got := me.mentioned(st); got != want {
			t.Errorf("%.120s: %v", inner, got)
		}
	}
	nameless := who{account: me.account, room: me.room}
	if st, err := stanza.Parse("<message><body>x</body><mention xmlns='urn:xmpp:mentions:0' occupantid=''/></message>"); err != nil || nameless.mentioned(st) {
		t.Errorf("somebody without a nick is mentioned by nothing: %v", err)
	}
}

// FuzzRules: what clients publish and say is never a reason to fail.
func FuzzRules(f *testing.F) {
	f.Add(bookmark("<never identity-category='client'/>"), "Jüle, hello", "jüle")
	f.Add("<", "\xff İ", "i̇")
	f.Add("<displayed xmlns='"+ns.Displayed+"'><stanza-id xmlns='"+ns.StanzaID+"' id='a'/></displayed>", "xmpp:%41", "%41")
	f.Fuzz(func(t *testing.T, payload, text, word string) {
		ruleOf(payload).level("web", always)
		markOf(payload)
		addressOf(text)
		if hasWord(text, word) && (word == "" || !strings.Contains(strings.ToLower(text), strings.ToLower(word))) {
			t.Errorf("%q is in %q", word, text)
		}
	})
}
