package bookmarks

import (
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
)

// take makes the items what a document says (XEP-0402 section 5.3.2): what is unchanged is not published again. The tickets of changes go to wait.
// What the document does not know of a bookmark (its extensions) stays. Only in a turn of a.
func (m *Module) take(w *core.Work, a *core.Account, xml string, wait func(store.Ticket)) error {
	d, err := readDocument(xml)
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
	publish, retract := differences(now, d.rooms)
	for _, b := range publish {
		t := m.host.Ports.Publisher.Publish(w, a, ns.Bookmarks, b.id, b.item(), nil)
		if err := s.began(b.id, change{to: b, ticket: t}, wait); err != nil {
			return err
		}
	}
	for _, b := range retract {
		t := m.host.Ports.Publisher.Retract(w, a, ns.Bookmarks, b.id)
		if err := s.began(b.id, change{gone: true, ticket: t}, wait); err != nil {
			return err
		}
	}
	wait(m.spreadSoon(a)) // also when the items are right: the other document may say something else
	return nil
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

// differences are what is to be published and retracted so that the items say what the rooms of a document say.
func differences(now, want []bookmark) (publish, retract []bookmark) {
	at := make(map[string]bookmark, len(now))
	for _, b := range now {
		at[b.room] = b
	}
	wanted := make(map[string]int, len(want))
	for i, b := range want {
		wanted[b.room] = i
	}
	for i, b := range want {
		if wanted[b.room] != i {
			continue // the last of a room counts: clients append what is new
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
		if _, stays := wanted[b.room]; !stays {
			retract = append(retract, b)
		}
	}
	return publish, retract
}
