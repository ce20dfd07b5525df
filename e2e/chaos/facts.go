package chaos

import (
	"fmt"
	"maps"
	"sync"
)

// Facts is what the clients know of changes that a server confirms by the
// result of an IQ: one history of values for each thing that changes, each
// thing changed by one user alone. All methods may be used from any goroutine.
type Facts struct {
	mu         sync.Mutex
	facts      map[string]*fact
	changes    []change // by number
	conditions map[string]int
	confirmed  int
}

// fact is one thing. It begins absent: version 0 is the empty value.
type fact struct {
	asked []string // asked[v-1] is the value of version v
	kept  int      // highest version that was confirmed
	over  bool     // it was found absent, as it was confirmed, and nothing more was asked
}

// change is one request on its way.
type change struct {
	fact    string
	version int
}

// Reading is what a server said of one fact, in one of the forms in which it
// shows it. An empty value is absence.
type Reading struct{ Fact, Where, Value string }

// NewFacts returns an empty ledger.
func NewFacts() *Facts {
	return &Facts{facts: make(map[string]*fact), conditions: make(map[string]int)}
}

func (l *Facts) fact(name string) *fact {
	if l.facts[name] == nil {
		l.facts[name] = &fact{}
	}
	return l.facts[name]
}

// Asked notes a request that gives a fact a new value and returns its number.
func (l *Facts) Asked(name, value string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.fact(name)
	f.asked, f.over = append(f.asked, value), false
	l.changes = append(l.changes, change{name, len(f.asked)})
	return len(l.changes) - 1
}

// Confirmed notes the result of a request. What was asked before it is
// confirmed, too: a server handles the requests of a client in order.
func (l *Facts) Confirmed(number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number < 0 || number >= len(l.changes) {
		return
	}
	l.confirmed++
	c := l.changes[number]
	f := l.fact(c.fact)
	f.kept = max(f.kept, c.version)
}

// Refused notes an error as the answer to a request. That something is not
// there confirms that it is gone.
func (l *Facts) Refused(number int, condition string) {
	if condition == "item-not-found" && l.asks(number) == "" {
		l.Confirmed(number)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conditions[condition]++
}

// asks is the value that a request asks for.
func (l *Facts) asks(number int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number < 0 || number >= len(l.changes) {
		return "nothing"
	}
	c := l.changes[number]
	return l.facts[c.fact].asked[c.version-1]
}

// Conditions counts the error conditions of refused requests.
func (l *Facts) Conditions() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.conditions)
}

// Count is the number of requests and of those that were confirmed.
func (l *Facts) Count() (asked, confirmed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.changes), l.confirmed
}

// Open tells whether a fact has to be read: it is not known to have ended.
// Anew, those that have ended are read once more.
func (l *Facts) Open(name string, anew bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.facts[name]
	return f != nil && (anew || !f.over)
}

// Compare adds to found the facts that went back and those that nobody asked
// for.
func (l *Facts) Compare(found *Findings, readings []Reading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range readings {
		f := l.fact(r.Fact)
		is, known := f.version(r.Value)
		switch {
		case !known:
			found.note(&found.Unknown, "%s is %q %s, which nobody asked for", r.Fact, r.Value, r.Where)
		case is < f.kept:
			found.note(&found.Facts, "%s is %q %s (version %d), %q was confirmed (version %d of %d)",
				r.Fact, r.Value, r.Where, is, f.value(f.kept), f.kept, len(f.asked))
		}
		f.over = r.Value == "" && f.kept > 0 && f.kept == len(f.asked) && f.value(f.kept) == ""
	}
}

// version is the newest version with a value.
func (f *fact) version(value string) (version int, known bool) {
	for v := len(f.asked); v >= 0; v-- {
		if f.value(v) == value {
			return v, true
		}
	}
	return 0, false
}

func (f *fact) value(version int) string {
	if version == 0 {
		return ""
	}
	return f.asked[version-1]
}

// String says how much there is in the ledger.
func (l *Facts) String() string {
	asked, confirmed := l.Count()
	return fmt.Sprintf("%d of %d changes were confirmed", confirmed, asked)
}
