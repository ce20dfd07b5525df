package archive

import (
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// handOver gives a kept message for one session, which ended before its client had it, to the others that are there (XEP-0198 section 4,
// RFC 6121 section 8.5.3.2.1), with the time at which it came. Those that are sent copies had one.
func (x *archive) handOver(e *core.Event, key store.Key) {
	if !e.Stanza.To.IsFull() || e.Stanza.Type != stanza.Chat {
		return
	}
	var late *stanza.Stanza
	for _, s := range e.Account.Sessions() {
		v, ok := x.visits.Has(s)
		if !takes(s) || s.State() != "live" || s.Copied() || ok && key <= v.upTo {
			continue
		}
		if late == nil {
			if late = e.Stanza; !late.Has(ns.Delay, "delay") { // it was queued late, and says so
				st, err := late.WithChildren(string(forward.Delay{From: x.host.Domain, Stamp: key.Time()}.AppendXML(nil)))
				if err != nil {
					return
				}
				late = st.Seal()
			}
		}
		s.SendOnce(e.Work, late) // it is in the archive, and nowhere else it will be looked for
	}
}
