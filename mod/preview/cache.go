package preview

import "time"

// cache remembers what was found, in memory. Whoever takes the notes out of the channel has them alone, and puts them back.
type cache struct {
	notes chan *notes
	most  int // bytes
}

// notes are in order of arrival, which is about the order in which they end.
type notes struct {
	of    map[string]note
	order []string
	bytes int
}

type note struct {
	found
	end time.Time
}

func newCache(most int) cache {
	c := cache{make(chan *notes, 1), most}
	c.notes <- &notes{of: make(map[string]note)}
	return c
}

// get is what is remembered of an address.
func (c cache) get(key string, now time.Time) (found, bool) {
	n := <-c.notes
	defer func() { c.notes <- n }()
	f, ok := n.of[key]
	return f.found, ok && now.Before(f.end)
}

// put remembers what was found for a while. What came first goes first when there is no room.
func (c cache) put(key string, f found, now time.Time, while time.Duration) {
	n := <-c.notes
	defer func() { c.notes <- n }()
	n.forget(key)
	if while <= 0 || weight(key, f) > c.most {
		return
	}
	for n.bytes+weight(key, f) > c.most {
		n.forget(n.order[0])
	}
	n.of[key] = note{f, now.Add(while)}
	n.order = append(n.order, key)
	n.bytes += weight(key, f)
}

func weight(key string, f found) int { return 2*len(key) + f.size() }

func (n *notes) forget(key string) {
	old, ok := n.of[key]
	if !ok {
		return
	}
	delete(n.of, key)
	n.bytes -= weight(key, old.found)
	for i, k := range n.order {
		if k == key {
			n.order = append(n.order[:i], n.order[i+1:]...)
			break
		}
	}
}
