package bookmarks

import (
	"context"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
)

// documentID is the id of the only item of the older node (XEP-0048 section 3.1).
const documentID = "current"

// spreadSoon has the documents written again behind the turns that are already there: many items that change together are one change of them. The
// ticket is done when they are durable, or could not be written, which is logged.
func (m *Module) spreadSoon(a *core.Account) store.Ticket {
	s := m.states.Of(a)
	if s.due == nil {
		s.due = new(store.Promise)
		m.spreadBehind(a.JID, store.Ticket{}, s.due)
	}
	return s.due.Ticket()
}

// spreadBehind writes the documents in a turn behind t, and settles p.
func (m *Module) spreadBehind(account jid.JID, t store.Ticket, p *store.Promise) {
	t.Done(func(error) {
		err := m.host.Do(account, func(w *core.Work, a *core.Account) {
			s := m.states.Of(a)
			if s.due == p {
				s.due = nil
			}
			if !a.Exists || a.Failed {
				p.Settle(nil)
				return
			}
			m.failed(a, "bookmarks not written into older forms", m.spread(w, a, s, p))
		})
		if err != nil {
			m.obs.Log.Warn("bookmarks not written into older forms", obs.JID, account.String(), obs.Err, err)
			p.Settle(nil)
		}
	})
}

// spread writes the documents that say something else than the items (XEP-0402 section 5.3.1), and settles p behind that. Only in a turn of a.
func (m *Module) spread(w *core.Work, a *core.Account, s *state, p *store.Promise) error {
	for _, t := range s.under {
		if done, _ := t.Outcome(); !done {
			m.spreadBehind(a.JID, t, p) // what is read now is not what will be there
			return nil
		}
	}
	err := m.write(w, a, s)
	if err != nil && m.patient(s) {
		account := a.JID
		time.AfterFunc(tryAgain, func() { m.spreadBehind(account, store.Ticket{}, p) })
		return nil
	}
	s.unread = time.Time{}
	first, second := s.under[0], s.under[1]
	m.heed(a, first)
	m.heed(a, second)
	first.Done(func(error) { second.Done(func(error) { p.Settle(nil) }) })
	return err
}

const (
	tryAgain = 500 * time.Millisecond // between two looks at what cannot be read
	patience = 20 * time.Second       // for it
)

// patient tells whether to look once more at what could not be read: a database that is away comes back, and nobody is told meanwhile that a change is
// done.
func (m *Module) patient(s *state) bool {
	now := m.host.Now()
	if s.unread.IsZero() {
		s.unread = now
	}
	return now.Sub(s.unread) <= patience
}

// write writes the documents; what is under way then is in s.
func (m *Module) write(w *core.Work, a *core.Account, s *state) error {
	s.under = [2]store.Ticket{}
	if !m.free(a) {
		return nil
	}
	items, err := m.items(a, s)
	if err != nil {
		return err
	}
	kept, err := m.private(a)
	if err != nil {
		return err
	}
	if xml, differs := renewed(kept, items); differs {
		s.under[0] = m.store.SetPrivate(a.ID, []store.PrivateData{{PrivateName: document, XML: []byte(xml)}}, m.config.PrivateElements, m.config.PrivateBytes)
	}
	if !m.hidden(a, ns.BookmarksLegacy) {
		return nil
	}
	kept, err = m.onNode(a)
	if err != nil {
		return err
	}
	if xml, differs := renewed(kept, items); differs {
		s.under[1] = m.host.Ports.Publisher.Publish(w, a, ns.BookmarksLegacy, documentID, xml, nil)
	}
	return nil
}

// onNode is the document on the older node; empty: there is none.
func (m *Module) onNode(a *core.Account) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	items, err := m.host.Ports.Publisher.Items(ctx, a, ns.BookmarksLegacy)
	if err != nil || len(items) == 0 {
		return "", err
	}
	return string(items[len(items)-1].Payload), nil
}

// heed logs it when a document could not be written: its clients see what was before.
func (m *Module) heed(a *core.Account, t store.Ticket) {
	name := a.JID.String()
	t.Done(func(err error) {
		if err != nil {
			m.obs.Log.Warn("bookmarks not written into an older form", obs.JID, name, obs.Err, err)
		}
	})
}
