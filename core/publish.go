package core

import (
	"context"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Publication is what has happened to a node of an account (XEP-0060); one of the fields behind By says what.
type Publication struct {
	Node string
	// By is who did it, a full address where it was a client; zero: the server itself.
	By jid.JID
	// Item was published: its id, and its payload as XML that stands alone, empty when there is none.
	Item    string
	Payload string
	// Retracted are the ids of items that are gone, also those that had to make room for Item.
	Retracted []string
	// Purged: all items are gone. Deleted: the node is gone with them. Configured: its options have changed.
	Purged, Deleted, Configured bool
	// Access is the access model of the node (XEP-0060 section 4.5), in Publishing.
	Access string

	tickets []store.Ticket
}

// Wait makes the answer to who has published or retracted an item wait for what follows from it. Nobody waits when a node is purged or deleted.
func (p *Publication) Wait(t store.Ticket) { p.tickets = append(p.tickets, t) }

// Waits are all tickets of Wait.
func (p *Publication) Waits() []store.Ticket { return p.tickets }

// PublishedHook is one function that hears of publications. It changes nothing of them.
type PublishedHook = Hook[func(*Event, *Publication)]

// Use is what a client has to do with something that its account keeps: an element of private storage, or the newest item of a node.
type Use struct {
	Private store.PrivateName // or
	Node    string
	How     How
	// XML is it as XML that stands alone; empty: there is nothing. It is pulled, so what nobody cares for costs nothing.
	XML func() string
	// Ticket is that of the disk, where the client has stored it.
	Ticket store.Ticket
}

// How a client uses something.
type How uint8

const (
	// Stored: it has put the element into private storage; what it publishes is told by Published.
	Stored How = iota
	// Read: it has read it.
	Read
	// Told: a notification of it has been queued.
	Told
)

// UsedHook is one function that hears of uses. Event.Session is whose client it is.
type UsedHook = Hook[func(*Event, Use)]

// Publisher publishes to nodes of an account for another feature, with the rights of the account itself. Its methods run in a turn of the account. The
// ticket of a change is done when the change is durable and was told, or fails as a client's request would: with a *stanza.Error.
type Publisher interface {
	// Publish an item; one with the same id is replaced, and an empty id is filled in. A node that is not there is made as a client's publishing would
	// make it, with options (XEP-0060 section 7.1.5) over that; what is there keeps its options. payload is XML that stands alone.
	Publish(w *Work, a *Account, node, item, payload string, options map[string]string) store.Ticket
	// Retract an item.
	Retract(w *Work, a *Account, node, item string) store.Ticket
	// Items of a node, oldest first; none when there is no such node. It may wait: a turn calls it with a short deadline.
	Items(ctx context.Context, a *Account, node string) ([]store.NodeItem, error)
	// Access is the access model of a node (XEP-0060 section 4.5), empty when there is no such node.
	Access(a *Account, node string) string
}

// Visit has f called in a turn of the account of a bare address, if that is in memory: it is for what is of no use to who is offline, and so what it
// costs for them is a look-up, as with presence. False: it is not there, or belongs to no host of this process. Turns do not travel to another node.
func (a *Account) Visit(w *Work, bare jid.JID, f func(w *Work, a *Account)) bool {
	return a.Host.Router.visit(w, bare, f)
}

// Visit is Account.Visit from a turn of a room.
func (r *Room) Visit(w *Work, bare jid.JID, f func(w *Work, a *Account)) bool {
	return r.Host.Router.visit(w, bare, f)
}

func (r *Router) visit(w *Work, bare jid.JID, f func(w *Work, a *Account)) bool {
	if _, far := r.elsewhere(bare); far || bare.IsDomain() {
		return false
	}
	h := r.hosts[bare.Domain()]
	return h != nil && h.accounts.takeIfLoaded(w, bare, turn{op: (*Account).invoke, call: f})
}

// SendShared queues st, which many share, for the client under an address of it. It is of no use to any other session. Only in a turn of its account.
func (s *Session) SendShared(w *Work, st *stanza.Stanza, to jid.JID) { s.sendTo(w, st, to, true) }

// Announce shows another presence of an available session than its client has sent, to all who see it, as if the client had sent it. It is sealed.
// Only in a turn of its account.
func (s *Session) Announce(w *Work, st *stanza.Stanza) {
	if !s.available {
		return
	}
	a := s.Account
	s.presence = st
	a.fanOut(w, s, st, false)
	for _, x := range a.sessions {
		if x.available {
			x.sendTo(w, st, a.JID, true)
		}
	}
}
