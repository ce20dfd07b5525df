package core

import (
	"stonechat/cluster"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Router finds the owner of an address. All hosts of a server share one; hosts are added before the first door opens.
type Router struct {
	hosts    map[string]*Host
	services map[string]*service // rooms, by their domain
	nodes    *nodes              // nil: there is no other node

	components map[string]*Component // by their domain
}

// NewRouter returns a router that knows no host yet.
func NewRouter() *Router {
	return &Router{hosts: make(map[string]*Host), services: make(map[string]*service), components: make(map[string]*Component)}
}

// Host of a domain, or nil when the domain is not served here.
func (r *Router) Host(domain string) *Host { return r.hosts[domain] }

// Serves tells whether a domain is one of ours: a host's, one of rooms, or a component's.
func (r *Router) Serves(domain string) bool {
	return r.hosts[domain] != nil || r.services[domain] != nil || r.components[domain] != nil
}

// Route brings a stanza that we made, sealed, to the owner of its address.
func (r *Router) Route(w *Work, st *stanza.Stanza) {
	r.route(w, st, origin{trace: w.trace}, store.Ticket{})
}

// route brings st to its owner. before is the sender's own promise, which the receiver's line waits for too.
func (r *Router) route(w *Work, st *stanza.Stanza, from origin, before store.Ticket) {
	part, found := r.find(st)
	r.routeTo(w, st, part, found, from, before)
}

// routeTo is route for a stanza of which it is known whether it is for a part of a service.
func (r *Router) routeTo(w *Work, st *stanza.Stanza, part jid.JID, found bool, from origin, before store.Ticket) {
	h, rooms := r.hosts[st.To.Domain()], r.services[st.To.Domain()]
	place := st.To
	if found {
		place = part
	}
	node, far := r.elsewhere(place)
	if from.trace != nil {
		from.trace.Hop(obs.Span{Hop: 4, Name: "Router.route", Outcome: destination(r.Serves(st.To.Domain()), st, far)})
	}
	switch c := r.components[st.To.Domain()]; {
	case c != nil:
		c.take(w, st, st.To, from)
	case h == nil && rooms == nil:
		r.bounce(w, st, notServed())
	case place.IsDomain() && h != nil && (st.Type == stanza.TypeResult || st.Kind == stanza.IQ && st.Type == stanza.TypeError):
		h.answered(w, st)
	case place.IsDomain():
		if st.Kind == stanza.Message || st.Type == stanza.Subscribe {
			r.bounce(w, st, stanza.NewError(stanza.ServiceUnavailable, ""))
		}
	case far && st.Kind == stanza.Presence && !isSubscription(st.Type):
		r.nodes.bring(node, turn{st: st, to: st.To})
	case far:
		r.nodes.deliver(w, node, st, from)
	case found:
		r.enterPart(w, rooms, part, st, from, before)
	case rooms != nil:
		r.enter(w, rooms, st, from, before)
	case st.Kind == stanza.IQ:
		from.more()
		h.accounts.take(w, st.To.Bare(), turn{op: (*Account).deliverIQ, st: st, from: from})
	case st.Kind == stanza.Presence && !isSubscription(st.Type):
		h.accounts.takeIfLoaded(w, st.To.Bare(), turn{op: (*Account).deliverPresence, st: st, to: st.To})
	default:
		from.more()
		h.accounts.take(w, st.To.Bare(), turn{op: (*Account).deliver, st: st, from: from, before: before})
	}
	from.settle(w)
}

// enter brings a stanza to a room.
func (r *Router) enter(w *Work, rooms *service, st *stanza.Stanza, from origin, before store.Ticket) {
	x := roomTurn{op: (*Room).receive, st: st, from: from, before: before}
	switch {
	case rooms.Find != nil:
		if st.Kind != stanza.Presence || st.Type == stanza.Subscribe {
			r.bounce(w, st, stanza.NewError(stanza.ServiceUnavailable, "the service is asked at its domain"))
		}
		return
	case st.Kind == stanza.Presence && isSubscription(st.Type):
		if st.Type == stanza.Subscribe {
			r.bounce(w, st, stanza.NewError(stanza.ServiceUnavailable, "a room is joined, not subscribed to"))
		}
		return
	case st.Kind == stanza.Presence:
		rooms.bring(w, st.To.Bare(), st, false)
		return
	case st.Kind == stanza.IQ:
		x.op = (*Room).receiveIQ
	}
	from.more()
	rooms.take(w, st.To.Bare(), x)
}

// enterPart brings a request or a message to the part of a service that it is for.
func (r *Router) enterPart(w *Work, s *service, part jid.JID, st *stanza.Stanza, from origin, before store.Ticket) {
	x := roomTurn{op: (*Room).receive, st: st, from: from, before: before}
	if st.Kind == stanza.IQ {
		x.op = (*Room).receiveIQ
	}
	from.more()
	s.take(w, part, x)
}

// Far tells whether another node of the cluster owns an address: functions do not travel there, stanzas do.
func (r *Router) Far(j jid.JID) bool {
	_, far := r.elsewhere(j)
	return far
}

// notServed is what is said of a domain that is not ours (RFC 6120 section 10.4.3).
func notServed() *stanza.Error {
	return stanza.NewError(stanza.RemoteServerNotFound, "this server does not talk to other servers")
}

// bringPresence brings a presence turn to the owner of a bare address, if that is in memory: otherwise nobody there is online, and it returns
// false. Of another node that is not known.
func (r *Router) bringPresence(w *Work, bare jid.JID, x turn) bool {
	if c := r.components[bare.Domain()]; c != nil {
		return c.bring(w, x)
	}
	if node, far := r.elsewhere(bare); far {
		r.nodes.bring(node, x)
		return true
	}
	if rooms := r.services[bare.Domain()]; rooms != nil {
		return x.st != nil && !bare.IsDomain() && rooms.bring(w, bare, shownTo(x.st, x.to), x.over)
	}
	h := r.hosts[bare.Domain()]
	return h != nil && !bare.IsDomain() && h.accounts.takeIfLoaded(w, bare, x)
}

// shownTo is presence as it is addressed: what is broadcast has no address.
func shownTo(st *stanza.Stanza, to jid.JID) *stanza.Stanza {
	if st.HasTo && st.To == to {
		return st
	}
	return st.WithTo(to).Seal()
}

// elsewhere is the node that owns a local address, if that is another one. Alone it costs one check.
func (r *Router) elsewhere(to jid.JID) (cluster.Node, bool) {
	if r.nodes == nil {
		return "", false
	}
	return r.nodes.elsewhere(to)
}

// bounce answers a stanza that cannot go further with an error, which goes back by the same way.
func (r *Router) bounce(w *Work, st *stanza.Stanza, err *stanza.Error) {
	if reply := stanza.ErrorReply(st, err); reply != nil && r.Serves(reply.To.Domain()) {
		r.Route(w, reply.Seal())
	}
}
