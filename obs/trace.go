package obs

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"stonechat/xmpp/jid"
)

// The bounds of tracing.
const (
	MaxWatches   = 4    // at once
	MaxTraced    = 1000 // stanzas of one watch
	tracedRate   = 100  // stanzas that a watch begins in a second
	spansWaiting = 4096 // for whoever reads them
)

// ErrManyWatches: others trace already.
var ErrManyWatches = errors.New("obs: too many traces at once")

// Trace shows administrators the way of single stanzas. As long as nobody watches it costs one look at a pointer. The zero value is ready; a
// nil Trace is one that nobody can watch.
type Trace struct {
	watches atomic.Pointer[[]*Watch]
	last    atomic.Uint64
	mu      sync.Mutex // of changes to watches
}

// Watch is one administrator's look at one account or session.
type Watch struct {
	trace *Trace
	of    jid.JID
	spans chan Span
	lost  atomic.Uint64 // spans that nobody read in time

	mu      sync.Mutex
	left    int
	second  time.Time // the one that is counted
	begun   int       // in it
	skipped uint64    // stanzas, for their rate
}

// Span is one hop of one stanza.
type Span struct {
	Trace uint64 `json:"trace"` // number of the stanza
	// Hop is the place on the way, 1 to 9 as ARCHITECTURE.md tells it; 0 is what happens beside it.
	Hop  int    `json:"hop"`
	Name string `json:"name"` // the function
	// Owner is whose turn it is, or whose session.
	Owner string `json:"owner,omitempty"`
	// At is when the hop ended since the first one, Took how long its hooks or its write took, Waited how long it stood in a line before; µs.
	At      int64     `json:"at_us"`
	Took    int64     `json:"took_us,omitempty"`
	Waited  int64     `json:"waited_us,omitempty"`
	Hooks   []HookRun `json:"hooks,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	Targets []string  `json:"targets,omitempty"`
	// Stanza is told with the first span.
	Stanza *Head `json:"stanza,omitempty"`
}

// HookRun is one hook that saw the stanza.
type HookRun struct {
	Point   string `json:"point"`
	Module  string `json:"module"`
	Verdict string `json:"verdict,omitempty"` // of deciding hooks
	Took    int64  `json:"took_us"`
}

// Head is what is told of a stanza: never its text.
type Head struct {
	Kind    string   `json:"kind"`
	Type    string   `json:"type,omitempty"`
	ID      string   `json:"id,omitempty"`
	From    string   `json:"from,omitempty"`
	To      string   `json:"to,omitempty"`
	Payload []string `json:"payload,omitempty"` // local name and namespace of each child
	Bytes   int      `json:"bytes"`
}

// On tells whether somebody watches.
func (t *Trace) On() bool { return t != nil && t.watches.Load() != nil }

// Watch begins a look at an account (a bare address: all its sessions) or at one session, for up to count stanzas from or to it. It fails with
// ErrManyWatches. Close ends it.
func (t *Trace) Watch(of jid.JID, count int) (*Watch, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*Watch
	if p := t.watches.Load(); p != nil {
		all = slices.Clone(*p)
	}
	if len(all) >= MaxWatches {
		return nil, ErrManyWatches
	}
	w := &Watch{trace: t, of: of, left: min(count, MaxTraced), spans: make(chan Span, spansWaiting)}
	all = append(all, w)
	t.watches.Store(&all)
	return w, nil
}

// Close ends the watch. What is on its way is not told any more.
func (w *Watch) Close() {
	t := w.trace
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.watches.Load(); p != nil {
		all := slices.DeleteFunc(slices.Clone(*p), func(x *Watch) bool { return x == w })
		if len(all) == 0 {
			t.watches.Store(nil)
			return
		}
		t.watches.Store(&all)
	}
}

// Spans are the hops, as they happen.
func (w *Watch) Spans() <-chan Span { return w.spans }

// Full tells whether all stanzas have been begun that were asked for.
func (w *Watch) Full() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.left == 0
}

// Missed is how many spans were not read in time, and how many stanzas were let go by because there were too many in a second.
func (w *Watch) Missed() (spans, stanzas uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost.Load(), w.skipped
}

// wants takes one stanza on, if it is from or to whom the watch is for.
func (w *Watch) wants(from, to jid.JID, now time.Time) bool {
	if !w.concerns(from) && !w.concerns(to) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left == 0 {
		return false
	}
	if now.Sub(w.second) >= time.Second {
		w.second, w.begun = now, 0
	}
	if w.begun++; w.begun > tracedRate {
		w.skipped++
		return false
	}
	w.left--
	return true
}

// concerns: an account's watch is for all its sessions, and what goes to an account may be for the session that is watched.
func (w *Watch) concerns(who jid.JID) bool {
	return who == w.of || (!who.IsZero() && who.Bare() == w.of.Bare() && (w.of.IsBare() || who.IsBare()))
}

// Traced is one stanza that somebody watches.
type Traced struct {
	id      uint64
	began   time.Time
	watches []*Watch
}

// Begin takes a stanza on, or returns nil because nobody wants it. Call it when On says so.
func (t *Trace) Begin(from, to jid.JID) *Traced {
	p := t.watches.Load()
	if p == nil {
		return nil
	}
	now := time.Now()
	var wanted []*Watch
	for _, w := range *p {
		if w.wants(from, to, now) {
			wanted = append(wanted, w)
		}
	}
	if wanted == nil {
		return nil
	}
	return &Traced{id: t.last.Add(1), began: now, watches: wanted}
}

// Hop tells one span. It never waits: what nobody reads in time is lost, and counted.
func (x *Traced) Hop(s Span) {
	s.Trace, s.At = x.id, time.Since(x.began).Microseconds()
	for _, w := range x.watches {
		select {
		case w.spans <- s:
		default:
			w.lost.Add(1)
		}
	}
}
