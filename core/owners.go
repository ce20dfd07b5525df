package core

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"stonechat/store"
	"stonechat/xmpp/jid"
)

const (
	shards      = 64
	loaders     = 8               // accounts read from the store at once
	loadTime    = 5 * time.Second // for one account
	forgetAfter = 3 * time.Minute // without sessions
)

// owners is which accounts of a host are loaded. Things are brought to an account through it, so that forgetting never loses a turn.
type owners struct {
	host   *Host
	seed   maphash.Seed
	shards [shards]shard
	loads  chan struct{} // one token per load that runs
	wait   sync.WaitGroup
}

type shard struct {
	mu sync.Mutex
	m  map[jid.JID]*Account
}

func newOwners(h *Host) *owners {
	o := &owners{host: h, seed: maphash.MakeSeed(), loads: make(chan struct{}, loaders)}
	for i := range o.shards {
		o.shards[i].m = make(map[jid.JID]*Account)
	}
	return o
}

func (o *owners) shard(bare jid.JID) *shard {
	return &o.shards[maphash.String(o.seed, bare.Local())%shards]
}

// take brings x to the account, which is loaded first if it must be. It never waits.
func (o *owners) take(w *Work, bare jid.JID, x turn) {
	for {
		if a := o.get(bare); a.turns.Take(w, x) {
			return
		}
	}
}

// takeIfLoaded brings x to the account unless it is not in memory: then nobody of it is online.
func (o *owners) takeIfLoaded(w *Work, bare jid.JID, x turn) bool {
	s := o.shard(bare)
	s.mu.Lock()
	a := s.m[bare]
	s.mu.Unlock()
	if a == nil && o.host.shelf.rests(bare) {
		o.take(w, bare, x) // it was, before a restart, and is again
		return true
	}
	return a != nil && a.turns.Take(w, x)
}

// get returns the account in memory, or one that is being loaded and queues its turns meanwhile.
func (o *owners) get(bare jid.JID) *Account {
	s := o.shard(bare)
	s.mu.Lock()
	a := s.m[bare]
	if a != nil {
		s.mu.Unlock()
		return a
	}
	a = &Account{Host: o.host, JID: bare}
	a.turns.Do = a.handle
	a.turns.hold()
	s.m[bare] = a
	s.mu.Unlock()
	o.wait.Go(func() { o.load(a) })
	return a
}

// load reads the account and what modules need of it, then lets its turns go.
func (o *owners) load(a *Account) {
	o.loads <- struct{}{}
	defer func() { <-o.loads }()
	ctx, cancel := context.WithTimeout(o.host.ctx, loadTime)
	defer cancel()
	if err := o.read(ctx, a); err != nil && !errors.Is(err, store.ErrNotFound) {
		o.host.Obs.Log.Error("account not loaded", "jid", a.JID.String(), "err", err)
		a.Failed = true
	}
	a.idle = o.host.now()
	if !a.Exists {
		a.turns.TakeAsync(o.host.pool, turn{op: (*Account).leaveMemory})
	}
	o.host.pool.add(&a.turns)
}

func (o *owners) read(ctx context.Context, a *Account) error {
	if g := o.host.guests.get(a.JID); g != nil {
		a.become(g)
		return nil
	}
	acc, err := o.host.Accounts.Get(ctx, a.JID.Domain(), a.JID.Local())
	if err != nil {
		return err
	}
	if acc.Leaving {
		return store.ErrNotFound // for everybody else it is gone
	}
	a.ID = acc.ID
	a.SetRole(acc.Role)
	a.born(acc.Created)
	held, err := o.host.Holdings.Held(ctx, a.ID)
	if err != nil {
		return err
	}
	err = o.host.restore(ctx, a)
	for _, l := range o.host.Hooks.Loading {
		if err == nil {
			err = l.Do(ctx, a, held)
		}
	}
	if err == nil {
		err = o.host.claim(ctx, a)
	}
	if err != nil {
		a.sessions = nil
		return err
	}
	a.Exists = true
	return nil
}

func (o *owners) remove(a *Account) {
	s := o.shard(a.JID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[a.JID] == a {
		delete(s.m, a.JID)
	}
}

// each calls f for every account in memory.
func (o *owners) each(f func(*Account)) {
	for i := range o.shards {
		s := &o.shards[i]
		s.mu.Lock()
		all := make([]*Account, 0, len(s.m))
		for _, a := range s.m {
			all = append(all, a)
		}
		s.mu.Unlock()
		for _, a := range all {
			f(a)
		}
	}
}

// sweep has every account that nobody uses forgotten, until ctx ends.
func (o *owners) sweep(ctx context.Context) {
	tick := time.NewTicker(forgetAfter / 3)
	defer tick.Stop()
	w := NewWork(o.host.pool)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			o.each(func(a *Account) {
				a.turns.Take(w, turn{op: (*Account).leaveMemory})
			})
			w.Run()
		}
	}
}
