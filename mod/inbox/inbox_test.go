package inbox

import (
	"slices"
	"strings"
	"testing"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

func TestParseAsked(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "all with messages",
		"unread-only='true'":                  "unread with messages",
		"unread-only='1' messages='0'":        "unread",
		"unread-only='false' messages='1'":    "all with messages",
		"messages='false'":                    "all",
		"messages='no'":                       "refused",
		"unread-only=''":                      "refused",
		"unread-only='TRUE'":                  "refused",
		"other='x' xmlns:y='z' y:messages=''": "all with messages",
	} {
		n, err := xmltok.Tree("<inbox xmlns='"+ns.Inbox+"' "+text+"/>", "")
		if err != nil {
			t.Fatal(err)
		}
		q, err := parseAsked(n)
		got := "all"
		if q.unreadOnly {
			got = "unread"
		}
		if !q.bare {
			got += " with messages"
		}
		if err != nil {
			got = "refused"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestMeans(t *testing.T) {
	const room = "hall@rooms.example.org"
	for inner, want := range map[string]bool{
		"<body>juliet: come</body>":     true,
		"<body>come, Juliet!</body>":    true,
		"<body>@juliet</body>":          true,
		"<body>juliette</body>":         false,
		"<body>a juliettejuliet</body>": false,
		"<body>Julietta, juliet</body>": true,
		"<body>ask Jule</body>":         true,
		"<body>ask Julé</body>":         false,
		"<subject>juliet</subject>":     false,
		"<body/>":                       false,
		"<reference xmlns='" + ns.Reference + "' type='mention' uri='xmpp:juliet@example.org'/>":           true,
		"<reference xmlns='" + ns.Reference + "' type='mention' uri='xmpp:JULIET@example.org/x'/>":         true,
		"<reference xmlns='" + ns.Reference + "' type='mention' uri='xmpp:hall@rooms.example.org/Jule'/>":  true,
		"<reference xmlns='" + ns.Reference + "' type='mention' uri='xmpp:hall@rooms.example.org/Romeo'/>": false,
		"<reference xmlns='" + ns.Reference + "' type='mention' uri='xmpp:hall@rooms.example.org'/>":       false,
		"<reference xmlns='" + ns.Reference + "' type='data' uri='xmpp:juliet@example.org'/>":              false,
		"<reference xmlns='" + ns.Reference + "' type='mention' uri='juliet'/>":                            false,
	} {
		st, err := stanza.Parse("<message xmlns='jabber:client'>" + inner + "</message>")
		if err != nil {
			t.Fatal(err)
		}
		if got := means(st, jid.MustParse("juliet@example.org"), room, []string{"juliet", "", "Jule"}); got != want {
			t.Errorf("%s: %v", inner, got)
		}
	}
}

func TestSum(t *testing.T) {
	chats := []store.Chat{{Peer: "a", Unread: 2}, {Peer: "b"}, {Peer: "c", Unread: 256, More: true}}
	for unreadOnly, want := range map[bool]int{true: 2, false: 3} {
		s, list := sum(chats, unreadOnly)
		if (s != sums{3, 2, 258}) || len(list) != want || unreadOnly && slices.ContainsFunc(list, func(c store.Chat) bool { return c.Peer == "b" }) {
			t.Errorf("unread only %v: %+v, %+v", unreadOnly, s, list)
		}
	}
}

// FuzzItems: what clients publish is never a reason to fail, and what of it goes into an entry is XML that stands alone.
func FuzzItems(f *testing.F) {
	for _, seed := range []string{
		"", "<", "<x/>", "<displayed xmlns='" + ns.Displayed + "'><stanza-id xmlns='" + ns.StanzaID + "' id='a' by='b'/></displayed>",
		"<displayed xmlns='" + ns.Displayed + "'/>", "<conference xmlns='" + ns.Bookmarks + "'/>",
		"<conference xmlns='" + ns.Bookmarks + "'><extensions><notify xmlns='" + ns.NotificationSettings + "'><never a='&lt;\"'/></notify><pinned xmlns='" +
			ns.BookmarksPinning + "'>&amp;</pinned><x:notify xmlns:x='y'/></extensions></conference>",
		"<settings xmlns='" + ns.Chats + "'><pinned xmlns='" + ns.BookmarksPinning + "'/></settings>", "<draft xmlns='" + ns.Chats + "'>a&lt;</draft>",
		"<draft xmlns='" + ns.Chats + "' stamp='x'><body xmlns='jabber:client'>" + strings.Repeat("x", maxDraft) + "</body></draft>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		markOf(payload)
		var all settings
		for _, kind := range []string{"", settingsItem, draftItem} {
			all.read(kind, payload)
		}
		settings := string(all.appendXML(nil))
		tree, err := xmltok.Tree("<entry xmlns='"+ns.Inbox+"'>"+settings+"</entry>", "")
		if err != nil || strings.TrimSpace(tree.Text()) != "" || len(all.draft) > 2*maxDraft {
			t.Errorf("%s: %v", settings, err)
		}
	})
}
