package archive

import (
	"context"

	"stonechat/core"
	"stonechat/store"
)

// parked: a session waits on disk for its client, perhaps beyond a restart. What it has not confirmed is not delivered; what it has is, and that
// must be on disk as well, or a client that reads no archive gets it twice.
func (x *archive) parked(e *core.Event) {
	a, s := e.Account, e.Session
	b, ok := x.boxes.Has(a)
	if !ok || someoneThere(a) {
		return
	}
	w := &b.waiting
	first, last := store.Key(0), store.Key(0)
	for key := range s.Waiting() {
		if first == 0 || key < first {
			first = key
		}
		last = max(last, key)
	}
	if first != 0 && first <= w.mark {
		if !w.some {
			w.some, w.parked, w.through = true, s, max(last, w.mark)
		}
		w.mark = max(w.saved, first-1)
	}
	x.save(a, w, w.mark)
}

// maxHeld is how many waiting messages a session may hold to be known as the one that holds them all.
const maxHeld = store.MaxPage

// returned finds, when an account is loaded with sessions from before a restart, the one that holds all that waits. If it is resumed, nothing
// waits any more.
func (x *archive) returned(ctx context.Context, a *core.Account, w *waiting) error {
	if len(a.Sessions()) == 0 {
		return nil
	}
	rows, err := x.Offline.After(ctx, a.ID, w.mark, maxHeld)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		w.some = false
		return nil
	}
	for _, s := range a.Sessions() {
		held := make(map[store.Key]bool)
		for key := range s.Waiting() {
			held[key] = true
		}
		all := len(rows) < maxHeld
		for i := range rows {
			all = all && held[rows[i].Key]
		}
		if all {
			w.parked, w.through = s, rows[len(rows)-1].Key
			return nil
		}
	}
	return nil
}
