package muc

import (
	"strconv"
	"time"

	"stonechat/xmpp/forward"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// NoLimit is a limit of the history that was not given.
const NoLimit = -1

// History is how much of what was said before somebody wants when joining (section 7.2.14). All limits hold together.
type History struct {
	// MaxChars is the size of whole stanzas, MaxStanzas their number, Seconds their age; NoLimit: no wish.
	MaxChars, MaxStanzas, Seconds int
	// Since is the oldest time that is wanted; zero: no wish.
	Since time.Time
}

// AnyHistory leaves it to the room.
var AnyHistory = History{MaxChars: NoLimit, MaxStanzas: NoLimit, Seconds: NoLimit}

// Join is what a client says with the presence by which it enters a room (section 7.2.1).
type Join struct {
	// Password of the room (section 7.2.5). Compare it in constant time, and log it nowhere.
	Password string
	History  History
	// Versions: the client keeps the list of affiliations, and asks for what has changed since the version Since, or for all when that is empty
	// (XEP-0463 section 4.1).
	Versions bool
	Since    string
}

// ParseJoin reads <x xmlns='http://jabber.org/protocol/muc'/>. A limit of the history that cannot be read is none: it keeps nobody out.
func ParseJoin(n *xmltok.Node) (Join, error) {
	j := Join{History: AnyHistory}
	if !n.Is(ns.MUC, "x") {
		return j, ErrNotMUC
	}
	j.Password = n.Child(ns.MUC, "password").Text()
	h := n.Child(ns.MUC, "history")
	for _, limit := range []struct {
		name string
		to   *int
	}{{"maxchars", &j.History.MaxChars}, {"maxstanzas", &j.History.MaxStanzas}, {"seconds", &j.History.Seconds}} {
		// A number that is larger than an int of 31 bits asks for no less than everything.
		if v, err := strconv.ParseUint(h.Attr(limit.name), 10, 31); err == nil {
			*limit.to = int(v)
		}
	}
	if since, err := forward.ParseStamp(h.Attr("since")); err == nil {
		j.History.Since = since
	}
	if v := n.Child(ns.MUCAffiliations, "mav"); v != nil {
		j.Versions, j.Since = true, v.Attr("since")
	}
	return j, nil
}

// AppendXML appends the element with its own namespace declaration and returns the extended slice.
func (j Join) AppendXML(dst []byte) []byte {
	dst = append(dst, "<x xmlns='"+ns.MUC+"'>"...)
	h := j.History
	if h != AnyHistory {
		dst = append(dst, "<history"...)
		for _, limit := range []struct {
			name string
			v    int
		}{{"maxchars", h.MaxChars}, {"maxstanzas", h.MaxStanzas}, {"seconds", h.Seconds}} {
			if limit.v >= 0 {
				dst = xmltok.AppendAttr(dst, limit.name, strconv.Itoa(limit.v))
			}
		}
		if !h.Since.IsZero() {
			dst = append(dst, " since='"...)
			dst = append(forward.AppendStamp(dst, h.Since), '\'')
		}
		dst = append(dst, "/>"...)
	}
	dst = appendElement(dst, "password", j.Password)
	if j.Versions {
		dst = appendVersions(dst, j.Since, "")
	}
	return append(dst, "</x>"...)
}

// Wants tells whether the history may hold one more stanza: the n-th counted from the newest, which makes chars characters with those before it,
// and was sent at the time.
func (h History) Wants(n, chars int, sent, now time.Time) bool {
	switch {
	case h.MaxStanzas >= 0 && n > h.MaxStanzas:
		return false
	case h.MaxChars >= 0 && chars > h.MaxChars:
		return false
	case h.Seconds >= 0 && sent.Before(now.Add(-time.Duration(h.Seconds)*time.Second)):
		return false
	}
	return h.Since.IsZero() || !sent.Before(h.Since)
}

// appendElement appends an element that holds only text, nothing for an empty one.
func appendElement(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	dst = append(append(append(dst, '<'), name...), '>')
	dst = xmltok.AppendEscaped(dst, text)
	return append(append(append(dst, "</"...), name...), '>')
}
