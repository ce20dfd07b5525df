// Package bookmarks holds the three forms in which clients keep their rooms together: one item for each room (XEP-0402 version 1.2.0), one document
// on a node (XEP-0048 version 1.2), and the same document in private storage (XEP-0049). Each client sees what any other has changed.
//
// The items are the truth. A document that a client keeps is compared with them, and what differs is published or retracted (take.go); when items
// have changed, the documents are written again (spread.go). A document that says the same is left as it is, so nothing goes round in circles.
// forms.go reads and writes the forms as pure functions.
//
// An older client writes the whole document out of its memory, hours after it has read it, and private storage tells nobody of changes. So a document is
// compared with what its session has seen last (seen.go), not with what is there by now: see merged.
//
// Nothing happens while a node is shown to others: what is private in one form must not become known by another.
//
// Hooks: Loading, Bound, Published, Used. Left out: bookmarks of web pages (<url/>), which stay in the document that has them.
package bookmarks

import (
	"context"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
)

// readTime is for short reads in a turn.
const readTime = 250 * time.Millisecond

// document is the name of the bookmarks in private storage (XEP-0048 section 3).
var document = store.PrivateName{Space: ns.BookmarksLegacy, Local: "storage"}

// Module is the feature.
type Module struct {
	store  store.Personal
	config config.Personal
	obs    obs.Obs
	host   *core.Host
	states core.Slot[state]
	seen   core.Slot[seen] // of sessions whose clients use a document
}

// state is what the module knows of an account.
type state struct {
	look    bool              // whether there is a document in private storage that was never taken is to be looked at
	due     *store.Promise    // of documents that are about to be written again
	under   [2]store.Ticket   // documents that are on their way to the disk: in private storage, and on the older node
	pending map[string]change // items whose change is on its way to the disk, by id
	unread  time.Time         // since when what the documents are made of cannot be read; zero: it can
}

// change is what becomes of an item: another bookmark, or none.
type change struct {
	to     bookmark
	gone   bool
	ticket store.Ticket
}

// New takes private storage and how much may be in it.
func New(s store.Personal, c config.Personal, o obs.Obs) *Module {
	return &Module{store: s, config: c, obs: o}
}

// Name of the module in lists and logs.
func (m *Module) Name() string { return "bookmarks" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	m.host, m.states, m.seen = h, core.NewSlot[state](h), core.NewSlot[seen](h)
	h.Hooks.Loading.Add(m.Name(), m.loading)
	h.Hooks.Bound.Add(m.Name(), m.bound)
	h.Hooks.Published = append(h.Hooks.Published, core.PublishedHook{Module: m.Name(), Do: m.published})
	h.Hooks.Used = append(h.Hooks.Used, core.UsedHook{Module: m.Name(), Do: m.used})
	// XEP-0402 section 5.3; the last one is how it was called before (XEP-0411).
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.BookmarksCompat, ns.BookmarksCompatPEP, ns.BookmarksConversion)
}

// loading notes that there may be a document from before there were items.
func (m *Module) loading(_ context.Context, a *core.Account, held store.Held) error {
	if held.Any(store.HoldsPrivate) {
		m.states.Of(a).look = true
	}
	return nil
}

// bound takes over a document that is there while no item is: from before, or from another server.
func (m *Module) bound(e *core.Event) {
	s, ok := m.states.Has(e.Account)
	if !ok || !s.look {
		return
	}
	s.look = false
	items, err := m.items(e.Account, s)
	if err != nil || len(items) > 0 {
		m.failed(e.Account, "bookmarks not read", err)
		return
	}
	kept, err := m.private(e.Account)
	if err == nil && kept != "" {
		err = m.take(e.Work, e.Account, written{xml: kept}, func(store.Ticket) {})
	}
	m.failed(e.Account, "bookmarks in private storage not taken over", err)
}

// used: a client keeps the document in private storage, and its answer waits until the items are durable, too; or it was shown one.
func (m *Module) used(e *core.Event, x core.Use) {
	switch {
	case x.How != core.Stored:
		m.shown(e, x)
	case x.Private == document && m.free(e.Account):
		s := m.states.Of(e.Account)
		s.look, s.under[0] = false, x.Ticket
		if err := m.take(e.Work, e.Account, written{x.XML(), e.Session, x.Ticket}, e.Wait); err != nil {
			e.Wait(store.Settled(err))
		}
	}
}

// published: items, or the document on its node, have changed.
func (m *Module) published(e *core.Event, p *core.Publication) {
	switch {
	case p.Node == ns.Bookmarks:
		p.Wait(m.spreadSoon(e.Account))
	case p.Node == ns.BookmarksLegacy && p.Item != "" && !p.By.IsZero() && m.free(e.Account) && m.hidden(e.Account, p.Node):
		if err := m.take(e.Work, e.Account, written{xml: p.Payload, by: sessionOf(e.Account, p.By)}, p.Wait); err != nil {
			p.Wait(store.Settled(err))
		}
	}
}

// free tells whether items may be converted: nobody else sees them.
func (m *Module) free(a *core.Account) bool { return m.hidden(a, ns.Bookmarks) }

// hidden tells whether nobody else may see a node. One that is not there will be made so.
func (m *Module) hidden(a *core.Account, node string) bool {
	p := m.host.Ports.Publisher
	if p == nil {
		return false
	}
	access := p.Access(a, node)
	return access == "" || access == "whitelist"
}

func (m *Module) failed(a *core.Account, what string, err error) {
	if err != nil {
		m.obs.Log.Warn(what, obs.JID, a.JID.String(), obs.Err, err)
	}
}

// private is the document in private storage; empty: there is none. Only in a turn of a.
func (m *Module) private(a *core.Account) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	kept, err := m.store.Private(ctx, a.ID, document)
	return string(kept), err
}

// items are the bookmarks as they will be when all that is under way is done, in the order of publication. Only in a turn of a.
func (m *Module) items(a *core.Account, s *state) ([]bookmark, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	kept, err := m.host.Ports.Publisher.Items(ctx, a, ns.Bookmarks)
	if err != nil {
		return nil, err
	}
	for id, c := range s.pending {
		if done, _ := c.ticket.Outcome(); done {
			delete(s.pending, id)
		}
	}
	var out []bookmark
	seen := make(map[string]bool, len(kept))
	for _, i := range kept {
		seen[i.ID] = true
		b, ok := readItem(i.ID, string(i.Payload))
		if c, under := s.pending[i.ID]; under {
			b, ok = c.to, !c.gone
		}
		if ok {
			out = append(out, b)
		}
	}
	for id, c := range s.pending {
		if !seen[id] && !c.gone {
			out = append(out, c.to)
		}
	}
	return out, nil
}
