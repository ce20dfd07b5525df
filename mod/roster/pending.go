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
	askers := make([]jid.JID, 0, len(b.requests))
	for j := range b.requests {
		askers = append(askers, j)
	}
	sort.Slice(askers, func(i, k int) bool { return askers[i].String() < askers[k].String() })
	for _, j := range askers {
		st, err := stanza.Parse(b.requests[j])
		if err != nil {
			r.obs.Log.Error("kept subscription request cannot be read", obs.JID, e.Account.JID.String(), obs.Peer, j.String(), obs.Err, err)
			continue
		}
		e.Session.Send(e.Work, st.WithTo(e.Account.JID).Seal())
	}
}
