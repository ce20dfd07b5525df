package archive

import (
	"context"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const (
	drainRows  = 200     // of one page
	drainBytes = 1 << 20 // of one page; the row that passes it is the last
	maxTries   = 5       // reads that may fail in a row
)

// drain gives the session a page of what waits. When more is left, the next page follows when this one is written, at the pace at which the
// client reads; until then every kept message is left to the pages, so that none overtakes.
func (x *archive) drain(wk *core.Work, a *core.Account, w *waiting, s *core.Session) {
	v := x.visits.Of(s)
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	rows, err := x.Offline.After(ctx, a.ID, w.mark, drainRows)
	if err != nil {
		x.drainAgain(a, w, s, err)
		return
	}
	v.tries = 0
	taken, bytes, sc := 0, 0, xmltok.NewScanner(xmltok.TreeLimits)
	for limit := min(drainBytes, x.host.Config.Limits.OutboxBytes/4); taken < len(rows) && bytes <= limit; taken++ {
		r := &rows[taken]
		bytes += len(r.Stanza)
		if st := x.late(sc, a, r); st != nil && !a.Blocks(st.From) {
			s.SendKept(wk, st, r.Key)
		}
		w.mark = r.Key
	}
	v.upTo = max(v.upTo, w.mark)
	v.round++
	if taken == len(rows) && taken < drainRows {
		// A row that is durable but not shown yet was among them; received keeps it from coming twice.
		w.some, w.parked, w.drained = false, nil, nil
		return
	}
	w.drained = s
	round := v.round
	s.Then(wk, func(*core.Work) {
		x.host.Do(a.JID, func(wk *core.Work, a *core.Account) { x.goOn(wk, a, s, round) })
	})
}

func (x *archive) later(a *core.Account, s *core.Session, round int, wait time.Duration) {
	time.AfterFunc(wait, func() {
		x.host.Do(a.JID, func(wk *core.Work, a *core.Account) { x.goOn(wk, a, s, round) })
	})
}

// goOn gives the next page, unless that has happened or the session takes no messages any more.
func (x *archive) goOn(wk *core.Work, a *core.Account, s *core.Session, round int) {
	b, ok := x.boxes.Has(a)
	if !ok || b.waiting.drained != s || x.visits.Of(s).round != round {
		return
	}
	w := &b.waiting
	if !takes(s) || s.State() != "live" {
		w.drained = nil
		return
	}
	x.drain(wk, a, w, s)
}

// drainAgain: the read failed. It is tried again a few times; then the messages wait for the next log-in.
func (x *archive) drainAgain(a *core.Account, w *waiting, s *core.Session, err error) {
	x.obs.Log.Warn("offline messages not read", obs.JID, a.JID.String(), obs.Err, err)
	v := x.visits.Of(s)
	if v.tries++; v.tries > maxTries {
		v.tries, w.drained = 0, nil
		return
	}
	w.drained = s
	x.later(a, s, v.round, time.Second)
}

// late is a kept message as it is given later: with its id, and with the time at which it came (XEP-0203 section 2). It is nil when the row
// cannot be read any more.
func (x *archive) late(sc *xmltok.Scanner, a *core.Account, r *store.Row) *stanza.Stanza {
	st, err := stanza.ParseWith(sc, string(r.Stanza))
	if err == nil {
		var more []byte
		if !r.Hidden {
			more = []byte(core.StanzaID(r.ID, a.JID))
		}
		st, err = st.WithChildren(string(forward.Delay{From: x.host.Domain, Stamp: r.Key.Time()}.AppendXML(more)))
	}
	if err != nil || st.Kind != stanza.Message {
		x.obs.Log.Error("archived message cannot be read", obs.JID, a.JID.String(), "id", r.ID)
		return nil
	}
	return st.Seal()
}
