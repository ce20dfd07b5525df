package core

import (
	"strings"
	"sync"
)

// Tally counts what each of many has under way. Safe from any goroutine; its zero value counts.
type Tally struct {
	mu sync.Mutex
	of map[string]int
}

// Begin counts one more, and returns how many there are.
func (t *Tally) Begin(who string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = make(map[string]int)
	}
	n := t.of[who]
	if n == 0 {
		who = strings.Clone(who) // it may outlive the stanza that it was cut out of
	}
	t.of[who] = n + 1
	return n + 1
}

// End counts one less.
func (t *Tally) End(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[who]--; t.of[who] <= 0 {
		delete(t.of, who)
	}
}
