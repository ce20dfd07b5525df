package roster

import (
	"slices"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Tie is core.Ties: circles and invites change a contact without anybody being asked. Only in a turn of a.
func (r *roster) Tie(w *core.Work, a *core.Account, with jid.JID, t core.Tie) store.Ticket {
	if with == a.JID || !a.Exists {
		return store.Ticket{}
	}
	return r.do(w, a, &op{contact: with, decide: func(b *book, now contact) (plan, *stanza.Error) {
		next := tied(now, t)
		if err := r.room(b, with, now, next); err != nil {
			r.host.Metrics().Refused("roster")
			return plan{}, err
		}
		p := plan{next: next, item: next.name != now.name || next.groups != now.groups || next.state.item() != now.state.item()}
		p.then = func(w *core.Work, a *core.Account) {
			if now.state.has(subFrom) && !next.state.has(subFrom) {
				a.HidePresence(w, with)
			}
			if !now.state.has(subFrom) && next.state.has(subFrom) {
				a.ShowPresence(w, with)
			}
			if !now.state.has(subTo) && next.state.has(subTo) {
				a.FetchPresence(w, with)
			}
		}
		return p, nil
	}})
}

// tied is what becomes of a contact. It is a pure function: the rules of circles stand here.
func tied(now contact, t core.Tie) contact {
	next := now
	var names []string
	for _, g := range now.groups.names() {
		if g != t.Dropped {
			names = append(names, g)
		}
	}
	for _, c := range t.Circles {
		if !slices.Contains(names, c) {
			names = append(names, c)
		}
	}
	const mutual = listed | subTo | subFrom
	switch {
	case len(t.Circles) > 0:
		if !now.state.has(bonded) && now.state.has(subTo|subFrom|pendingOut|approved|listed) {
			next.state |= above
		}
		next.state |= mutual | bonded
	case t.Befriend:
		next.state |= mutual
	case now.state.has(bonded) && !now.state.has(above):
		return contact{} // what a circle has made goes with the last common one
	default:
		next.state &^= bonded | above
	}
	if t.Befriend && next.state.has(bonded) {
		next.state |= above
	}
	if next.state.has(subFrom) {
		next.state &^= pendingIn
	}
	if next.state.has(subTo) {
		next.state &^= pendingOut
	}
	if next.state.has(listed) {
		next.groups = groupsOf(names)
	}
	return next
}

// Grant is core.Ties: XEP-0379 section 3.5, the approval of a request and a request in return. Only in a turn of a.
func (r *roster) Grant(w *core.Work, a *core.Account, with jid.JID) store.Ticket {
	return r.do(w, a, &op{contact: with, decide: func(b *book, now contact) (plan, *stanza.Error) {
		// XEP-0379 section 5.4: the contact enters the roster without a name.
		p := plan{next: now}
		p.next.state = now.state&^pendingIn | subFrom | listed
		asks := !now.state.has(subTo)
		if asks {
			p.next.state |= pendingOut
		}
		if err := r.room(b, with, now, p.next); err != nil {
			r.host.Metrics().Refused("roster")
			return plan{}, err
		}
		p.item = p.next.state.item() != now.state.item()
		p.then = func(w *core.Work, a *core.Account) {
			r.say(w, a, with, stanza.Subscribed)
			r.presence(w, a, with, now.state, p.next.state)
			if asks {
				r.say(w, a, with, stanza.Subscribe)
			}
		}
		return p, nil
	}})
}

// bondedTo refuses what a client may not do to a contact that a circle gives: while both are in it they see each other.
func bondedTo(now contact) *stanza.Error {
	if now.state.has(bonded) {
		return stanza.NewError(stanza.NotAllowed, "you are in a circle with this contact")
	}
	return nil
}
