// Package strangers is about the first message of somebody whom an account does not know: it comes like any other, waits quietly until the
// account lets its sender in, or is refused, as the account chose. docs/decisions/0018-strangers.md says what it is for and what it cannot do.
//
// judge.go decides who is a stranger. box.go keeps what waits and gives it when the two have met. iq.go is how clients ask, in the server's own
// namespace. An account for which nothing is to be decided has no state here and costs one look at its slots.
//
// It stands before the roster and the archive: what waits reaches neither archive nor devices. Hooks: Loading, Sending, Receiving, Available,
// AccountDeleted. Left out: scores by shared lists or by the age of accounts (XEP-0489); requests to strangers' clients (IQ) and presence, which
// need the full address of a device.
package strangers

import (
	"context"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/stanza"
)

const (
	readTime = 250 * time.Millisecond
	// maxKnown is how many acquaintances of an account are noted; further ones are known by what the archive has of them.
	maxKnown = 5000
	// expireEvery is how often it is looked for messages that have waited too long.
	expireEvery = time.Hour
)

// Stores are the parts of the store that the module reads and writes.
type Stores struct {
	Strangers store.Strangers
	Archive   store.Archive // whether two have talked before
}

// Module is the feature on one host.
type Module struct {
	Stores
	config config.Strangers
	obs    obs.Obs
	host   *core.Host
	boxes  core.Slot[box] // of accounts that are not open, or were not
}

// New takes what keeps the messages, and what holds for accounts that made no choice.
func New(s Stores, c config.Strangers, o obs.Obs) *Module {
	return &Module{Stores: s, config: c, obs: o}
}

// Name of the module in lists and logs.
func (m *Module) Name() string { return "strangers" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	m.host, m.boxes = h, core.NewSlot[box](h)
	h.Hooks.Loading.Add(m.Name(), m.load)
	h.Hooks.Sending.Add(m.Name(), m.sending)
	h.Hooks.Receiving.Add(m.Name(), m.receiving)
	h.Hooks.Available.Add(m.Name(), m.available)
	h.Hooks.AccountDeleted.Add(m.Name(), m.deleted)
	m.rows(h)
}

// Run erases what has waited too long.
func (m *Module) Run(ctx context.Context) error {
	return core.Every(ctx, expireEvery, func() {
		n, err := m.Strangers.ExpireWaiting(ctx, m.host.Now().Add(-m.config.Expire.D()))
		if err != nil && ctx.Err() == nil {
			m.obs.Log.Warn("old messages of strangers not erased", obs.Err, err)
		} else if n > 0 {
			m.obs.Log.Info("messages of strangers that nobody let in were erased", "messages", n)
		}
	})
}

// standard is what holds for an account that made no choice.
func (m *Module) standard() store.StrangerPrefs {
	return store.StrangerPrefs{Mode: store.StrangerMode(m.config.Default), Members: m.config.Members}
}

// load reads what an account chose, and all that belongs to it unless it is as open as everybody is from the start.
func (m *Module) load(ctx context.Context, a *core.Account, held store.Held) (err error) {
	var p store.StrangerPrefs
	if held.Any(store.HoldsStrangerPrefs) {
		if p, err = m.Strangers.StrangerPrefs(ctx, a.ID); err != nil {
			return err
		}
	}
	if p.Mode == "" {
		if p = m.standard(); p.Mode == store.StrangersOpen {
			return nil
		}
	}
	b := m.boxes.Of(a)
	if err := m.fill(ctx, a, b, held); err != nil {
		return err
	}
	b.prefs = p
	if len(b.piles) > 0 {
		// What a crash has interrupted goes on when all is loaded.
		return m.host.Do(a.JID, func(w *core.Work, a *core.Account) {
			if a.Exists { // another module may have failed to read it
				m.releaseKnown(w, a, b)
			}
		})
	}
	return nil
}

// fill reads whom the account knows and what waits.
func (m *Module) fill(ctx context.Context, a *core.Account, b *box, held store.Held) (err error) {
	var known []jid.JID
	if held.Any(store.HoldsAcquaintances) {
		if known, err = m.Strangers.Acquaintances(ctx, a.ID, maxKnown); err != nil {
			return err
		}
	}
	b.known = make(map[jid.JID]struct{}, len(known))
	for _, j := range known {
		b.known[j] = struct{}{}
	}
	if held.Any(store.HoldsStrangerMessages) {
		return m.count(ctx, a, b)
	}
	b.counted = m.host.Now()
	return nil
}

// have returns the state of an account, reading it when there is none yet.
func (m *Module) have(a *core.Account) (*box, error) {
	if b, ok := m.boxes.Has(a); ok {
		return b, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	b := &box{prefs: m.standard()}
	if err := m.fill(ctx, a, b, store.HoldsAll); err != nil {
		return nil, err
	}
	*m.boxes.Of(a) = *b
	return m.boxes.Of(a), nil
}

// sending lets in whom the account writes to, and whom it wants to see or lets see it.
func (m *Module) sending(e *core.Event) core.Verdict {
	b, ok := m.boxes.Has(e.Account)
	if !ok {
		return core.Next
	}
	st, to := e.Stanza, e.Stanza.To.Bare()
	switch {
	case to == e.Account.JID:
		return core.Next
	case st.Kind == stanza.Message && talks(st):
		m.meet(e.Work, e.Account, b, to)
	case st.Kind == stanza.Presence && (st.Type == stanza.Subscribe || st.Type == stanza.Subscribed):
		m.meet(e.Work, e.Account, b, to)
	}
	return core.Next
}

// meet notes that the account knows somebody from now on, and gives what has waited. That is not waited for: if it were lost, the archive would
// still know that the two have talked.
func (m *Module) meet(w *core.Work, a *core.Account, b *box, who jid.JID) {
	if _, known := b.known[who]; !known && !m.member(b, who) && len(b.known) < maxKnown {
		who = who.Clone()
		b.known[who] = struct{}{}
		m.Strangers.AddAcquaintance(a.ID, who)
	}
	m.release(w, a, b, who)
}

// available gives what waits of people who have become contacts meanwhile.
func (m *Module) available(e *core.Event) {
	if b, ok := m.boxes.Has(e.Account); ok && len(b.piles) > 0 {
		m.releaseKnown(e.Work, e.Account, b)
	}
}

// deleted forgets what is in memory; the rows go with the account.
func (m *Module) deleted(e *core.Event) {
	if b, ok := m.boxes.Has(e.Account); ok {
		*b = box{prefs: m.standard(), known: make(map[jid.JID]struct{})}
	}
}
