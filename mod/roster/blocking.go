package roster

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// maxBlockedBytes bounds all addresses of a block list, so that the list can be sent as one result.
const maxBlockedBytes = 512 << 10

// blocklist is with whom an account exchanges nothing, as it is on disk. It is core's Bar that keeps them apart.
type blocklist struct {
	jids map[jid.JID]struct{}
	open []promised // additions that may still fail
}

// promised are entries on their way to the disk.
type promised struct {
	ticket  store.Ticket
	entries int
}

// matches is XEP-0191, "JID Matching": the address itself, any resource of it, any address of its domain.
func matches(list map[jid.JID]struct{}, j jid.JID) bool {
	if j.IsZero() {
		return false
	}
	// <user@domain/resource> or <domain/resource>, then <user@domain> or <domain>, then <domain>.
	for _, entry := range [...]jid.JID{j, j.Bare(), j.DomainJID()} {
		if _, ok := list[entry]; ok {
			return true
		}
	}
	return false
}

// bar has core keep the account and its list apart; without a list nothing is ever asked.
func (l *blocklist) bar(a *core.Account) {
	if len(l.jids) == 0 {
		a.Bar(nil)
		return
	}
	a.Bar(func(j jid.JID) bool { return matches(l.jids, j) })
}

// loadBlocked reads the list before the account's first turn.
func (r *roster) loadBlocked(ctx context.Context, a *core.Account) error {
	kept, err := r.blocks.Blocked(ctx, a.ID)
	if err != nil || len(kept) == 0 {
		return err
	}
	l := r.lists.Of(a)
	*l = blocklist{jids: make(map[jid.JID]struct{}, len(kept))}
	for _, j := range kept {
		l.jids[j] = struct{}{}
	}
	l.bar(a)
	return nil
}

// installBlocking registers what XEP-0191 needs.
func (r *roster) installBlocking(h *core.Host, module string) {
	// Of another account it is forbidden, whether or not there is such an account.
	for _, to := range []core.Target{core.ToOwn, core.ToContact} {
		row := core.IQ{Space: ns.Blocking, To: to, Action: core.ActUseAccount, Module: module}
		row.Local, row.Type, row.Do = "blocklist", stanza.Get, r.getBlocked
		h.IQ.Handle(row)
		row.Local, row.Type, row.Do = "block", stanza.Set, r.block
		h.IQ.Handle(row)
		row.Local, row.Type, row.Do = "unblock", stanza.Set, r.unblock
		h.IQ.Handle(row)
	}
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.Blocking)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.Blocking)
}

// getBlocked is XEP-0191, "User Retrieves Block List".
func (r *roster) getBlocked(_ context.Context, e *core.Event) (core.Answer, error) {
	e.Session.WatchBlocks()
	var all []jid.JID
	if l, ok := r.lists.Has(e.Account); ok {
		for j := range l.jids {
			all = append(all, j)
		}
	}
	slices.SortFunc(all, func(a, b jid.JID) int { return strings.Compare(a.String(), b.String()) })
	return core.Answer{Payload: blockXML("blocklist", all)}, nil
}

// blockXML is one of the elements of XEP-0191 with its items.
func blockXML(local string, items []jid.JID) string {
	b := []byte("<" + local + " xmlns='" + ns.Blocking + "'>")
	for _, j := range items {
		b = append(xmltok.AppendAttr(append(b, "<item"...), "jid", j.String()), "/>"...)
	}
	return string(append(b, "</"+local+">"...))
}

// complaint is a report inside of a block (XEP-0377).
type complaint struct {
	about  jid.JID
	report *xmltok.Node
}

// block is XEP-0191, "User Blocks JID".
func (r *roster) block(_ context.Context, e *core.Event) (core.Answer, error) {
	items, complaints, err := r.blockItems(e)
	if err != nil {
		return core.Answer{}, err
	}
	if len(items) == 0 {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "there is nobody to block")
	}
	if slices.ContainsFunc(items, func(j jid.JID) bool { return len(j.String()) > store.MaxBlocked }) {
		r.host.Metrics().Refused("blocklist")
		return core.Answer{}, stanza.NewError(stanza.NotAcceptable, "the address is too long to be kept: block it without its resource")
	}
	l := r.lists.Of(e.Account)
	if !r.roomToBlock(l, items) {
		r.host.Metrics().Refused("blocklist")
		return core.Answer{}, stanza.NewError(stanza.ResourceConstraint, "the block list has no room for more")
	}
	ticket := r.blocks.ChangeBlocked(e.Account.ID, store.BlockChange{Add: items})
	l.open = append(l.open, promised{ticket, len(items)})
	e.Wait(ticket)
	if reports := r.host.Ports.Reports; reports != nil {
		// XEP-0377 section "Submitting Reports as Part of Blocking": the block holds whatever becomes of the report.
		for _, c := range complaints {
			reports.Report(e, c.about, c.report)
		}
	}
	e.After(func(e *core.Event) {
		r.blocked(e, l, items)
		r.pushBlocks(e.Work, e.Account, "block", items)
	})
	return core.Answer{}, nil
}

// blockItems reads the items of a request.
func (r *roster) blockItems(e *core.Event) ([]jid.JID, []complaint, error) {
	payload, _ := e.Stanza.Payload()
	tree, err := payload.Tree()
	if err != nil {
		return nil, nil, stanza.NewError(stanza.BadRequest, "")
	}
	items, complaints, fault := parseItems(tree)
	switch {
	case fault != nil:
		return nil, nil, fault
	case len(items) == 0 && len(tree.Children) > 0:
		// XEP-0191, "User Unblocks All blocked JIDs": an empty element means everybody; one that we do not understand does not.
		return nil, nil, stanza.NewError(stanza.BadRequest, "no item")
	}
	if slices.ContainsFunc(items, func(j jid.JID) bool { return j.Bare() == e.Account.JID }) {
		// XEP-0191, "Relationship to Privacy Lists": one's own resources are never kept apart, so the list does not say so either.
		return nil, nil, stanza.NewError(stanza.NotAllowed, "nobody blocks themselves")
	}
	return items, complaints, nil
}

// parseItems reads <item/> elements; an address that stands there twice counts once.
func parseItems(request *xmltok.Node) ([]jid.JID, []complaint, *stanza.Error) {
	var items []jid.JID
	var complaints []complaint
	seen := make(map[jid.JID]bool)
	for _, item := range request.All(ns.Blocking, "item") {
		text, ok := item.Lookup("", "jid")
		if !ok {
			return nil, nil, stanza.NewError(stanza.BadRequest, "an item has an address")
		}
		j, err := jid.Parse(strings.Clone(text))
		if err != nil {
			return nil, nil, stanza.NewError(stanza.JIDMalformed, "")
		}
		for _, c := range item.Children {
			if c.Local == "report" && (c.Space == ns.Reporting || c.Space == ns.ReportingLegacy) {
				complaints = append(complaints, complaint{j, c})
				break // XEP-0377 section "Implementation Notes": one for each address
			}
		}
		if !seen[j] {
			seen[j] = true
			items = append(items, j)
		}
	}
	return items, complaints, nil
}

// roomToBlock tells whether the list can take the items, with all that is on its way.
func (r *roster) roomToBlock(l *blocklist, items []jid.JID) bool {
	l.open = slices.DeleteFunc(l.open, func(p promised) bool {
		done, _ := p.ticket.Outcome()
		return done
	})
	entries, bytes := len(l.jids), 0
	for _, p := range l.open {
		entries += p.entries
	}
	for j := range l.jids {
		bytes += len(j.String())
	}
	for _, j := range items {
		if _, listed := l.jids[j]; !listed {
			entries, bytes = entries+1, bytes+len(j.String())
		}
	}
	return entries <= r.host.Config.Limits.Blocked && bytes <= maxBlockedBytes
}

// blocked begins to keep the account and the items apart: they see it leave first.
func (r *roster) blocked(e *core.Event, l *blocklist, items []jid.JID) {
	a := e.Account
	fresh := make(map[jid.JID]struct{}, len(items))
	for _, j := range items {
		if _, listed := l.jids[j]; !listed {
			fresh[j] = struct{}{}
		}
	}
	a.HideFrom(e.Work, func(j jid.JID) bool { return matches(fresh, j) })
	for j := range fresh {
		// A single resource sees the presence that its bare address is sent.
		if j.IsFull() && !a.Blocks(j) && r.Subscription(a, j.Bare())&core.SubscribedFrom != 0 {
			a.HidePresence(e.Work, j)
		}
	}
	if l.jids == nil {
		l.jids = make(map[jid.JID]struct{}, len(fresh))
	}
	for j := range fresh {
		l.jids[j] = struct{}{}
	}
	l.bar(a)
}

// unblock is XEP-0191, "User Unblocks JID" and "User Unblocks All blocked JIDs".
func (r *roster) unblock(_ context.Context, e *core.Event) (core.Answer, error) {
	items, _, err := r.blockItems(e)
	if err != nil {
		return core.Answer{}, err
	}
	e.Wait(r.blocks.ChangeBlocked(e.Account.ID, store.BlockChange{Clear: len(items) == 0, Remove: items}))
	l := r.lists.Of(e.Account)
	e.After(func(e *core.Event) {
		r.unblocked(e, l, items)
		r.pushBlocks(e.Work, e.Account, "unblock", items)
	})
	return core.Answer{}, nil
}

// unblocked lets things pass again, and shows the account and its contacts to each other as they are now. No items means everybody.
func (r *roster) unblocked(e *core.Event, l *blocklist, items []jid.JID) {
	a, gone := e.Account, make(map[jid.JID]struct{})
	if len(items) == 0 {
		gone, l.jids = l.jids, nil
	}
	for _, j := range items {
		if _, listed := l.jids[j]; listed {
			gone[j] = struct{}{}
			delete(l.jids, j)
		}
	}
	l.bar(a)
	r.Each(a, func(contact jid.JID, _ core.Subscription) {
		if matches(gone, contact) && !a.Blocks(contact) {
			a.Meet(e.Work, contact)
		}
	})
	for j := range gone {
		if j.IsFull() && !j.IsDomain() && !a.Blocks(j) {
			a.Meet(e.Work, j)
		}
	}
	r.showAgain(e, gone)
}

// showAgain shows requests for a subscription that were made before their sender was blocked to the sessions that see requests.
func (r *roster) showAgain(e *core.Event, gone map[jid.JID]struct{}) {
	b, ok := r.books.Has(e.Account)
	if !ok {
		return
	}
	for _, j := range b.askers(func(j jid.JID) bool { return matches(gone, j) && !e.Account.Blocks(j) }) {
		for _, s := range e.Account.Sessions() {
			if s.Available() {
				r.showRequest(e.Work, s, b, j)
			}
		}
	}
}

// pushBlocks tells every session that knows the list what has changed.
func (r *roster) pushBlocks(w *core.Work, a *core.Account, local string, items []jid.JID) {
	st, err := stanza.New(stanza.Head{
		Kind: stanza.IQ, Type: stanza.Set, ID: local + strconv.FormatInt(r.host.Now().UnixNano(), 36),
	}, blockXML(local, items))
	if err != nil {
		r.obs.Log.Error("push of a block not made", "jid", a.JID.String(), "err", err)
		return
	}
	for _, s := range a.Sessions() {
		if s.WatchesBlocks() {
			s.Send(w, st.WithTo(s.JID).Seal())
		}
	}
}

// invitedByBlocked tells whether a room invites the account in the name of somebody whom it has blocked.
func invitedByBlocked(e *core.Event) bool {
	if !e.Account.Bars() {
		return false
	}
	by := core.Invitation(e.Stanza)
	return !by.IsZero() && e.Account.Blocks(by)
}
