package archive

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

const (
	seenTime  = 24 * time.Hour // how long a message sent again is recognised
	seenMost  = 8192           // by account; older ones are forgotten
	readTime  = 250 * time.Millisecond
	readAgain = 10 * time.Second // after a read that failed
)

// seen are the origins of what was kept lately, in the order of the archive. Only its account's turns touch it.
type seen struct {
	keys    []store.Key
	origins []uint64
	open    []promised // those that may still fail, oldest first
	loaded  bool
	retry   time.Time
}

type promised struct {
	key    store.Key
	ticket store.Ticket
}

// since is the place in archives behind which messages are recognised.
func (x *archive) since() store.Key { return store.KeyAt(x.host.Now().Add(-seenTime)) }

// recall reads what was kept before the account was loaded, once it matters.
func (x *archive) recall(a *core.Account, s *seen) {
	now := x.host.Now()
	if s.loaded || now.Before(s.retry) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	rows, err := x.Stores.Archive.Recent(ctx, a.ID, now.Add(-seenTime), seenMost)
	if err != nil {
		// A message twice is better than a message that waits for a slow disk.
		s.retry = now.Add(readAgain)
		x.obs.Log.Warn("messages sent again are not recognised for now", obs.JID, a.JID.String(), obs.Err, err)
		return
	}
	s.fill(rows)
}

// fill puts what was read in front of what was added meanwhile.
func (s *seen) fill(rows []store.Seen) {
	keys, origins := make([]store.Key, 0, len(rows)), make([]uint64, 0, len(rows))
	for _, r := range rows {
		if len(s.keys) > 0 && r.Key >= s.keys[0] {
			break
		}
		keys, origins = append(keys, r.Key), append(origins, r.Origin)
	}
	s.keys, s.origins, s.loaded = append(keys, s.keys...), append(origins, s.origins...), true
}

// settle forgets what could not be kept: when it comes again it is new.
func (s *seen) settle() {
	n := 0
	for ; n < len(s.open); n++ {
		done, err := s.open[n].ticket.Outcome()
		if !done {
			break
		}
		if err != nil {
			s.remove(s.open[n].key)
		}
	}
	if s.open = s.open[n:]; len(s.open) == 0 {
		s.open = nil
	}
}

func (s *seen) remove(key store.Key) {
	for i := len(s.keys) - 1; i >= 0; i-- {
		if s.keys[i] == key {
			s.keys = append(s.keys[:i], s.keys[i+1:]...)
			s.origins = append(s.origins[:i], s.origins[i+1:]...)
			return
		}
	}
}

// find returns the newest row with that origin that is not older than since, and its ticket, which is done long ago for most.
func (s *seen) find(origin uint64, since store.Key) (store.Key, store.Ticket, bool) {
	s.settle()
	for i := len(s.origins) - 1; i >= 0; i-- {
		if s.origins[i] != origin {
			continue
		}
		key := s.keys[i]
		for _, p := range s.open {
			if p.key == key {
				return key, p.ticket, true
			}
		}
		return key, store.Ticket{}, key >= since
	}
	return 0, store.Ticket{}, false
}

// add remembers a row that was just appended.
func (s *seen) add(key store.Key, origin uint64, ticket store.Ticket, since store.Key) {
	s.keys, s.origins = append(s.keys, key), append(s.origins, origin)
	s.open = append(s.open, promised{key, ticket})
	n := max(0, len(s.keys)-seenMost)
	for n < len(s.keys) && s.keys[n] < since {
		n++
	}
	s.keys, s.origins = s.keys[n:], s.origins[n:]
}

// originOf recognises a message that is sent again: the same party, direction, id, origin-id (XEP-0359 section 2.2) and content. It is zero when
// the message has no origin-id. Nobody can find a message that passes for another's, since the other party is part of it.
func originOf(st *stanza.Stanza, peer string, d store.Direction) uint64 {
	c, ok := st.Child(ns.StanzaID, "origin-id")
	id := attr(c, "id")
	if !ok || id == "" {
		return 0
	}
	h := sha256.New()
	add := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	h.Write([]byte{byte(d)})
	add(peer)
	add(string(st.Type))
	add(st.ID) // who sends again sends the same stanza; who numbers his origins badly does not
	add(id)
	for c := range st.Children() {
		// A client may add when it first tried; ids of ours differ.
		if c.Space != ns.Delay && c.Space != ns.StanzaID {
			add(c.Space)
			add(c.Raw())
		}
	}
	// Zero means none.
	return max(1, binary.BigEndian.Uint64(h.Sum(nil)))
}
