package chaos

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
)

// Message names one message of the traffic: the Seq-th (from 1) of one user to
// another. Its text form is body, stanza id and origin-id in one.
type Message struct{ From, To, Seq int }

// String gives the text form.
func (m Message) String() string { return fmt.Sprintf("m.%d.%d.%d", m.From, m.To, m.Seq) }

// ParseMessage reads the text form; anything behind a space is filler.
func ParseMessage(text string) (Message, bool) {
	text, _, _ = strings.Cut(text, " ")
	var m Message
	rest, ok := strings.CutPrefix(text, "m.")
	if !ok || !parseNumbers(rest, &m.From, &m.To, &m.Seq) {
		return Message{}, false
	}
	return m, m.Seq > 0
}

// parseNumbers reads numbers with points between them, just as many as there
// are fields.
func parseNumbers(text string, fields ...*int) bool {
	parts := strings.Split(text, ".")
	if len(parts) != len(fields) {
		return false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return false
		}
		*fields[i] = n
	}
	return true
}

// talk is one direction between two users.
type talk struct{ from, to int }

// record is what the clients know of one message.
type record struct {
	acked   bool // counted by an <a/> of the server
	refused bool // came back as an error
	live    int  // times the receiver saw it live
}

// Ledger is what the clients know: what they sent, what was acknowledged, what
// was seen. All methods may be used from any goroutine.
type Ledger struct {
	mu       sync.Mutex
	talks    map[talk][]record // index Seq-1
	lastLive map[talk]int
	resent   int
	inverted int // live messages older than one seen before
	twice    int // live messages seen again
	contacts map[int]*contactList

	conditions map[string]int // of refused messages
	returns    int            // sessions that were to be resumed
	resumed    int            // and were
}

// contactList is what one user knows of the changes to its contact list. Each
// slot is a contact whose name counts up, so that a loss shows as a step back.
type contactList struct {
	asked [contactSlots]int // highest version sent
	kept  [contactSlots]int // highest version whose result or push arrived
}

// contactSlots is the number of contacts that the traffic changes per user.
const contactSlots = 16

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{talks: make(map[talk][]record), lastLive: make(map[talk]int), contacts: make(map[int]*contactList), conditions: make(map[string]int)}
}

// Next notes a new message to be sent and returns it.
func (l *Ledger) Next(from, to int) Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := talk{from, to}
	l.talks[t] = append(l.talks[t], record{})
	return Message{from, to, len(l.talks[t])}
}

// Returned notes a return of a client, and whether its session went on.
func (l *Ledger) Returned(resumed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.returns++
	l.resumed += count(resumed)
}

// Resent notes that messages go out once more.
func (l *Ledger) Resent(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resent += n
}

// Acked notes the acknowledgement of a message.
func (l *Ledger) Acked(m Message) { l.update(m, func(r *record) { r.acked = true }) }

// AckedNow lists the messages that are acknowledged at this moment.
func (l *Ledger) AckedNow() []Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Message
	for t, list := range l.talks {
		for i, r := range list {
			if r.acked && !r.refused {
				out = append(out, Message{t.from, t.to, i + 1})
			}
		}
	}
	return out
}

// Refused notes that a message came back as an error with a condition.
func (l *Ledger) Refused(m Message, condition string) {
	l.update(m, func(r *record) { r.refused = true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conditions[condition]++
}

// Conditions counts the error conditions of refused messages.
func (l *Ledger) Conditions() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.conditions)
}

// Seen notes that the receiver got a message while it was connected.
func (l *Ledger) Seen(m Message) {
	l.update(m, func(r *record) {
		r.live++
		t := talk{m.From, m.To}
		switch {
		case r.live > 1:
			l.twice++
		case m.Seq < l.lastLive[t]:
			l.inverted++
		}
		l.lastLive[t] = max(l.lastLive[t], m.Seq)
	})
}

// update changes the record of a message; one that nobody sent is made up by
// the server and counted as seen out of order.
func (l *Ledger) update(m Message, change func(*record)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.talks[talk{m.From, m.To}]
	if m.Seq > len(list) {
		l.inverted++
		return
	}
	change(&list[m.Seq-1])
}

// Totals are the sums over a ledger.
type Totals struct {
	Sent, Acked, Refused, Seen, Resent int
	Twice, Inverted                    int
	Contacts                           int // acknowledged changes of contact lists
	Returns, Resumed                   int // of sessions behind an outage
}

// Totals adds up.
func (l *Ledger) Totals() Totals {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := Totals{Resent: l.resent, Twice: l.twice, Inverted: l.inverted, Returns: l.returns, Resumed: l.resumed}
	for _, list := range l.talks {
		t.Sent += len(list)
		for _, r := range list {
			t.Acked += count(r.acked && !r.refused)
			t.Refused += count(r.refused)
			t.Seen += count(r.live > 0)
		}
	}
	for _, c := range l.contacts {
		for _, v := range c.kept {
			t.Contacts += v
		}
	}
	return t
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ContactAsked notes a new version of a contact and returns it.
func (l *Ledger) ContactAsked(user, slot int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.contactList(user)
	c.asked[slot]++
	return c.asked[slot]
}

// ContactKept notes that the result or the push of a version arrived.
func (l *Ledger) ContactKept(user, slot, version int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.contactList(user)
	c.kept[slot] = max(c.kept[slot], version)
}

func (l *Ledger) contactList(user int) *contactList {
	if l.contacts[user] == nil {
		l.contacts[user] = &contactList{}
	}
	return l.contacts[user]
}

// Findings are the differences between a ledger and what a server kept. All
// figures must be zero.
type Findings struct {
	LostSender   int // acknowledged, not in the sender's archive
	LostReceiver int // acknowledged, not in the receiver's archive
	LostSeen     int // seen live, not in the receiver's archive
	LostSaid     int // heard in a room or acknowledged, not in the room's archive
	Double       int // stored more than once in one archive
	Disordered   int // stored after a later message of the same sender
	Unknown      int // stored, but never sent
	Contacts     int // acknowledged changes of contact lists that are gone
	Facts        int // other confirmed changes that are gone
	Unusable     int // outages after which the server did not start or could not read its store
	Examples     []string
}

// Bad tells whether anything was found.
func (f *Findings) Bad() bool {
	return f.Lost()+f.Double+f.Disordered+f.Unknown > 0
}

// Lost is the number of losses; a store that cannot be read counts as one.
func (f *Findings) Lost() int {
	return f.LostSender + f.LostReceiver + f.LostSeen + f.LostSaid + f.Contacts + f.Facts + f.Unusable
}

func (f *Findings) note(n *int, format string, args ...any) {
	*n++
	if len(f.Examples) < 12 {
		f.Examples = append(f.Examples, fmt.Sprintf(format, args...))
	}
}

// Compare finds the differences between the ledger and the archives of all
// users, archives[u] being the messages in u's archive in its order.
func (l *Ledger) Compare(archives map[int][]Message) *Findings {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &Findings{}
	stored := make(map[int]map[Message]int)
	for user, list := range archives {
		stored[user] = make(map[Message]int, len(list))
		newest := make(map[talk]int)
		for _, m := range list {
			stored[user][m]++
			t := talk{m.From, m.To}
			switch {
			case m.Seq > len(l.talks[t]):
				f.note(&f.Unknown, "%v is in the archive of %s but was never sent", m, User(user))
			case stored[user][m] > 1:
				f.note(&f.Double, "%v is in the archive of %s %d times", m, User(user), stored[user][m])
			case m.Seq < newest[t]:
				f.note(&f.Disordered, "%v stands behind %d in the archive of %s", m, newest[t], User(user))
			}
			newest[t] = max(newest[t], m.Seq)
		}
	}
	for t, list := range l.talks {
		for i, r := range list {
			m := Message{t.from, t.to, i + 1}
			promised := r.acked && !r.refused
			if promised && stored[m.From][m] == 0 {
				f.note(&f.LostSender, "%v acknowledged, not in the archive of its sender", m)
			}
			if promised && stored[m.To][m] == 0 {
				f.note(&f.LostReceiver, "%v acknowledged, not in the archive of its receiver", m)
			}
			if r.live > 0 && stored[m.To][m] == 0 {
				f.note(&f.LostSeen, "%v was seen, not in the archive of its receiver", m)
			}
		}
	}
	return f
}

// CompareContacts adds to f the contacts of one user that went back; version[i]
// is the version of slot i that the server has.
func (l *Ledger) CompareContacts(f *Findings, user int, version [contactSlots]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.contactList(user)
	for slot, v := range version {
		if v < c.kept[slot] {
			f.note(&f.Contacts, "contact %d of %s is at version %d, %d was acknowledged", slot, User(user), v, c.kept[slot])
		}
		if v > c.asked[slot] {
			f.note(&f.Unknown, "contact %d of %s is at version %d, only %d were sent", slot, User(user), v, c.asked[slot])
		}
	}
}
