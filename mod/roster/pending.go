package roster

import (
	"sort"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// What strangers can make us keep for one account.
const (
	maxRequests     = 1000      // requests without an answer
	maxRequest      = 8 << 10   // bytes of one request that is kept as it came
	maxRequestBytes = 512 << 10 // bytes of all; later requests are kept without what they say
)

// request is what is kept of a request: the whole stanza (RFC 6121 section 3.1.3), or only who asks when it is too long to be shown at each
// log-on.
func (b *book) request(st *stanza.Stanza) string {
	whole := st.Standalone()
	if len(whole) <= maxRequest && b.waiting+len(whole) <= maxRequestBytes {
		return whole
	}
	bare, err := stanza.New(stanza.Head{Kind: stanza.Presence, Type: stanza.Subscribe, From: st.From, To: st.To}, "")
	if err != nil {
		return ""
	}
	return bare.Standalone()
}

// available shows every unanswered request to a session that became available (RFC 6121 section 3.1.3, rule 4: until it is answered).
func (r *roster) available(e *core.Event) {
	b, ok := r.books.Has(e.Account)
	if !ok || len(b.requests) == 0 {
		return
	}
	for _, j := range b.askers(func(j jid.JID) bool { return !e.Account.Blocks(j) }) {
		r.showRequest(e.Work, e.Session, b, j)
	}
}

// askers are those with an unanswered request that f chooses, by address.
func (b *book) askers(f func(jid.JID) bool) []jid.JID {
	var out []jid.JID
	for j := range b.requests {
		if f(j) {
			out = append(out, j)
		}
	}
	sort.Slice(out, func(i, k int) bool { return out[i].String() < out[k].String() })
	return out
}

// showRequest shows one of them to a session.
func (r *roster) showRequest(w *core.Work, s *core.Session, b *book, asker jid.JID) {
	own := s.Account.JID
	st, err := stanza.Parse(b.requests[asker])
	if err != nil {
		r.obs.Log.Error("kept subscription request cannot be read", obs.JID, own.String(), obs.Peer, asker.String(), obs.Err, err)
		return
	}
	s.Send(w, st.WithTo(own).Seal())
}
