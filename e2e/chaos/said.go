package chaos

import (
	"fmt"
	"maps"
	"strings"
	"sync"
)

// Saying names one message to a room: the Seq-th (from 1) of one user. Its
// text form is body, stanza id and origin-id in one.
type Saying struct{ Room, From, Seq int }

// String gives the text form.
func (s Saying) String() string { return fmt.Sprintf("r.%d.%d.%d", s.Room, s.From, s.Seq) }

// ParseSaying reads the text form.
func ParseSaying(text string) (Saying, bool) {
	var s Saying
	rest, ok := strings.CutPrefix(text, "r.")
	if !ok || !parseNumbers(rest, &s.Room, &s.From, &s.Seq) {
		return Saying{}, false
	}
	return s, s.Seq > 0
}

// Said is what the clients know of what was said in rooms: what they sent,
// what was acknowledged, and what each occupant heard, in its order. All
// methods may be used from any goroutine.
type Said struct {
	mu         sync.Mutex
	sent       map[talk]int // talk.to is a room
	records    map[Saying]*spoken
	views      map[talk][]Saying // by occupant (from) and room (to)
	heard      map[talk]map[Saying]bool
	twice      int // heard again by the same occupant
	conditions map[string]int
}

// spoken is what the clients know of one saying.
type spoken struct {
	acked   bool // counted by an <a/> of the server
	refused bool // came back as an error
	ears    int  // occupants that heard it
}

// NewSaid returns an empty ledger.
func NewSaid() *Said {
	return &Said{
		sent: make(map[talk]int), records: make(map[Saying]*spoken), views: make(map[talk][]Saying),
		heard: make(map[talk]map[Saying]bool), conditions: make(map[string]int),
	}
}

// Next notes a new message to a room and returns it.
func (l *Said) Next(room, from int) Saying {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := talk{from, room}
	l.sent[t]++
	s := Saying{room, from, l.sent[t]}
	l.records[s] = &spoken{}
	return s
}

// Acked notes the acknowledgement of a saying.
func (l *Said) Acked(s Saying) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.records[s]; r != nil {
		r.acked = true
	}
}

// Refused notes that a saying came back as an error with a condition.
func (l *Said) Refused(s Saying, condition string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conditions[condition]++
	if r := l.records[s]; r != nil {
		r.refused = true
	}
}

// Heard notes that an occupant, who may have sent it, got a saying from the
// room.
func (l *Said) Heard(occupant int, s Saying) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := talk{occupant, s.Room}
	if l.heard[t] == nil {
		l.heard[t] = make(map[Saying]bool)
	}
	if l.heard[t][s] {
		l.twice++
		return
	}
	l.heard[t][s] = true
	l.views[t] = append(l.views[t], s)
	if r := l.records[s]; r != nil {
		r.ears++
	}
}

// SaidTotals are the sums over what was said.
type SaidTotals struct{ Sent, Acked, Refused, Heard, Twice int }

// Totals adds up.
func (l *Said) Totals() SaidTotals {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := SaidTotals{Sent: len(l.records), Twice: l.twice}
	for _, r := range l.records {
		t.Acked += count(r.acked && !r.refused)
		t.Refused += count(r.refused)
		t.Heard += count(r.ears > 0)
	}
	return t
}

// Conditions counts the error conditions of refused sayings.
func (l *Said) Conditions() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.conditions)
}

// Missed lists what some of the occupants, the users below the number, did
// not hear although somebody did or it was acknowledged. It is empty where
// nobody ever was out of a room.
func (l *Said) Missed(occupants int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for s, r := range l.records {
		if r.refused || r.ears == occupants || r.ears == 0 && !r.acked {
			continue
		}
		for u := range occupants {
			if !l.heard[talk{u, s.Room}][s] {
				out = append(out, fmt.Sprintf("%v was not heard by %s", s, User(u)))
			}
		}
	}
	return out
}

// Compare adds to found the differences between the ledger and the archives,
// archives[r] being what is in the archive of room r in its order.
func (l *Said) Compare(found *Findings, archives map[int][]Saying) {
	l.mu.Lock()
	defer l.mu.Unlock()
	places := make(map[Saying]int) // from 1
	for room, list := range archives {
		newest := make(map[int]int)
		for i, s := range list {
			switch {
			case l.records[s] == nil || s.Room != room:
				found.note(&found.Unknown, "%v is in the archive of %s but was never said there", s, hallName(room))
			case places[s] > 0:
				found.note(&found.Double, "%v is in the archive of %s again", s, hallName(room))
			case s.Seq < newest[s.From]:
				found.note(&found.Disordered, "%v stands behind %d in the archive of %s", s, newest[s.From], hallName(room))
			}
			newest[s.From] = max(newest[s.From], s.Seq)
			if places[s] == 0 {
				places[s] = i + 1
			}
		}
	}
	for s, r := range l.records {
		switch {
		case places[s] > 0:
		case r.ears > 0:
			found.note(&found.LostSaid, "%v was heard by %d, not in the archive of its room", s, r.ears)
		case r.acked && !r.refused:
			found.note(&found.LostSaid, "%v acknowledged, not in the archive of its room", s)
		}
	}
	for t, view := range l.views {
		last := 0
		for _, s := range view {
			if place := places[s]; place > 0 && place < last {
				found.note(&found.Disordered, "%v was heard by %s behind what follows it in the archive", s, User(t.from))
			}
			last = max(last, places[s])
		}
	}
}
