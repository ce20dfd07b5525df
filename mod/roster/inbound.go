package roster

import (
	"stonechat/core"
	"stonechat/xmpp/stanza"
)

// receiving takes subscription stanzas for the account.
func (r *roster) receiving(e *core.Event) core.Verdict {
	if !isSubscription(e.Stanza) {
		if invitedByBlocked(e) {
			return core.Done // the room has done nothing wrong and needs no error
		}
		return core.Next
	}
	a, from := e.Account, e.Stanza.From.Bare()
	switch {
	case from.IsZero() || from == a.JID:
		return core.Done
	case !a.Exists:
		r.absent(e)
		return core.Done
	}
	blocked := a.Blocks(e.Stanza.From) // then it is no request and no approval: those end in core
	// RFC 6121 section 3.1.3: both addresses are bare, whoever has sent it.
	st := e.Stanza
	if st.From != from {
		st = st.Stamped(from)
	}
	if st.To != a.JID {
		st = st.WithTo(a.JID).Seal()
	}
	e.Wait(r.do(e.Work, a, &op{contact: from, decide: func(b *book, now contact) (plan, *stanza.Error) {
		p, err := r.arrive(b, now, st)
		if blocked {
			// What the contact gives up is given up, or the two would disagree for ever; the client sees the roster change, not the stanza.
			p.shown = nil
		}
		return p, err
	}}))
	return core.Done
}

// absent answers for an account that does not exist: not at all (RFC 6121 section 8.5.1), as somebody who never decides. One that exists but
// could not be read says so, since nothing was kept.
func (r *roster) absent(e *core.Event) {
	if e.Stanza.Type != stanza.Subscribe || e.Account.ID == 0 {
		return
	}
	if answer := stanza.ErrorReply(e.Stanza, stanza.NewError(stanza.InternalServerError, "")); answer != nil {
		r.host.Router.Route(e.Work, answer.Seal())
	}
}

// arrive decides about st, which a contact has sent.
func (r *roster) arrive(b *book, now contact, st *stanza.Stanza) (plan, *stanza.Error) {
	from := st.From
	step := inbound(now.state, st.Type)
	p := plan{next: now, item: step.next.item() != now.state.item()}
	p.next.state = step.next
	if step.deliver {
		// RFC 6121 section 2.2: requests are for available resources, everything else is for interested ones.
		p.shown, p.sees = st, (*core.Session).Interested
	}
	if step.next.has(pendingIn) && !now.state.has(pendingIn) {
		if len(b.requests) >= maxRequests {
			return r.tooMany(now, st), nil
		}
		p.sees = (*core.Session).Available
		p.request = b.request(st)
	}
	p.then = func(w *core.Work, a *core.Account) {
		if step.reply != "" {
			r.say(w, a, from, step.reply)
		}
		r.presence(w, a, from, now.state, step.next)
		if step.reply != "" && now.state.has(subFrom) && !r.local(from) {
			a.ShowPresence(w, from) // it has asked again, so it may have lost what it knew
		}
		if st.Type == stanza.Subscribed && step.next.has(subTo) {
			a.FetchPresence(w, from)
		}
	}
	return p, nil
}

// tooMany is the plan that keeps nothing and says so.
func (r *roster) tooMany(now contact, st *stanza.Stanza) plan {
	return plan{next: now, then: func(w *core.Work, _ *core.Account) {
		r.host.Metrics().Refused("requests")
		err := stanza.NewError(stanza.ResourceConstraint, "too many requests wait for an answer")
		if answer := stanza.ErrorReply(st, err); answer != nil {
			r.host.Router.Route(w, answer.Seal())
		}
	}}
}
