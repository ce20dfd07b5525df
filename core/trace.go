package core

import (
	"time"

	"stonechat/obs"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// What somebody watches (obs.Trace) carries a trace on its way: in the origin from turn to turn, in the Work while its turn is handled, in the
// item of an outbox. Where there is none nothing is told, at the price of a look at a pointer. Whose way leads to another node is told up to
// there only.

// Bounds on what is told of a stanza that a client has made.
const (
	toldText     = 128 // bytes of an id, a type or a namespace
	toldChildren = 16
)

// watched begins the trace of a stanza that comes from the session's client, if somebody wants it: hops 1 and 2 are behind it.
func (s *Session) watched(st *stanza.Stanza, sink Sink) *obs.Traced {
	tracing := s.Account.Host.Obs.Trace
	if !tracing.On() {
		return nil
	}
	x := tracing.Begin(s.JID, st.To)
	if x == nil {
		return nil
	}
	x.Hop(obs.Span{Hop: 1, Name: "Poller.Serve", Owner: s.JID.String(), Stanza: headOf(st, st.To)})
	at := ""
	if a, ok := sink.(Addressed); ok && a.Address().IsValid() {
		at = a.Address().String()
	}
	x.Hop(obs.Span{Hop: 2, Name: "conn.receive", Owner: s.JID.String(), Outcome: at})
	return x
}

// follow is the trace of what goes to the session's client: that of the turn from which it comes, or a new one if somebody watches the session.
func (s *Session) follow(w *Work, st *stanza.Stanza) *obs.Traced {
	if w.trace != nil {
		return w.trace
	}
	x := s.Account.Host.Obs.Trace.Begin(jid.JID{}, s.JID)
	if x != nil {
		x.Hop(obs.Span{Name: "Session.send", Owner: s.JID.String(), Stanza: headOf(st, st.To)})
	}
	return x
}

// headOf is what is told of a stanza: names, addresses and sizes.
func headOf(st *stanza.Stanza, to jid.JID) *obs.Head {
	h := &obs.Head{Kind: st.Kind.String(), Type: short(string(st.Type)), ID: short(st.ID), From: st.From.String(), To: to.String(), Bytes: len(st.Raw())}
	for c := range st.Children() {
		if len(h.Payload) == toldChildren {
			h.Payload = append(h.Payload, "…")
			break
		}
		h.Payload = append(h.Payload, short(c.Local)+" "+short(c.Space))
	}
	return h
}

func short(text string) string {
	if len(text) > toldText {
		return text[:toldText] + "…"
	}
	return text
}

// hop tells where the stanza of the turn is.
func (w *Work) hop(a *Account, n int, name, outcome string) { w.hopAt(a.JID, n, name, outcome) }

// hopAt is hop for any owner.
func (w *Work) hopAt(owner jid.JID, n int, name, outcome string) {
	if w.trace != nil {
		w.trace.Hop(obs.Span{Hop: n, Name: name, Owner: owner.String(), Outcome: outcome})
	}
}

// hop tells where the event's stanza is, with the hooks of the point that have just run and the targets that are known.
func (e *Event) hop(n int, name, point, outcome string) {
	if e.trace == nil {
		return
	}
	s := obs.Span{Hop: n, Name: name, Owner: e.owner().String(), Outcome: outcome, Hooks: e.runs, Targets: targets(e)}
	for i := range s.Hooks {
		s.Hooks[i].Point = point
		s.Took += s.Hooks[i].Took
	}
	e.runs = nil
	e.trace.Hop(s)
}

// released tells how long an entry stood in the line; of the sender's own copy that is beside the way.
func (a *Account) released(w *Work, e *lineEntry) {
	s := obs.Span{Hop: 6, Name: "Account.release", Owner: a.JID.String(), Waited: time.Since(e.since).Microseconds()}
	if e.sent {
		s.Hop = 0
	}
	if e.err != nil {
		s.Outcome = "not kept"
	}
	w.trace.Hop(s)
}

// flushed tells that a write has taken what somebody watches.
func (o *Outbox) flushed(watched []*obs.Traced, ready bool, err error) {
	outcome := "written"
	switch {
	case err != nil:
		outcome = "the connection is broken"
	case !ready:
		outcome = "written, the client is slow"
	}
	for _, x := range watched {
		x.Hop(obs.Span{Hop: 9, Name: "Outbox.flush", Owner: o.session.JID.String(), Outcome: outcome})
	}
}

// answering tells who answers a request.
func answering(row *IQ, refused *stanza.Error) obs.Span {
	s := obs.Span{Name: "Account.answerIQ"}
	switch {
	case row == nil:
		s.Outcome = "nobody answers this"
	case refused != nil:
		s.Outcome = row.Module + ": " + string(row.Action) + " is not permitted"
	case row.Slow:
		s.Outcome = row.Module + ", slowly"
	default:
		s.Outcome = row.Module
	}
	return s
}

// destination is where a stanza goes.
func destination(served bool, st *stanza.Stanza, far bool) string {
	switch {
	case !served:
		return "not served here"
	case far:
		return "another node"
	case st.To.IsDomain():
		return "the host"
	}
	return "here"
}

// targets are the sessions that get a message.
func targets(e *Event) []string {
	var out []string
	for _, s := range e.Targets {
		if len(out) == toldChildren {
			return append(out, "…")
		}
		out = append(out, s.JID.String())
	}
	return out
}

// traced is run for a stanza that somebody watches.
func (d Deciding) traced(e *Event) Verdict {
	for i := range d {
		began := time.Now()
		v := d[i].Do(e)
		e.runs = append(e.runs, obs.HookRun{Module: d[i].Module, Verdict: v.String(), Took: time.Since(began).Microseconds()})
		if v != Next {
			return v
		}
	}
	return Next
}

func (w Watching) traced(e *Event) {
	for i := range w {
		began := time.Now()
		w[i].Do(e)
		e.runs = append(e.runs, obs.HookRun{Module: w[i].Module, Took: time.Since(began).Microseconds()})
	}
}

// String is the verdict as traces show it.
func (v Verdict) String() string { return [...]string{"next", "done", "drop"}[v] }

// String is the outcome as traces show it.
func (o outcome) String() string {
	return [...]string{"deliver", "nobody is there", "refuse", "ignore"}[o]
}
