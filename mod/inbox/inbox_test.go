package inbox

import (
	"slices"
	"strings"
	"testing"

	"stonechat/store"
	"stonechat/xmpp/ns"
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
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		markOf(payload)
		settings := settingsOf(payload)
		tree, err := xmltok.Tree("<entry xmlns='"+ns.Inbox+"'>"+settings+"</entry>", "")
		if err != nil || strings.TrimSpace(tree.Text()) != "" {
			t.Errorf("%s: %v", settings, err)
		}
	})
}
