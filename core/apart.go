package core

import (
	"slices"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// This file keeps an account and the addresses that it has blocked apart (XEP-0191). Who that is a module knows, and gives Bar; that nothing
// passes is decided here, at the few points where something enters or leaves an account, whatever it is, and where a session gets a new connection.

// Bar has blocked decide from now on with whom the account exchanges nothing; nil: there is nobody. It is called often, in turns of the
// account, and never for the account itself or its server. Only in Hooks.Loading, or in a turn of a.
func (a *Account) Bar(blocked func(jid.JID) bool) { a.barred = blocked }

// Bars tells whether the account has blocked anybody. Only in a turn of a.
func (a *Account) Bars() bool { return a.barred != nil }

// Blocks tells whether nothing passes between the account and an address. It costs one comparison where nobody is blocked. Only in a turn of a.
func (a *Account) Blocks(j jid.JID) bool {
	// XEP-0191, "Relationship to Privacy Lists": never from one of a user's resources to another; and nobody blocks the server that they use.
	return a.barred != nil && j.Bare() != a.JID && !(j.IsDomain() && j.Domain() == a.JID.Domain()) && a.barred(j)
}

// ignores tells whether nothing passes from the address that a turn's stanza comes from, or from who is known to be behind it.
func (a *Account) ignores(t *turn) bool {
	return a.Blocks(t.st.From) || !t.by.IsZero() && a.Blocks(t.by)
}

// keptOut ends what a blocked address has sent to the account, as if nobody were there. Presence and subscriptions end elsewhere.
func (a *Account) keptOut(w *Work, t *turn) {
	// XEP-0191, "User Blocks JID": messages SHOULD and requests MUST be answered with service-unavailable. What comes from a room, a
	// headline or an answer to something is no conversation: an error would throw the user out of the room, or tell that somebody is there.
	switch st := t.st; {
	case st.Kind == stanza.Message && st.Type != stanza.Chat && st.Type != stanza.Normal:
	default:
		a.replyError(w, st, stanza.NewError(stanza.ServiceUnavailable, "")) // not to results and errors, which are not answered
	}
	t.from.settle(w)
}

// keptIn refuses what the account's client sends to an address that it has blocked.
func (a *Account) keptIn(w *Work, t *turn) {
	// XEP-0191, "User Blocks JID": the server MUST NOT route it.
	a.refuse(w, t.st.Stamped(t.s.JID), t.s, &stanza.Error{
		Type: stanza.Cancel, Condition: stanza.NotAcceptable, Text: "you have blocked this address", App: "<blocked xmlns='" + ns.BlockingErrors + "'/>",
	})
	t.from.settle(w)
}

// sift takes what addresses that were blocked meanwhile have said to a session out of what waits for its new connection (XEP-0191, "User
// Blocks JID": once somebody is blocked, nothing of theirs is delivered). What was asked is answered as if nobody were there. No count of
// XEP-0198 depends on it: what the client has not confirmed is sent, and counted, anew.
func (a *Account) sift(w *Work, s *Session) {
	if !a.Bars() {
		return
	}
	for _, it := range s.out.withdraw(func(st *stanza.Stanza) bool { return a.Blocks(st.From) || a.Blocks(copied(a.JID, st)) }) {
		if it.st.Kind == stanza.IQ {
			a.replyError(w, it.st, stanza.NewError(stanza.ServiceUnavailable, ""))
		}
	}
}

// withdraw takes the stanzas that f chooses out of all that waits, and returns them. Only while there is no connection.
func (o *Outbox) withdraw(f func(*stanza.Stanza) bool) (out []item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	from := func(list []item, bytes *int) []item {
		return slices.DeleteFunc(list, func(it item) bool {
			if it.st == nil || !f(it.st) {
				return false
			}
			*bytes -= it.size
			out = append(out, it)
			return true
		})
	}
	o.unacked, o.queue = from(o.unacked, &o.heldback), from(o.queue, &o.bytes)
	return out
}

// copied is who has sent what st is a copy of for the devices of own (XEP-0280 section 7); the zero address when it is none.
func copied(own jid.JID, st *stanza.Stanza) jid.JID {
	c, ok := st.Child(ns.Carbons, "received")
	if !ok || st.From != own {
		return jid.JID{}
	}
	tree, err := c.Tree()
	if err != nil {
		return jid.JID{}
	}
	from, err := jid.Parse(tree.Child(ns.Forward, "forwarded").Child(ns.Client, "message").Attr("from"))
	if err != nil {
		return jid.JID{}
	}
	return from
}

// HideFrom ends the presence that an address has of the account, which is about to block it: of the sessions whose presence it gets by
// subscription, and of those that have sent it there themselves. blocked is what is about to be given to Bar. Only in a turn of a.
func (a *Account) HideFrom(w *Work, blocked func(jid.JID) bool) {
	a.Host.Ports.Contacts.Each(a, func(contact jid.JID, sub Subscription) {
		if sub&SubscribedFrom != 0 && blocked(contact) && !a.Blocks(contact) {
			a.HidePresence(w, contact)
		}
	})
	for _, s := range a.sessions {
		for to := range s.directed {
			if !blocked(to) || a.Blocks(to) {
				continue
			}
			st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Unavailable, From: s.JID}, "")
			if err == nil && !(s.available && a.shownTo(to.Bare()) && blocked(to.Bare())) {
				a.bring(w, to.Bare(), turn{op: (*Account).deliverPresence, st: st.Seal(), to: to})
			}
			delete(s.directed, to)
		}
	}
}

// Meet shows the account and its contact to each other after a time without presence, as far as they may see each other (XEP-0191, "User
// Unblocks JID"). Only in a turn of a.
func (a *Account) Meet(w *Work, contact jid.JID) {
	sub := a.Host.Ports.Contacts.Subscription(a, contact.Bare())
	if sub&SubscribedFrom != 0 {
		a.ShowPresence(w, contact)
	}
	if sub&SubscribedTo != 0 {
		a.probe(w, a.JID, contact)
	}
}

// Directed tells whether a session of the account has sent presence to an address of a bare address, as to a room. Only in a turn of a.
func (a *Account) Directed(bare jid.JID) bool {
	for _, s := range a.sessions {
		for to := range s.directed {
			if to.Bare() == bare {
				return true
			}
		}
	}
	return false
}

// Invitation is who invites the account to a room by a mediated invitation (XEP-0045 section 7.8.2), which comes from the room; the zero
// address when st is none. It is what the room says, so it may be asked to keep somebody out, and to let somebody in only where st.From is
// bare, which no client can forge.
func Invitation(st *stanza.Stanza) jid.JID {
	x, ok := st.Child(ns.MUCUser, "x")
	if !ok {
		return jid.JID{}
	}
	tree, err := x.Tree()
	if err != nil {
		return jid.JID{}
	}
	return inviter(tree)
}

func inviter(x *xmltok.Node) jid.JID {
	invite := x.Child(ns.MUCUser, "invite")
	if invite == nil {
		return jid.JID{}
	}
	j, err := jid.Parse(invite.Attr("from"))
	if err != nil {
		return jid.JID{}
	}
	return j
}
