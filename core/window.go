package core

import (
	"sync"
	"time"

	"stonechat/obs"
	"stonechat/xmpp/stanza"
)

// window counts what one client has sent and what of it is settled: its last turn has run and everything it made us keep is durable.
// The count of settled stanzas, taken from the front without gaps, is what XEP-0198 calls handled.
type window struct {
	total   *budget // of all windows
	mu      sync.Mutex
	settled uint32 // 1..settled are settled; wraps as XEP-0198 section 4 says
	base    uint32 // settled when everything from before stream management is
	early   int    // open stanzas from before it
	again   int    // open stanzas behind those that the client says again, since a resumption: they do not count
	open    []openStanza
	queued  int           // brought by a door, not yet in a turn
	bytes   int           // of everything queued or open
	waiting chan struct{} // closed when room is made; nil when no door waits
	asked   bool          // the client waits for a count: tell it when askedAt is settled, and once more when askedTo is
	askedAt uint32        // what was open when it asked first
	askedTo uint32        // and last
	late    *time.Timer   // running since a count was asked for and could not be told at once
	door    *socket       // the connection where it sits at another node, which is told what is settled
	doorAt  uint32        // the last stanza before that connection
	over    bool          // abandoned: nothing counts any more
}

type openStanza struct {
	pending uint16
	size    uint32
}

// origin names the stanza from which something follows: one of a session, or one of a delivery. The zero origin is the
// server itself.
type origin struct {
	s     *Session
	n     uint32
	far   *delivery
	trace *obs.Traced // somebody watches it
}

// known tells whether somebody waits for the origin to be settled.
func (o origin) known() bool { return o.s != nil || o.far != nil }

// take counts what a door has brought and no turn has seen yet.
func (v *window) take(size int) {
	v.mu.Lock()
	over := v.over
	if !over {
		v.queued++
		v.bytes += size
	}
	v.mu.Unlock()
	if !over {
		v.total.hold(size)
	}
}

// begin is the stanza's turn: it is open with one pending part, and has a number from now on.
func (v *window) begin(size int) uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over {
		return 0
	}
	v.queued--
	v.open = append(v.open, openStanza{1, uint32(size)})
	return v.settled + uint32(len(v.open))
}

// drop forgets a stanza that came over a connection which is not heard any more: it does not count.
func (v *window) drop(size int) {
	v.mu.Lock()
	v.queued--
	v.bytes -= size
	wake := v.waiting
	v.waiting = nil
	v.mu.Unlock()
	v.total.free(size)
	if wake != nil {
		close(wake)
	}
}

// more adds a pending part to a stanza that has one already.
func (o origin) more() {
	if o.s == nil {
		o.far.more()
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
		o.far.settle()
		return
	}
	v := &o.s.win
	v.mu.Lock()
	if i := o.n - v.settled - 1; i < uint32(len(v.open)) && v.open[i].pending > 0 {
		v.open[i].pending--
	}
	wake, freed := v.advance()
	settled := freed > 0
	tell, handled := false, uint32(0)
	if settled && v.asked && int32(v.settled-v.askedAt) >= 0 {
		tell, handled = true, v.count()
		v.asked, v.askedAt = int32(v.askedTo-v.settled) > 0, v.askedTo
	}
	door, count := v.door, v.settled-v.doorAt
	v.mu.Unlock()
	v.total.free(freed)
	if wake != nil {
		close(wake)
	}
	if tell {
		o.s.out.acknowledge(w, handled)
	}
	if settled && door != nil {
		door.settled(count)
	}
}

// advance counts the stanzas from the front that have nothing pending, and returns their bytes. The lock is held; a channel that is
// returned is to be closed without it.
func (v *window) advance() (wake chan struct{}, freed int) {
	n := 0
	for n < len(v.open) && v.open[n].pending == 0 {
		freed += int(v.open[n].size)
		n++
	}
	if n == 0 {
		return nil, 0
	}
	v.bytes -= freed
	v.settled += uint32(n)
	again := min(max(0, n-v.early), v.again)
	v.again -= again
	v.base += uint32(again)
	v.early = max(0, v.early-n)
	v.open = v.open[n:]
	if len(v.open) == 0 {
		v.open = v.open[:0]
		if cap(v.open) > 8 {
			v.open = nil
		}
	}
	wake, v.waiting = v.waiting, nil
	return wake, freed
}

// settleTo takes the count of the node that owns the session: everything up to n is settled there.
func (v *window) settleTo(n uint32) {
	v.mu.Lock()
	for i := range v.open {
		if int32(n-v.settled)-int32(i) <= 0 {
			break
		}
		v.open[i].pending = 0
	}
	wake, freed := v.advance()
	v.mu.Unlock()
	v.total.free(freed)
	if wake != nil {
		close(wake)
	}
}

// heardAt has a connection at another node told what of its stanzas is settled; nil: nobody.
func (v *window) heardAt(door *socket) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.door, v.doorAt = door, v.settled+uint32(len(v.open))
}

// full tells whether room would have a door wait.
func (v *window) full(stanzas, bytes int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.open)+v.queued >= stanzas || v.bytes >= bytes
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

// ahead returns nil when everything that the client sent before its stanza n is settled, else a channel as room does.
func (v *window) ahead(n uint32) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if i := n - v.settled - 1; i == 0 || i >= uint32(len(v.open)) {
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
	v.ask()
	return v.count()
}

// ask notes that the client wants to know when what is open is settled. The lock is held.
func (v *window) ask() {
	v.askedTo = v.settled + uint32(len(v.open))
	if !v.asked {
		v.askedAt = v.askedTo
	}
	v.asked = len(v.open) > 0
}

// ackPatience is how long the answer to <r/> may wait for the disk. XEP-0198 section 4 allows no other reason than a time-out; many a
// client takes the first answer for the count of all that it has sent.
const ackPatience = 500 * time.Millisecond

// request is <r/>: told is true when the count can be told at once. Otherwise it is told when everything that is open now is settled, and
// late is called when that takes too long.
func (v *window) request(late func()) (handled uint32, told bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ask()
	if v.asked && v.late == nil {
		v.late = time.AfterFunc(ackPatience, late)
	}
	return v.count(), !v.asked
}

// overdue is the count when the client still waits for one.
func (v *window) overdue() (handled uint32, waits bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.late = nil
	return v.count(), v.asked
}

// count is what XEP-0198 calls h. The lock is held.
func (v *window) count() uint32 {
	if v.early > 0 {
		return 0
	}
	return v.settled - v.base
}

// counted is count for whoever does not want to be told of more.
func (v *window) counted() uint32 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.count()
}

// quiet returns nil when nothing is open, else a channel as room does.
func (v *window) quiet() <-chan struct{} { return v.room(1, 1) }

// restart lets the count begin with the next stanza (XEP-0198 section 4).
func (v *window) restart() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.base, v.early = v.settled+uint32(len(v.open)), len(v.open)
}

// resumed: the client says again what is open (XEP-0198 section 5), and that is what counts.
func (v *window) resumed() {
	v.mu.Lock()
	v.again = len(v.open) - v.early
	v.mu.Unlock()
}

// actor is who sent st.
func (o origin) actor(st *stanza.Stanza) Actor {
	a := Actor{JID: st.From}
	switch {
	case o.s != nil:
		a.Role = o.s.Account.Role()
	case o.far != nil:
		a.Role = o.far.role
		if !o.far.as.IsZero() {
			a.JID = o.far.as
		}
	}
	return a
}

// abandon forgets everything and lets a door go that waits for room.
func (v *window) abandon() {
	v.mu.Lock()
	freed := v.bytes
	v.open, v.queued, v.bytes, v.over = nil, 0, 0, true
	wake := v.waiting
	v.waiting = nil
	v.mu.Unlock()
	v.total.free(freed)
	if wake != nil {
		close(wake)
	}
}
