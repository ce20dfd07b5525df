// Package push tells devices whose client is not connected that something was said: straight from this server by Web Push (RFC 8030, 8291 and 8292; endpoints
// of UnifiedPush are the same), or by the server of an app (XEP-0357 version 0.4.1). What is sent to whom, and the requests of our own, stand in docs/push.md,
// how it is kept in docs/decisions/0030-push.md.
//
// app.go and web.go are registrations, target.go what is known of one. hear.go decides when something is said, rules.go what the account wants to be told
// (XEP-0492). notice.go is what is told, round.go sends it, doctor.go says why something did not come. crowd.go knows who has registrations at all.
//
// Hooks: Loading, Received, Fallback, Sent, Said, Published, Closed, AccountDeleted. Left out: notifications of what says nothing, such as receipts; schedules and
// other advanced settings of XEP-0492; longer resumption of sessions whose device was notified.
package push

import (
	"context"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Space is the namespace of the requests of our own (docs/push.md).
const Space = "urn:stonechat:push:1"

const readTime = 2 * time.Second // for what is read in a turn

// Module is the feature on one host.
type Module struct {
	round *Round
	host  *core.Host
	boxes core.Slot[box] // of accounts with registrations
	crowd crowd
}

// New returns a module whose notifications r sends.
func New(r *Round) *Module { return &Module{round: r} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "push" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	m.host, m.boxes = h, core.NewSlot[box](h)
	if m.round.config.Devices == 0 {
		return
	}
	m.round.serve(m)
	h.Hooks.Loading.Add(m.Name(), m.load)
	h.Hooks.Received.Add(m.Name(), m.received)
	h.Hooks.Fallback.Add(m.Name(), m.fallback)
	h.Hooks.Sent.Add(m.Name(), m.sent)
	h.Hooks.Said = append(h.Hooks.Said, core.SaidHook{Module: m.Name(), Do: m.said})
	h.Hooks.Published = append(h.Hooks.Published, core.PublishedHook{Module: m.Name(), Do: m.published})
	h.Hooks.Closed.Add(m.Name(), m.closed)
	h.Hooks.AccountDeleted.Add(m.Name(), m.deleted)
	row := func(space, local string, typ stanza.Type, do func(context.Context, *core.Event) (core.Answer, error)) {
		h.IQ.Handle(core.IQ{Space: space, Local: local, Type: typ, To: core.ToOwn, Action: core.ActUseAccount, Do: do, Module: m.Name()})
	}
	row(ns.Push, "enable", stanza.Set, m.enable)
	row(ns.Push, "disable", stanza.Set, m.disable)
	row(Space, "push", stanza.Get, m.tell)
	row(Space, "register", stanza.Set, m.register)
	row(Space, "unregister", stanza.Set, m.unregister)
	row(Space, "test", stanza.Set, m.test)
	row(ns.P1WebPush, "services", stanza.Get, m.services)
	row(ns.P1Push, "push", stanza.Set, m.p1Register)
	row(ns.P1Push, "disable", stanza.Set, m.p1Disable)
	h.HTTP.Handle(core.Route{Pattern: "GET /users/{name}/push", Action: core.ActSeeSessions, Do: m.httpList})
	h.HTTP.Handle(core.Route{Pattern: "POST /users/{name}/push/test", Action: core.ActEditAccounts, Do: m.httpTest})
	// XEP-0357 section 4.1: on the account. Clients look for the others on the host, too.
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.Push, ns.P1WebPush, Space)
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.Push, ns.P1WebPush, Space)
}

// Run implements core.Runner: it finds out who has registrations.
func (m *Module) Run(ctx context.Context) error {
	if m.round.config.Devices == 0 {
		return nil
	}
	return m.crowd.learn(ctx, m.host.Domain, m.round.pushed, m.round.obs)
}

// box is what an account with registrations has in memory.
type box struct {
	known   bool // targets are those that the store has
	targets []target
	rules   map[jid.JID]rule // by chat; nil: not read
	told    map[toldKey]store.Key
	judged  store.Key // the message that was just shown to nobody
	doubts  map[jid.JID]doubt
	asked   bool // a look at doubts is on its way
	recent  []decision
}

// toldKey is a chat and a target.
type toldKey struct {
	chat   jid.JID
	target int64
}

// Limits of what an account has in memory; what is forgotten is at worst told twice.
const (
	maxTold   = 512
	maxDoubts = 64
	maxRecent = 40
)

// load reads the registrations of an account that has any.
func (m *Module) load(ctx context.Context, a *core.Account, held store.Held) error {
	if !held.Any(store.HoldsPush) {
		return nil
	}
	return m.read(ctx, a, m.boxes.Of(a))
}

func (m *Module) read(ctx context.Context, a *core.Account, b *box) error {
	list, err := m.round.push.Targets(ctx, a.ID)
	if err != nil {
		return err
	}
	b.targets, b.known = make([]target, len(list)), true
	for i := range list {
		b.targets[i] = newTarget(list[i])
	}
	if len(list) > 0 {
		m.crowd.add(a.JID)
	} else {
		m.crowd.remove(a.JID)
	}
	return nil
}

// of returns what is known of an account with registrations; nil: it has none. Only in a turn of it.
func (m *Module) of(a *core.Account) *box {
	b, ok := m.boxes.Has(a)
	if !ok || !a.Exists {
		return nil
	}
	if !b.known {
		ctx, cancel := context.WithTimeout(context.Background(), readTime)
		defer cancel()
		if err := m.read(ctx, a, b); err != nil {
			m.round.obs.Log.Warn("registrations for push are not read", obs.JID, a.JID.String(), obs.Err, err)
		}
	}
	if len(b.targets) == 0 {
		return nil
	}
	return b
}

// changed has the registrations read anew when they are next looked at. Only in a turn of a.
func (m *Module) changed(a *core.Account) {
	m.boxes.Of(a).known = false
	m.crowd.add(a.JID) // it is looked at for nothing once, if that was the last one
}

// closed: whoever ends a session because its device may not come in any more has forgotten its registration, too. Turn of the account.
func (m *Module) closed(e *core.Event) {
	if b, ok := m.boxes.Has(e.Account); ok {
		b.known = false
	}
}

// deleted forgets what is in memory; the rows go with the account.
func (m *Module) deleted(e *core.Event) {
	if b, ok := m.boxes.Has(e.Account); ok {
		*b = box{}
	}
	m.crowd.remove(e.Account.JID)
}
