package push

import (
	"context"
	"hash/fnv"
	"maps"
	"sync/atomic"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
)

const (
	crowdShards = 64
	crowdPage   = 1000
	crowdRetry  = 10 * time.Second
)

// crowd is who has registrations, so that what is said in a room does not bring every member who is away into memory. It may know too many, never too few.
type crowd struct {
	learned atomic.Bool
	size    atomic.Int64
	shards  [crowdShards]atomic.Pointer[map[jid.JID]struct{}] // each is replaced, never changed
}

func (c *crowd) shard(j jid.JID) *atomic.Pointer[map[jid.JID]struct{}] {
	h := fnv.New32a()
	_, _ = h.Write([]byte(j.Local())) // a hash takes everything
	return &c.shards[h.Sum32()%crowdShards]
}

// empty tells whether nobody has registrations.
func (c *crowd) empty() bool { return c.learned.Load() && c.size.Load() == 0 }

// has tells whether an account may have registrations.
func (c *crowd) has(j jid.JID) bool {
	if !c.learned.Load() {
		return true
	}
	set := c.shard(j).Load()
	if set == nil {
		return false
	}
	_, ok := (*set)[j]
	return ok
}

func (c *crowd) add(j jid.JID)    { c.change(j, true) }
func (c *crowd) remove(j jid.JID) { c.change(j, false) }

// change replaces the set of a shard.
func (c *crowd) change(j jid.JID, in bool) {
	for s := c.shard(j); ; {
		was := s.Load()
		next := make(map[jid.JID]struct{})
		if was != nil {
			if _, ok := (*was)[j]; ok == in {
				return
			}
			next = maps.Clone(*was)
		} else if !in {
			return
		}
		if in {
			next[j] = struct{}{}
		} else {
			delete(next, j)
		}
		if s.CompareAndSwap(was, &next) {
			if in {
				c.size.Add(1)
			} else {
				c.size.Add(-1)
			}
			return
		}
	}
}

// learn reads who has registrations. Until it has, everybody may have some.
func (c *crowd) learn(ctx context.Context, domain jid.JID, from store.Pushed, o obs.Obs) error {
	for after := ""; ; {
		page, err := from.PushedAccounts(ctx, domain.Domain(), after, crowdPage)
		switch {
		case err == nil && len(page) == 0:
			c.learned.Store(true)
			return nil
		case err == nil:
			for _, local := range page {
				if j, err := jid.New(local, domain.Domain(), ""); err == nil {
					c.add(j)
				}
			}
			after = page[len(page)-1]
			continue
		case ctx.Err() == nil:
			o.Log.Warn("who has registrations for push is not read", obs.Err, err)
		}
		if err := core.Sleep(ctx, crowdRetry); err != nil {
			return err
		}
	}
}
