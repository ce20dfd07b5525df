// Package join is how people come and go: invites (XEP-0401 0.6.0, XEP-0379 0.3.3 section 3), registration in a client (XEP-0077 2.4, XEP-0445
// 0.2.0) with approval, passwords, leaving with its time of grace, and circles of people who are contacts of each other.
//
// invites.go makes and reads invites, commands.go offers them as ad-hoc commands, preauth.go takes subscriptions that bring one. register.go is what
// strangers may ask. account.go is what the owner of an account may: another password, and leaving. staff.go and circles.go are what administrators
// do. follow.go is the work behind: rosters that follow circles and invites, and erasing.
//
// Hooks: Features, Receiving. Runner: follow.go. Left out: CAPTCHA (XEP-0158), mail; a circle's room and bookmark, which come with rooms.
package join

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Deriver makes what is kept of a password.
type Deriver func(password string, iterations int) ([]store.Credential, error)

// Parts are what the module is built from.
type Parts struct {
	Accounts store.Accounts
	Invites  store.Invites
	Leavers  store.Leavers
	Circles  store.Circles
	Config   *config.Config
	Derive   Deriver
	Obs      obs.Obs
	// Signups counts attempts to register, by outcome.
	Signups *prometheus.CounterVec
}

// Module is the feature on one host.
type Module struct {
	Parts
	host  *core.Host
	wake  chan struct{} // one token: there are ties to follow
	tries core.Quota    // by source: attempts of strangers
	made  core.Quota    // accounts without an invite, by source and by "" for all
}

// New returns the module.
func New(p Parts) *Module { return &Module{Parts: p, wake: make(chan struct{}, 1)} }

// Name of the module in lists and logs.
func (m *Module) Name() string { return "join" }

// Install registers everything.
func (m *Module) Install(h *core.Host) {
	m.host = h
	h.Hooks.Features = append(h.Hooks.Features, core.Hook[func(core.Stage, *core.Stranger) string]{Module: m.Name(), Do: m.features})
	h.Hooks.Receiving.Add(m.Name(), m.receiving)
	early := func(space, local string, typ stanza.Type, do func(context.Context, *core.Stranger, *stanza.Stanza) (string, error)) {
		h.Early.Handle(core.EarlyIQ{Space: space, Local: local, Type: typ, Action: core.ActJoin, Do: do, Module: m.Name()})
	}
	early(ns.PreAuth, "preauth", stanza.Set, m.preauth)
	early(ns.Register, "query", stanza.Get, m.fields)
	early(ns.Register, "query", stanza.Set, m.register)
	// XEP-0077 sections 3.2 and 3.3: of the own account, to whichever of the two addresses.
	for to, act := range map[core.Target]core.Action{core.ToHost: core.ActSeeHost, core.ToOwn: core.ActUseAccount} {
		row := core.IQ{Space: ns.Register, Local: "query", To: to, Action: act, Module: m.Name()}
		row.Type, row.Do = stanza.Get, m.registered
		h.IQ.Handle(row)
		row.Type, row.Do, row.Slow = stanza.Set, m.change, true
		h.IQ.Handle(row)
	}
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.Register)
	m.offerCommands()
	m.offerRoutes()
}

// limited tells whether rates count.
func (m *Module) limited() bool { return m.Config.RateLimits }

func (m *Module) now() time.Time { return m.host.Now() }

// address of an account of this host.
func (m *Module) address(local string) jid.JID {
	j, err := jid.New(local, m.host.Domain.Domain(), "")
	if err != nil {
		return jid.JID{}
	}
	return j
}

// known turns the store's errors into answers.
func known(err error, missing string) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return stanza.NewError(stanza.ItemNotFound, missing)
	case errors.Is(err, store.ErrConflict):
		return stanza.NewError(stanza.Conflict, "the name is taken")
	}
	return err
}
