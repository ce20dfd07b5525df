package core

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// ErrGuests: there are no guests here, or there is no room for another one.
var ErrGuests = errors.New("no room for a guest")

// guests are the people without an account that are here now (XEP-0175). They live in memory alone: a guest is a bare address that nobody else
// has ever had or will have, and its account has the number zero, so nothing can be kept under it.
type guests struct {
	to map[jid.JID]struct{} // whom they may talk to; fixed when the host starts

	mu      sync.Mutex
	live    map[jid.JID]*guest
	sources map[netip.Prefix]int
}

// guest is one of them. Its unexported fields but from belong to the turns of its account.
type guest struct {
	from  netip.Prefix
	seen  time.Time // when it sent something last
	timer *time.Timer
}

func newGuests() *guests {
	return &guests{to: make(map[jid.JID]struct{}), live: make(map[jid.JID]*guest), sources: make(map[netip.Prefix]int)}
}

// welcome reads whom guests may talk to.
func (g *guests) welcome(addresses []string) error {
	for _, a := range addresses {
		j, err := jid.Parse(a)
		if err != nil {
			return fmt.Errorf("core: guests may talk to %q: %w", a, err)
		}
		g.to[j] = struct{}{}
	}
	return nil
}

// AdmitGuest makes up the address of a guest that comes from the source. It fails with ErrGuests when there is no room. The guest is there until
// its session ends; a door that binds none calls DismissGuest.
func (h *Host) AdmitGuest(from netip.Prefix) (jid.JID, error) {
	g := h.guests
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.to) == 0 || len(g.live) >= h.Config.Guests.Most || g.sources[from] >= h.Config.Guests.MostPerSource {
		return jid.JID{}, ErrGuests
	}
	for {
		j, err := jid.New(newUUID(), h.Domain.Domain(), "")
		if err != nil {
			return jid.JID{}, err
		}
		if _, far := h.Router.elsewhere(j); far {
			continue // no other node knows our guests, so it must be one of ours
		}
		g.live[j] = &guest{from: from, seen: h.now()}
		g.sources[from]++
		h.metrics.guests.Add(1)
		return j, nil
	}
}

// newUUID is a random one (RFC 9562 section 5.4), as XEP-0175 section 3 recommends for guests.
func newUUID() string {
	b := make([]byte, 16)
	rand.Read(b)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// DismissGuest forgets a guest; nothing happens if it is forgotten already.
func (h *Host) DismissGuest(j jid.JID) {
	g := h.guests
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.live[j]
	if x == nil {
		return
	}
	delete(g.live, j)
	h.metrics.guests.Add(-1)
	if g.sources[x.from]--; g.sources[x.from] <= 0 {
		delete(g.sources, x.from)
	}
}

func (g *guests) get(j jid.JID) *guest {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.live[j]
}

// Guest tells whether the account is that of a guest.
func (a *Account) Guest() bool { return a.guest != nil }

// IsGuest tells whether an address is that of a guest of this host and node. A guest has an address of a member's form and is none. Safe from
// any goroutine.
func (h *Host) IsGuest(j jid.JID) bool { return h.guests.get(j.Bare()) != nil }

// become makes the account that of a guest, which the store knows nothing of.
func (a *Account) become(g *guest) {
	a.guest, a.Exists = g, true
	a.SetRole(store.RoleGuest)
}

// guestTalks is the one place that decides who is a guest's counterpart: the listed addresses of served domains. Other servers are none of a
// guest's business, whatever is listed.
func (h *Host) guestTalks(peer jid.JID) bool {
	_, listed := h.guests.to[peer.Bare()]
	return listed && h.Router.Host(peer.Domain()) != nil
}

// guestSends decides what a guest may send, if the account is one's: anything to its counterparts, its presence to whoever it has shown it
// to, and requests to the server and to its own account, of which Permit says whether they are for guests.
func (a *Account) guestSends(st *stanza.Stanza) *stanza.Error {
	if a.guest == nil {
		return nil
	}
	a.guest.seen = a.Host.now()
	switch {
	case st.Kind == stanza.Presence && isSubscription(st.Type):
	case st.Kind == stanza.Presence && !st.HasTo:
		return nil
	case st.Kind == stanza.IQ && (!st.HasTo || st.To == a.Host.Domain):
		return nil
	case st.HasTo && (st.To.Bare() == a.JID || a.Host.guestTalks(st.To)):
		return nil
	}
	return stanza.NewError(stanza.Forbidden, "not for guests")
}

// guestHears decides what reaches a guest, if the account is one's: what comes from its counterparts, from the server, and from itself.
func (a *Account) guestHears(st *stanza.Stanza) bool {
	if a.guest == nil {
		return true
	}
	if st.Kind == stanza.Presence && isSubscription(st.Type) {
		return false
	}
	return st.From == a.Host.Domain || st.From.Bare() == a.JID || a.Host.guestTalks(st.From)
}

// watchGuest ends the session of a guest that sends nothing for too long.
func (a *Account) watchGuest(s *Session, after time.Duration) {
	a.guest.timer = time.AfterFunc(after, func() {
		a.Host.pool.Do(func(w *Work) {
			a.turns.Take(w, turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
				if s.state == closed {
					return
				}
				if left := a.Host.Config.Guests.Idle.D() - a.Host.now().Sub(a.guest.seen); left > 0 {
					a.watchGuest(s, left)
					return
				}
				a.Host.metrics.Refused("guest_idle")
				a.cut(s, &stanza.StreamError{Condition: stanza.StreamPolicyViolation, Text: "the guest was silent for too long"})
				a.end(w, s, LostEnded)
			}})
		})
	})
}

// seeOff ends a guest with its last session: from now on nobody has the address.
func (a *Account) seeOff(w *Work) {
	if a.guest == nil || len(a.sessions) > 0 {
		return
	}
	a.guest.timer.Stop()
	a.Exists = false
	a.Host.DismissGuest(a.JID)
	a.turns.Take(w, turn{op: (*Account).leaveMemory})
}
