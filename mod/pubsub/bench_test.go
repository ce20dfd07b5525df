package pubsub

import (
	"strconv"
	"testing"

	"stonechat/config"
)

// BenchmarkFanOut is one publication to 1,000 contacts that are there and want it, up to their connections.
func BenchmarkFanOut(b *testing.B) {
	v := newWorld(b, 1000, func(c *config.Pubsub) { c.Deliveries = 0 })
	me := v.bind(juliet, "a")
	me.online("")
	for _, j := range v.friends {
		c := v.bind(j, "x", "n")
		c.online("")
	}
	b.ResetTimer()
	for i := range b.N {
		me.publish("n", strconv.Itoa(i), payload)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/delivery")
}

// BenchmarkPresence is the same for presence.
func BenchmarkPresence(b *testing.B) {
	v := newWorld(b, 1000, nil)
	me := v.bind(juliet, "a")
	me.online("")
	for _, j := range v.friends {
		c := v.bind(j, "x", "n")
		c.online("")
	}
	b.ResetTimer()
	for range b.N {
		me.say("<presence><show>away</show>" + me.caps("") + "</presence>")
		me.rest()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/delivery")
}
