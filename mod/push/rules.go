package push

import (
	"context"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// level is what of a chat is told (XEP-0492 section 2.1).
type level uint8

const (
	always level = iota + 1
	onMention
	never
)

// setting is a level, perhaps for some kinds of clients only (XEP-0492 section 2.2).
type setting struct {
	level          level
	category, kind string
}

// rule is what a bookmark says of a chat.
type rule struct {
	settings []setting
	nick     string // of the account in the room
}

// maxSettings of one chat are looked at.
const maxSettings = 32

// ruleOf reads an item of the bookmarks (XEP-0402 section 3.1).
func ruleOf(payload string) (r rule) {
	tree, err := xmltok.Tree(payload, "")
	if err != nil || !tree.Is(ns.Bookmarks, "conference") {
		return rule{}
	}
	r.nick = tree.Child(ns.Bookmarks, "nick").Text()
	notify := tree.Child(ns.Bookmarks, "extensions").Child(ns.NotificationSettings, "notify")
	if notify == nil {
		return r
	}
	levels := map[string]level{"always": always, "on-mention": onMention, "never": never}
	for _, n := range notify.Children {
		if l := levels[n.Local]; l != 0 && n.Space == ns.NotificationSettings && len(r.settings) < maxSettings {
			r.settings = append(r.settings, setting{l, n.Attr("identity-category"), n.Attr("identity-type")})
		}
	}
	return r
}

// level for a client of an identity's type, whose category is client; usual is for a chat of which nothing is said. XEP-0492 section 3: the most specific
// element counts.
func (r rule) level(kind string, usual level) level {
	best := 0
	for _, s := range r.settings {
		fits := 0
		switch {
		case s.category == "" && s.kind == "":
			fits = 1
		case s.category == "client" && s.kind == "":
			fits = 2
		case s.category == "client" && s.kind == kind:
			fits = 3
		}
		if fits > best {
			best, usual = fits, s.level
		}
	}
	return usual
}

// rule of a chat. Only in a turn of a.
func (m *Module) rule(a *core.Account, b *box, chat jid.JID) rule {
	if b.rules == nil && m.host.Ports.Publisher != nil {
		ctx, cancel := context.WithTimeout(context.Background(), readTime)
		defer cancel()
		items, err := m.host.Ports.Publisher.Items(ctx, a, ns.Bookmarks)
		if err != nil {
			// Rather one notification too many than none.
			m.round.obs.Log.Warn("what an account wants to be told is not read", obs.JID, a.JID.String(), obs.Err, err)
			return rule{}
		}
		b.rules = make(map[jid.JID]rule)
		for i := range items {
			if j, err := jid.Parse(items[i].ID); err == nil {
				b.rules[j.Bare()] = ruleOf(string(items[i].Payload))
			}
		}
	}
	return b.rules[chat]
}

// who somebody is in a room, for those who mention them.
type who struct {
	account  jid.JID
	room     jid.JID
	nick     string
	occupant string
}

// maxMentionText is how much of a body is searched for a nick, bytes.
const maxMentionText = 8 << 10

// mentioned tells whether a message of a room is for somebody in it: by XEP-0513, XEP-0372, a reply (XEP-0461), or the nick in the text.
func (w *who) mentioned(st *stanza.Stanza) bool {
	for c := range st.Children() {
		switch {
		case c.Space == ns.Mentions && c.Local == "mention":
			all, _ := c.Attr("mentions")
			occupant, _ := c.Attr("occupantid")
			address, _ := c.Attr("jid")
			if all != "" || occupant != "" && occupant == w.occupant || w.is(address) {
				return true
			}
		case c.Space == ns.Reference && c.Local == "reference":
			kind, _ := c.Attr("type")
			uri, _ := c.Attr("uri")
			if kind == "mention" && w.is(addressOf(uri)) {
				return true
			}
		case c.Space == ns.Reply && c.Local == "reply":
			if to, _ := c.Attr("to"); w.is(to) {
				return true
			}
		case c.Space == ns.Client && c.Local == "body":
			if hasWord(xmltok.Clip(c.Text(), maxMentionText), w.nick) {
				return true
			}
		}
	}
	return false
}

// is tells whether an address is theirs.
func (w *who) is(address string) bool {
	j, err := jid.Parse(address)
	if err != nil || address == "" {
		return false
	}
	return j.Bare() == w.account || w.nick != "" && j.Bare() == w.room && j.Resource() == w.nick
}

// addressOf an xmpp: URI (RFC 5122 section 2.2); empty: it is none.
func addressOf(uri string) string {
	path, ok := strings.CutPrefix(uri, "xmpp:")
	if !ok {
		return ""
	}
	path, _, _ = strings.Cut(path, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return ""
	}
	return path
}

// hasWord tells whether a text has a word, in whatever letters, with nothing of a word around it.
func hasWord(text, word string) bool {
	if word == "" {
		return false
	}
	text, word = strings.ToLower(text), strings.ToLower(word)
	inWord := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return false
		}
		at += i
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		after, _ := utf8.DecodeRuneInString(text[at+len(word):])
		if !inWord(before) && !inWord(after) {
			return true
		}
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
}
