package core

import (
	"time"

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
