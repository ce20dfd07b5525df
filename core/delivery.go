package core

import (
	"sync/atomic"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// delivery is an origin that is no session: a stanza that another node has brought, or several of our own of which somebody wants to hear when all of them
// are settled.
type delivery struct {
	role    store.Role // of the sender
	as      jid.JID    // in whose name it is; zero: the sender's own
	open    atomic.Int32
	settled func()
}

// newDelivery has one part.
func newDelivery(settled func()) *delivery {
	d := &delivery{settled: settled}
	d.open.Store(1)
	return d
}

func (d *delivery) more() {
	if d != nil {
		d.open.Add(1)
	}
}

// settle tells when the last part is settled.
func (d *delivery) settle() {
	if d != nil && d.open.Add(-1) == 0 {
		d.settled()
	}
}

// Deliver is Route for stanzas that somebody is told of as sent: the ticket is done when each is durable where it goes to, if it is kept there, or has
// gone as far as it does. It never fails: what cannot go further is answered as ever.
func (r *Router) Deliver(w *Work, all ...*stanza.Stanza) store.Ticket {
	if len(all) == 0 {
		return store.Ticket{}
	}
	p := new(store.Promise)
	from := origin{far: newDelivery(func() { p.Settle(nil) }), trace: w.trace}
	for _, st := range all {
		from.more()
		r.route(w, st, from, store.Ticket{})
	}
	from.settle(w)
	return p.Ticket()
}
