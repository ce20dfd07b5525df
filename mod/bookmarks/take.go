package bookmarks

import (
	"errors"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// written is a document that was written: by the client of a session, nil for none, and how it fares.
type written struct {
	xml    string
	by     *core.Session
	ticket store.Ticket
}

// take makes the items what a client says with a document (XEP-0402 section 5.3.2), which is compared with what the client has seen before. What is
// unchanged is not published again. The tickets of changes go to wait. What the document does not know of a bookmark (its extensions) stays. Only in a
// turn of a.
func (m *Module) take(w *core.Work, a *core.Account, x written, wait func(store.Ticket)) error {
	d, err := readDocument(x.xml)
	if err != nil {
		// It is kept by now, and says nothing that another form could say.
		m.obs.Log.Debug("no document of bookmarks", obs.JID, a.JID.String(), obs.Err, err)
		return nil
	}
	s := m.states.Of(a)
	now, err := m.items(a, s)
	if err != nil {
		return err
	}
	publish, retract := merged(now, m.seenBy(x.by), d.rooms)
	under := []store.Ticket{x.ticket}
	begin := func(id string, c change) error {
		under = append(under, c.ticket)
		return s.began(id, c, wait)
	}
	for _, b := range publish {
		if err := begin(b.id, change{to: b, ticket: m.host.Ports.Publisher.Publish(w, a, ns.Bookmarks, b.id, b.item(), nil)}); err != nil {
			return err
		}
	}
	for _, b := range retract {
		if err := begin(b.id, change{gone: true, ticket: gone(m.host.Ports.Publisher.Retract(w, a, ns.Bookmarks, b.id))}); err != nil {
			return err
		}
	}
	m.sawBehind(a.JID, x.by, d, under)
	wait(m.spreadSoon(a)) // also when the items are right: the other document may say something else
	return nil
}

// gone is a ticket of what removes an item, which somebody else may have removed meanwhile.
func gone(t store.Ticket) store.Ticket {
	p := new(store.Promise)
	t.Done(func(err error) {
		var refused *stanza.Error
		if errors.As(err, &refused) && refused.Condition == stanza.ItemNotFound {
			err = nil
		}
		p.Settle(err)
	})
	return p.Ticket()
}

// began notes a change that is on its way, unless it was refused at once.
func (s *state) began(id string, c change, wait func(store.Ticket)) error {
	if done, err := c.ticket.Outcome(); done {
		return err
	}
	if s.pending == nil {
		s.pending = make(map[string]change)
	}
	s.pending[id] = c
	wait(c.ticket)
	return nil
}

// merged are what is to be published and retracted when a client writes rooms, having seen others before: what it has changed, added or removed itself.
// What it leaves as it has seen it may be different by now, or gone; and what it has never seen, it cannot mean to remove.
func merged(now []bookmark, seen map[string]bookmark, want []bookmark) (publish, retract []bookmark) {
	at, wanted := byRoom(now), make(map[string]int, len(want))
	for i, b := range want {
		wanted[b.room] = i
	}
	for i, b := range want {
		if wanted[b.room] != i {
			continue // the last of a room counts: clients append what is new
		}
		if was, known := seen[b.room]; known && b.same(&was) {
			continue
		}
		old, there := at[b.room]
		if there {
			b.id, b.extensions = old.id, old.extensions
		}
		if !there || !b.same(&old) {
			publish = append(publish, b)
		}
	}
	for _, b := range now {
		_, known := seen[b.room]
		if _, stays := wanted[b.room]; known && !stays {
			retract = append(retract, b)
		}
	}
	return publish, retract
}

// byRoom finds bookmarks by their rooms; of several the last one counts, as in merged.
func byRoom(all []bookmark) map[string]bookmark {
	out := make(map[string]bookmark, len(all))
	for _, b := range all {
		out[b.room] = b
	}
	return out
}
