package core

import "sync"

// Cache remembers up to a number of things that belong to no account. When it is full it forgets any one of them for each new one, so it is for
// what can be learnt again. Safe from any goroutine.
type Cache[K comparable, V any] struct {
	most int
	mu   sync.Mutex
	m    map[K]V
}

// NewCache returns one that remembers up to most things.
func NewCache[K comparable, V any](most int) *Cache[K, V] {
	return &Cache[K, V]{most: most, m: make(map[K]V)}
}

// Get returns what is remembered.
func (c *Cache[K, V]) Get(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.m[k]
	return v, ok
}

// Put remembers v.
func (c *Cache[K, V]) Put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.m[k]; !there && len(c.m) >= c.most {
		for other := range c.m { // the order of a map is as good as any
			delete(c.m, other)
			break
		}
	}
	c.m[k] = v
}
