package pubsub

import (
	"testing"

	"stonechat/xmpp/ns"
)

// What is known of the wishes of an account follows its clients, and never says that nobody wants what one of them does.
func TestIndifferent(t *testing.T) {
	v := newWorld(t, 1, nil)
	friend := v.friends[0]
	want := func(when string, x, y bool) {
		t.Helper()
		v.rest()
		if gotX, gotY := v.module.indifferent(friend, "x"), v.module.indifferent(friend, "y"); gotX != x || gotY != y {
			t.Errorf("%s: %v, %v", when, gotX, gotY)
		}
	}
	want("nothing is known", false, false)
	first, second := v.bind(friend, "a", "x"), v.bind(friend, "b", "y")
	first.say("<presence/>")
	want("one that wants nothing", true, true)
	first.online("")
	want("one that wants x", false, true)
	second.online("")
	want("another that wants y", false, false)
	first.say("<presence type='unavailable'/>")
	want("the first is gone", true, false)
	first.online("")
	want("and is back", false, false)

	me := v.bind(juliet, "a")
	me.online("")
	first.take()
	me.publish("x", "i", payload)
	if n := first.events(); n != 1 {
		t.Errorf("%d notifications", n)
	}
	second.take()
	if got := me.ask("set", ns.PubSub, "<retract node='x' notify='1'><item id='i'/></retract>"); got == "" || first.events() != 1 || second.events() != 0 {
		t.Error("not told, or told too much")
	}
}
