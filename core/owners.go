package core

import (
	"context"
	"errors"
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
	registry[Account]
	host *Host
}

func newOwners(h *Host) *owners {
	o := &owners{host: h}
	o.open()
	return o
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
	a := o.peek(bare)
	if a == nil && o.host.shelf.rests(bare) {
		o.take(w, bare, x) // it was, before a restart, and is again
		return true
	}
	return a != nil && a.turns.Take(w, x)
}

// get returns the account in memory, or one that is being loaded and queues its turns meanwhile.
func (o *owners) get(bare jid.JID) *Account {
	return o.registry.get(bare, func(bare jid.JID) *Account {
		a := &Account{Host: o.host, JID: bare}
		a.turns.Do = a.handle
		a.turns.hold()
		return a
	}, o.load)
}

// load reads the account and what modules need of it, then lets its turns go.
func (o *owners) load(a *Account) {
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
