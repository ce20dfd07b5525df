package inbox

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/uri"
	"stonechat/xmpp/xmltok"
)

// mentions counts, by room, in how many of the newest unread messages the account is meant (XEP-0492 section 4): by a reference, or by the nick that it has there.
// Between two everything is meant for one.
func (m *Module) mentions(ctx context.Context, own jid.JID, chats []store.Chat, of map[string]settings) (map[string]int, error) {
	news, err := m.stores.Chats.News(ctx, chats)
	if err != nil {
		return nil, err
	}
	out, sc := map[string]int{}, xmltok.NewScanner(xmltok.TreeLimits)
	for i := range chats {
		c := &chats[i]
		names := []string{own.Local(), c.Nick, of[c.Peer].nick}
		for k := range news[i] {
			st, err := stanza.ParseWith(sc, string(news[i][k].Stanza))
			if err == nil && means(st, own, c.Peer, names) {
				out[c.Peer]++
			}
		}
	}
	return out, nil
}

// means tells whether a message in a room means somebody who has these nicks there.
func means(st *stanza.Stanza, own jid.JID, room string, nicks []string) bool {
	for c := range st.Children() {
		switch c.Space {
		case ns.Reference:
			// XEP-0372 section 3.2: a mention names a bare address; clients that know only the nick name that.
			kind, _ := c.Attr("type")
			target, _ := c.Attr("uri")
			u, err := uri.Parse(target)
			if c.Local != "reference" || kind != "mention" || err != nil {
				continue
			}
			if u.JID.Bare() == own || u.JID.Bare().String() == room && named(u.JID.Resource(), nicks) {
				return true
			}
		case ns.Client:
			if c.Local != "body" {
				continue
			}
			text := strings.ToLower(c.Text())
			for _, nick := range nicks {
				if contains(text, strings.ToLower(nick)) {
					return true
				}
			}
		}
	}
	return false
}

func named(nick string, nicks []string) bool {
	for _, n := range nicks {
		if n != "" && n == nick {
			return true
		}
	}
	return false
}

// contains tells whether a text has a name in it that is no part of a longer word.
func contains(text, name string) bool {
	if name == "" {
		return false
	}
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return false
		}
		from += i
		before, _ := utf8.DecodeLastRuneInString(text[:from])
		after, _ := utf8.DecodeRuneInString(text[from+len(name):])
		if !inWord(before) && !inWord(after) {
			return true
		}
		from += len(name)
	}
}

func inWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_')
}
