// Package carbons copies messages to the account's other devices (XEP-0280 version 1.0.1).
//
// Hooks: Sent, Received. Left out: to hold copies of private messages of rooms to the devices that have joined, which comes with rooms.
package carbons

import (
	"context"
	"hash/maphash"
	"slices"

	"stonechat/core"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Module is the feature.
type Module struct {
	passed core.Slot[passed] // on an account
	seed   maphash.Seed
}

// New returns the module.
func New() *Module { return &Module{seed: maphash.MakeSeed()} }

// Name of the module.
func (m *Module) Name() string { return "carbons" }

// Install registers rows and hooks.
func (m *Module) Install(h *core.Host) {
	m.passed = core.NewSlot[passed](h)
	for local, on := range map[string]bool{"enable": true, "disable": false} {
		h.IQ.Handle(core.IQ{
			Space: ns.Carbons, Local: local, Type: stanza.Set, To: core.ToOwn, Action: core.ActUseAccount, Module: m.Name(),
			Do: func(_ context.Context, e *core.Event) (core.Answer, error) {
				// XEP-0280 sections 4 and 5: asking twice is no error.
				e.Session.Copy(on)
				return core.Answer{}, nil
			},
		})
	}
	h.Inline.Add(core.Inline{
		Space: ns.Carbons, Local: "enable", Feature: ns.Carbons, Module: m.Name(),
		Do: func(e *core.Event, _ *xmltok.Node) string {
			e.Session.Copy(true)
			return "" // XEP-0386 section 3.2.1: it must succeed, so there is no answer
		},
	})
	h.Hooks.Sent.Add(m.Name(), m.sent)
	h.Hooks.Received.Add(m.Name(), m.received)
	features := []string{ns.Carbons, ns.CarbonRules}
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, features...)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, features...)
}

// passed are the last messages of an account that were sent and not copied: an error in response to one is not copied either.
type passed struct {
	ring [32]uint64
	next int
}

// key recognises a message by whom it is to and its id, which an error in response repeats (RFC 6120 section 8.3.1).
func (m *Module) key(to jid.JID, id string) uint64 {
	return maphash.Comparable(m.seed, struct {
		to jid.JID
		id string
	}{to, id})
}

// sent copies what one device sent to the others (XEP-0280 section 8).
func (m *Module) sent(e *core.Event) {
	st := e.Stanza
	switch {
	case !eligible(st, false):
		if st.Kind == stanza.Message && st.Type != stanza.TypeError && st.ID != "" {
			p := m.passed.Of(e.Account)
			p.ring[p.next] = m.key(st.To, st.ID)
			p.next = (p.next + 1) % len(p.ring)
		}
	case st.To.Bare() == e.Account.JID:
		// It is copied where it arrives, to those who do not get the original.
	default:
		m.copy(e, "sent", func(s *core.Session) bool { return s == e.Session })
	}
}

// received copies what arrives to the devices that do not get it themselves (XEP-0280 section 7), also when nobody does.
func (m *Module) received(e *core.Event) {
	st := e.Stanza
	if !eligible(st, true) || st.Type == stanza.TypeError && m.answersPassed(e) {
		return
	}
	if st.From.Bare() == e.Account.JID {
		// XEP-0280 sections 7 and 8: from one own device to another. Neither of them gets a copy, and nobody gets two.
		m.copy(e, "sent", func(s *core.Session) bool { return s.JID == st.From || slices.Contains(e.Targets, s) })
		return
	}
	m.copy(e, "received", func(s *core.Session) bool { return slices.Contains(e.Targets, s) })
}

// answersPassed: XEP-0280 section 6.1, errors follow the message to which they respond.
func (m *Module) answersPassed(e *core.Event) bool {
	p, ok := m.passed.Has(e.Account)
	return ok && e.Stanza.ID != "" && slices.Contains(p.ring[:], m.key(e.Stanza.From, e.Stanza.ID))
}

// copy sends the wrapped stanza to every enabled session but the skipped ones. It is built once, for the first that wants it.
func (m *Module) copy(e *core.Event, wrapper string, skip func(*core.Session) bool) {
	inner := ""
	for _, s := range e.Account.Sessions() {
		if !s.Copied() || skip(s) {
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
		s.SendOnce(e.Work, st.Seal())
	}
}

func wrap(e *core.Event, wrapper string) string {
	st := e.Stanza
	if e.Kept != "" && e.Session != nil {
		// XEP-0313 section 3.5: the archive's id of the sender's own copy. What has arrived carries its id already.
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
	// Copies are not copied (section 11). XEP-0334 section 4.3: what is for one address goes to no other. In an error that repeats the
	// message both speak of the message (section 6.1).
	if st.Kind != stanza.Message || st.Has(ns.Carbons, "") || st.Has(ns.Hints, "no-copy") {
		return false
	}
	switch st.Type {
	case stanza.GroupChat:
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
		// A body makes a message of type normal eligible, or of a type that nobody knows (RFC 6121 section 5.2.2).
		if typical(c) || c.Space == ns.Client && c.Local == "body" && st.Type != stanza.Headline {
			return true
		}
	}
	return false
}

func invites(x stanza.Child) bool {
	tree, err := x.Tree()
	return err == nil && tree.Child(ns.MUCUser, "invite") != nil
}

// typical: payloads of messaging, which make a message eligible whatever its type.
func typical(c stanza.Child) bool {
	switch c.Space {
	case ns.Receipts, ns.Markers, ns.ChatStates, ns.JingleMessage, ns.OMEMO, ns.OMEMOLegacy, ns.Conference:
		return true
	case ns.MUCUser:
		return invites(c)
	}
	return false
}
