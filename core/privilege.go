package core

import (
	"slices"

	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Privileges are what a component may do in the name of the accounts of its host (XEP-0356 version 0.4.1). The zero value is nothing. Every use is counted, and
// stands in the log.
type Privileges struct {
	// RosterGet and RosterSet are the types of access to rosters; RosterPush, with RosterGet, has the component told of changes.
	RosterGet, RosterSet, RosterPush bool
	// Message: it may send messages from accounts and the host.
	Message bool
	// Presence: it sees who comes and goes.
	Presence bool
}

// advertise tells the component what it may do, and who is here (XEP-0356 sections 4.2 and 7).
func (c *Component) advertise(w *Work) {
	p := c.may
	if p == (Privileges{}) {
		return
	}
	b := []byte("<privilege xmlns='" + ns.Privilege + "'>")
	perm := func(access, typ, more string) { b = append(b, "<perm access='"+access+"' type='"+typ+"'"+more+"/>"...) }
	switch {
	case p.RosterGet && p.RosterSet:
		perm("roster", "both", pushes(p.RosterPush))
	case p.RosterGet:
		perm("roster", "get", pushes(p.RosterPush))
	case p.RosterSet:
		perm("roster", "set", pushes(false))
	}
	if p.Message {
		perm("message", "outgoing", "")
	}
	if p.Presence {
		perm("presence", "managed_entity", "")
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, From: c.Host.Domain, To: c.Domain, ID: newUUID()}, string(append(b, "</privilege>"...)))
	if err == nil {
		c.take(w, st.Seal(), c.Domain, origin{})
	}
	if p.Presence {
		// XEP-0356 section 8: what it would have got if it had been there before.
		c.Host.EachLoaded(func(w *Work, a *Account) { a.appear(w, c) })
	}
}

func pushes(yes bool) string {
	if yes {
		return " push='true'"
	}
	return " push='false'"
}

// watched tells whether a component of the host is told who comes and goes.
func (h *Host) watched() bool {
	for _, c := range h.Router.components {
		if c.Host == h && c.may.Presence {
			return true
		}
	}
	return false
}

// watchPresence has components of the host that may see who comes and goes be told.
func (h *Host) watchPresence() {
	tell := func(e *Event) {
		for _, c := range h.Router.components {
			if c.Host == h && c.may.Presence && e.Account.guest == nil {
				e.Account.bring(e.Work, c.Domain, turn{st: e.Stanza, to: c.Domain})
			}
		}
	}
	h.Hooks.Available.Add("components", tell)
	h.Hooks.Unavailable.Add("components", tell)
}

// appear shows the component which sessions of the account are here.
func (a *Account) appear(w *Work, c *Component) {
	for _, s := range a.sessions {
		if s.available && a.guest == nil {
			a.bring(w, c.Domain, turn{st: s.presence, to: c.Domain})
		}
	}
}

// TellPrivileged brings a change of an account's roster to the components that are told of it, as a push without addresses (XEP-0356 section 4.4).
// Only in a turn of a.
func (a *Account) TellPrivileged(w *Work, push *stanza.Stanza) {
	for _, c := range a.Host.Router.components {
		if c.Host == a.Host && c.may.RosterGet && c.may.RosterPush && c.Connected() {
			c.take(w, push.WithTo(c.Domain).Stamped(a.JID), c.Domain, origin{})
		}
	}
}

// usesPrivilege handles what the component wants to do in the name of somebody; false when st is nothing like that.
func (c *Component) usesPrivilege(w *Work, st *stanza.Stanza, from origin) bool {
	switch p, _ := st.Payload(); {
	case st.To.Domain() != c.Host.Domain.Domain():
		return false
	case st.Kind == stanza.IQ && p.Space == ns.Roster && st.To.IsBare() && !st.To.IsDomain() && (st.Type == stanza.Get || st.Type == stanza.Set):
		c.useRoster(w, st, from)
	case st.Kind == stanza.Message && st.To == c.Host.Domain && st.Type != stanza.TypeError && st.Has(ns.Privilege, "privilege"):
		c.useMessage(w, st, from)
	default:
		return false
	}
	return true
}

// used counts and notes a use, or that it was refused.
func (c *Component) used(what string, of jid.JID, refused *stanza.Error) {
	h := c.Host
	if refused != nil {
		h.metrics.Refused("privilege")
		h.Obs.Log.Warn("privilege refused", "component", c.Domain.String(), "use", what, obs.JID, of.String(), obs.Reason, string(refused.Condition))
		return
	}
	h.metrics.privileges.WithLabelValues(what).Inc()
	h.Obs.Log.Info("privilege used", "component", c.Domain.String(), "use", what, obs.JID, of.String())
}

// refusePrivilege answers, and ends the stanza.
func (c *Component) refusePrivilege(w *Work, st *stanza.Stanza, from origin, what string, of jid.JID, err *stanza.Error) {
	c.used(what, of, err)
	c.Host.Router.bounce(w, st, err)
	from.settle(w)
}

// useRoster has an account answer a roster request as if its client had sent it (XEP-0356 section 4.3).
func (c *Component) useRoster(w *Work, st *stanza.Stanza, from origin) {
	what, allowed := "roster "+string(st.Type), c.may.RosterGet
	if st.Type == stanza.Set {
		allowed = c.may.RosterSet
	}
	if !allowed {
		c.refusePrivilege(w, st, from, what, st.To, stanza.NewError(stanza.Forbidden, ""))
		return
	}
	from.far.as = st.To
	c.Host.accounts.take(w, st.To, turn{op: (*Account).invoke, st: st, from: from, call: func(w *Work, a *Account) {
		if !a.managed() {
			c.refusePrivilege(w, st, from, what, a.JID, stanza.NewError(stanza.ItemNotFound, ""))
			return
		}
		c.used(what, a.JID, nil)
		a.answerIQ(w, st, nil, ToOwn, from)
	}})
}

// managed: somebody is at home here. A guest is nobody's to manage.
func (a *Account) managed() bool { return a.Exists && !a.Failed && a.guest == nil }

// useMessage sends a message from an account or the host, as if that had (XEP-0356 section 5).
func (c *Component) useMessage(w *Work, st *stanza.Stanza, from origin) {
	inner, err := forwarded(st)
	switch {
	case !c.may.Message:
		err = stanza.NewError(stanza.Forbidden, "")
	case err == nil && (inner.From.Domain() != c.Host.Domain.Domain() || !inner.From.IsBare()):
		err = stanza.NewError(stanza.Forbidden, "") // section 5.1: a bare address of the server
	}
	const what = "message"
	if err != nil {
		c.refusePrivilege(w, st, from, what, inner.From, err)
		return
	}
	if inner.From == c.Host.Domain {
		c.used(what, inner.From, nil)
		c.Host.Router.route(w, inner, from, store.Ticket{})
		return
	}
	from.far.as = inner.From
	c.Host.accounts.take(w, inner.From, turn{op: (*Account).invoke, st: st, from: from, call: func(w *Work, a *Account) {
		switch {
		case !a.managed():
			c.refusePrivilege(w, st, from, what, a.JID, stanza.NewError(stanza.ItemNotFound, ""))
		case a.Blocks(inner.To):
			c.refusePrivilege(w, st, from, what, a.JID, stanza.NewError(stanza.NotAcceptable, "the account has blocked this address"))
		default:
			c.used(what, a.JID, nil)
			a.receiveMessage(w, &turn{st: inner, from: from})
		}
	}})
}

// forwarded is the message within, sealed. It is never nil.
func forwarded(st *stanza.Stanza) (*stanza.Stanza, *stanza.Error) {
	none := &stanza.Stanza{}
	p, _ := st.Child(ns.Privilege, "privilege")
	tree, err := p.Tree()
	if err != nil {
		return none, stanza.NewError(stanza.BadRequest, "")
	}
	if tree = tree.Child(ns.Forward, "forwarded"); tree != nil {
		// Whatever stands beside it, such as a delay, is not what is sent.
		tree = tree.Child(ns.Client, stanza.Message.String())
	}
	if tree == nil {
		return none, stanza.NewError(stanza.BadRequest, "no forwarded message")
	}
	inner, err := stanza.Parse(string(tree.AppendXML(nil, "")))
	switch {
	case err != nil || !inner.HasTo || inner.ToErr != nil || !inner.HasFrom || inner.FromErr != nil:
		return none, stanza.NewError(stanza.BadRequest, "the forwarded message needs addresses")
	case slices.Contains([]stanza.Type{stanza.TypeError, stanza.GroupChat}, inner.Type):
		return inner, stanza.NewError(stanza.Forbidden, "no such type of message")
	}
	return inner.Seal(), nil
}
