package bookmarks

import (
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
)

// seen is what the client of a session has seen last of the rooms in a document, in whichever place, or has written there. nil: nothing so far. It does not
// outlive the process: a session that goes on behind a restart has seen nothing, and so removes nothing until it reads again.
type seen struct {
	rooms map[string]bookmark
}

// shown: a client has read a document, or was told of it. What it was told counts behind this turn: not for what it has said before, such as the very document
// that it was told of. A client without a connection has not seen what waits for it.
func (m *Module) shown(e *core.Event, x core.Use) {
	if x.Private != document && x.Node != ns.BookmarksLegacy {
		return
	}
	d, err := readDocument(x.XML())
	switch {
	case err != nil:
	case x.How == core.Told:
		if e.Session.LostAt().IsZero() {
			m.sawBehind(e.Account.JID, e.Session, d, nil)
		}
	default:
		m.saw(e.Session, d)
	}
}

// saw notes what the client of a session knows of rooms, with copies of what forms compare.
func (m *Module) saw(s *core.Session, d documentOf) {
	if s == nil {
		return
	}
	rooms := make(map[string]bookmark, len(d.rooms))
	for _, b := range d.rooms {
		if _, twice := rooms[b.room]; !twice {
			rooms[strings.Clone(b.room)] = bookmark{name: b.name, autojoin: b.autojoin, nick: b.nick, password: b.password}
		}
	}
	m.seen.Of(s).rooms = rooms
}

// sawBehind is saw when what the client has written counts: of what was refused it will say again that it wants it.
func (m *Module) sawBehind(account jid.JID, s *core.Session, d documentOf, under []store.Ticket) {
	if s == nil {
		return
	}
	if len(under) > 0 {
		under[0].Done(func(err error) {
			if err == nil {
				m.sawBehind(account, s, d, under[1:])
			}
		})
		return
	}
	if err := m.host.Do(account, func(*core.Work, *core.Account) { m.saw(s, d) }); err != nil {
		m.obs.Log.Debug("what a client knows of bookmarks not noted", obs.JID, account.String(), obs.Err, err)
	}
}

// seenBy is what a session has seen.
func (m *Module) seenBy(s *core.Session) map[string]bookmark {
	if s == nil {
		return nil
	}
	x, ok := m.seen.Has(s)
	if !ok {
		return nil
	}
	return x.rooms
}

// sessionOf is the session of an account with that full address, or nil.
func sessionOf(a *core.Account, full jid.JID) *core.Session {
	for _, s := range a.Sessions() {
		if s.JID == full {
			return s
		}
	}
	return nil
}
