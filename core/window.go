package core

import (
	"sync"

	"stonechat/xmpp/stanza"
)

// window counts what one client has sent and what of it is settled: its last turn has run and everything it made us keep is durable.
// The count of settled stanzas, taken from the front without gaps, is what XEP-0198 calls handled.
type window struct {
	mu      sync.Mutex
	settled uint32 // 1..settled are settled; wraps as XEP-0198 section 4 says
	base    uint32 // settled when stream management was enabled
	open    []openStanza
	queued  int           // brought by a door, not yet in a turn
	bytes   int           // of everything queued or open
	waiting chan struct{} // closed when room is made; nil when no door waits
	asked   bool          // the client was told a smaller count than it has sent: tell it when the rest is settled
}

type openStanza struct {
	pending uint16
	size    uint32
}

// origin names the stanza from which something follows. The zero origin is the server itself.
type origin struct {
	s *Session
	n uint32
}

// take counts what a door has brought and no turn has seen yet.
func (v *window) take(size int) {
	v.mu.Lock()
	v.queued++
	v.bytes += size
	v.mu.Unlock()
}

// begin is the stanza's turn: it is open with one pending part, and has a number from now on.
func (v *window) begin(size int) uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.queued--
	v.open = append(v.open, openStanza{1, uint32(size)})
	return v.settled + uint32(len(v.open))
}

// drop forgets a stanza that came over a connection which is not heard any more: it does not count.
func (v *window) drop(size int) {
	v.mu.Lock()
	v.queued--
	v.bytes -= size
	v.mu.Unlock()
}

// more adds a pending part to a stanza that has one already.
func (o origin) more() {
	if o.s == nil {
		return
	}
	v := &o.s.win
	v.mu.Lock()
	if i := o.n - v.settled - 1; i < uint32(len(v.open)) {
		v.open[i].pending++
	}
	v.mu.Unlock()
}

// settle ends one pending part.
func (o origin) settle(w *Work) {
	if o.s == nil {
		return
	}
	v := &o.s.win
	v.mu.Lock()
	if i := o.n - v.settled - 1; i < uint32(len(v.open)) && v.open[i].pending > 0 {
		v.open[i].pending--
	}
	n := 0
	for n < len(v.open) && v.open[n].pending == 0 {
		v.bytes -= int(v.open[n].size)
		n++
	}
	var wake chan struct{}
	tell, handled := false, uint32(0)
	if n > 0 {
		v.settled += uint32(n)
		v.open = v.open[n:]
		if len(v.open) == 0 {
			v.open = v.open[:0]
			if cap(v.open) > 8 {
				v.open = nil
			}
			tell, v.asked = v.asked, false
			handled = v.settled - v.base
		}
		wake, v.waiting = v.waiting, nil
	}
	v.mu.Unlock()
	if wake != nil {
		close(wake)
	}
	if tell {
		o.s.out.acknowledge(w, handled)
	}
}

// room returns nil when the client may send more, else a channel that is closed when that may have changed.
func (v *window) room(stanzas, bytes int) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.open)+v.queued < stanzas && v.bytes < bytes {
		return nil
	}
	if v.waiting == nil {
		v.waiting = make(chan struct{})
	}
	return v.waiting
}

// handled is the count of settled stanzas; when more are open, the client is told again by itself once they are settled.
func (v *window) handled() uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = len(v.open) > 0
	return v.settled - v.base
}

// quiet returns nil when nothing is open, else a channel as room does.
func (v *window) quiet() <-chan struct{} { return v.room(1, 1) }

// restart lets the count begin with the next stanza (XEP-0198 section 4).
func (v *window) restart() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.base = v.settled + uint32(len(v.open))
}

// actor is who sent st.
func (o origin) actor(st *stanza.Stanza) Actor {
	a := Actor{JID: st.From}
	if o.s != nil {
		a.Role = o.s.Account.Role()
	}
	return a
}
