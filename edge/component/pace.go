package component

import (
	"time"

	"stonechat/config"
)

// pace is what one connection has sent, against what it may: two buckets that may be in debt. It belongs to one read loop.
type pace struct {
	stanzas, bytes float64 // left
	last           time.Time
}

// spend pays for one stanza.
func (p *pace) spend(bytes int) {
	p.stanzas--
	p.bytes -= float64(bytes)
}

// wait fills the buckets, and returns how long nothing is to be read.
func (p *pace) wait(c *config.Components, now time.Time) time.Duration {
	stanzas, bytes := float64(c.StanzasPerSecond), float64(c.BytesPerSecond)
	if p.last.IsZero() {
		p.stanzas += float64(c.StanzasBurst)
		p.bytes += float64(c.BytesBurst)
	} else {
		passed := max(0, now.Sub(p.last)).Seconds()
		p.stanzas = min(float64(c.StanzasBurst), p.stanzas+passed*stanzas)
		p.bytes = min(float64(c.BytesBurst), p.bytes+passed*bytes)
	}
	p.last = now
	debt := max(-p.stanzas/stanzas, -p.bytes/bytes, 0)
	return time.Duration(debt * float64(time.Second))
}
