// Package bytestreams tells clients where two that cannot reach each other may meet, and has them hand over bytes there: the proxy of XEP-0065 1.8.2. The
// bytes themselves pass another door (edge/proxy65), which knows hashes alone.
//
// Hooks: none. It serves a domain (core.Host.ServeDomain). Only accounts of this server may ask for a transfer; with whom is their business. Left out: UDP,
// which is optional.
package bytestreams

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"strings"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/disco"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// maxSID is how many bytes the id of a stream may have; clients use some dozens.
const maxSID = 1024

// Parts are what the module is made of.
type Parts struct {
	Config config.Bytestreams
	// Port that the door listens at; false: not yet.
	Port func() (int, bool)
	// Activate has the two that came to the door with a hash hand over bytes, on behalf of an account: how many are there, and whether they do. nil: there is no
	// door, and nothing is offered. It does not wait.
	Activate func(hash, account string) (parties int, ok bool)
	Obs      obs.Obs
}

// Module is the feature.
type Module struct {
	Parts
	host   *core.Host
	domain jid.JID // of the service
}

// New returns the module.
func New(p Parts) *Module { return &Module{Parts: p} }

// Name of the module.
func (m *Module) Name() string { return "bytestreams" }

// Install serves the domain and registers rows.
func (m *Module) Install(h *core.Host) {
	if m.Activate == nil {
		return
	}
	domain, err := jid.Parse(m.Config.Of(h.Domain.Domain()))
	if err != nil {
		// What stands before a domain makes one, unless it is too long. Serve reports it at the start.
		m.Obs.Log.Error("no domain for the proxy", obs.Err, err)
	}
	m.host, m.domain = h, domain
	h.ServeDomain(m.Name(), domain)
	for _, row := range []core.IQ{
		{Space: ns.Bytestreams, Local: "query", Type: stanza.Get, Action: core.ActRelay, Do: m.address},
		{Space: ns.Bytestreams, Local: "query", Type: stanza.Set, Action: core.ActRelay, Do: m.activate},
		{Space: ns.DiscoInfo, Local: "query", Type: stanza.Get, Action: core.ActSeeHost, Do: info},
		{Space: ns.DiscoItems, Local: "query", Type: stanza.Get, Action: core.ActSeeHost, Do: items},
		{Space: ns.Ping, Local: "ping", Type: stanza.Get, Action: core.ActSeeHost, Do: pong},
	} {
		row.Module, row.To = m.Name(), core.ToService
		h.IQ.Handle(row)
	}
	h.Disco.HostItems = append(h.Disco.HostItems, core.DiscoItem{JID: domain, Name: "File transfer"})
}

// info is XEP-0065 section 4.
func info(_ context.Context, e *core.Event) (core.Answer, error) {
	if hasNode(e) {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "")
	}
	i := disco.Info{
		Identities: []disco.Identity{{Category: "proxy", Type: "bytestreams", Name: "File transfer"}},
		Features:   []string{ns.Bytestreams, ns.DiscoInfo, ns.DiscoItems, ns.Ping},
	}
	return core.Answer{Payload: string(i.AppendXML(nil))}, nil
}

// items: there are none.
func items(_ context.Context, e *core.Event) (core.Answer, error) {
	if hasNode(e) {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "")
	}
	return core.Answer{Payload: "<query xmlns='" + ns.DiscoItems + "'/>"}, nil
}

func pong(context.Context, *core.Event) (core.Answer, error) { return core.Answer{}, nil }

func hasNode(e *core.Event) bool {
	p, _ := e.Stanza.Payload()
	node, _ := p.Attr("node")
	return node != ""
}

// address is where clients connect (XEP-0065 section 4).
func (m *Module) address(context.Context, *core.Event) (core.Answer, error) {
	listening, ok := m.Port()
	if !ok {
		return core.Answer{}, stanza.NewError(stanza.NotAllowed, "the proxy does not listen")
	}
	host, port := m.Config.Host(m.host.Domain.Domain(), listening)
	b := xmltok.AppendAttr([]byte("<query xmlns='"+ns.Bytestreams+"'><streamhost"), "host", host)
	b = xmltok.AppendAttr(b, "jid", m.domain.String())
	b = xmltok.AppendAttr(b, "port", strconv.Itoa(port))
	return core.Answer{Payload: string(append(b, "/></query>"...))}, nil
}

// activate is XEP-0065 section 6.3.5: only who knows the id of the stream and is the requester can have named this hash.
func (m *Module) activate(_ context.Context, e *core.Event) (core.Answer, error) {
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, err
	}
	sid, target := tree.Attr("sid"), strings.TrimSpace(tree.Child(ns.Bytestreams, "activate").Text())
	if sid == "" || len(sid) > maxSID || target == "" {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "sid and activate are needed")
	}
	to, err := jid.Parse(target)
	if err != nil {
		return core.Answer{}, stanza.NewError(stanza.JIDMalformed, "")
	}
	switch parties, ok := m.Activate(hash(sid, e.Stanza.From, to), e.Stanza.From.Bare().String()); {
	case ok:
		return core.Answer{}, nil
	case parties == 0:
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "nobody is connected for this stream")
	case parties == 1:
		return core.Answer{}, stanza.NewError(stanza.NotAllowed, "the other party is not connected")
	}
	return core.Answer{}, &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "you have as many transfers as you may"}
}

// hash is what both parties name (XEP-0065 section 5.3.2). Addresses are prepared.
func hash(sid string, requester, target jid.JID) string {
	h := sha1.Sum([]byte(sid + requester.String() + target.String()))
	return hex.EncodeToString(h[:])
}
