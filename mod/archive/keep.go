package archive

import (
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// sending keeps the sender's copy. Turn of the sender.
func (x *archive) sending(e *core.Event) core.Verdict {
	if e.Stanza.Kind != stanza.Message {
		return core.Next
	}
	a := e.Account
	c := cleaner{router: e.Host.Router, domain: e.Host.Domain, own: a.JID, client: true}
	if e.Stanza.Type == stanza.GroupChat {
		c.speaker = a.JID
	}
	e.Stanza = c.clean(e.Stanza)
	st := e.Stanza
	b := x.boxes.Of(a)
	if !worth(st) || !x.wants(a, b, st.To) {
		return core.Next
	}
	if st.To.Bare() == a.JID {
		return x.keepNote(e, b)
	}
	n := x.keep(e, b, st.To, store.Outgoing)
	e.Kept, e.Key = n.id, n.key
	return core.Next
}

// receiving keeps the addressee's copy and tells its id in the message. Turn of the addressee.
func (x *archive) receiving(e *core.Event) core.Verdict {
	if e.Stanza.Kind != stanza.Message {
		return core.Next
	}
	a := e.Account
	b := x.boxes.Of(a)
	if e.Stanza.From.Bare() == a.JID {
		return x.receiveNote(e, b)
	}
	e.Stanza = cleaner{router: e.Host.Router, domain: e.Host.Domain, own: a.JID, speaker: gateway(e)}.clean(e.Stanza)
	st := e.Stanza
	if worth(st) && x.wants(a, b, st.From) {
		return x.hand(e, x.keep(e, b, st.From, store.Incoming))
	}
	if e.Absent && waits(st) && a.ID != 0 {
		x.hide(e)
	}
	return core.Next
}

// gateway is the component that the message comes from, which knows when it was said on its other side; zero: it comes from none.
func gateway(e *core.Event) (domain jid.JID) {
	if c := e.Host.Router.Component(e.Stanza.From.Domain()); c != nil {
		domain = c.Domain
	}
	return domain
}

// hide keeps a message that belongs into no archive until somebody has got it.
func (x *archive) hide(e *core.Event) {
	from := e.Stanza.From
	key, ticket := x.Stores.Archive.Append(store.Entry{
		Owner: e.Account.ID, Peer: strings.Clone(from.Bare().String()), Resource: strings.Clone(from.Resource()), Direction: store.Incoming,
		Hidden: true, Stanza: e.Stanza.Append(make([]byte, 0, e.Stanza.Size()), ns.Client),
	})
	e.Key = key
	e.Wait(ticket)
}

// hand passes a kept message on with its id, or ends one that was passed on before: then its sender hears of it when the first is durable.
func (x *archive) hand(e *core.Event, n note) core.Verdict {
	e.Kept, e.Key = n.id, n.key
	if n.again {
		return core.Done
	}
	st, err := e.Stanza.WithChildren(core.StanzaID(n.id, e.Account.JID))
	if err != nil {
		return e.Refuse(stanza.AsError(err))
	}
	e.Stanza = st.Seal()
	return core.Next
}

// note is a kept message: its id and place, and whether it was kept before.
type note struct {
	id    string
	key   store.Key
	again bool
}

// keep appends the message of e to the archive of its account, unless it is there already. What follows waits for the disk either way.
func (x *archive) keep(e *core.Event, b *box, peer jid.JID, d store.Direction) note {
	a, st := e.Account, e.Stanza
	bare := peer.Bare().String()
	origin := originOf(st, bare, d)
	if origin != 0 {
		x.recall(a, &b.seen)
		if key, ticket, ok := b.seen.find(origin, x.since()); ok {
			e.Wait(ticket)
			return note{x.Stores.Archive.ID(a.ID, key), key, true}
		}
	}
	key, ticket := x.Stores.Archive.Append(store.Entry{
		// Copies, since the store keeps these longer than the message they were cut out of.
		Owner: a.ID, Peer: strings.Clone(bare), Resource: strings.Clone(peer.Resource()), Direction: d,
		Offline: d == store.Incoming, Aside: !core.Says(st), Origin: origin, Target: targetOf(st, bare), Stanza: st.Append(make([]byte, 0, st.Size()), ns.Client),
	})
	if origin != 0 {
		b.seen.add(key, origin, ticket, x.since())
	}
	e.Wait(ticket)
	return note{x.Stores.Archive.ID(a.ID, key), key, false}
}

// maxNotes is how many notes to self may be under way between the two turns of their account.
const maxNotes = 1024

// notes are messages to oneself that were kept when they were sent and have not arrived yet, in the order in which they will.
type notes []note

// keepNote keeps a message to oneself, once (XEP-0313 section 6.1.1), as one that arrives.
func (x *archive) keepNote(e *core.Event, b *box) core.Verdict {
	n := x.keep(e, b, e.Stanza.To, store.Incoming)
	if len(b.notes) == maxNotes {
		b.notes = b.notes[1:]
	}
	b.notes = append(b.notes, n)
	return x.hand(e, note{id: n.id, key: n.key})
}

// receiveNote finds what was kept when the message was sent. Those before it never arrived: there was no such session.
func (x *archive) receiveNote(e *core.Event, b *box) core.Verdict {
	id := ownID(e.Stanza, e.Account.JID)
	if id == "" {
		return core.Next
	}
	for i, n := range b.notes {
		if n.id != id {
			continue
		}
		if b.notes = b.notes[i+1:]; len(b.notes) == 0 {
			b.notes = nil
		}
		e.Kept, e.Key = n.id, n.key
		if n.again {
			return core.Done
		}
		return core.Next
	}
	return core.Next
}
