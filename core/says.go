package core

import (
	"strings"

	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// This file is what the payloads of a message mean for whoever keeps it, counts it as unread, or wakes somebody for it: one rule for all of them.

// Counts: payloads for which a message is kept although it may have no body.
func Counts(c stanza.Child) bool {
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

// Says tells whether a kept message is news in its chat by itself, not only something about others or a sign that they came.
func Says(st *stanza.Stanza) bool {
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
			said = said || Counts(c)
		}
	}
	return said
}
