package upload

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const (
	// A message that is taken back is looked for among the last ones of its chat.
	searchPage = 100
	searchMost = 20 * searchPage
	// mostNamed is how many files one message can take with it.
	mostNamed = 32
	idLetters = (randomBytes + codeBytes) * 4 / 3
)

// sent sees what a client has sent: with what it takes back between two (XEP-0424) go the files that were named in it.
func (m *Module) sent(e *core.Event) {
	st := e.Stanza
	if st.Kind != stanza.Message || st.Type == stanza.GroupChat {
		return // what is said in rooms is heard there
	}
	name := retracts(st)
	if name == "" {
		return
	}
	owner, peer := e.Account.ID, st.To.Bare()
	if st.To.IsZero() {
		peer = e.Account.JID
	}
	m.drop(e.Account, func(ctx context.Context, oldest time.Time) ([]string, error) {
		return m.namedBetween(ctx, owner, peer, name, oldest)
	})
}

// said hears a room: who said something may take it back, and moderators may (XEP-0425).
func (m *Module) said(w *core.Work, s *core.Said) {
	by, room := s.Message.Publisher, s.Room.ID
	find := func(ctx context.Context, _ time.Time) ([]string, error) { return m.namedIn(s.Back.Stanza.Inner()), nil }
	if s.Back.Stanza != nil {
		by = s.Back.Publisher
	} else {
		id := retracts(s.Message.Stanza)
		if id == "" {
			return
		}
		find = func(ctx context.Context, _ time.Time) ([]string, error) { return m.namedInRoom(ctx, room, by, id) }
	}
	if by.Domain() != m.host.Domain.Domain() {
		return
	}
	if err := m.host.Do(by.Bare(), func(_ *core.Work, a *core.Account) { m.drop(a, find) }); err != nil {
		m.Obs.Log.Warn("files of what was taken back stay", obs.Err, err)
	}
}

// retracts is the name of the message that this one takes back (XEP-0424 section 3).
func retracts(st *stanza.Stanza) string {
	c, ok := st.Child(ns.Retract, "retract")
	if !ok {
		return ""
	}
	id, _ := c.Attr("id")
	return id
}

// drop removes what find says of the files of an account; find is told when the oldest of them was made. Only in a turn of the account. Nobody waits for it: a crash in
// between leaves a file that its owner can still remove.
func (m *Module) drop(a *core.Account, find func(ctx context.Context, oldest time.Time) ([]string, error)) {
	if !a.Exists || a.ID == 0 {
		return
	}
	owner := a.ID
	a.Aside(func(ctx context.Context) error {
		files, err := m.Own.List(ctx, owner, m.now())
		if err != nil || len(files) == 0 {
			return err
		}
		ids, err := find(ctx, files[len(files)-1].Created)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !slices.ContainsFunc(files, func(f store.File) bool { return f.ID == id }) {
				continue // another's, which was only named
			}
			if err := m.Own.Remove(owner, id).Wait(ctx); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			m.Figures.Dropped.Inc()
		}
		return nil
	}, func(_ *core.Work, a *core.Account, err error) {
		if err != nil {
			m.Obs.Log.Warn("files of what was taken back stay", obs.JID, a.JID.String(), obs.Err, err)
		}
	})
}

// namedBetween finds what an account has sent to somebody under a name, and the files in it.
func (m *Module) namedBetween(ctx context.Context, owner store.Owner, peer jid.JID, name string, oldest time.Time) ([]string, error) {
	newest := ""
	q := store.Query{With: peer.String(), Start: oldest, Max: searchPage, Before: &newest}
	for range searchMost / searchPage {
		page, err := m.Archive.Page(ctx, owner, q)
		if err != nil {
			return nil, err
		}
		for _, row := range slices.Backward(page.Rows) {
			st, err := stanza.Parse(string(row.Stanza))
			if err == nil && row.Direction == store.Outgoing && called(st, name) {
				return m.namedIn(st.Inner()), nil
			}
		}
		if page.Complete || len(page.Rows) == 0 {
			break
		}
		q.Before = &page.Rows[0].ID
	}
	return nil, nil
}

// called tells whether a message has this name (XEP-0424 section 3: its origin-id, or else its id).
func called(st *stanza.Stanza, name string) bool {
	if c, ok := st.Child(ns.StanzaID, "origin-id"); ok {
		if id, _ := c.Attr("id"); id == name {
			return true
		}
	}
	return st.ID == name
}

// namedInRoom finds what somebody has said in a room, by its id in the archive, and the files in it.
func (m *Module) namedInRoom(ctx context.Context, room store.Owner, by jid.JID, id string) ([]string, error) {
	page, err := m.Archive.Page(ctx, room, store.Query{IDs: []string{id}, Max: 1})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil || len(page.Rows) == 0 || page.Rows[0].Peer != by.Bare().String() {
		return nil, err
	}
	st, err := stanza.Parse(string(page.Rows[0].Stanza))
	if err != nil {
		return nil, err
	}
	return m.namedIn(st.Inner()), nil
}

// namedIn are the ids of files whose addresses stand in a message, in its text (XEP-0363), beside it (XEP-0066), or in what describes it (XEP-0447).
func (m *Module) namedIn(inner string) (ids []string) {
	for len(ids) < mostNamed {
		_, rest, found := strings.Cut(inner, Path)
		if !found {
			break
		}
		inner = rest
		if len(rest) < idLetters {
			break
		}
		if id := rest[:idLetters]; m.codes.genuine(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
