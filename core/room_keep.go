package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"stonechat/store"
)

// This file is the end of rooms: who is in them is written behind the sessions that are, and asked for when they are read again (Room.Check).

// eachRoomOnce has f called in a turn of every room in memory; the returned function waits until that is done.
func (h *Host) eachRoomOnce(f func(w *Work, r *Room)) (wait func()) {
	var left sync.WaitGroup
	for _, s := range h.services {
		s.each(func(r *Room) {
			left.Add(1)
			known := r.turns.TakeAsync(h.pool, roomTurn{op: (*Room).invoke, call: func(w *Work, r *Room) {
				defer left.Done()
				f(w, r)
			}})
			if !known {
				left.Done() // forgotten meanwhile
			}
		})
	}
	return left.Wait
}

// roomsBusy counts the rooms that have something in their line or wait for the disk.
func (h *Host) roomsBusy() (count func() int64) {
	var busy atomic.Int64
	wait := h.eachRoomOnce(func(_ *Work, r *Room) {
		if r.line.head != nil || r.gates > 0 {
			busy.Add(1)
		}
	})
	return func() int64 {
		wait()
		return busy.Load()
	}
}

// keepRooms has every room write what is in memory alone. What fails costs its occupants their place, and the sessions nothing.
func (h *Host) keepRooms(ctx context.Context) error {
	var mu sync.Mutex
	var tickets []store.Ticket
	wait := h.eachRoomOnce(func(w *Work, r *Room) {
		if r.ID == 0 || r.Failed || r.service.Keep == nil {
			return
		}
		if t, ok := r.service.Keep(w, r); ok {
			mu.Lock()
			tickets = append(tickets, t)
			mu.Unlock()
		}
	})
	done := make(chan struct{})
	go func() {
		wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("core: rooms not written: %w", ctx.Err())
	}
	var errs []error
	for _, t := range tickets {
		if err := t.Wait(ctx); err != nil {
			errs = append(errs, fmt.Errorf("core: occupants of a room not written: %w", err))
		}
	}
	return errors.Join(errs...)
}
