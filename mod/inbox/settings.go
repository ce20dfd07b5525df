package inbox

import (
	"context"
	"strings"

	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// This file is what an account's clients keep about its chats, on two nodes of it: bookmarks, which have rooms only (XEP-0402), and ns.Chats, a node of our own that has
// any chat: docs/inbox.md says what its items are.

// Kinds of items on the node ns.Chats. The id of an item is the kind and the address of the chat.
const (
	settingsItem = "settings/"
	draftItem    = "draft/"
)

// maxDraft is how many bytes of a draft an entry has; of a longer one it says only that it is there.
const maxDraft = 4 << 10

// settings of a chat, as the XML that an entry has of them.
type settings struct {
	notify string // XEP-0492
	pinned string // XEP-0469
	draft  string
	nick   string // under which the account is in the room, by its bookmark; no XML
}

// appendXML is how an entry says them.
func (s settings) appendXML(b []byte) []byte {
	return append(append(append(b, s.notify...), s.pinned...), s.draft...)
}

// settings are those of all chats of which there are some, or of those that are named. Where both say it, a room's bookmark counts, since other clients know it.
func (m *Module) settings(ctx context.Context, owner store.Owner, only ...string) (map[string]settings, error) {
	out := map[string]settings{}
	for _, node := range []string{ns.Chats, ns.Bookmarks} {
		ids := only
		if node == ns.Chats {
			ids = nil
			for _, chat := range only {
				ids = append(ids, settingsItem+chat, draftItem+chat)
			}
		}
		page, err := m.stores.Nodes.Items(ctx, owner, node, store.NodeQuery{IDs: ids, Max: -1})
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			id, kind := page.Items[i].ID, ""
			if node == ns.Chats {
				kind, id, _ = strings.Cut(id, "/")
				kind += "/"
			}
			id = addressed(id)
			s := out[id]
			s.read(kind, string(page.Items[i].Payload))
			out[id] = s
		}
	}
	return out, nil
}

// read takes what an item says; a bookmark has no kind. What it cannot read says nothing.
func (s *settings) read(kind, payload string) {
	tree, err := xmltok.Tree(payload, "")
	if err != nil {
		return
	}
	switch {
	case kind == "" && tree.Is(ns.Bookmarks, "conference"):
		s.nick = tree.Child(ns.Bookmarks, "nick").Text()
		s.take(tree.Child(ns.Bookmarks, "extensions"))
	case kind == settingsItem && tree.Is(ns.Chats, "settings"):
		s.take(tree)
	case kind == draftItem && tree.Is(ns.Chats, "draft"):
		if len(payload) > maxDraft {
			tree.Children, tree.Lead = nil, ""
		}
		s.draft = string(tree.AppendXML(nil, ns.Inbox))
	}
}

// take takes how a chat notifies (XEP-0492 section 2.1) and that it is pinned (XEP-0469).
func (s *settings) take(n *xmltok.Node) {
	if c := n.Child(ns.NotificationSettings, "notify"); c != nil {
		s.notify = string(c.AppendXML(nil, ns.Inbox))
	}
	if c := n.Child(ns.BookmarksPinning, "pinned"); c != nil {
		s.pinned = string(c.AppendXML(nil, ns.Inbox))
	}
}
