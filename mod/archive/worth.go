package archive

import (
	"stonechat/core"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// worth tells whether a message is to be kept at all, by what it is and what its sender hints.
func worth(st *stanza.Stanza) bool {
	// XEP-0334 section 4.1: not in an archive, but until it is delivered. XEP-0334 section 5: hints in errors mean nothing.
	if st.Type == stanza.TypeError || st.Type == stanza.GroupChat || !storable(st) || st.Has(ns.Hints, "no-permanent-store") {
		return false
	}
	if st.Has(ns.Hints, "store") { // XEP-0334 section 4.4
		return true
	}
	if !lasting(st.Type) {
		return false // XEP-0313 section 6.1.1
	}
	for c := range st.Children() {
		if core.Counts(c) {
			return true
		}
	}
	return false
}

// waits tells whether a message is to be kept until its addressee is there (XEP-0160 section 3).
func waits(st *stanza.Stanza) bool {
	return lasting(st.Type) && storable(st) && st.Len() > 0 && !fleeting(st)
}

// lasting: the types of messages that are kept (XEP-0160 section 3, XEP-0313 section 6.1.1).
func lasting(t stanza.Type) bool { return t == stanza.Chat || t == stanza.Normal }

// storable: neither its sender nor its nature keeps it from being stored.
func storable(st *stanza.Stanza) bool {
	// XEP-0334 section 4.2: neither in an archive nor for later.
	if st.Has(ns.Hints, "no-store") {
		return false
	}
	return !st.Has(ns.Archive, "result") // a copy of what its own archive keeps
}

// fleeting: a message that nobody misses who is not there, such as a typing notice (XEP-0160 section 3).
func fleeting(st *stanza.Stanza) bool {
	for c := range st.Children() {
		switch {
		case c.Space == ns.ChatStates, c.Space == ns.Hints, c.Space == ns.StanzaID, c.Space == ns.Client && c.Local == "thread":
		default:
			return false
		}
	}
	return st.Has(ns.ChatStates, "") && !st.Has(ns.Hints, "store")
}
