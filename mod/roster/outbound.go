package roster

import (
	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// sending takes the account's own subscription stanzas: stamped with its bare address, addressed to a bare address.
func (r *roster) sending(e *core.Event) core.Verdict {
	st, a, s := e.Stanza, e.Account, e.Session
	if !isSubscription(st) {
		return core.Next
	}
	to := st.To.Bare()
	if to == a.JID {
		return core.Done // everybody sees their own presence anyway; there is nothing to grant
	}
	e.Wait(r.do(e.Work, a, &op{contact: to, decide: func(b *book, now contact) (plan, *stanza.Error) {
		if st.Type == stanza.Unsubscribe || st.Type == stanza.Unsubscribed {
			if err := bondedTo(now); err != nil {
				r.refuse(st, s, err)
				return plan{next: now}, nil
			}
		}
		step := outbound(now.state, st.Type)
		p := plan{next: now, item: step.next.item() != now.state.item()}
		p.next.state = step.next
		if p.item {
			if err := r.room(b, to, now, p.next); err != nil {
				r.refuse(st, s, err)
				return plan{next: now}, nil
			}
		}
		p.then = func(w *core.Work, a *core.Account) {
			if step.route {
				r.host.Router.Route(w, st)
			}
			r.presence(w, a, to, now.state, step.next)
		}
		return p, nil
	}}))
	return core.Done
}

// refuse tells the sending session that nothing was done. The answer is a turn of its own: a decision changes nothing.
func (r *roster) refuse(st *stanza.Stanza, s *core.Session, err *stanza.Error) {
	r.host.Metrics().Refused("roster")
	answer := stanza.ErrorReply(st, err)
	if answer == nil || s == nil {
		return
	}
	answer = answer.WithTo(s.JID).Seal()
	r.host.Do(s.Account.JID, func(w *core.Work, _ *core.Account) { s.Send(w, answer) })
}

// presence is what a changed subscription shows or hides.
func (r *roster) presence(w *core.Work, a *core.Account, contact jid.JID, was, is state) {
	switch {
	case was.has(subFrom) && !is.has(subFrom):
		// RFC 6121 sections 3.2.2 and 3.3.3: unavailable from every available resource.
		a.HidePresence(w, contact)
	case !was.has(subFrom) && is.has(subFrom) && !r.local(contact):
		// RFC 6121 section 3.1.5: the current presence of every available resource. A contact of this server fetches it when the approval is durable there: otherwise presence would overtake it.
		a.ShowPresence(w, contact)
	}
}

func (r *roster) local(contact jid.JID) bool { return r.host.Router.Host(contact.Domain()) != nil }

// part tells a contact that the account has removed it.
func (r *roster) part(w *core.Work, a *core.Account, contact jid.JID, was state) {
	for _, t := range parting(was) {
		r.say(w, a, contact, t)
	}
}

// say sends a subscription stanza on the account's behalf.
func (r *roster) say(w *core.Work, a *core.Account, contact jid.JID, t stanza.Type) {
	st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: t, From: a.JID, To: contact}, "")
	if err == nil {
		r.host.Router.Route(w, st.Seal())
	}
}
