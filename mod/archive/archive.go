// Package archive keeps what people write, once for each party, and gives it back: message archives (XEP-0313 1.1.3) with preferences
// (XEP-0441 0.2.0), stable ids (XEP-0359 0.7.0), processing hints (XEP-0334 1.0.0), offline messages (XEP-0160 1.0.1), search by words
// (XEP-0431 0.2.0) and pages of messages that bring what was said about them (XEP-0427 0.1.0).
//
// worth.go is which messages are kept. forged.go removes what only we may say. keep.go keeps a message in the turns of its sender and of its
// addressee. seen.go recognises a message that is sent again. prefs.go is what an account wants kept. query.go reads what a client asks,
// answer.go answers it. offline.go decides what a client that reads no archive still has to get, drain.go gives it, and
// parked.go knows what waits for a client that lost its connection. rooms.go is the archives of rooms, search.go what is searched for in all of them.
// about.go is which message another one is about, collate.go finds what is said about those of a page, and fold.go sums it up.
//
// The archive is the only store: an offline message is an archived one behind the account's mark. One that belongs into no archive, because
// the account or the sender does not want it there, is hidden in it until somebody has got it.
//
// Hooks: Loading, Sending, Receiving, Received, Fallback, Announcing, Available, Bound, Parked, Closed, AccountDeleted. Left out: messages of rooms
// in the archive of a user.
package archive

import (
	"context"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Stores are the parts of the store that the module reads and writes.
type Stores struct {
	Archive    store.Archive
	Fastenings store.Fastenings
	Offline    store.Offline
	Prefs      store.Prefs
}

// Module is the feature. One value may be installed on several hosts.
type Module struct {
	stores Stores
	config config.Archive
	obs    obs.Obs
	finder Finder
}

// New takes what keeps the messages, and what is kept of accounts that made no choice.
func New(s Stores, c config.Archive, o obs.Obs) *Module { return &Module{stores: s, config: c, obs: o} }

// WithSearch offers to search the archives.
func (m *Module) WithSearch(f Finder) *Module {
	m.finder = f
	return m
}

// Name of the module in lists and logs.
func (m *Module) Name() string { return "archive" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	x := &archive{
		Stores: m.stores, host: h, obs: m.obs, finder: m.finder, standard: store.ArchiveDefault(m.config.Default),
		boxes: core.NewSlot[box](h), visits: core.NewSlot[visit](h),
	}
	h.Hooks.Loading.Add(m.Name(), x.load)
	h.Hooks.Sending.Add(m.Name(), x.sending)
	h.Hooks.Receiving.Add(m.Name(), x.receiving)
	h.Hooks.Received.Add(m.Name(), x.received)
	h.Hooks.Fallback.Add(m.Name(), x.fallback)
	h.Hooks.Announcing.Add(m.Name(), x.announcing)
	h.Hooks.Available.Add(m.Name(), x.available)
	h.Hooks.Bound.Add(m.Name(), x.bound)
	h.Hooks.Parked.Add(m.Name(), x.parked)
	h.Hooks.Closed.Add(m.Name(), x.closed)
	h.Hooks.AccountDeleted.Add(m.Name(), x.deleted)
	row := func(local string, typ stanza.Type, slow bool, do func(context.Context, *core.Event) (core.Answer, error)) {
		// XEP-0313 section 8.1: of another account it is forbidden.
		for _, to := range []core.Target{core.ToOwn, core.ToContact} {
			h.IQ.Handle(core.IQ{
				Space: ns.Archive, Local: local, Type: typ, To: to, Action: core.ActUseAccount, Slow: slow, Do: do, Module: m.Name(),
			})
		}
	}
	row("query", stanza.Set, true, x.query)
	row("query", stanza.Get, false, x.fields)
	row("metadata", stanza.Get, true, x.metadata)
	row("prefs", stanza.Get, false, x.getPrefs)
	row("prefs", stanza.Set, false, x.setPrefs)
	x.inRooms(h, m.Name())
	h.Ports.Archiver = x
	h.Inline.Add(core.Inline{Space: ns.Archive, Module: m.Name(), Do: x.entered})
	// XEP-0313 section 7: on the addresses that have an archive, which the host itself has not. XEP-0160 section 4: on the host.
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.Archive, ns.ArchiveExtended, ns.ArchiveGroupchatField, ns.StanzaID, ns.RSM,
		ns.Retract, ns.FasteningCollation)
	if m.finder.Search != nil {
		// XEP-0431 section 3.1.
		h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.Fulltext)
		x.searchRows(h)
	}
	// XEP-0424 section 2: the server says that it archives retractions.
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.OfflineFeature, ns.Retract)
}

// archive is the module on one host.
type archive struct {
	Stores
	host     *core.Host
	obs      obs.Obs
	finder   Finder
	standard store.ArchiveDefault
	boxes    core.Slot[box]   // of accounts
	visits   core.Slot[visit] // of sessions
}

// box is what an account has in memory.
type box struct {
	prefs   prefs
	seen    seen
	notes   notes
	waiting waiting
}

// load reads what the account wants and how far it was served, before its first turn.
func (x *archive) load(ctx context.Context, a *core.Account, held store.Held) (err error) {
	var p store.ArchivePrefs
	if held.Any(store.HoldsArchivePrefs) {
		if p, err = x.Prefs.ArchivePrefs(ctx, a.ID); err != nil {
			return err
		}
	}
	var mark store.Key
	if held.Any(store.HoldsDelivered) {
		if mark, err = x.Offline.Delivered(ctx, a.ID); err != nil {
			return err
		}
	}
	b := x.boxes.Of(a)
	*b = box{
		prefs: readPrefs(p, x.standard),
		// Whether anything waits is looked up when somebody comes who would get it.
		waiting: waiting{mark: mark, saved: mark, some: true},
	}
	return x.returned(ctx, a, &b.waiting)
}

// deleted forgets what is in memory; the rows go with the account.
func (x *archive) deleted(e *core.Event) {
	if b, ok := x.boxes.Has(e.Account); ok {
		*b = box{}
	}
}
