package archive

import (
	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// handOver gives a kept message for one session, which ended before its client had it, to the others that are there (XEP-0198 section 4,
// RFC 6121 section 8.5.3.2.1), with the time at which it came. Those that are sent copies had one, unless it was given late to that session alone.
func (x *archive) handOver(e *core.Event, key store.Key) {
	late := e.Kept == ""
	if !late && (!e.Stanza.To.IsFull() || e.Stanza.Type != stanza.Chat) {
		return
	}
	var st *stanza.Stanza
	for _, s := range e.Account.Sessions() {
		v, ok := x.visits.Has(s)
		if !takes(s) || s.State() != "live" || s.Copied() && !late || ok && key <= v.upTo {
			continue
		}
		if st == nil {
			if st = x.stamped(e.Stanza, key); st == nil {
				return
			}
		}
		if late {
			s.SendKept(e.Work, st, key) // as it was sent before
		} else {
			s.SendOnce(e.Work, st) // it is in the archive, and nowhere else it will be looked for
		}
	}
}

// stamped is a message with the time at which it came (XEP-0203), unless it says so already.
func (x *archive) stamped(st *stanza.Stanza, key store.Key) *stanza.Stanza {
	if st.Has(ns.Delay, "delay") {
		return st
	}
	with, err := st.WithChildren(string(forward.Delay{From: x.host.Domain, Stamp: key.Time()}.AppendXML(nil)))
	if err != nil {
		return nil
	}
	return with.Seal()
}
