package muc

import (
	"sync"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

// This file bounds what one account has rooms send to others: one stanza makes as many as there are people in the room.

const (
	maxPurses = 20_000           // accounts that are remembered
	purseTime = 10 * time.Second // for which an account may have saved
)

// purses is how many deliveries accounts may still cause. They come back with time; who spends more than there is owes the rest, so that an act
// that is for very many is possible, and the next one has to wait for it.
type purses struct {
	mu sync.Mutex
	of map[string]purse
}

type purse struct {
	left  int
	since time.Time
}

// take spends cost of what comes back at rate per second, and tells whether there was anything to spend. A rate of zero is no bound.
func (p *purses) take(now time.Time, who string, cost, rate int) bool {
	if rate == 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	x, known := p.of[who]
	x = x.at(now, rate, known)
	may := x.left > 0
	if may {
		x.left -= cost
	}
	if p.of == nil {
		p.of = make(map[string]purse)
	}
	if !known && len(p.of) >= maxPurses {
		p.forget(now, rate)
	}
	p.of[who] = x
	return may
}

// at is a purse at that time.
func (x purse) at(now time.Time, rate int, known bool) purse {
	most := rate * int(purseTime/time.Second)
	since := now.Sub(x.since)
	x.left = min(x.left, most)
	switch {
	case !known || since >= time.Duration(most-min(x.left, 0))*time.Second/time.Duration(rate):
		return purse{left: most, since: now}
	case since < 0: // the clock was put back: from here on
		return purse{left: x.left, since: now}
	}
	back := int(since * time.Duration(rate) / time.Second)
	if back == 0 {
		return x // what is less than one is not lost
	}
	return purse{left: min(most, x.left+back), since: now}
}

// forget makes room: of purses that are full again, or else of all.
func (p *purses) forget(now time.Time, rate int) {
	for who, x := range p.of {
		if x.at(now, rate, true).left >= rate*int(purseTime/time.Second) {
			delete(p.of, who)
		}
	}
	if len(p.of) >= maxPurses {
		clear(p.of)
	}
}

// creationCost is what a room costs its creator: it is kept, and erased again, in many rows.
const creationCost = 1000

// weight is as how many deliveries each of a stanza counts: what is large costs everybody more than a turn.
func weight(st *stanza.Stanza) int { return 1 + st.Size()>>12 }

// afford counts what somebody is about to have the room send; nil: it may.
func (m *Module) afford(who jid.JID, deliveries int) *stanza.Error {
	if m.purses.take(m.host.Now(), who.Bare().String(), deliveries, m.config.Deliveries) {
		return nil
	}
	m.host.Metrics().Refused("room_deliveries")
	return &stanza.Error{Type: stanza.Wait, Condition: stanza.PolicyViolation, Text: "too much at once for so many people"}
}
