package roster

import (
	"context"
	"strconv"
	"time"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/stanza"
)

// readTime bounds the look at what changed; without it the whole roster is sent, which needs no look.
const readTime = 500 * time.Millisecond

// debt is what a session is still owed of the changes since the version it knows. It goes out right behind the empty result and before any
// newer push.
type debt struct{ pushes []*stanza.Stanza }

// settleDebt sends what is owed.
func (r *roster) settleDebt(w *core.Work, s *core.Session) {
	d, ok := r.debts.Has(s)
	if !ok {
		return
	}
	for _, st := range d.pushes {
		s.Send(w, st.WithTo(s.JID).Seal())
	}
	d.pushes = nil
}

// catchUp owes the session what changed since the version it knows. It returns false when only the whole roster helps, or costs less
// (RFC 6121 section 2.6.3).
func (r *roster) catchUp(ctx context.Context, a *core.Account, b *book, s *core.Session, known string) bool {
	since, err := strconv.ParseInt(known, 10, 64)
	if err != nil || since < 0 || store.Version(since) > b.version {
		return false
	}
	if store.Version(since) == b.version {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	changes, ok, err := r.store.ChangesSince(ctx, a.ID, store.Version(since))
	if err != nil {
		r.obs.Log.Warn("changes of a roster not read", "jid", a.JID.String(), "err", err)
		return false
	}
	if !ok || 2*len(changes.Items) > b.items+1 {
		return false
	}
	r.owe(s, &changes)
	r.host.Do(a.JID, func(w *core.Work, _ *core.Account) { r.settleDebt(w, s) })
	return true
}

// owe makes the pushes, in the order of the changes (RFC 6121 section 2.6.3). Each carries the version of its change, so that one who is cut
// off in between asks for the rest.
func (r *roster) owe(s *core.Session, changes *store.RosterChanges) {
	d := r.debts.Of(s)
	d.pushes = d.pushes[:0]
	for i := range changes.Items {
		c, now := &changes.Items[i], contact{}
		if !c.Gone {
			now = contactOf(&c.Contact)
		}
		v := c.Version
		if i == len(changes.Items)-1 {
			v = changes.Version
		}
		if st := pushOf(c.JID, now, "since"+strconv.FormatInt(int64(c.Version), 36)+"-"+strconv.Itoa(i), v); st != nil {
			d.pushes = append(d.pushes, st)
		}
	}
}
