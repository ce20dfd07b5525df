package archive

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const (
	// saveEvery is how often the mark of an account that somebody is always there for becomes durable: not with every message. What was
	// given out between twice this time ago and a crash is given out again to a client that reads no archive.
	saveEvery = time.Minute
	// takenOver is how much is left for a client that reads no archive when one that does has come instead.
	takenOver = 14 * 24 * time.Hour
)

// waiting is what a client that reads no archive still has to get: the kept incoming messages behind mark, if some is true. While some is
// false every message was given to somebody, and the mark follows in memory what is shown.
//
// The mark on disk is never ahead of what clients have surely got, as far as we can know: it is written when nobody is left, when a
// message finds nobody, and else in the old state of minutes ago. If it is behind, messages come twice; never
// are they lost.
type waiting struct {
	mark  store.Key
	saved store.Key // what is on disk or on its way there
	some  bool      // rows behind the mark wait, or may

	older store.Key // the mark of a while ago
	due   time.Time // when it is to be saved

	parked  *core.Session // holds all that waits, without a connection; it gets it when it is resumed
	through store.Key     // the last of what it holds
	drained *core.Session // gets what waits, page by page; nothing kept may overtake
}

// visit is what a session has in memory.
type visit struct {
	aware  bool      // its client reads the archive
	inline bool      // it was bound by XEP-0386
	upTo   store.Key // messages up to here were given to it late
	round  int       // pages given to it
	tries  int       // reads that failed in a row
}

// fallback: nobody takes the message. One that is kept waits; one that is not goes back to its sender. Turn of the addressee.
func (x *archive) fallback(e *core.Event) core.Verdict {
	a, st := e.Account, e.Stanza
	if st.Kind != stanza.Message || !lasting(st.Type) {
		return core.Next
	}
	w := &x.boxes.Of(a).waiting
	key := e.Key
	if key == 0 {
		if fleeting(st) {
			return core.Done
		}
		return core.Next
	}
	x.handOver(e, key)
	if key <= w.mark {
		if someoneThere(a) {
			return core.Done
		}
		w.mark = max(w.saved, key-1)
	}
	w.parked = nil
	if !w.some {
		w.some = true
		x.save(a, w, w.mark)
	}
	return core.Done
}

func someoneThere(a *core.Account) bool {
	return slices.ContainsFunc(a.Sessions(), func(s *core.Session) bool { return takes(s) && s.State() == "live" })
}

// takes: RFC 6121 section 8.5.2.1.1, the sessions that get what is addressed to the account.
func takes(s *core.Session) bool { return s.Available() && s.Priority() >= 0 }

// received moves the mark over a kept message that somebody gets, and keeps it from whoever gets it with what waits. Turn of the addressee.
func (x *archive) received(e *core.Event) {
	if e.Key == 0 || len(e.Targets) == 0 {
		return
	}
	a := e.Account
	w := &x.boxes.Of(a).waiting
	e.Targets = slices.DeleteFunc(e.Targets, func(s *core.Session) bool {
		v, ok := x.visits.Has(s)
		return s == w.drained || ok && e.Key <= v.upTo
	})
	if len(e.Targets) == 0 {
		return
	}
	live := slices.ContainsFunc(e.Targets, func(s *core.Session) bool { return s.State() == "live" })
	switch {
	case !w.some && live:
		w.mark = max(w.mark, e.Key)
		x.saveOlder(a, w)
	case !w.some:
		w.some, w.parked, w.through = true, e.Targets[0], e.Key
		x.save(a, w, w.mark)
	case w.parked != nil:
		w.through = max(w.through, e.Key)
	}
}

// save makes a mark durable unless it is already. Nothing waits for it: if it fails, messages come twice after a restart.
func (x *archive) save(a *core.Account, w *waiting, mark store.Key) {
	if a.Exists && mark > w.saved {
		w.saved = mark
		x.Offline.SetDelivered(a.ID, mark)
	}
}

// saveOlder makes the mark of a while ago durable from time to time: by now a client that did not get so far has been found out.
func (x *archive) saveOlder(a *core.Account, w *waiting) {
	now := x.host.Now()
	if now.Before(w.due) {
		return
	}
	if !w.due.IsZero() {
		x.save(a, w, w.older)
	}
	w.older, w.due = w.mark, now.Add(saveEvery)
}

// bound: a session that was resumed has what it was sent meanwhile.
func (x *archive) bound(e *core.Event) {
	b, ok := x.boxes.Has(e.Account)
	if !ok || b.waiting.parked != e.Session {
		return
	}
	w := &b.waiting
	w.mark, w.some, w.parked = max(w.mark, w.through), false, nil
}

// closed saves the mark when nobody is left, in a later turn: what comes back from the session moves it first.
func (x *archive) closed(e *core.Event) {
	b, ok := x.boxes.Has(e.Account)
	if !ok {
		return
	}
	w := &b.waiting
	if w.parked == e.Session {
		w.parked = nil
	}
	if w.drained == e.Session {
		w.drained = nil
	}
	if w.mark > w.saved && !someoneThere(e.Account) {
		x.host.Do(e.Account.JID, func(_ *core.Work, a *core.Account) {
			if b, ok := x.boxes.Has(a); ok && !someoneThere(a) {
				x.save(a, &b.waiting, b.waiting.mark)
			}
		})
	}
}

// available gives a client what waits, before anything else (XEP-0160 section 2). One that reads the archive finds it there.
func (x *archive) available(e *core.Event) {
	a, s := e.Account, e.Session
	w := &x.boxes.Of(a).waiting
	switch {
	case !w.some || !takes(s) || w.drained != nil:
	case x.visits.Of(s).aware && !x.hides(a, w, x.visits.Of(s)):
		x.leave(a, w)
	default:
		x.drain(e.Work, a, w, s)
	}
}

// announcing: a session whose priority was negative comes to take messages.
func (x *archive) announcing(e *core.Event) core.Verdict {
	a, s := e.Account, e.Session
	if !s.Available() || s.Priority() >= 0 {
		return core.Next
	}
	w := &x.boxes.Of(a).waiting
	if c, ok := e.Stanza.Child(ns.Client, "priority"); ok {
		if n, err := strconv.ParseInt(strings.TrimSpace(c.Text()), 10, 8); err == nil && n < 0 {
			return core.Next
		}
	}
	if !w.some || w.drained != nil || x.visits.Of(s).aware {
		return core.Next
	}
	// In the next turn its priority counts; what is shown meanwhile waits as well.
	w.drained = s
	round := x.visits.Of(s).round
	e.Host.Do(a.JID, func(wk *core.Work, a *core.Account) { x.goOn(wk, a, s, round) })
	return core.Next
}

// hides tells whether something waits for a client bound by XEP-0386 that it finds in no archive. Section 3.2 wants offline messages cleared,
// "as they will be provided by MAM": where that is not so, all that waits is given, and the client knows by their ids what it has.
func (x *archive) hides(a *core.Account, w *waiting, v *visit) bool {
	if !v.inline {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	rows, err := x.Offline.After(ctx, a.ID, w.mark, drainRows)
	if err != nil {
		x.obs.Log.Warn("offline messages not read", obs.JID, a.JID.String(), obs.Err, err)
		return false
	}
	return slices.ContainsFunc(rows, func(r store.Row) bool { return r.Hidden })
}

// leave notes that a client that reads the archive has come: for others only the newest part goes on waiting, so that a client that reads
// none, tried out after a year, does not get the year.
func (x *archive) leave(a *core.Account, w *waiting) {
	if old := store.KeyAt(x.host.Now().Add(-takenOver)); old > w.mark {
		w.mark = old
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	rows, err := x.Offline.After(ctx, a.ID, w.mark, 1)
	if err != nil {
		x.obs.Log.Warn("offline messages not read", obs.JID, a.JID.String(), obs.Err, err)
		return
	}
	if len(rows) == 0 {
		w.some, w.parked = false, nil
	}
}
