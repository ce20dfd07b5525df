package roster

import (
	"context"
	"errors"
	"sync"

	"stonechat/store"
)

// disk is the real store with a switch: its writes fail as on a full disk, or wait, or it cannot be read.
type disk struct {
	store.Rosters
	holdings store.Holdings
	mu       sync.Mutex
	full     bool
	paused   bool
	held     []func()
	broken   bool // reading
}

func (d *disk) readable() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken {
		return errors.New("the disk cannot be read")
	}
	return nil
}

func (d *disk) Load(ctx context.Context, owner store.Owner) (store.Roster, error) {
	if err := d.readable(); err != nil {
		return store.Roster{}, err
	}
	return d.Rosters.Load(ctx, owner)
}

func (d *disk) Held(ctx context.Context, owner store.Owner) (store.Held, error) {
	if err := d.readable(); err != nil {
		return 0, err
	}
	return d.holdings.Held(ctx, owner)
}

func (d *disk) fail(broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = broken
}

func (d *disk) Change(owner store.Owner, c store.RosterChange) (store.Version, store.Ticket) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.full && !d.paused {
		return d.Rosters.Change(owner, c)
	}
	p := new(store.Promise)
	settle := func() { p.Settle(store.ErrFull) }
	var v store.Version
	if !d.full {
		version, ticket := d.Rosters.Change(owner, c)
		v = version
		settle = func() { ticket.Done(p.Settle) }
	}
	if d.paused {
		d.held = append(d.held, settle)
	} else {
		settle()
	}
	return v, p.Ticket()
}

func (d *disk) set(full, paused bool) {
	d.mu.Lock()
	d.full, d.paused = full, paused
	held := d.held
	if !paused {
		d.held = nil
	}
	d.mu.Unlock()
	if !paused {
		for _, f := range held {
			f()
		}
	}
}

func (d *disk) waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.held)
}
