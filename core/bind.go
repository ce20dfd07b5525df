package core

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// The reasons for which a resource is not bound.
var (
	ErrNoAccount   = errors.New("no such account")
	ErrUnreadable  = errors.New("the account could not be read")
	ErrTooMany     = errors.New("too many sessions of this account")
	ErrBadResource = errors.New("not a resource")
)

// Binding is what a door wants bound.
type Binding struct {
	Account jid.JID
	// Resource the client asks for; empty: the server makes one.
	Resource string
	Sink     Sink
	Address  netip.AddrPort
	// First is sent before anything else, such as the result of the bind request; it is given the full address. It may be called for a
	// resource that is not bound after all.
	First func(full jid.JID) string
	// Entrance is how the client comes in; nil: nothing that shut it out meanwhile is asked.
	Entrance *Entrance
}

// Bind makes a session (RFC 6120 section 7). A session that holds the resource already is ended with conflict, since its client may be
// gone without our knowing. Another node may own the account; then ErrUnreachable may come back, too. Only a door may call it.
func (h *Host) Bind(ctx context.Context, w *Work, b Binding) (*Session, error) {
	if node, far := h.Router.elsewhere(b.Account); far {
		w.Run()
		return h.Router.nodes.bind(ctx, node, h, b)
	}
	return ask(ctx, h, w, b.Account, func(w *Work, a *Account) (*Session, error) {
		return a.bind(w, b)
	}, gaveUp(b.Sink))
}

func (a *Account) bind(w *Work, b Binding) (*Session, error) {
	switch {
	case a.Failed:
		return nil, ErrUnreadable
	case !a.Exists:
		return nil, ErrNoAccount
	case a.bars(b.Entrance):
		return nil, ErrRevoked
	}
	if b.Resource == "" {
		b.Resource = newResource()
	}
	full, err := a.JID.WithResource(b.Resource)
	if err != nil {
		return nil, ErrBadResource
	}
	if old := a.session(full); old != nil {
		a.cut(old, closing(LostReplaced))
		a.end(w, old, LostReplaced)
	}
	a.replaceOlder(w, b.Entrance)
	if len(a.sessions) >= a.Host.Config.Limits.Sessions {
		return nil, ErrTooMany
	}
	s := &Session{JID: full, Account: a, Address: b.Address, Since: a.Host.now(), sink: b.Sink}
	s.Device = b.Entrance.device()
	s.out.session = s
	s.win.total = &a.Host.metrics.windows
	s.out.sink = b.Sink
	a.sessions = append(a.sessions, s)
	a.Host.metrics.sessions.Add(1)
	if a.guest != nil {
		a.watchGuest(s, a.Host.Config.Guests.Idle.D())
	}
	if b.Entrance != nil && b.Entrance.Bind != "" {
		a.comeIn(w, s, b.Entrance)
	} else {
		s.sendRaw(w, b.First(full))
	}
	a.Host.Hooks.Bound.run(w.begin(a, nil, s))
	return s, nil
}

func newResource() string {
	b := make([]byte, 9)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// requests are the server's own IQs.
type requests struct {
	mu   sync.Mutex
	next uint64
	open map[string]request
}

type request struct {
	of    jid.JID
	since time.Time
	done  func(w *Work, answer *stanza.Stanza)
}

const (
	maxRequests = 10_000
	requestTime = 60 * time.Second
)

// Request sends an IQ from the host to the session and has done called with the result or error; never, when the client does not answer.
// done follows the rules of a turn of the session's account.
// At a door whose account another node owns done must be nil.
func (s *Session) Request(w *Work, payload string, done func(w *Work, answer *stanza.Stanza)) error {
	if s.far != nil {
		return s.far.request(payload, done != nil)
	}
	st, err := s.Account.Host.request(stanza.Get, s.JID, payload, done)
	if err == nil {
		s.Send(w, st)
	}
	return err
}

// Request sends an IQ from the host to anybody, here or elsewhere, and has done called with the result or error; never, when nobody answers. done runs in
// whatever turn the answer comes in, and does not wait.
func (h *Host) Request(w *Work, typ stanza.Type, to jid.JID, payload string, done func(w *Work, answer *stanza.Stanza)) error {
	st, err := h.request(typ, to, payload, done)
	if err == nil {
		h.Router.Route(w, st)
	}
	return err
}

// request is a stanza that asks, of which the answer is awaited.
func (h *Host) request(typ stanza.Type, to jid.JID, payload string, done func(w *Work, answer *stanza.Stanza)) (*stanza.Stanza, error) {
	id, err := h.expect(to, done)
	if err != nil {
		return nil, err
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.IQ, Type: typ, ID: id, From: h.Domain, To: to}, payload)
	if err != nil {
		return nil, err
	}
	return st.Seal(), nil
}

// expect has done called with what answers a request of the host's, which carries the id.
func (h *Host) expect(of jid.JID, done func(w *Work, answer *stanza.Stanza)) (id string, err error) {
	r := &h.requests
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open) >= maxRequests {
		r.forget(h.now().Add(-requestTime))
	}
	if len(r.open) >= maxRequests {
		return "", errors.New("core: too many open requests")
	}
	r.next++
	id = "s" + strconv.FormatUint(r.next, 36)
	if r.open == nil {
		r.open = make(map[string]request)
	}
	r.open[id] = request{of, h.now(), done}
	return id, nil
}

func (r *requests) forget(before time.Time) {
	for id, q := range r.open {
		if q.since.Before(before) {
			delete(r.open, id)
		}
	}
}

// answered takes an answer to the host.
func (h *Host) answered(w *Work, st *stanza.Stanza) {
	r := &h.requests
	r.mu.Lock()
	q, ok := r.open[st.ID]
	ok = ok && q.of == st.From
	if ok {
		delete(r.open, st.ID)
	}
	r.mu.Unlock()
	if ok && q.done != nil {
		q.done(w, st)
	}
}
