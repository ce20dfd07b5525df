// Package carbons copies messages to the account's other devices (XEP-0280 version 1.0.1).
//
// Hooks: Sent, Received. Left out: nothing.
package carbons

import (
	"context"

	"stonechat/core"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
)

// Module is the feature.
type Module struct {
	enabled core.Slot[bool] // on a session; kept through resumption, since the session is
}

// New returns the module.
func New() *Module { return &Module{} }

// Name of the module.
func (m *Module) Name() string { return "carbons" }

// Install registers rows and hooks.
func (m *Module) Install(h *core.Host) {
	m.enabled = core.NewSlot[bool](h)
	for local, on := range map[string]bool{"enable": true, "disable": false} {
		h.IQ.Handle(core.IQ{
			Space: ns.Carbons, Local: local, Type: stanza.Set, To: core.ToOwn, Action: core.ActUseAccount, Module: m.Name(),
			Do: func(_ context.Context, e *core.Event) (core.Answer, error) {
				// XEP-0280 sections 4 and 5: asking twice is no error.
				*m.enabled.Of(e.Session) = on
				return core.Answer{}, nil
			},
		})
	}
	h.Hooks.Sent.Add(m.Name(), m.sent)
	h.Hooks.Received.Add(m.Name(), m.received)
	features := []string{ns.Carbons, ns.CarbonRules}
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, features...)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, features...)
}

// sent copies what one device sent to the others (XEP-0280 section 8).
func (m *Module) sent(e *core.Event) {
	if !eligible(e.Stanza, false) {
		return
	}
	m.copy(e, "sent", func(s *core.Session) bool { return s == e.Session })
}

// received copies what some devices got to the others (XEP-0280 section 7).
func (m *Module) received(e *core.Event) {
	if len(e.Targets) == 0 || !eligible(e.Stanza, true) {
		return
	}
	m.copy(e, "received", func(s *core.Session) bool {
		for _, t := range e.Targets {
			if s == t {
				return true
			}
		}
		return false
	})
}

// copy sends the wrapped stanza to every enabled session but the skipped ones. It is built once, for the first that wants it.
func (m *Module) copy(e *core.Event, wrapper string, skip func(*core.Session) bool) {
	inner := ""
	for _, s := range e.Account.Sessions() {
		on, has := m.enabled.Has(s)
		if !has || !*on || skip(s) {
			continue
		}
		if inner == "" {
			inner = wrap(e, wrapper)
		}
		// XEP-0280 section 11: from the own bare address, and no other.
		st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: e.Stanza.Type, From: e.Account.JID, To: s.JID}, inner)
		if err != nil {
			e.Host.Obs.Log.Error("carbon not made", "stanza", e.Stanza.ID, "err", err)
			return
		}
		s.Send(e.Work, st.Seal())
	}
}

func wrap(e *core.Event, wrapper string) string {
	st := e.Stanza
	if e.Kept != "" && wrapper == "sent" {
		// The archive's id of the sender's own copy; the received copy carries its id already.
		if with, err := st.WithChildren(core.StanzaID(e.Kept, e.Account.JID)); err == nil {
			st = with
		}
	}
	b := []byte("<" + wrapper + " xmlns='" + ns.Carbons + "'>")
	b = forward.Append(b, forward.Delay{}, []byte(st.Standalone()))
	return string(append(b, "</"+wrapper+">"...))
}

// eligible is XEP-0280 section 6.1, all of its rules.
func eligible(st *stanza.Stanza, received bool) bool {
	// XEP-0334 section 4.3: no copies of what is addressed to one device.
	if st.To.IsFull() && st.Has(ns.Hints, "no-copy") {
		return false
	}
	if st.Kind != stanza.Message || st.Has(ns.Carbons, "private") || st.Has(ns.Carbons, "sent") || st.Has(ns.Carbons, "received") {
		return false
	}
	switch st.Type {
	case stanza.GroupChat, stanza.Headline:
		return false
	case stanza.TypeError:
		return true // in response to a message that was eligible
	}
	if x, ok := st.Child(ns.MUCUser, "x"); ok && received {
		// A private message of an occupant reaches every joined device by itself; an invitation does not.
		return invites(x)
	}
	if st.Type == stanza.Chat {
		return true
	}
	for c := range st.Children() {
		if counts(c) {
			return true
		}
	}
	return false
}

func invites(x stanza.Child) bool {
	tree, err := x.Tree()
	return err == nil && tree.Child(ns.MUCUser, "invite") != nil
}

// counts: payloads that make a message of type normal eligible.
func counts(c stanza.Child) bool {
	switch c.Space {
	case ns.Receipts, ns.Markers, ns.ChatStates, ns.JingleMessage, ns.OMEMO, ns.OMEMOLegacy, ns.MUCUser, ns.Conference:
		return true
	}
	return c.Space == ns.Client && c.Local == "body"
}
