package c2s

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
)

func at(address string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(address), 1000) }

func TestSources(t *testing.T) {
	for _, c := range []struct {
		a, b         string
		same, nearby bool
	}{
		{"192.0.2.1", "::ffff:192.0.2.1", true, true},
		{"192.0.2.1", "192.0.2.200", false, true},
		{"192.0.2.1", "192.0.3.1", false, false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::1", true, true},
		{"2001:db8:1:2::1", "2001:db8:1:ffff::1", false, true},
		{"2001:db8:1:2::1", "2001:db8:2:2::1", false, false},
		{"fe80::1%eth0", "fe80::1%eth1", true, true},
	} {
		if got := source(at(c.a)) == source(at(c.b)); got != c.same {
			t.Errorf("%s and %s are one source: %v", c.a, c.b, got)
		}
		if got := around(at(c.a)) == around(at(c.b)); got != c.nearby {
			t.Errorf("%s and %s are of one network: %v", c.a, c.b, got)
		}
	}
}

// A crowd that drops nobody turns away whoever is too many, of a source or in all.
func TestCrowd(t *testing.T) {
	c := newCrowd(5, 2)
	one, six := at("192.0.2.1"), at("2001:db8::1")
	var stays []*stay
	for i, step := range []struct {
		from netip.AddrPort
		off  bool
		want bool
	}{{one, false, true}, {one, false, true}, {one, false, false}, {six, false, true}, {one, true, true}, {six, false, true}, {six, true, false}} {
		s := c.enter(step.from, step.off, nil)
		if got := s != nil; got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
		if s != nil && step.from == one {
			stays = append(stays, s)
		}
	}
	for _, s := range stays {
		s.leave()
		s.leave()
	}
	if c.size() != 2 || len(c.sources) != 1 || len(c.networks) != 1 {
		t.Errorf("%d left from %d sources", c.size(), len(c.sources))
	}
}

// One that drops makes room: the oldest of the network with most goes, and whoever has come for a moment stays.
func TestCrowdDrops(t *testing.T) {
	c := newRing(6, 3)
	gone := ""
	enter := func(name, address string) *stay { return c.enter(at(address), false, func() { gone += name }) }
	enter("a", "192.0.2.1")
	honest := enter("h", "198.51.100.7")
	enter("b", "192.0.2.2")
	enter("c", "192.0.2.3")
	enter("d", "203.0.113.1")
	enter("e", "203.0.113.2")
	for i, step := range []struct{ name, address, gone string }{
		{"f", "203.0.113.3", "a"}, // 192.0.2.0/24 had three
		{"g", "203.0.113.4", "d"}, // now the other network has
		{"i", "2001:db8::1", "e"},
		{"j", "2001:db8:0:1::1", "b"}, // two networks have two each: the one that has had them for longer
		{"k", "2001:db8:0:2::1", "f"},
	} {
		gone = ""
		if enter(step.name, step.address) == nil || gone != step.gone {
			t.Errorf("step %d: %s makes %q go, want %q", i, step.name, gone, step.gone)
		}
	}
	gone = ""
	honest.leave()
	for range 3 {
		enter("x", "198.51.100.8")
	}
	if enter("y", "198.51.100.8") != nil {
		t.Error("a source is above its limit")
	}
	for range 20 {
		c.evict()
	}
	if c.size() != 0 || len(c.sources) != 0 || len(c.networks) != 0 || c.oldest() != nil {
		t.Errorf("%d are left", c.size())
	}
}

// Whatever comes and goes, the books stay right, and it is always the largest network that makes room.
func TestCrowdAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := newRing(50, 10)
	there := map[*stay]bool{}
	for range 20_000 {
		if r.IntN(3) == 0 {
			for s := range there {
				s.leave()
				delete(there, s)
				break
			}
			continue
		}
		before := map[*network]int{}
		most := 0
		for _, n := range c.networks {
			before[n] = n.stays.Len()
			most = max(most, before[n])
		}
		s := c.enter(at(fmt.Sprintf("10.0.%d.%d", r.IntN(9), r.IntN(4))), false, func() {})
		for x := range there {
			if x.at == nil {
				if before[x.net] != most {
					t.Fatalf("dropped of a network with %d, the largest had %d", before[x.net], most)
				}
				delete(there, x)
			}
		}
		if s != nil {
			there[s] = true
		}
		if c.size() != len(there) || c.size() > 50 {
			t.Fatalf("%d are there, counted are %d", len(there), c.size())
		}
	}
}

// What is to be done when one has to make room may change at that very moment; it happens once, in the old way or the new one.
func TestCrowdDropsWhileThatChanges(t *testing.T) {
	c := newRing(1, 1000)
	for range 200 {
		var dropped atomic.Int32
		drop := func() { dropped.Add(1) }
		s := c.enter(at("192.0.2.1"), true, drop)
		var both sync.WaitGroup
		both.Go(func() { s.dropBy(drop) })
		both.Go(func() { c.enter(at("192.0.2.2"), true, func() {}) })
		both.Wait()
		if n := dropped.Load(); n != 1 {
			t.Fatalf("dropped %d times", n)
		}
	}
}
