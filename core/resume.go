package core

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// resumption is what a session needs to survive the loss of its connection (XEP-0198 section 5).
type resumption struct {
	id     smID
	wait   time.Duration // how long it may be detached
	timer  *time.Timer   // running while detached
	tries  int           // to resume it; the newest is the one that counts
	parked parked
	void   bool // its queue is lost: it can only end
}

// smID is the hash of the id by which a client resumes its session: nobody who reads our memory or our disk can resume one.
type smID [sha256.Size]byte

func hashSM(id string) smID { return sha256.Sum256([]byte(id)) }

// is compares in constant time.
func (h smID) is(other smID) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }

// manage handles the elements of XEP-0198. False: the element is none of them.
func (a *Account) manage(w *Work, s *Session, st *stanza.Stanza) bool {
	switch st.Local {
	case "r":
		if s.managed {
			a.request(w, s)
		}
	case "a":
		h, ok := count(st)
		switch {
		case !s.managed:
			return false
		case !ok:
			// XEP-0198 section 4: an <a/> has a count.
			a.fail(w, s, &stanza.StreamError{Condition: stanza.StreamBadFormat})
		case !s.out.acknowledged(w, h):
			// XEP-0198 section 6: the count is higher than what was sent.
			a.fail(w, s, tooHigh(h, s.out.sentCount()))
		}
	case "enable":
		a.enable(w, s, st)
	case "resume":
		// XEP-0198 sections 5 and 6: only before a resource is bound.
		s.sendRaw(w, NotManaged(stanza.UnexpectedRequest))
	default:
		return false
	}
	return true
}

// request answers <r/> (XEP-0198 section 4): at once when everything is settled, else soon.
func (a *Account) request(w *Work, s *Session) {
	handled, told := s.win.request(func() {
		a.Host.pool.Do(func(w *Work) {
			if handled, waits := s.win.overdue(); waits {
				s.out.acknowledge(w, handled)
			}
		})
	})
	if told {
		s.out.acknowledge(w, handled)
	}
}

// enable is XEP-0198 section 3.
func (a *Account) enable(w *Work, s *Session, st *stanza.Stanza) {
	if s.managed {
		a.enableAgain(w, s)
		return
	}
	resume, _ := st.Attr("resume")
	most, _ := st.Attr("max")
	s.out.manageFrom(w, a.beginManaged(s, resume, most))
}

// beginManaged switches stream management on; resume and most are the attributes of <enable/>. It returns <enabled/>, behind which the client
// must hear what is counted.
func (a *Account) beginManaged(s *Session, resume, most string) (enabled string) {
	enabled = "<enabled xmlns='" + ns.StreamManagement + "'/>"
	// A guest has another address after every log-in, so it can resume nothing.
	if (resume == "true" || resume == "1") && a.guest == nil {
		b := make([]byte, 18)
		rand.Read(b)
		id := base64.RawURLEncoding.EncodeToString(b)
		s.resume = &resumption{id: hashSM(id), wait: resumeTime(most, a.Host.Config.Limits.Resume.D())}
		enabled = "<enabled xmlns='" + ns.StreamManagement + "' id='" + id + "' resume='true' max='" +
			strconv.Itoa(int(s.resume.wait/time.Second)) + "'/>"
	}
	s.managed = true
	s.win.restart()
	return enabled
}

// resumeTime is ours, or the shorter one that the client prefers (XEP-0198 section 3).
func resumeTime(most string, ours time.Duration) time.Duration {
	if wanted, err := strconv.ParseUint(most, 10, 31); err == nil && wanted > 0 {
		return min(ours, time.Duration(wanted)*time.Second)
	}
	return ours
}

// enableAgain is XEP-0198 section 3: the second attempt ends the stream. The example answers it with <failed/>, so that comes first.
func (a *Account) enableAgain(w *Work, s *Session) {
	s.sendRaw(w, NotManaged(stanza.UnexpectedRequest))
	s.Then(w, func(w *Work) {
		a.turns.Take(w, turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
			if s.state == live {
				a.fail(w, s, &stanza.StreamError{Condition: stanza.StreamPolicyViolation, Text: "stream management is enabled already"})
			}
		}})
	})
}

// NotManaged is the <failed/> of XEP-0198 section 6 with a stanza error condition.
func NotManaged(condition stanza.Condition) string {
	return "<failed xmlns='" + ns.StreamManagement + "'><" + string(condition) + " xmlns='" + ns.StanzaErrors + "'/></failed>"
}

// TimedOut is ErrNotResumed for a session that is known to have ended: its client is told what it need not say again.
type TimedOut struct{ Handled uint32 }

// Error is a text for logs.
func (e TimedOut) Error() string { return "the session has ended" }

// Unwrap returns ErrNotResumed.
func (e TimedOut) Unwrap() error { return ErrNotResumed }

// Failed is the <failed/> of XEP-0198 section 5, with the count.
func (e TimedOut) Failed() string {
	return "<failed xmlns='" + ns.StreamManagement + "' h='" + strconv.FormatUint(uint64(e.Handled), 10) + "'><" +
		string(stanza.ItemNotFound) + " xmlns='" + ns.StanzaErrors + "'/></failed>"
}

// ended is what is remembered of a session that can be resumed no more.
type ended struct {
	id      smID
	handled uint32
}

const maxEnded = 4 // of one account, as long as it is in memory

// recall remembers an ended session, unless its client closed it in order.
func (a *Account) recall(s *Session, why Lost) {
	if s.resume == nil || why == LostClosed {
		return
	}
	if len(a.ended) == maxEnded {
		a.ended = slices.Delete(a.ended, 0, 1)
	}
	a.ended = append(a.ended, ended{s.resume.id, s.win.handled()})
}

func count(st *stanza.Stanza) (uint32, bool) {
	v, _ := st.Attr("h")
	h, err := strconv.ParseUint(v, 10, 32)
	return uint32(h), err == nil
}

// mostDetached is how many sessions of an account wait for their clients. A client that loses its line again and again and never resumes would
// otherwise fill the account's places, and memory with what each of them is sent.
const mostDetached = 10

// makeRoom ends the account's oldest detached session when another is to be detached and there are many.
func (a *Account) makeRoom(w *Work) {
	var oldest *Session
	n := 0
	for _, x := range a.sessions {
		if x.state == detached {
			if n++; oldest == nil || x.lostAt.Before(oldest.lostAt) {
				oldest = x
			}
		}
	}
	if n >= mostDetached {
		a.end(w, oldest, LostLine)
	}
}

// detach leaves the session without a connection for the time of resumption.
func (a *Account) detach(s *Session) {
	s.state, s.lostAt = detached, a.Host.now()
	a.Host.metrics.detached.Add(1)
	a.expire(s)
	a.parkLater(s)
}

// ends is when a session without a connection can be resumed no more.
func (s *Session) ends() time.Time { return s.lostAt.Add(s.resume.wait) }

// expire ends the session when its time is over.
func (a *Account) expire(s *Session) {
	var timer *time.Timer
	timer = time.AfterFunc(max(s.ends().Sub(a.Host.now()), 0), func() {
		a.Host.pool.Do(func(w *Work) {
			a.turns.Take(w, turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
				// It may have been resumed and lost again since the timer ran out.
				if s.state == detached && s.resume.timer == timer {
					a.end(w, s, LostLine)
				}
			}})
		})
	})
	s.resume.timer = timer
}

func (a *Account) forgetResumption(s *Session) {
	if s.resume == nil {
		return
	}
	if s.resume.timer != nil {
		s.resume.timer.Stop()
		a.Host.metrics.detached.Add(-1)
	}
	a.dropRow(s)
	s.resume = nil
}

// ErrNotResumed: there is no such session, or it belongs to somebody else.
var ErrNotResumed = errors.New("no session to resume")

// settleTime is how long a resumption waits for what the old connection has said to be durable, so that its client need not say it again.
const settleTime = 2 * time.Second

// Resume attaches sink to a session that account has lost or still holds, after the client's log-in (XEP-0198 section 5).
// handled is the client's count: everything after it is sent again, behind <resumed/>. A *stanza.StreamError means that the count is
// impossible. Another node may own the account; then ErrUnreachable may come back, too. Only a door may call it.
func (h *Host) Resume(ctx context.Context, w *Work, account jid.JID, id string, handled uint32, sink Sink) (*Session, error) {
	return h.ResumeBy(ctx, w, account, id, handled, sink, nil)
}

// ResumeBy is Resume for a client whose entrance is known; by XEP-0388 <resumed/> is one of its answers.
func (h *Host) ResumeBy(
	ctx context.Context, w *Work, account jid.JID, id string, handled uint32, sink Sink, in *Entrance,
) (*Session, error) {
	if node, far := h.Router.elsewhere(account); far {
		w.Run()
		return h.Router.nodes.resume(ctx, node, h, account, id, handled, sink, in)
	}
	try := 0
	s, err := ask(ctx, h, w, account, func(w *Work, a *Account) (*Session, error) {
		if a.bars(in) {
			return nil, ErrRevoked
		}
		s, err := a.resumable(id, handled)
		if err == nil {
			s.resume.tries++
			try = s.resume.tries
		}
		return s, err
	}, nil)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	for open := s.win.quiet(); open != nil; open = s.win.quiet() {
		select {
		case <-open:
			continue
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		break
	}
	return ask(ctx, h, w, account, func(w *Work, a *Account) (*Session, error) {
		if a.bars(in) {
			return nil, ErrRevoked
		}
		if s.state == closed || s.resume.tries != try {
			return nil, ErrNotResumed // it expired, or its client has tried once more since
		}
		if err := s.out.resumes(handled); err != nil {
			return nil, err
		}
		if err := a.unpark(s); err != nil {
			a.Host.Obs.Log.Error("session not read", "jid", s.JID.String(), "err", err)
			return nil, ErrNotResumed
		}
		s.out.acknowledged(w, handled)
		a.attach(w, s, sink, id, in)
		return s, nil
	}, gaveUp(sink))
}

// gaveUp loses a session whose door did not wait for it.
func gaveUp(sink Sink) func(*Work, *Session) {
	return func(w *Work, s *Session) { s.Lose(w, sink, LostLine) }
}

// resumes returns nil when everything behind the client's count can be sent again.
func (o *Outbox) resumes(h uint32) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case h-o.acked <= o.sent():
		return nil
	case h < o.acked:
		return ErrNotResumed // it has acknowledged more before: what it has lost since is in the archive
	}
	return tooHigh(h, o.acked+o.sent())
}

// resumable finds the session and parts it from the connection it may still have (XEP-0198 section 5: with conflict), unless the count
// is impossible.
func (a *Account) resumable(id string, handled uint32) (*Session, error) {
	hash := hashSM(id)
	for _, s := range a.sessions {
		if s.resume != nil && s.resume.id.is(hash) {
			if s.resume.void || s.state == detached && !a.Host.now().Before(s.ends()) {
				return nil, TimedOut{s.win.counted()} // its turn to end is on the way
			}
			if err := s.out.resumes(handled); err != nil {
				return nil, err
			}
			if s.sink != nil {
				a.cut(s, closing(LostReplaced))
				a.detach(s)
			}
			return s, nil
		}
	}
	for _, e := range a.ended {
		if e.id.is(hash) {
			return nil, TimedOut{e.handled}
		}
	}
	return nil, ErrNotResumed
}

// tooHigh: the client acknowledges more than it was sent (XEP-0198 section 6).
func tooHigh(h, sent uint32) *stanza.StreamError {
	return &stanza.StreamError{
		Condition: stanza.StreamUndefinedCondition,
		App: "<handled-count-too-high xmlns='" + ns.StreamManagement + "' h='" + strconv.FormatUint(uint64(h), 10) +
			"' send-count='" + strconv.FormatUint(uint64(sent), 10) + "'/>",
	}
}

// attach gives a detached session its new connection.
func (a *Account) attach(w *Work, s *Session, sink Sink, id string, in *Entrance) {
	if s.resume.timer != nil {
		s.resume.timer.Stop()
		s.resume.timer = nil
		a.Host.metrics.detached.Add(-1)
	}
	a.dropRow(s)
	s.state, s.sink, s.lostAt = live, sink, time.Time{}
	if from, ok := sink.(Addressed); ok {
		s.Address = from.Address()
	}
	s.SetInactive(w, false) // XEP-0352 section 4.3
	a.sift(w, s)
	s.win.resumed()
	handled := s.win.handled()
	greeting := "<resumed xmlns='" + ns.StreamManagement + "' previd='" + id + "' h='" + strconv.FormatUint(uint64(handled), 10) + "'/>"
	if in != nil && in.Before != "" {
		// Nothing tells the client that there will be no features: some wait for one element more, and take stanzas as of the next. An <r/> may
		// come at any time (XEP-0198 section 4), and costs nobody a stanza.
		greeting = in.around(s.JID.String(), greeting) + "<r xmlns='" + ns.StreamManagement + "'/>"
	}
	if device := in.device(); device != "" {
		s.Device = device
	}
	s.out.attach(w, sink, greeting, handled)
	a.Host.metrics.resumed.Inc()
	a.Host.Hooks.Bound.run(w.begin(a, nil, s))
}
