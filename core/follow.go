package core

import (
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// A session follows its account's chats when its client has asked to be told what changes in the list of them. It does so until it ends, also behind a
// restart, since a client that resumes asks nothing again.

// Follow begins or ends it. Only in a turn of its account.
func (s *Session) Follow(on bool) {
	switch {
	case on && !s.follows:
		s.Account.followers.Add(1)
	case !on && s.follows:
		s.Account.followers.Add(-1)
	}
	s.follows = on
}

// Follows tells whether the session follows its account's chats. Only in a turn of its account.
func (s *Session) Follows() bool { return s.follows }

// Followed tells whether the chats of an account in memory are followed by a session of it: whether a change is worth a turn. Safe from any goroutine.
func (h *Host) Followed(account jid.JID) bool {
	a := h.accounts.peek(account)
	return a != nil && a.followers.Load() > 0
}

// followed tells whether a stanza is what a client is told that follows chats, and of which one: of each the newest counts.
func followed(st *stanza.Stanza, to jid.JID) (chat string, ok bool) {
	c, ok := st.Child(ns.Inbox, "entry")
	if !ok || st.Type != stanza.Headline || st.From != to.Bare() {
		return "", false
	}
	return c.Attr("jid")
}
