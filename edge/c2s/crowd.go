package c2s

import (
	"container/list"
	"net/netip"
	"sync"
)

// crowd counts who is there, in all and by source. One that may drop somebody never turns a new source away because others have filled it: the
// oldest of the network with most of them makes room. So whoever fills it has to come again and again, and whoever comes for a moment, as an
// honest client does, is hardly ever the oldest of the largest.
type crowd struct {
	all, perSource int
	drops          bool

	mu       sync.Mutex
	total    int
	sources  map[netip.Prefix]int
	networks map[netip.Prefix]*network
	sizes    []*list.List // the networks with so many stays, in the order in which they came to have them; for crowds that drop
}

// network is who is there of one network.
type network struct {
	prefix netip.Prefix
	stays  list.List     // of *stay, the oldest first
	at     *list.Element // in sizes
}

// stay is one who is there. It ends once, by leave or by being dropped.
type stay struct {
	crowd *crowd
	from  netip.Prefix
	net   *network
	at    *list.Element // in stays; nil when it has ended
	drop  func()
}

// newCrowd is one that turns away whoever is too many; newRing one that drops.
func newCrowd(all, perSource int) *crowd {
	return &crowd{all: all, perSource: perSource, sources: make(map[netip.Prefix]int), networks: make(map[netip.Prefix]*network)}
}

func newRing(all, perSource int) *crowd {
	c := newCrowd(all, perSource)
	c.drops = true
	return c
}

// enter adds one from the address, or returns nil when there are too many. off lets the limit per source pass. drop is called, on whatever
// goroutine, when it has to make room.
func (c *crowd) enter(addr netip.AddrPort, off bool, drop func()) *stay {
	from, prefix := source(addr), around(addr)
	c.mu.Lock()
	var makeRoom func()
	if !off && c.sources[from] >= c.perSource || c.total >= c.all && !c.drops {
		c.mu.Unlock()
		return nil
	}
	if c.total >= c.all {
		makeRoom = c.expel()
	}
	n := c.networks[prefix]
	if n == nil {
		n = &network{prefix: prefix}
		c.networks[prefix] = n
	}
	s := &stay{crowd: c, from: from, net: n, drop: drop}
	c.total++
	c.sources[from]++
	s.at = n.stays.PushBack(s)
	c.rank(n, n.stays.Len()-1)
	c.mu.Unlock()
	if makeRoom != nil {
		makeRoom()
	}
	return s
}

// evict drops one, if there is any.
func (c *crowd) evict() {
	c.mu.Lock()
	drop := c.expel()
	c.mu.Unlock()
	if drop != nil {
		drop()
	}
}

// expel ends the stay of the one who has to make room, and returns what drops it; nil when there is nobody.
func (c *crowd) expel() (drop func()) {
	victim := c.oldest()
	if victim == nil {
		return nil
	}
	victim.remove()
	return victim.drop // read under the lock: see dropBy
}

// oldest of the network with most.
func (c *crowd) oldest() *stay {
	for n := len(c.sizes) - 1; n > 0; n-- {
		if c.sizes[n].Len() > 0 {
			largest, _ := c.sizes[n].Front().Value.(*network)
			s, _ := largest.stays.Front().Value.(*stay)
			return s
		}
	}
	return nil
}

// rank puts a network where it belongs, which had so many before.
func (c *crowd) rank(n *network, before int) {
	if !c.drops {
		return
	}
	if before > 0 {
		c.sizes[before].Remove(n.at)
	}
	for len(c.sizes) <= n.stays.Len() {
		c.sizes = append(c.sizes, list.New())
	}
	if n.stays.Len() > 0 {
		n.at = c.sizes[n.stays.Len()].PushBack(n)
	}
	for len(c.sizes) > 1 && c.sizes[len(c.sizes)-1].Len() == 0 {
		c.sizes = c.sizes[:len(c.sizes)-1]
	}
}

// dropBy changes what is called when it has to make room. One that had to already is dropped in both ways.
func (s *stay) dropBy(drop func()) {
	s.crowd.mu.Lock()
	s.drop = drop
	s.crowd.mu.Unlock()
}

// leave ends it, if it has not ended.
func (s *stay) leave() {
	s.crowd.mu.Lock()
	defer s.crowd.mu.Unlock()
	s.remove()
}

func (s *stay) remove() {
	if s.at == nil {
		return
	}
	c := s.crowd
	c.total--
	if c.sources[s.from]--; c.sources[s.from] <= 0 {
		delete(c.sources, s.from)
	}
	s.net.stays.Remove(s.at)
	s.at = nil
	c.rank(s.net, s.net.stays.Len()+1)
	if s.net.stays.Len() == 0 {
		delete(c.networks, s.net.prefix)
	}
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// source is what limits are counted by: an IPv4 address; of IPv6 the network of 64 bits that even one machine has for itself (RFC 7421).
func source(a netip.AddrPort) netip.Prefix { return prefix(a, 32, 64) }

// around is the network in which one customer of a provider can have addresses: an IPv4 /24, the least that is routed by itself, and an IPv6
// /48, the most that one customer gets as a rule (RFC 6177), and what anybody gets from a tunnel for the asking. A household may have a /56
// only, so that its neighbours share what is counted; that is why networks may do more than addresses before anything is slowed.
func around(a netip.AddrPort) netip.Prefix { return prefix(a, 24, 48) }

func prefix(a netip.AddrPort, bits4, bits6 int) netip.Prefix {
	ip := a.Addr().Unmap()
	bits := bits4
	if ip.Is6() {
		bits = bits6
	}
	p, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
