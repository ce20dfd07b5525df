package core

import (
	"cmp"
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Lost says why a session has no connection any more.
type Lost uint8

// The reasons for losing a connection.
const (
	LostLine     Lost = iota // the socket broke or fell silent
	LostClosed               // the client closed its stream
	LostFull                 // the client does not read what is sent to it
	LostError                // the client broke the protocol
	LostReplaced             // another connection took the resource or resumed the session
	LostEnded                // an administrator or the account's owner ended it
	LostShutdown             // the server goes down
)

// String is the reason as logs show it.
func (l Lost) String() string {
	return [...]string{"line", "closed", "full", "error", "replaced", "ended", "shutdown"}[l]
}

// state of a session.
type state uint8

const (
	live state = iota
	detached
	closed
)

// Session is the owner's handle on one bound resource. Its unexported fields belong to the turns of its Account, but for out and win,
// which have locks of their own.
// What Bind and Resume return for an account of another node serves a door alone: its Account has nothing but Host and JID.
type Session struct {
	holder
	JID     jid.JID
	Account *Account
	// Address is where the client connected from last; Since when it was bound.
	Address netip.AddrPort
	Since   time.Time
	// Device names the installation of the client that logged in last, if that is known; see Devices.
	Device string

	far *far // the owner is another node: this is only the door's end, and nothing below but win is used
	out Outbox
	win window

	unwatched atomic.Bool // the client is inactive

	state      state
	sink       Sink // the connection that is heard; nil while detached
	reason     Lost
	available  bool
	priority   int8
	presence   *stanza.Stanza // the last one broadcast
	interested bool           // asked for the roster (RFC 6121 section 2.2)
	copied     bool           // is sent copies of what the others get
	watching   bool           // asked for the block list (XEP-0191)
	follows    bool           // is told what changes in the list of chats
	directed   map[jid.JID]struct{}
	managed    bool // stream management is on
	resume     *resumption
	lostAt     time.Time // when the connection was lost; zero while there is one
}

// Receive brings one stanza of the client: it is stamped and becomes a turn of the sender's account. The returned error ends the stream.
func (s *Session) Receive(w *Work, sink Sink, st *stanza.Stanza) *stanza.StreamError {
	if st.Kind == stanza.Nonza {
		s.noteState(st)
		if s.far != nil {
			s.far.receive(st)
			return nil
		}
		s.Account.turns.Take(w, turn{op: (*Account).receiveNonza, st: st, s: s, sink: sink})
		return nil
	}
	// RFC 6120 section 8.1.2.1: a from other than the session's own full or bare address is an error.
	if st.HasFrom && (st.FromErr != nil || (st.From != s.JID && st.From != s.Account.JID)) {
		return &stanza.StreamError{Condition: stanza.StreamInvalidFrom}
	}
	from := s.JID
	if st.Kind == stanza.Presence && isSubscription(st.Type) {
		from = s.Account.JID // RFC 6121 section 3.1.2: stamped with the bare address
	}
	st.Stamp(from)
	s.win.take(size(st))
	if s.far != nil {
		s.far.receive(st)
		return nil
	}
	if !s.Account.turns.Take(w, turn{op: (*Account).receive, st: st, s: s, sink: sink, from: origin{trace: s.watched(st, sink)}}) {
		s.win.drop(size(st)) // the owner was forgotten, and with it the session
	}
	return nil
}

// Room waits until what the client has sent is settled far enough that it may send more. Only a door may call it, after Work.Run.
func (s *Session) Room(ctx context.Context) error {
	said := false
	for !s.far.over() {
		stanzas, bytes, again := s.bounds()
		full := s.win.room(stanzas, bytes)
		if full == nil {
			return nil
		}
		if limits := &s.Account.Host.Config.Limits; again != nil && !said && !s.win.full(limits.WindowStanzas, limits.WindowBytes) {
			said = true
			s.win.total.shrunk.Add(1)
		}
		select {
		case <-full:
		case <-again:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil // nothing more comes from the owner; the connection is being closed
}

// Full tells whether Room would wait now.
func (s *Session) Full() bool {
	stanzas, bytes, _ := s.bounds()
	return s.win.full(stanzas, bytes)
}

// bounds of the window. again is nil unless the budget of all windows is used up; it is closed when that is over.
func (s *Session) bounds() (stanzas, bytes int, again <-chan struct{}) {
	limits := &s.Account.Host.Config.Limits
	again = s.win.total.tight()
	if again == nil {
		return limits.WindowStanzas, limits.WindowBytes, nil
	}
	return min(limits.WindowStanzas, shrunkStanzas), limits.WindowBytes / shrunkBytes, again
}

// Send queues st for the client as it is addressed.
func (s *Session) Send(w *Work, st *stanza.Stanza) { s.sendTo(w, st, st.To, false) }

// SendOnce is Send for what is of no use to any other session when this one ends before its client has it.
func (s *Session) SendOnce(w *Work, st *stanza.Stanza) { s.sendTo(w, st, st.To, true) }

// SendKept is Send for a message that its owner's archive keeps in that place: when the session ends before its client has it, Fallback hears of
// it.
func (s *Session) SendKept(w *Work, st *stanza.Stanza, key store.Key) {
	s.out.push(w, item{st: st, to: st.To, size: size(st), key: key})
}

// sendTo queues st with another address. once: it is of no use to anybody else when the session ends before its client has it.
func (s *Session) sendTo(w *Work, st *stanza.Stanza, to jid.JID, once bool) {
	s.out.push(w, item{st: st, to: to, size: size(st), once: once})
}

func (s *Session) sendRaw(w *Work, raw string) { s.out.push(w, item{raw: raw, size: len(raw)}) }

func (s *Session) sendSource(w *Work, src Source) { s.out.push(w, item{src: src}) }

// Then has f called when everything that was queued before has been written, so that a long answer can be given in pages as the client
// reads them; never, when the session ends before. f follows the rules of a turn of no owner.
func (s *Session) Then(w *Work, f func(*Work)) { s.out.push(w, item{then: f}) }

// Writable tells that the sink takes more again.
func (s *Session) Writable(w *Work) {
	if s.far != nil {
		s.far.writable()
		return
	}
	s.out.writable(w)
}

// Lose tells that the connection is gone. A session with resumption whose line broke waits detached; any other ends. Only the connection that
// is attached is heard.
func (s *Session) Lose(w *Work, sink Sink, why Lost) {
	if s.far != nil {
		s.far.lose(why)
		return
	}
	s.Account.turns.Take(w, turn{op: (*Account).lost, s: s, sink: sink, why: why})
}

// lose is Lose for whatever connection the session has.
func (s *Session) lose(w *Work, why Lost) { s.Lose(w, nil, why) }

// Interested tells whether the session asked for the roster; Interest says so.
func (s *Session) Interested() bool { return s.interested }

// Interest marks the session as interested in roster pushes.
func (s *Session) Interest() { s.interested = true }

// WatchesBlocks tells whether the session asked for the block list and is told of changes (XEP-0191); kept through resumption.
func (s *Session) WatchesBlocks() bool { return s.watching }

// WatchBlocks says so.
func (s *Session) WatchBlocks() { s.watching = true }

// Copied tells whether the session is sent copies of what the others get (XEP-0280); kept through resumption, since the session is.
func (s *Session) Copied() bool { return s.copied }

// Copy switches the copies on or off.
func (s *Session) Copy(on bool) { s.copied = on }

// Available tells whether the session has sent presence, and Priority with which priority.
func (s *Session) Available() bool { return s.available }

// Priority of the session's presence.
func (s *Session) Priority() int8 { return s.priority }

// Presence is the session's last broadcast presence, or nil.
func (s *Session) Presence() *stanza.Stanza { return s.presence }

// receiveNonza handles stream management and client state, and refuses everything else.
func (a *Account) receiveNonza(w *Work, t *turn) {
	s, st := t.s, t.st
	if s.state != live || s.sink != t.sink {
		return
	}
	if st.Space == ns.StreamManagement && a.manage(w, s, st) || st.Space == ns.ClientState && a.clientState(w, s, st) {
		return
	}
	a.fail(w, s, &stanza.StreamError{Condition: stanza.StreamUnsupportedStanzaType})
}

// fail ends a session whose client broke the protocol.
func (a *Account) fail(w *Work, s *Session, why *stanza.StreamError) {
	a.cut(s, why)
	a.end(w, s, LostError)
}

// cut parts the session from its connection.
func (a *Account) cut(s *Session, why *stanza.StreamError) {
	s.sink = nil
	s.out.cut(why)
}

// lost is the turn of a connection that is gone.
func (a *Account) lost(w *Work, t *turn) {
	s := t.s
	if s.state == closed || (t.sink != nil && s.sink != t.sink) {
		return
	}
	a.cut(s, closing(t.why))
	// A full outbox has dropped something: the session cannot go on without a gap, and its client finds the rest in the archive.
	resumable := s.resume != nil && t.why == LostLine
	if !resumable || s.state == detached {
		a.end(w, s, t.why) // a detached session ends when its queue is full: what is kept waits in the archive
		return
	}
	a.makeRoom(w)
	a.detach(s)
}

// Fail ends the session because its client broke the protocol; the client is told why.
func (s *Session) Fail(w *Work, sink Sink, why *stanza.StreamError) {
	if s.far != nil {
		s.far.fail(why)
		return
	}
	s.Account.turns.Take(w, turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
		if s.state != closed && s.sink == sink {
			a.fail(w, s, why)
		}
	}})
}

// LostAt is when the session lost its connection; zero while it has one. Only in a turn of its account.
func (s *Session) LostAt() time.Time { return s.lostAt }

// closing is what the client is told.
func closing(why Lost) *stanza.StreamError {
	switch why {
	case LostFull:
		return &stanza.StreamError{Condition: stanza.StreamResourceConstraint, Text: "too much is waiting for this client"}
	case LostReplaced:
		return &stanza.StreamError{Condition: stanza.StreamConflict}
	case LostEnded:
		return &stanza.StreamError{Condition: stanza.StreamPolicyViolation, Text: "the session was ended"}
	case LostShutdown:
		return &stanza.StreamError{Condition: stanza.StreamSystemShutdown}
	}
	return nil
}

// end closes a session for good: contacts are told, what the client never got is given to others.
func (a *Account) end(w *Work, s *Session, why Lost) {
	if s.state == closed {
		return
	}
	if err := a.unpark(s); err != nil {
		a.Host.Obs.Log.Error("session not read: what is not archived of its queue is lost", "jid", s.JID.String(), "err", err)
	}
	s.state, s.reason = closed, why
	s.Follow(false)
	a.recall(s, why)
	a.forgetResumption(s)
	for i, x := range a.sessions {
		if x == s {
			a.sessions = append(a.sessions[:i], a.sessions[i+1:]...)
			break
		}
	}
	a.Host.metrics.sessions.Add(-1)
	left := s.out.remains(why == LostClosed)
	a.leave(w, s)
	e := w.begin(a, nil, s)
	a.Host.Hooks.Closed.run(e)
	a.redeliver(w, left, cmp.Or(s.lostAt, a.Host.now()))
	a.touch()
	a.seeOff(w)
}

// redeliver treats what a session never acknowledged as if it were for a session that is not there (XEP-0198 section 4): requests are
// refused, messages are given to the other sessions or to Fallback. What is kept only goes to Fallback: everybody else had it from the
// start, or finds it in the archive. failed is about when it did not arrive: what nobody else has a time of says that.
func (a *Account) redeliver(w *Work, left []item, failed time.Time) {
	for _, it := range left {
		switch {
		case it.st == nil || it.once:
		case it.st.Kind == stanza.IQ:
			if (it.st.Type == stanza.Get || it.st.Type == stanza.Set) && !it.st.From.IsZero() && !it.st.From.IsDomain() && it.st.From != a.JID {
				a.replyError(w, it.st, stanza.NewError(stanza.ServiceUnavailable, "")) // RFC 6121 section 8.5.3.2.3
			}
		case it.st.Kind != stanza.Message || it.st.Type == stanza.TypeError || a.Blocks(it.st.From):
		case it.key != 0:
			e := w.begin(a, it.st, nil)
			e.Kept, e.Key = it.kept, it.key
			a.Host.Hooks.Fallback.run(e)
		default:
			it.delayed(a.Host.Domain, failed)
			a.showAgain(w, &it)
		}
	}
}

// size is what a stanza is counted as in windows and outboxes, bytes.
func size(st *stanza.Stanza) int { return len(st.Raw()) + 128 }

// State of the session, for people: "live" or "detached".
func (s *Session) State() string { return [...]string{"live", "detached", "closed"}[s.state] }

// EndSessions ends the sessions that f chooses, or all when it is nil, and returns how many. Only in a turn of a.
func (a *Account) EndSessions(w *Work, f func(*Session) bool) int {
	var chosen []*Session
	for _, s := range a.sessions {
		if f == nil || f(s) {
			chosen = append(chosen, s)
		}
	}
	for _, s := range chosen {
		a.cut(s, closing(LostEnded))
		a.end(w, s, LostEnded)
	}
	return len(chosen)
}

// Handled is how many of the client's stanzas are settled, counted from the last <enable/> or else from the start (XEP-0198 section 4).
// At a door whose account another node owns: of those that came through this door.
func (s *Session) Handled() uint32 { return s.win.handled() }
