// Package roster keeps contacts: the roster with its versions (RFC 6121 section 2), presence subscriptions with their states
// (section 3 and appendix A) and subscription pre-approval (section 3.4).
//
// state.go is the tables of the standard as pure functions. book.go is what one account has in memory, which is always what is on disk.
// change.go makes every change one write: decided in a turn, applied and shown in a later turn when it is durable, never if it failed.
// outbound.go and inbound.go are the subscription stanzas, iq.go, versions.go and push.go the roster requests, pending.go the requests that
// wait for the owner's answer. ties.go is what circles and invites change.
//
// blocking.go is the block list (XEP-0191 version 1.3); core keeps apart what it lists. Privacy lists (XEP-0016) are not offered.
//
// Hooks: Loading, Sending, Receiving, Available, AccountDeleted. Ports: Contacts, Ties. Another's roster is forbidden whether or not there is such an
// account, so nobody learns who exists.
package roster

import (
	"context"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Module is the feature. One value may be installed on several hosts.
type Module struct {
	store  store.Rosters
	blocks store.Blocks
	obs    obs.Obs
}

// New returns a module that keeps its contacts in s and block lists in b.
func New(s store.Rosters, b store.Blocks, o obs.Obs) *Module {
	return &Module{store: s, blocks: b, obs: o}
}

// Name of the module in lists and logs.
func (m *Module) Name() string { return "roster" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	r := &roster{
		host: h, store: m.store, blocks: m.blocks, obs: m.obs,
		books: core.NewSlot[book](h), debts: core.NewSlot[debt](h), lists: core.NewSlot[blocklist](h),
	}
	h.Ports.Contacts, h.Ports.Ties = r, r
	h.Hooks.Loading.Add(m.Name(), r.load)
	h.Hooks.Sending.Add(m.Name(), r.sending)
	h.Hooks.Receiving.Add(m.Name(), r.receiving)
	h.Hooks.Available.Add(m.Name(), r.available)
	h.Hooks.AccountDeleted.Add(m.Name(), r.deleted)
	// RFC 6121 sections 2.1.5 and 2.3.3: of another account it is forbidden.
	for _, to := range []core.Target{core.ToOwn, core.ToContact} {
		row := core.IQ{Space: ns.Roster, Local: "query", To: to, Action: core.ActUseAccount, Module: m.Name()}
		row.Type, row.Do = stanza.Get, r.get
		h.IQ.Handle(row)
		row.Type, row.Do = stanza.Set, r.set
		h.IQ.Handle(row)
	}
	r.installBlocking(h, m.Name())
	h.HTTP.Handle(core.Route{Pattern: "GET /users/{name}/contacts", Action: core.ActEditAccounts, Do: r.contactsOf})
	// RFC 6121 sections 2.6.1 and 3.4.1: both are stream features.
	h.Disco.StreamFeatures = append(h.Disco.StreamFeatures,
		"<ver xmlns='"+ns.RosterVer+"'/>", "<sub xmlns='"+ns.PreApproval+"'/>")
}

// roster is the module on one host.
type roster struct {
	host   *core.Host
	store  store.Rosters
	blocks store.Blocks
	obs    obs.Obs
	books  core.Slot[book]      // of accounts
	lists  core.Slot[blocklist] // of accounts that have blocked, or tried to block, somebody
	debts  core.Slot[debt]      // of sessions
}

// load reads the account's roster before its first turn.
func (r *roster) load(ctx context.Context, a *core.Account, held store.Held) (err error) {
	var kept store.Roster
	if held.Any(store.HoldsRoster | store.HoldsPending) {
		if kept, err = r.store.Load(ctx, a.ID); err != nil {
			return err
		}
	}
	r.books.Of(a).fill(kept)
	if !held.Any(store.HoldsBlocks) {
		return nil
	}
	return r.loadBlocked(ctx, a)
}

// deleted cancels every subscription of an account that is gone, both ways, so that nobody keeps a dead contact with a live state
// (XEP-0077 section 3.2: "the server SHOULD also cancel all existing presence subscriptions").
func (r *roster) deleted(e *core.Event) {
	b, ok := r.books.Has(e.Account)
	if !ok {
		return
	}
	for contact, kept := range b.contacts {
		r.part(e.Work, e.Account, contact, kept.contact().state)
	}
	if l, ok := r.lists.Has(e.Account); ok {
		*l = blocklist{}
		l.bar(e.Account)
	}
	*b = book{writing: b.writing, busy: b.busy} // what is on its way is still told how it ended
}
