package core

import (
	"context"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// ServeDomain makes the host serve a domain beside its own at which nobody is: it answers the requests of the module's rows ToService. Whatever else
// is sent there, or to an address at it, is refused. Call it from Install, with HostItems of Disco so that clients find it.
func (h *Host) ServeDomain(module string, domain jid.JID) {
	// A service of parts of which there is none: see Rooms.Find.
	h.Serve(Rooms{
		Module: module, Domain: domain,
		Find:     func(*stanza.Stanza) (jid.JID, bool) { return jid.JID{}, false },
		Load:     func(context.Context, *Room) error { return store.ErrNotFound },
		Receive:  func(*Event) Verdict { return Drop },
		Standing: func(*Room, jid.JID) Standing { return 0 },
		Vacant:   func(*Room) bool { return true },
	})
}
