package core

import (
	"stonechat/xmpp/stanza"
)

// Depart takes an account out of the world, which the store has as leaving: what was answered goes out, its sessions end with not-authorized
// (XEP-0077 section 3.2), modules are told as of an account that is deleted, and from then on nobody of that name exists. Only in a turn of a.
func (a *Account) Depart(w *Work) {
	for len(a.sessions) > 0 {
		s := a.sessions[0]
		s.out.flush()
		a.cut(s, &stanza.StreamError{Condition: stanza.StreamNotAuthorized, Text: "this account has left"})
		a.end(w, s, LostEnded)
	}
	e := w.begin(a, nil, nil)
	a.Host.Hooks.AccountDeleted.run(e)
	a.Exists = false
	a.follow(w, nil, nil, e.after) // the store has done its part
	a.turns.Take(w, turn{op: (*Account).leaveMemory})
}
