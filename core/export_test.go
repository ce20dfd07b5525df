package core

import (
	"context"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// GiveUpDeliveries treats every delivery to another node as overdue.
func GiveUpDeliveries(h *Host) {
	w := NewWork(h.pool)
	h.Router.nodes.giveUp(w, time.Now().Add(time.Hour))
	w.Run()
}

// Attachments counts what a node keeps for sockets and deliveries of others: doors here, sockets elsewhere, stanzas under way.
func Attachments(h *Host) (doors, sockets, sent int) {
	n := h.Router.nodes
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.doors), len(n.sockets), len(n.sent)
}

// Windows tells what all windows of a node hold, in bytes, and how often a door had to wait because that was too much.
func Windows(h *Host) (held, shrunk int64) {
	b := &h.metrics.windows
	return b.held.Load(), b.shrunk.Load()
}

// Inactive is how many sessions of a node are inactive.
func Inactive(h *Host) int64 { return h.metrics.inactive.Load() }

// MayWait tells whether a stanza may be held for a client that nobody looks at.
func MayWait(st *stanza.Stanza, to jid.JID) bool {
	_, ok := holdKeyOf(st, to)
	return ok
}

// Park writes every session of an account that has no connection to disk and forgets what is there.
func Park(ctx context.Context, h *Host, account jid.JID) error {
	done := make(chan struct{})
	err := h.Ask(ctx, account, func(w *Work, a *Account) error {
		for _, s := range a.sessions {
			if s.state == detached {
				a.park(w, s)
			}
		}
		a.whenDone(w, []store.Ticket{h.Sessions.Remove(a.ID, []byte("none"))}, func(*Work, error) { close(done) })
		return nil
	})
	if err == nil {
		<-done
	}
	return err
}

// InMemory is how many stanzas an account's sessions hold in memory, and how many bytes these are counted as.
func InMemory(ctx context.Context, h *Host, account jid.JID) (stanzas, bytes int, err error) {
	err = h.Ask(ctx, account, func(_ *Work, a *Account) error {
		for _, s := range a.sessions {
			s.out.mu.Lock()
			stanzas += len(s.out.queue) + len(s.out.unacked) + len(s.out.held.items)
			bytes += s.out.bytes + s.out.heldback
			s.out.mu.Unlock()
		}
		return nil
	})
	return stanzas, bytes, err
}

// Figures of a node: sessions, those of them without a connection, those restored, and rows that could not be read.
func Figures(h *Host) (sessions, detached, restored, unreadable int64) {
	m := h.metrics
	return m.sessions.Load(), m.detached.Load(), m.restored.Load(), m.spoiled.Load()
}

// CheckInline is what Start asks of inline rows.
func CheckInline(t InlineTable) error { return t.check() }

// Open is how many stanzas of a session's client are not settled.
func Open(s *Session) int {
	s.win.mu.Lock()
	defer s.win.mu.Unlock()
	return len(s.win.open)
}

// RoomsInMemory is how many rooms a node has in memory.
func RoomsInMemory(h *Host) (n int) {
	for _, s := range h.services {
		s.each(func(*Room) { n++ })
	}
	return n
}

// SweepRooms forgets what nobody uses, as the sweep does.
func SweepRooms(h *Host) {
	for _, s := range h.services {
		s.each(func(r *Room) {
			w := NewWork(h.pool)
			if r.turns.Take(w, roomTurn{op: (*Room).leaveMemory}) {
				w.Run()
			}
		})
	}
}
