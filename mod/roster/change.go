package roster

import (
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// op is one wish to change one contact. It is decided on the state that is on disk, so a second wish for the same contact is decided when the
// first is durable or has failed; wishes for different contacts share a commit.
type op struct {
	contact jid.JID
	// decide says what to do with the contact as it is; it changes nothing.
	decide func(b *book, now contact) (plan, *stanza.Error)
	// outcome is settled when the op is done, after everybody was told.
	outcome store.Promise

	plan    plan
	version store.Version
	done    bool
	err     error
}

// plan is what one op does to the contact, and what follows.
type plan struct {
	next contact
	// item: the roster item is written, and pushed to the account's interested sessions.
	item bool
	// request is kept when next is newly pendingIn.
	request string
	// shown is given to the sessions that see it, before the push.
	shown *stanza.Stanza
	sees  func(*core.Session) bool
	// then is what others may notice, after the push; it may be nil.
	then func(w *core.Work, a *core.Account)
}

// do starts o, or has it wait for its turn. Only in a turn of a. What depends on it waits for the ticket.
func (r *roster) do(w *core.Work, a *core.Account, o *op) store.Ticket {
	b := r.books.Of(a)
	o.contact = keep(o.contact)
	if waiting, busy := b.busy[o.contact]; busy {
		b.busy[o.contact] = append(waiting, o)
	} else {
		r.start(w, a, b, o)
	}
	return o.outcome.Ticket()
}

// start decides o and writes it. It returns false when nothing had to be written: then o is over.
func (r *roster) start(w *core.Work, a *core.Account, b *book, o *op) bool {
	now := b.get(o.contact)
	p, refused := o.decide(b, now)
	if refused != nil {
		o.outcome.Settle(refused)
		return false
	}
	o.plan = p
	change, any := p.change(o.contact, now)
	if !any {
		r.tell(w, a, o)
		o.outcome.Settle(nil)
		return false
	}
	if b.busy == nil {
		b.busy = make(map[jid.JID][]*op)
	}
	b.busy[o.contact] = nil
	b.writing = append(b.writing, o)
	var ticket store.Ticket
	o.version, ticket = r.store.Change(a.ID, change)
	ticket.Done(func(err error) {
		r.host.Do(a.JID, func(w *core.Work, a *core.Account) {
			o.done, o.err = true, err
			r.finish(w, a, b)
		})
	})
	return true
}

// change is the whole of p as one write.
func (p *plan) change(j jid.JID, now contact) (c store.RosterChange, any bool) {
	if p.item {
		any = true
		if p.next.state.has(listed) {
			c.Put = p.next.stored(j)
		} else {
			c.Remove = j
		}
	}
	was, is := now.state.has(pendingIn), p.next.state.has(pendingIn)
	switch {
	case is && !was:
		any = true
		c.PutPending = &store.Pending{JID: j, Stanza: []byte(p.request)}
	case was && !is:
		any = true
		c.RemovePending = j
	}
	return c, any
}

// finish applies what the disk has taken, in that order whatever the order in which the turns came.
func (r *roster) finish(w *core.Work, a *core.Account, b *book) {
	for len(b.writing) > 0 && b.writing[0].done {
		o := b.writing[0]
		if b.writing = b.writing[1:]; len(b.writing) == 0 {
			b.writing = nil
		}
		r.apply(w, a, b, o)
	}
}

func (r *roster) apply(w *core.Work, a *core.Account, b *book, o *op) {
	waiting := b.busy[o.contact]
	delete(b.busy, o.contact)
	defer r.resume(w, a, b, o.contact, waiting)
	if o.err == nil {
		now := r.books.Of(a) // another one than b when the account was forgotten and read again meanwhile
		now.set(o.contact, o.plan.next)
		if o.plan.request != "" && o.plan.next.state.has(pendingIn) {
			now.ask(o.contact, o.plan.request)
		}
		now.version = max(now.version, o.version)
		r.tell(w, a, o)
	}
	o.outcome.Settle(o.err)
}

// resume starts what has waited for the contact.
func (r *roster) resume(w *core.Work, a *core.Account, b *book, contact jid.JID, waiting []*op) {
	for i, o := range waiting {
		if r.start(w, a, b, o) {
			b.busy[contact] = waiting[i+1:]
			return
		}
	}
	if len(b.busy) == 0 {
		b.busy = nil
	}
}

// tell shows what has happened: the stanza first (RFC 6121 sections 3.1.6, 3.2.3 and 3.3.3: before the push), then the push, then the rest.
func (r *roster) tell(w *core.Work, a *core.Account, o *op) {
	if o.plan.shown != nil {
		for _, s := range a.Sessions() {
			if o.plan.sees(s) {
				s.Send(w, o.plan.shown)
			}
		}
	}
	if o.plan.item {
		r.push(w, a, o.contact, o.plan.next, o.version)
	}
	if o.plan.then != nil {
		o.plan.then(w, a)
	}
}
