package core

import "time"

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

// CheckInline is what Start asks of inline rows.
func CheckInline(t InlineTable) error { return t.check() }
