package core

import (
	"hash/maphash"
	"sync"

	"stonechat/xmpp/jid"
)

// registry is which owners of one kind are in memory, by bare address.
type registry[T any] struct {
	seed   maphash.Seed
	shards [shards]shard[T]
	loads  chan struct{} // one token per load that runs
	wait   sync.WaitGroup
}

type shard[T any] struct {
	mu sync.Mutex
	m  map[jid.JID]*T
}

func (r *registry[T]) open() {
	r.seed, r.loads = maphash.MakeSeed(), make(chan struct{}, loaders)
	for i := range r.shards {
		r.shards[i].m = make(map[jid.JID]*T)
	}
}

func (r *registry[T]) shard(bare jid.JID) *shard[T] {
	return &r.shards[maphash.String(r.seed, bare.Local())%shards]
}

// peek returns the owner in memory, or nil.
func (r *registry[T]) peek(bare jid.JID) *T {
	s := r.shard(bare)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m[bare]
}

// get returns the owner in memory. One that is not there is made, and load is called on a goroutine of its own, of which few run at once; its
// turns must queue meanwhile.
func (r *registry[T]) get(bare jid.JID, fresh func(bare jid.JID) *T, load func(*T)) *T {
	s := r.shard(bare)
	s.mu.Lock()
	x := s.m[bare]
	if x != nil {
		s.mu.Unlock()
		return x
	}
	own := bare.Clone() // it outlives the stanza that it was cut out of
	x = fresh(own)
	s.m[own] = x
	s.mu.Unlock()
	r.wait.Go(func() {
		r.loads <- struct{}{}
		defer func() { <-r.loads }()
		load(x)
	})
	return x
}

func (r *registry[T]) remove(bare jid.JID, x *T) {
	s := r.shard(bare)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m[bare] == x {
		delete(s.m, bare)
	}
}

// each calls f for every owner in memory.
func (r *registry[T]) each(f func(*T)) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		all := make([]*T, 0, len(s.m))
		for _, x := range s.m {
			all = append(all, x)
		}
		s.mu.Unlock()
		for _, x := range all {
			f(x)
		}
	}
}
