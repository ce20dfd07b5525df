package obs

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"stonechat/xmpp/jid"
)

func TestWatchConcerns(t *testing.T) {
	bare, full, other := jid.MustParse("a@x.example"), jid.MustParse("a@x.example/r"), jid.MustParse("a@x.example/s")
	for _, c := range []struct {
		of, who jid.JID
		want    bool
	}{
		{bare, bare, true},
		{bare, full, true},
		{full, full, true},
		{full, bare, true},
		{full, other, false},
		{bare, jid.MustParse("b@x.example"), false},
		{bare, jid.JID{}, false},
		{bare, jid.MustParse("x.example"), false},
	} {
		if got := (&Watch{of: c.of}).concerns(c.who); got != c.want {
			t.Errorf("watching %s, %s: %v", c.of, c.who, got)
		}
	}
}

// A watch is bounded in stanzas, in their rate, in what waits to be read, and in how many there are.
func TestWatchBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, of := &Trace{}, jid.MustParse("a@x.example")
		if tr.On() || (*Trace)(nil).On() {
			t.Error("on by itself")
		}
		w, err := tr.Watch(of, 1_000_000)
		if err != nil || !tr.On() {
			t.Fatal(err)
		}
		begun := 0
		for range tracedRate + 5 {
			if tr.Begin(of, jid.JID{}) != nil {
				begun++
			}
		}
		if _, skipped := w.Missed(); begun != tracedRate || skipped != 5 {
			t.Errorf("%d begun in a second, %d skipped", begun, skipped)
		}
		var last *Traced
		for !w.Full() {
			time.Sleep(time.Second)
			for range tracedRate {
				if x := tr.Begin(of, of); x != nil {
					begun, last = begun+1, x
				}
			}
		}
		if begun != MaxTraced {
			t.Errorf("%d begun in all", begun)
		}
		for range spansWaiting + 7 {
			last.Hop(Span{Hop: 1})
		}
		if lost, _ := w.Missed(); lost != 7 {
			t.Errorf("%d spans lost", lost)
		}
		for range MaxWatches - 1 {
			if _, err := tr.Watch(of, 1); err != nil {
				t.Error(err)
			}
		}
		if _, err := tr.Watch(of, 1); !errors.Is(err, ErrManyWatches) {
			t.Errorf("one too many: %v", err)
		}
		w.Close()
		w.Close()
		if _, err := tr.Watch(of, 1); err != nil {
			t.Errorf("after one was closed: %v", err)
		}
		for _, x := range *tr.watches.Load() {
			x.Close()
		}
		if tr.On() {
			t.Error("still on")
		}
	})
}
