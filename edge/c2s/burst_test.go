package c2s

import (
	"fmt"
	"strings"
	"testing"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
)

// windowBytes reads the gauge of what all windows hold.
func windowBytes(t *testing.T, o obs.Obs) int {
	t.Helper()
	all, err := o.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.GetName() == "stonechat_window_bytes" {
			return int(m.Metric[0].GetGauge().GetValue())
		}
	}
	t.Fatal("no gauge of the windows")
	return 0
}

// What arrives together becomes turns together, but not more of it than the client's window holds.
func TestABurstEndsWithTheWindow(t *testing.T) {
	var disk store.Promise
	held := make(chan int, 100)
	r := newRig(t, func(r *rig) {
		r.cfg.Limits.WindowStanzas = 4
		r.host.Hooks.Sending.Add("keep", func(e *core.Event) core.Verdict {
			held <- windowBytes(t, r.obs)
			e.Wait(disk.Ticket())
			return core.Next
		})
	})
	message := "<message to='juliet@example.org' type='chat' id='m'><body>one of many</body></message>"
	client, c := r.bound(strings.Repeat(message, 40))
	c.attend()
	if first, most := <-held, 4*(len(message)+200); first > most {
		t.Errorf("%d bytes were read before the first message was handled; four messages are less than %d", first, most)
	}
	disk.Settle(nil)
	for range 39 {
		<-held
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := r.door.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// A stanza is handled although what follows it is not whole yet.
func TestHalfAStanzaHoldsNothingBack(t *testing.T) {
	for _, tail := range []string{"<mess", "\n", ""} {
		seen := make(chan string, 1)
		r := newRig(t, func(r *rig) {
			r.host.Hooks.Sending.Add("note", func(e *core.Event) core.Verdict {
				seen <- e.Stanza.ID
				return core.Next
			})
		})
		client, c := r.bound("")
		c.attend()
		if _, err := fmt.Fprint(client, "<message to='juliet@example.org' type='chat' id='m'><body>x</body></message>", tail); err != nil {
			t.Fatal(err)
		}
		if id := <-seen; id != "m" || r.sessions() != 1 {
			t.Errorf("%q behind it: handled %q", tail, id)
		}
		client.Close()
		if err := r.door.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
