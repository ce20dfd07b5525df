package component

import (
	"testing"
	"time"

	"stonechat/config"
)

func TestPace(t *testing.T) {
	c := &config.Components{BytesPerSecond: 1000, BytesBurst: 10_000, StanzasPerSecond: 10, StanzasBurst: 100}
	now := time.Unix(1_000_000, 0)
	var p pace
	say := func(n, bytes int) {
		for range n {
			p.spend(bytes)
		}
	}
	for i, step := range []struct {
		stanzas, bytes int
		after          time.Duration
		want           time.Duration
	}{
		{100, 10, 0, 0},                         // a burst
		{10, 10, 0, time.Second},                // and more than that
		{0, 0, time.Second, 0},                  // the debt is paid
		{1, 12_000, 0, 1900 * time.Millisecond}, // of bytes, too: 8900 were left and 1000 came
		{0, 0, time.Hour, 0},                    // no more is saved than a burst
		{100, 100, 0, 0},
		{1, 1, 0, 100 * time.Millisecond},
		{0, 0, -time.Hour, 100 * time.Millisecond}, // a clock that goes back gives and takes nothing
	} {
		say(step.stanzas, step.bytes)
		now = now.Add(step.after)
		if got := p.wait(c, now); (got - step.want).Abs() > 300*time.Millisecond {
			t.Errorf("step %d: %v, not %v", i, got, step.want)
		}
	}
}

func TestProves(t *testing.T) {
	// The example of XEP-0114 section 3; its secret is not told, and is "test".
	if !proves("aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e", "3BF96D32", "test") {
		t.Error("the example of the standard does not prove its secret")
	}
	for _, h := range []string{"", "0", "AAEE83C26AEEAFCBABEABFCBCD50DF997E0A2A1E", "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e0"} {
		if proves(h, "3BF96D32", "test") {
			t.Errorf("%q proves it", h)
		}
	}
}
