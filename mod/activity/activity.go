// Package activity tells when somebody was there last: last activity (XEP-0012 2.0) of the server, of accounts and of their devices. Since when
// somebody does nothing (XEP-0319) stands in presence, which is passed on as it is.
//
// An account's contacts may ask, unless it shows its last activity to nobody; then they are answered as strangers are, and so are those who ask
// for an account that does not exist. The owner sets this with an IQ of our own (docs/lastseen.md), an administrator with a control command.
//
// Hooks: Unavailable, Parked, Closed, AccountDeleted. Left out: the time of the last log-out in the unavailable presence that answers a probe (RFC
// 6121 section 4.3.2 allows it): it would cost a read of the store for every contact that is not there.
package activity

import (
	"context"
	"strconv"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Space is the namespace of the request that sets who may know: docs/lastseen.md.
const Space = "urn:stonechat:last-seen"

const (
	readTime  = 2 * time.Second // for one row, in a turn
	maxStatus = 1024            // bytes of the words with which somebody left
)

// Module is the feature. One value may be installed on several hosts.
type Module struct {
	store store.Activity
	obs   obs.Obs
}

// New returns a module that keeps what it knows in s.
func New(s store.Activity, o obs.Obs) *Module { return &Module{store: s, obs: o} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "activity" }

// Install registers everything on h.
func (m *Module) Install(h *core.Host) {
	x := &activity{host: h, store: m.store, obs: m.obs, began: h.Now(), lives: core.NewSlot[life](h)}
	row := func(space, local string, typ stanza.Type, to core.Target, act core.Action, do func(context.Context, *core.Event) (core.Answer, error)) {
		h.IQ.Handle(core.IQ{Space: space, Local: local, Type: typ, To: to, Action: act, Do: do, Module: m.Name()})
	}
	row(ns.LastActivity, "query", stanza.Get, core.ToHost, core.ActSeeHost, x.uptime)
	row(ns.LastActivity, "query", stanza.Get, core.ToOwn, core.ActUseAccount, x.own)
	// Strangers get forbidden (XEP-0012 section 3), whether or not there is such an account: so everybody may ask, and the answer decides.
	row(ns.LastActivity, "query", stanza.Get, core.ToContact, core.ActSeeAnyone, x.contact)
	row(ns.LastActivity, "query", stanza.Get, core.ToDevice, core.ActSeeAnyone, x.device)
	row(Space, "last-seen", stanza.Get, core.ToOwn, core.ActUseAccount, x.shown)
	row(Space, "last-seen", stanza.Set, core.ToOwn, core.ActUseAccount, x.show)
	h.HTTP.Handle(core.Route{Pattern: "GET /users/{name}/last-seen", Action: core.ActSeeAccounts, Do: x.httpShown})
	h.HTTP.Handle(core.Route{Pattern: "PUT /users/{name}/last-seen", Action: core.ActEditAccounts, Do: x.httpShow})
	h.Hooks.Unavailable.Add(m.Name(), x.unavailable)
	h.Hooks.Parked.Add(m.Name(), x.gone)
	h.Hooks.Closed.Add(m.Name(), x.gone)
	h.Hooks.AccountDeleted.Add(m.Name(), func(e *core.Event) { *x.lives.Of(e.Account) = life{} })
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.LastActivity)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, ns.LastActivity, Space)
}

// activity is the module on one host.
type activity struct {
	host  *core.Host
	store store.Activity
	obs   obs.Obs
	began time.Time
	lives core.Slot[life] // of accounts
}

// life is what an account has in memory: nothing, until somebody asks or its last session ends.
type life struct {
	known  bool // seen is what the disk has, or will
	seen   store.LastSeen
	status string    // of the last presence that said that a session is not available
	left   time.Time // when the last of the sessions that ended was there
}

// read returns what is kept of an account. In a turn of it.
func (x *activity) read(a *core.Account) (*life, error) {
	v := x.lives.Of(a)
	if v.known || !a.Exists {
		return v, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	seen, err := x.store.LastSeen(ctx, a.ID)
	if err != nil {
		return v, err
	}
	v.seen, v.known = seen, true
	return v, nil
}

// uptime is XEP-0012 section 5.
func (x *activity) uptime(context.Context, *core.Event) (core.Answer, error) {
	return x.answer(x.began, ""), nil
}

// own is about the asker itself, who is there.
func (x *activity) own(context.Context, *core.Event) (core.Answer, error) {
	return x.answer(x.host.Now(), ""), nil
}

// contact is XEP-0012 section 3: when an account was there last, and with which words it left.
func (x *activity) contact(_ context.Context, e *core.Event) (core.Answer, error) {
	v, err := x.permitted(e)
	switch {
	case err != nil:
		return core.Answer{}, err
	case len(e.Account.Sessions()) > 0:
		return x.answer(x.host.Now(), ""), nil
	case v.left.After(v.seen.At): // on its way to the disk
		return x.answer(v.left, v.status), nil
	case v.seen.At.IsZero():
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "never there yet")
	}
	return x.answer(v.seen.At, v.seen.Status), nil
}

// device is XEP-0012 section 4: who may not know does not even reach the client.
func (x *activity) device(_ context.Context, e *core.Event) (core.Answer, error) {
	_, err := x.permitted(e)
	return core.Answer{}, err
}

// permitted decides whether the sender may know when the account was there.
func (x *activity) permitted(e *core.Event) (*life, error) {
	a, from := e.Account, e.Stanza.From.Bare()
	if from == a.JID {
		return x.read(a)
	}
	forbidden := stanza.NewError(stanza.Forbidden, "")
	if !a.Exists || x.host.Ports.Contacts.Subscription(a, from)&core.SubscribedFrom == 0 {
		return nil, forbidden
	}
	v, err := x.read(a)
	if err == nil && v.seen.Shown == store.ShownToNobody {
		err = forbidden
	}
	return v, err
}

func (x *activity) answer(since time.Time, status string) core.Answer {
	seconds := max(int64(x.host.Now().Sub(since)/time.Second), 0)
	b := []byte("<query xmlns='" + ns.LastActivity + "' seconds='" + strconv.FormatInt(seconds, 10) + "'>")
	b = xmltok.AppendEscaped(b, status)
	return core.Answer{Payload: string(append(b, "</query>"...))}
}
