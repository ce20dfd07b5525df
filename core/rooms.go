package core

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// Rooms is what a module says of the rooms that it serves at a domain of their own. Core brings stanzas to each room's turns and knows nothing
// of what they mean.
type Rooms struct {
	Module string
	// Domain of the rooms, beside the host's.
	Domain jid.JID
	// Load reads a room before its first turn, on a goroutine that may wait, and sets ID. store.ErrNotFound: there is no such room, which is
	// fine: ID stays zero. Any other error makes it unavailable; it is read again for the next stanza.
	Load func(ctx context.Context, r *Room) error
	// Loaded, which may be nil, is the first turn of a room that exists: here what was restored is checked (Room.Check).
	Loaded func(w *Work, r *Room)
	// Receive takes a stanza, in a turn of the room: messages and presence, errors among them; of IQs what no row answers and is for an
	// occupant, with answers. Event.Room is the room, Event.Stanza.To says which occupant. A room that does not exist gets presence and
	// messages, too. When it returns Drop with Event.Err (see Event.Refuse), the sender is told; other verdicts mean nothing. The sender's
	// stanza is settled when it has returned, all tickets given to Event.Wait are done, and all that was given to Stand was shown.
	Receive func(e *Event) Verdict
	// Absent, which may be nil, is what who asks something of a room that does not exist is told; without it that there is none. In a turn of the room.
	Absent func(r *Room, who jid.JID) *stanza.Error
	// Standing is how an address stands to the room, for Permit. In a turn of the room.
	Standing func(r *Room, who jid.JID) Standing
	// Whose, which may be nil, is the bare address of who has a name in the room now; ok false: nobody. In a turn of the room.
	Whose func(r *Room, name string) (who jid.JID, ok bool)
	// Vacant tells whether nobody is in the room, so that it may leave the memory. In a turn of the room.
	Vacant func(r *Room) bool
	// Keep, which may be nil, writes what is in memory alone, when the process ends in order: sessions are on disk already, nothing comes any
	// more. ok false: there is nothing to write. In a turn of the room.
	Keep func(w *Work, r *Room) (t store.Ticket, ok bool)
	// Find, which may be nil, makes the rooms parts of a service that is asked at its domain alone: it names the part that a request or a message to the
	// domain is for, by an address that nobody else uses; false: it is for none. What it says depends on the stanza alone. Rows answer requests
	// for a part as ToPart, all others as ToService; Receive gets the messages; there is no presence, and nobody is reached at an address of a part.
	Find func(st *stanza.Stanza) (jid.JID, bool)
	// Follow, which may be nil, has a room do what follows for it from news of the space that it names, if it names that one. The ticket is done when that
	// is durable; it fails with a *stanza.Error if it is too much at once. In a turn of the room.
	Follow func(w *Work, r *Room, news SpaceNews) store.Ticket
	// Wake, which may be nil, names the rooms that must be in memory after the start without anybody asking. It may wait.
	Wake func(ctx context.Context) ([]jid.JID, error)
}

// Standing is what somebody is to a room: a set, since affiliation and role are independent (XEP-0045 section 5).
type Standing uint16

// What somebody may be to a room.
const (
	RoomOwner       Standing = 1 << iota // affiliation owner
	RoomAdmin                            // affiliation admin
	RoomMember                           // affiliation member
	RoomOutcast                          // affiliation outcast
	RoomModerator                        // role moderator
	RoomParticipant                      // role participant
	RoomVisitor                          // role visitor
	RoomReader                           // may read what was said, whoever it is
	RoomKnower                           // may know the real addresses of occupants
)

// service is the rooms of a domain.
type service struct {
	registry[Room]
	Rooms
	host *Host
}

// Serve makes the host serve rooms at a domain of their own. Call it from Install; what is wrong is reported when the host starts.
func (h *Host) Serve(r Rooms) {
	domain := r.Domain.Domain()
	switch {
	case !r.Domain.IsDomain() || r.Load == nil || r.Receive == nil || r.Standing == nil || r.Vacant == nil:
		h.wrong = append(h.wrong, fmt.Errorf("core: the rooms of %s are incomplete", r.Module))
	case h.Router.Serves(domain):
		h.wrong = append(h.wrong, fmt.Errorf("core: %s cannot have rooms at %s: it is taken", r.Module, domain))
	default:
		s := &service{Rooms: r, host: h}
		s.open()
		h.Router.services[domain] = s
		h.services = append(h.services, s)
	}
}

// count notes that a room, but not a part of a service, came into memory or left it.
func (s *service) count(n int64) {
	if s.Find == nil {
		s.host.metrics.rooms.Add(n)
	}
}

// find names the part of a service that a stanza to its domain is for. Presence is for none.
func (r *Router) find(st *stanza.Stanza) (part jid.JID, ok bool) {
	if !st.To.IsDomain() || st.Kind == stanza.Presence {
		return part, false
	}
	s := r.services[st.To.Domain()]
	if s == nil || s.Find == nil {
		return part, false
	}
	part, ok = s.Find(st)
	return part, ok && part.Domain() == st.To.Domain() && part.IsBare() && !part.IsDomain()
}

// place is the address that says which node of the cluster a stanza is brought to.
func (r *Router) place(st *stanza.Stanza) jid.JID {
	if part, ok := r.find(st); ok {
		return part
	}
	return st.To
}

// take brings x to the room, which is loaded first if it must be. It never waits.
func (s *service) take(w *Work, bare jid.JID, x roomTurn) {
	for !s.room(bare).turns.Take(w, x) {
	}
}

// takeIfLoaded brings x to the room, if that is in memory.
func (s *service) takeIfLoaded(w *Work, bare jid.JID, x roomTurn) bool {
	r := s.peek(bare)
	return r != nil && r.turns.Take(w, x)
}

// room in memory, or one that is being loaded and queues its turns meanwhile.
func (s *service) room(bare jid.JID) *Room {
	return s.get(bare, func(bare jid.JID) *Room {
		r := &Room{Host: s.host, JID: bare, service: s}
		r.turns.Do = r.handle
		r.turns.hold()
		s.count(1)
		return r
	}, s.load)
}

func (s *service) load(r *Room) {
	ctx, cancel := context.WithTimeout(s.host.ctx, loadTime)
	defer cancel()
	if err := s.read(ctx, r); err != nil && !errors.Is(err, store.ErrNotFound) {
		s.host.Obs.Log.Error("room not loaded", "jid", r.JID.String(), "err", err)
		r.Failed, r.ID, r.slots = true, 0, nil
	}
	// Turns are queued already: this one is the last of them, and forgets what nobody needs. The first one begins, whatever it is.
	r.turns.TakeAsync(s.host.pool, roomTurn{op: (*Room).leaveMemory})
	s.host.pool.add(&r.turns)
}

// read is Load with a recover, since a mistake there costs a room and not the process.
func (s *service) read(ctx context.Context, r *Room) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.host.metrics.panics.Inc()
			s.host.logPanic(r.JID, nil, p)
			err = stanza.NewError(stanza.InternalServerError, "")
		}
	}()
	return s.Load(ctx, r)
}

// bring brings presence. What leaves finds nothing to leave in a room that nobody is in.
func (s *service) bring(w *Work, bare jid.JID, st *stanza.Stanza, over bool) bool {
	x := roomTurn{op: (*Room).receive, st: st, from: origin{trace: w.trace}, over: over}
	if s.Find != nil {
		return false
	}
	if st.Type != stanza.Available {
		return s.takeIfLoaded(w, bare, x)
	}
	s.take(w, bare, x)
	return true
}

// sweep has every room that nobody uses forgotten, until the host ends.
func (s *service) sweep() {
	tick := time.NewTicker(forgetAfter / sweeps)
	defer tick.Stop()
	for {
		select {
		case <-s.host.ctx.Done():
			return
		case <-tick.C:
			s.each(func(r *Room) { r.turns.TakeAsync(s.host.pool, roomTurn{op: (*Room).leaveMemory}) })
		}
	}
}

// wake loads the rooms that must be in memory, one after the other.
func (s *service) wake() {
	all, err := s.Wake(s.host.ctx)
	if err != nil {
		s.host.Obs.Log.Error("rooms not looked for after the start", "domain", s.Domain.String(), "err", err)
		return
	}
	for _, j := range all {
		if s.host.ctx.Err() != nil {
			return
		}
		if _, far := s.host.Router.elsewhere(j); !far {
			_ = s.host.AskRoom(s.host.ctx, j, func(*Work, *Room) error { return nil })
		}
	}
}

// serve begins the background work of the rooms.
func (h *Host) serve() {
	for _, s := range h.services {
		h.wait.Go(s.sweep)
		if s.Wake != nil {
			h.wait.Go(s.wake)
		}
	}
}

// DoRoom has f called in a turn of the room, which is loaded first. It does not wait. It fails with ErrElsewhere, and does nothing, when another
// node owns the room, and with ErrNoRooms when nobody serves rooms at that domain.
func (h *Host) DoRoom(room jid.JID, f func(w *Work, r *Room)) error {
	s := h.Router.services[room.Domain()]
	if s == nil || room.IsDomain() {
		return ErrNoRooms
	}
	if _, far := h.Router.elsewhere(room); far {
		return ErrElsewhere
	}
	h.pool.Do(func(w *Work) { s.take(w, room.Bare(), roomTurn{op: (*Room).invoke, call: f}) })
	return nil
}

// ErrNoRooms: nobody serves rooms at this domain.
var ErrNoRooms = errors.New("there are no rooms at this domain")

// AskRoom is DoRoom that waits for f and returns its error. Only a door may call it.
func (h *Host) AskRoom(ctx context.Context, room jid.JID, f func(w *Work, r *Room) error) error {
	done := make(chan error, 1)
	if err := h.DoRoom(room, func(w *Work, r *Room) { done <- f(w, r) }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WhoseName is who has a name in a room now: a bare address, for use and not for show. store.ErrNotFound: nobody. Only a door may call it.
func (h *Host) WhoseName(ctx context.Context, room jid.JID, name string) (jid.JID, error) {
	var who jid.JID
	err := h.AskRoom(ctx, room, func(_ *Work, r *Room) error {
		if r.ID != 0 && !r.Failed && r.service.Whose != nil {
			if j, ok := r.service.Whose(r, name); ok {
				who = j
				return nil
			}
		}
		return store.ErrNotFound
	})
	if err != nil {
		return jid.JID{}, err // its turn may still come
	}
	return who, nil
}

// PeekRoom is AskRoom for a room in this node's memory; it is not loaded. It returns false, and f may not have been called, when the room is not there
// or ctx has ended. Only a door may call it.
func (h *Host) PeekRoom(ctx context.Context, room jid.JID, f func(r *Room)) bool {
	s := h.Router.services[room.Domain()]
	if s == nil {
		return false
	}
	r := s.peek(room.Bare())
	if r == nil {
		return false
	}
	done := make(chan struct{})
	if !r.turns.TakeAsync(h.pool, roomTurn{op: (*Room).invoke, call: func(_ *Work, r *Room) {
		defer close(done)
		f(r)
	}}) {
		return false
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// EachRoom has f called in a turn of every room of the host in this node's memory. It does not wait.
func (h *Host) EachRoom(f func(w *Work, r *Room)) {
	for _, s := range h.services {
		s.each(func(r *Room) { r.turns.TakeAsync(h.pool, roomTurn{op: (*Room).invoke, call: f}) })
	}
}
