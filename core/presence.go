package core

import (
	"slices"
	"strconv"
	"strings"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

func isSubscription(t stanza.Type) bool {
	switch t {
	case stanza.Subscribe, stanza.Subscribed, stanza.Unsubscribe, stanza.Unsubscribed:
		return true
	}
	return false
}

// receivePresence is the turn of a client's presence.
func (a *Account) receivePresence(w *Work, t *turn) {
	st, s := t.st, t.s
	w.hop(a, 3, "Account.receivePresence", "")
	switch {
	case isSubscription(st.Type):
		a.subscribe(w, t)
		return
	case st.Type != stanza.Available && st.Type != stanza.Unavailable && st.Type != stanza.Probe && st.Type != stanza.TypeError:
		a.replyError(w, st, stanza.NewError(stanza.BadRequest, "no such type of presence"))
	case st.HasTo:
		a.direct(w, s, st)
	case st.Type == stanza.Available:
		a.announce(w, s, st)
	case st.Type == stanza.Unavailable:
		a.withdraw(w, s, st)
	}
	t.from.settle(w)
}

// subscribe has the roster act on a subscription stanza of the account's client (RFC 6121 section 3).
func (a *Account) subscribe(w *Work, t *turn) {
	if !t.st.HasTo {
		// It is stamped with the bare address, but the answer is for the session that sent it.
		a.refuse(w, t.st.Stamped(t.s.JID), t.s, stanza.NewError(stanza.BadRequest, "a subscription stanza needs an address"))
		t.from.settle(w)
		return
	}
	// RFC 6121 section 3.1.1: subscriptions are between bare addresses.
	st := t.st.WithTo(t.st.To.Bare())
	st.Seal()
	e := w.begin(a, st, t.s)
	verdict := a.Host.Hooks.Sending.run(e)
	e.hop(0, "Account.subscribe", "Sending", verdict.String())
	switch verdict {
	case Done:
		a.finishSending(w, e, t.from)
		return
	case Drop:
		if e.Err != nil {
			a.refuse(w, st, t.s, e.Err)
		}
	}
	t.from.settle(w)
}

// announce is RFC 6121 sections 4.2.2 and 4.4.2: initial and later presence.
func (a *Account) announce(w *Work, s *Session, st *stanza.Stanza) {
	priority, ok := priorityOf(st)
	if !ok {
		a.replyError(w, st, stanza.NewError(stanza.BadRequest, "priority is a number from -128 to 127"))
		return
	}
	e := w.begin(a, st, s)
	v := a.Host.Hooks.Announcing.run(e)
	e.hop(0, "Account.announce", "Announcing", v.String())
	if v != Next {
		if e.Err != nil {
			a.replyError(w, st, e.Err)
		}
		return
	}
	st = e.Stanza
	first := !s.available
	s.available, s.priority, s.presence = true, priority, st
	a.fanOut(w, s, st, first)
	for _, x := range a.sessions {
		if x.available {
			x.sendTo(w, st, a.JID, true)
		}
		if first && x != s && x.available {
			s.sendTo(w, x.presence, s.JID, true)
		}
	}
	if first {
		a.Host.Hooks.Available.run(w.begin(a, st, s))
	}
}

// priorityOf is RFC 6121 section 4.7.2.3; no element means zero.
func priorityOf(st *stanza.Stanza) (int8, bool) {
	c, ok := st.Child(ns.Client, "priority")
	if !ok {
		return 0, true
	}
	text := strings.TrimSpace(c.Text())
	if text == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(text, 10, 8)
	return int8(n), err == nil
}

// fanOut brings presence to every contact who may see it, and asks the others' presence when it is the session's first.
// A contact that is not in memory is offline and costs one look-up.
func (a *Account) fanOut(w *Work, s *Session, st *stanza.Stanza, first bool) {
	a.Host.Ports.Contacts.Each(a, func(contact jid.JID, sub Subscription) {
		x := turn{op: (*Account).deliverPresence, to: contact}
		if sub&SubscribedFrom != 0 {
			x.st = st
		}
		if first && sub&SubscribedTo != 0 {
			x.asker = &s.JID
		}
		if x.st != nil || x.asker != nil {
			a.bring(w, contact, x)
		}
	})
}

// withdraw is RFC 6121 section 4.5: the session is no longer available but stays connected.
func (a *Account) withdraw(w *Work, s *Session, st *stanza.Stanza) {
	a.unavailable(w, s, st)
	s.sendTo(w, st, a.JID, true)
}

// leave says unavailable for a session that ended (RFC 6121 section 4.5.2).
func (a *Account) leave(w *Work, s *Session) {
	if !s.available && len(s.directed) == 0 {
		return
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Unavailable, From: s.JID}, "")
	if err != nil {
		return
	}
	a.unavailable(w, s, st.Seal())
}

func (a *Account) unavailable(w *Work, s *Session, st *stanza.Stanza) {
	was := s.available
	s.available, s.presence = false, nil
	if was {
		a.fanOut(w, s, st, false)
		for _, x := range a.sessions {
			if x.available {
				x.sendTo(w, st, a.JID, true)
			}
		}
	}
	// RFC 6121 section 4.6.3: whoever got directed presence is told too.
	for to := range s.directed {
		if was && a.shownTo(to.Bare()) && a.Host.Router.services[to.Domain()] == nil {
			continue // by the broadcast
		}
		a.bring(w, to.Bare(), turn{op: (*Account).deliverPresence, st: st, to: to, over: s.state == closed})
	}
	s.directed = nil
	if was {
		a.Host.Hooks.Unavailable.run(w.begin(a, st, s))
	}
}

// direct is RFC 6121 section 4.6: presence, a probe or an error for one address.
func (a *Account) direct(w *Work, s *Session, st *stanza.Stanza) {
	if st.Type == stanza.Available && len(a.Host.Hooks.Directing) > 0 {
		e := w.begin(a, st, s)
		a.Host.Hooks.Directing.run(e)
		st = e.Stanza
	}
	// Who hears of the end by the broadcast needs not be remembered; of a session that is not available there is none.
	known := s.available && a.shownTo(st.To.Bare())
	if a.Host.Router.services[st.To.Domain()] != nil {
		known = false
		// Of a room one address is remembered, the last: whoever changes the nick has left none behind.
		if old, ok := s.shownIn(st.To.Bare()); ok && (st.Type == stanza.Available || st.Type == stanza.Unavailable) {
			delete(s.directed, old)
		}
	}
	switch {
	case !a.Host.Router.Serves(st.To.Domain()):
		if st.Type != stanza.Unavailable { // which ends what was never begun
			a.replyError(w, st, notServed())
		}
		return
	case st.Type == stanza.Available && !known:
		if len(s.directed) >= a.Host.Config.Limits.DirectedPresence {
			a.replyError(w, st, stanza.NewError(stanza.ResourceConstraint, "too many addresses got directed presence"))
			return
		}
		if s.directed == nil {
			s.directed = make(map[jid.JID]struct{})
		}
		s.directed[st.To.Clone()] = struct{}{}
	case st.Type == stanza.Unavailable:
		delete(s.directed, st.To)
	}
	if st.Type == stanza.Probe && a.Host.Router.services[st.To.Domain()] == nil {
		a.probe(w, s.JID, st.To)
		return
	}
	a.bring(w, st.To.Bare(), turn{op: (*Account).deliverPresence, st: st, to: st.To})
}

// probe is a presence probe that is answered in any case, such as a client's own. An account that is not in memory is offline, and whoever has a subscription is told so; the
// account itself tells when it is in memory (RFC 6121 section 4.3.2, rule 3).
func (a *Account) probe(w *Work, asker, to jid.JID) {
	there := a.Host.Router.bringPresence(w, to.Bare(), turn{op: (*Account).deliverPresence, to: to, asker: &asker, told: true})
	if !there && a.Host.Ports.Contacts.Subscription(a, to.Bare())&SubscribedTo != 0 {
		a.answerOffline(w, to.Bare(), asker)
	}
}

// answerOffline tells who asked that nobody is available at a bare address.
func (a *Account) answerOffline(w *Work, bare, asker jid.JID) {
	st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Unavailable, From: bare, To: asker}, "")
	if err == nil {
		a.Host.Router.Route(w, st.Seal())
	}
}

// bring brings presence, or a probe, to the owner of a bare address. Presence waits in the line where a message of ours to the same address
// on another node does (RFC 6120 section 10.1); on this node it waits in the addressee's line.
func (a *Account) bring(w *Work, bare jid.JID, x turn) {
	if a.Blocks(x.to) {
		return // XEP-0191, "User Blocks JID": neither presence nor a question for it
	}
	if x.st != nil && a.line.leads(bare) {
		a.stand(w, &lineEntry{route: true, arrival: arrival{st: x.st, to: x.to, over: x.over}}, nil)
		x.st = nil
	}
	if x.st != nil || x.asker != nil {
		a.Host.Router.bringPresence(w, bare, x)
	}
}

// deliverPresence is the turn of presence, a subscription or a probe for the account.
func (a *Account) deliverPresence(w *Work, t *turn) {
	st := t.st
	if st != nil && isSubscription(st.Type) {
		a.deliverSubscription(w, t)
		return
	}
	switch x := (arrival{st: st, to: t.to}); {
	case st == nil, !a.guestHears(st):
	case a.Blocks(st.From): // XEP-0191, "User Blocks JID": without an answer
	case a.line.holds(st.From):
		a.stand(w, &lineEntry{arrival: x}, nil) // RFC 6120 section 10.1: it does not overtake
	default:
		a.see(w, x)
	}
	if t.asker != nil && !a.Blocks(*t.asker) {
		a.answerProbe(w, *t.asker, t.told)
	}
	t.from.settle(w)
}

// see shows presence to the sessions of this moment.
func (a *Account) see(w *Work, x arrival) {
	for _, s := range a.sessions {
		// RFC 6121 sections 8.5.2.1.2 and 8.5.3.1: a bare address means all available resources.
		if (x.to.IsBare() && s.available) || s.JID == x.to {
			s.sendTo(w, x.st, x.to, true)
		}
	}
}

func (a *Account) deliverSubscription(w *Work, t *turn) {
	// XEP-0191, "User Blocks JID": a request and an approval end here without an answer, before any hook could take them for welcome. What a
	// contact gives up goes on, or the two would disagree for ever.
	barred := (t.st.Type == stanza.Subscribe || t.st.Type == stanza.Subscribed) && a.Blocks(t.st.From)
	if barred || !a.guestHears(t.st) {
		t.from.settle(w)
		return
	}
	e := w.begin(a, t.st, nil)
	if a.Host.Hooks.Receiving.run(e) == Done {
		a.finishSending(w, e, t.from)
		return
	}
	t.from.settle(w)
}

// answerProbe is RFC 6121 section 4.3.2: the presence of every available session for whoever may see it, silence for anybody else.
func (a *Account) answerProbe(w *Work, asker jid.JID, told bool) {
	if !a.shownTo(asker.Bare()) {
		return
	}
	a.ShowPresence(w, asker)
	if asker.IsBare() && len(a.Host.Hooks.Probed) > 0 {
		e := w.begin(a, nil, nil)
		e.Asker = asker
		a.Host.Hooks.Probed.run(e)
	}
	if told && !slices.ContainsFunc(a.sessions, (*Session).Available) {
		a.answerOffline(w, a.JID, asker)
	}
}

// shownTo tells whether the account's presence is broadcast to a bare address.
func (a *Account) shownTo(bare jid.JID) bool {
	return bare == a.JID || a.Host.Ports.Contacts.Subscription(a, bare)&SubscribedFrom != 0
}

// FetchPresence has a contact show its presence to every available session of the account, if it may be seen (RFC 6121 section 4.3).
// Only in a turn of a.
func (a *Account) FetchPresence(w *Work, contact jid.JID) {
	a.bring(w, contact.Bare(), turn{op: (*Account).deliverPresence, to: contact.Bare(), asker: &a.JID})
}

// ShowPresence sends the presence of every available session to one address: it was just allowed to see it. Only in a turn of a.
func (a *Account) ShowPresence(w *Work, to jid.JID) {
	for _, s := range a.sessions {
		if s.available {
			a.bring(w, to.Bare(), turn{op: (*Account).deliverPresence, st: s.presence, to: to})
		}
	}
}

// HidePresence sends unavailable for every available session to one address: it may no longer see it. Only in a turn of a.
func (a *Account) HidePresence(w *Work, to jid.JID) {
	for _, s := range a.sessions {
		if !s.available {
			continue
		}
		st, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Unavailable, From: s.JID}, "")
		if err == nil {
			a.bring(w, to.Bare(), turn{op: (*Account).deliverPresence, st: st.Seal(), to: to})
		}
	}
}
