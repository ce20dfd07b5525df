package strangers

import (
	"context"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// receiving judges a message. Turn of the addressee.
func (m *Module) receiving(e *core.Event) core.Verdict {
	b, ok := m.boxes.Has(e.Account)
	st := e.Stanza
	if !ok || b.prefs.Mode == store.StrangersOpen || st.Kind != stanza.Message || st.Type == stanza.TypeError {
		return core.Next
	}
	by := author(st)
	if m.knows(e.Account, b, by, st.From.Bare()) {
		m.release(e.Work, e.Account, b, by)
		return core.Next
	}
	switch {
	case !talks(st):
		return core.Done // typing notices, calls and what else is worth nothing later
	case b.prefs.Mode == store.StrangersClosed:
		return m.refuse(e)
	}
	return m.keep(e, b, by)
}

// refuse answers as for an account that does not exist (RFC 6121 section 8.5.1).
func (m *Module) refuse(e *core.Event) core.Verdict {
	e.Host.Metrics().Refused("strangers")
	return e.Refuse(stanza.NewError(stanza.ServiceUnavailable, ""))
}

// author is whose message it is: of an invitation by a room (XEP-0045 section 7.8.2) not the room's, or friends could not invite. A client's own
// message never comes from a bare address, so nobody passes for another by writing an invitation.
func author(st *stanza.Stanza) jid.JID {
	if st.From.IsBare() {
		if by := core.Invitation(st); !by.IsZero() {
			return by.Bare()
		}
	}
	return st.From.Bare()
}

// talks: messages that somebody wants read, and that can be read later.
func talks(st *stanza.Stanza) bool {
	if st.Type != stanza.Chat && st.Type != stanza.Normal {
		return false
	}
	for c := range st.Children() {
		switch c.Space {
		case ns.Client:
			if c.Local == "body" || c.Local == "subject" {
				return true
			}
		case ns.OMEMO, ns.OMEMOLegacy, ns.OpenPGP, ns.OpenPGPLegacy, ns.EME, ns.Conference, ns.FileSharing, ns.OOB:
			return true
		case ns.MUCUser:
			if !core.Invitation(st).IsZero() {
				return true
			}
		}
	}
	return false
}

// member: somebody of a domain of ours, where the account does not count them as strangers. A guest is nobody's member.
func (m *Module) member(b *box, who jid.JID) bool {
	if !b.prefs.Members {
		return false
	}
	h := m.host.Router.Host(who.Domain())
	return h != nil && !h.IsGuest(who)
}

// knows tells whether somebody is no stranger. from is the bare address that the message comes from.
func (m *Module) knows(a *core.Account, b *box, who, from jid.JID) bool {
	if m.met(a, b, who) || from.IsDomain() && m.host.Router.Serves(from.Domain()) {
		return true // the server itself is known, too, with its services and components
	}
	// Rooms in which the account is; what is said in private there comes from the room as well.
	return a.Directed(from) || m.talked(a, b, who)
}

// met is knows as far as memory tells.
func (m *Module) met(a *core.Account, b *box, who jid.JID) bool {
	if who.IsZero() || who == a.JID || m.member(b, who) {
		return true
	}
	_, known := b.known[who]
	return known || m.host.Ports.Contacts.Lists(a, who)
}

// talked looks into the archive: with whom there was anything before the account became careful, it is no first contact.
func (m *Module) talked(a *core.Account, b *box, who jid.JID) bool {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	res, err := m.Archive.Page(ctx, a.ID, store.Query{With: who.String(), Max: 1})
	if err != nil {
		// A message too much is better than one that its sender believes to have arrived.
		m.obs.Log.Warn("not known whether somebody is a stranger", obs.JID, a.JID.String(), obs.Err, err)
		return true
	}
	if len(res.Rows) == 0 {
		return false
	}
	if len(b.known) < maxKnown {
		who = who.Clone()
		b.known[who] = struct{}{}
		m.Strangers.AddAcquaintance(a.ID, who)
	}
	return true
}
