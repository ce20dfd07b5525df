package core

import (
	"strings"
	"sync"
	"time"

	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

const (
	maxPurses = 20_000           // of those that are remembered
	purseTime = 10 * time.Second // for which may be saved
)

// Purses is how much each of many may still spend of something, such as deliveries to others. It comes back with time; who spends more than there
// is owes the rest, so that an act that is for very many is possible, and the next one has to wait for it. Safe from any goroutine; its zero value is
// full.
type Purses struct {
	mu sync.Mutex
	of map[string]purse
}

type purse struct {
	left  int
	since time.Time
}

// Take spends cost of what comes back to who at rate per second, of which ten seconds can be saved, and tells whether there was
// anything to spend. A rate of zero is no bound.
func (p *Purses) Take(now time.Time, who string, cost, rate int) bool {
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
	if !known {
		who = strings.Clone(who) // it outlives the stanza that it was cut out of
	}
	p.of[who] = x
	return may
}

// Afford is Take for so many deliveries to others that an account is about to cause on h; nil: it may. A refusal is counted under reason.
func (p *Purses) Afford(h *Host, who jid.JID, deliveries, rate int, reason string) *stanza.Error {
	if !h.Config.RateLimits || p.Take(h.Now(), who.Bare().String(), deliveries, rate) {
		return nil
	}
	h.metrics.Refused(reason)
	return &stanza.Error{Type: stanza.Wait, Condition: stanza.PolicyViolation, Text: "too much at once for so many people"}
}

// Weight is as how many deliveries each of something with so many bytes counts: what is large costs everybody more than a turn.
func Weight(bytes int) int { return 1 + bytes>>12 }

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
func (p *Purses) forget(now time.Time, rate int) {
	for who, x := range p.of {
		if x.at(now, rate, true).left >= rate*int(purseTime/time.Second) {
			delete(p.of, who)
		}
	}
	if len(p.of) >= maxPurses {
		clear(p.of)
	}
}
