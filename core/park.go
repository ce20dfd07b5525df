package core

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"time"

	"stonechat/store"
)

const (
	// parkAfter is how long the queue of a session without a connection stays in memory.
	parkAfter = 5 * time.Minute
	// keptBytes is how much of it may stand in no archive.
	keptBytes = 256 << 10
	// readTime is for reading one session from disk, in a turn.
	readTime = 2 * time.Second
)

// parked is what is known of a session's row.
type parked struct {
	timer *time.Timer
	round int    // of writing it
	row   bool   // there is one, or one is on its way
	count uint32 // of the client's stanzas, as it says
}

// away is what of an outbox is on disk and not in memory.
type away struct {
	on      bool
	unacked uint32 // stanzas that were sent and are not acknowledged
	bytes   int
}

// formed is how much of an outbox was written.
type formed struct {
	edits, queue, bytes int
	unacked             uint32
}

// errTooMuch: what waits for the session cannot be kept.
var errTooMuch = errors.New("too much waits that stands in no archive, or an answer is not complete")

// sent is how many stanzas the client was sent and has not acknowledged. The lock is held.
func (o *Outbox) sent() uint32 { return uint32(len(o.unacked)) + o.away.unacked }

// form writes what waits into k; all of it must be in memory and no connection there.
func (o *Outbox) form(k *keptState) (formed, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, it := range o.held.take() {
		o.add(it)
	}
	if !o.managed || !o.pull() {
		return formed{}, errTooMuch
	}
	k.Acked, k.Exact = o.acked, o.exact
	raw := 0
	for _, part := range []struct {
		from []item
		to   *[]keptItem
	}{{o.unacked, &k.Unacked}, {o.queue, &k.Queue}} {
		for i := range part.from {
			kept := part.from[i].keep()
			if raw += len(kept.Raw); raw > keptBytes {
				return formed{}, errTooMuch
			}
			*part.to = append(*part.to, kept)
		}
	}
	return formed{edits: o.edits, queue: len(o.queue), bytes: o.bytes + o.heldback, unacked: uint32(len(o.unacked))}, nil
}

// pull leaves nothing but stanzas in the queue: sources give what they have, and what was said to the connection that is gone goes too. False:
// something is left that is no stanza. The lock is held.
func (o *Outbox) pull() bool {
	queue := make([]item, 0, len(o.queue))
	bytes, pulled := 0, 0
	for i, it := range o.queue {
		for it.src != nil {
			st, ok := it.src()
			if !ok {
				it = item{}
				break
			}
			n := size(st)
			queue = append(queue, item{st: st, to: cmp.Or(it.to, st.To), size: n, once: true})
			if bytes, pulled = bytes+n, pulled+n; pulled > keptBytes {
				break
			}
		}
		if it.src != nil || it.then != nil {
			o.queue, o.bytes = append(queue, o.queue[i:]...), o.bytes+pulled
			return false
		}
		if it.st != nil {
			queue = append(queue, it)
			bytes += it.size
		}
	}
	o.queue, o.bytes = queue, bytes
	return true
}

// putAway forgets what was written, unless it has changed since.
func (o *Outbox) putAway(n formed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sink != nil || o.away.on || o.edits != n.edits || len(o.queue) < n.queue {
		return
	}
	o.queue = append([]item(nil), o.queue[n.queue:]...)
	o.unacked, o.heldback, o.bytes = nil, 0, 0
	for i := range o.queue {
		o.bytes += o.queue[i].size
	}
	o.away = away{on: true, unacked: n.unacked, bytes: n.bytes}
}

// bringBack puts what was on disk before what has come since.
func (o *Outbox) bringBack(unacked, queue []item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range unacked {
		o.heldback += unacked[i].size
	}
	for i := range queue {
		o.bytes += queue[i].size
	}
	o.unacked, o.queue, o.away = unacked, append(queue, o.queue...), away{}
}

// written tells whether all that waits is on disk.
func (o *Outbox) written() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.away.on && len(o.queue) == 0 && len(o.held.items) == 0
}

func (o *Outbox) isAway() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.away.on
}

// Waiting are the places in the owner's archive of the messages that the session's client has not acknowledged, in the order of sending. What is
// on disk alone is not among them. Only in a turn of its account.
func (s *Session) Waiting() iter.Seq[store.Key] {
	return func(yield func(store.Key) bool) {
		s.out.mu.Lock()
		all := append(append([]item(nil), s.out.unacked...), s.out.queue...)
		s.out.mu.Unlock()
		for i := range all {
			if all[i].key != 0 && !yield(all[i].key) {
				return
			}
		}
	}
}

// parkLater gives the memory of a session without a connection back after a while, again and again as long as it has none.
func (a *Account) parkLater(s *Session) {
	if !a.Host.keeps() {
		return
	}
	if s.resume.parked.timer != nil {
		s.resume.parked.timer.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(parkAfter, func() {
		a.Host.pool.Do(func(w *Work) {
			a.turns.Take(w, turn{op: (*Account).invoke, call: func(w *Work, a *Account) {
				if s.state == detached && s.resume.parked.timer == timer {
					a.park(w, s)
					a.parkLater(s)
				}
			}})
		})
	})
	s.resume.parked.timer = timer
}

// park writes the session to disk and then forgets what is there. What cannot be kept stays in memory.
func (a *Account) park(w *Work, s *Session) {
	if s.out.written() {
		return
	}
	n, ticket, err := a.writeRow(s)
	if err != nil {
		a.Host.Obs.Log.Debug("session stays in memory", "jid", s.JID.String(), "err", err)
		return
	}
	a.Host.Hooks.Parked.run(w.begin(a, nil, s))
	round := s.resume.parked.round
	a.whenDone(w, []store.Ticket{ticket}, func(_ *Work, err error) {
		if err == nil && s.state == detached && s.resume.parked.round == round {
			s.out.putAway(n)
		}
	})
}

// writeRow puts the session on disk, in the place of what is there of it.
func (a *Account) writeRow(s *Session) (formed, store.Ticket, error) {
	if err := a.unpark(s); err != nil {
		return formed{}, store.Ticket{}, err
	}
	k := s.keptForm()
	n, err := s.out.form(k)
	if err != nil {
		return formed{}, store.Ticket{}, err
	}
	ticket, err := a.put(s, k)
	return n, ticket, err
}

func (a *Account) put(s *Session, k *keptState) (store.Ticket, error) {
	b, err := k.encode()
	if err != nil {
		return store.Ticket{}, err
	}
	s.resume.parked.row, s.resume.parked.count = true, k.Handled
	s.resume.parked.round++
	a.Host.metrics.parked.Add(1)
	t := a.Host.Sessions.Put(store.KeptSession{Owner: a.ID, ID: s.resume.id[:], Resource: s.JID.Resource(), Ends: k.ends(), State: b})
	return a.Host.shelf.watch(t), nil
}

// dropRow takes what is on disk of the session out: it goes on without it, or ends.
func (a *Account) dropRow(s *Session) {
	p := &s.resume.parked
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if p.row {
		p.row = false
		p.round++
		a.Host.shelf.watch(a.Host.Sessions.Remove(a.ID, s.resume.id[:]))
	}
}

// unpark reads back what is on disk alone.
func (a *Account) unpark(s *Session) error {
	if s.resume == nil || !s.out.isAway() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	row, err := a.Host.Sessions.Get(ctx, a.ID, s.resume.id[:])
	if err != nil {
		return err
	}
	k, err := decodeKept(row.State)
	if err != nil {
		return err
	}
	return a.refill(ctx, s, k)
}

// refill reads the queue of a stored form.
func (a *Account) refill(ctx context.Context, s *Session, k *keptState) error {
	var rows map[store.Key]store.Row
	if keys := k.keys(); len(keys) > 0 {
		var err error
		if rows, err = a.Host.Sessions.Messages(ctx, a.ID, keys); err != nil {
			return err
		}
	}
	unacked, err := keptItems(k.Unacked, a.JID, a.Host.Domain, rows)
	if err != nil {
		return err
	}
	queue, err := keptItems(k.Queue, a.JID, a.Host.Domain, rows)
	if err != nil {
		return err
	}
	s.out.bringBack(unacked, queue)
	return nil
}
