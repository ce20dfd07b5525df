package archive

import (
	"strings"

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
		if counts(c) {
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

// counts: payloads for which a message is kept although it may have no body.
func counts(c stanza.Child) bool {
	switch c.Space {
	case ns.Client:
		return c.Local == "body" || c.Local == "subject"
	case ns.Receipts:
		return c.Local == "received"
	case ns.Markers:
		return c.Local != "markable"
	case ns.Reactions, ns.Retract, ns.JingleMessage, ns.CallInvites, ns.OMEMO, ns.OMEMOLegacy, ns.OpenPGP, ns.OpenPGPLegacy, ns.EME,
		ns.Conference, ns.FileSharing:
		return true
	case ns.Correct:
		return c.Local == "replace"
	case ns.OOB:
		return c.Local == "x"
	case ns.MUCUser:
		return invites(c)
	}
	return false
}

// invites: an invitation by a room, or the answer to one (XEP-0045 section 7.8.2).
func invites(c stanza.Child) bool {
	tree, err := c.Tree()
	return err == nil && (tree.Child(ns.MUCUser, "invite") != nil || tree.Child(ns.MUCUser, "decline") != nil)
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

// says tells whether a kept message is news in its chat by itself, not only something about others or a sign that they came.
func says(st *stanza.Stanza) bool {
	said := false
	for c := range st.Children() {
		switch c.Space {
		case ns.Correct, ns.Retract, ns.Reactions: // XEP-0308, XEP-0424, XEP-0444: a body beside them is for those that do not know them
			return false
		case ns.Moderate, ns.Receipts, ns.Markers, ns.EME:
		case ns.Client:
			said = said || c.Local == "body"
		case ns.OMEMO, ns.OMEMOLegacy:
			// XEP-0384 section 4.4: without a payload it only carries keys.
			said = said || strings.Contains(c.Raw(), "payload>")
		case ns.JingleMessage, ns.CallInvites:
			said = said || c.Local == "propose" || c.Local == "invite"
		default:
			said = said || counts(c)
		}
	}
	return said
}
