// Package external tells clients of services beside this server (XEP-0215 1.0.0): what they need to find a way for calls, STUN and TURN. The addresses are
// configured. Credentials for relays are made for each account and end by themselves: a name that begins with the time of their end, and as password a
// proof of it under the secret that server and relay share, as coturn and others check it (draft-uberti-behave-turn-rest-00 section 2.2).
//
// Hooks: none. Left out: telling of changes unasked, since the list changes with the configuration only.
package external

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Module is the feature.
type Module struct {
	services []config.Service
	secret   []byte
	life     time.Duration
	host     *core.Host
}

// New takes the services, the secret that is shared with relays, and how long credentials are good.
func New(services []config.Service, secret []byte, life time.Duration) *Module {
	return &Module{services: services, secret: secret, life: life}
}

// Name of the module in lists and logs.
func (m *Module) Name() string { return "external" }

// Install registers everything, if there are services.
func (m *Module) Install(h *core.Host) {
	m.host = h
	if len(m.services) == 0 {
		return
	}
	row := core.IQ{Space: ns.ExternalServices, Type: stanza.Get, To: core.ToHost, Action: core.ActSeeHost, Module: m.Name()}
	row.Local, row.Do = "services", m.list
	h.IQ.Handle(row)
	row.Local, row.Do = "credentials", m.credentials
	h.IQ.Handle(row)
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, ns.ExternalServices)
}

// permitted: for accounts of this host, no guests.
func permitted(e *core.Event) error {
	if err := core.Permit(e.Actor(), core.ActRelay, core.Object{}); err != nil {
		return err
	}
	return nil
}

// list is XEP-0215 sections 3.1 and 3.2: all services, or those of a type, with credentials where they are needed.
func (m *Module) list(_ context.Context, e *core.Event) (core.Answer, error) {
	if err := permitted(e); err != nil {
		return core.Answer{}, err
	}
	asked, _ := e.Stanza.Payload()
	kind, some := asked.Attr("type")
	b := []byte("<services xmlns='" + ns.ExternalServices + "'")
	if some {
		b = xmltok.AppendAttr(b, "type", kind)
	}
	b = append(b, '>')
	for _, s := range m.services {
		if !some || s.Type == kind {
			b = m.append(b, s, e.Account.JID)
		}
	}
	return core.Answer{Payload: string(append(b, "</services>"...))}, nil
}

// credentials is XEP-0215 section 3.3: for a service whose address the client knows.
func (m *Module) credentials(_ context.Context, e *core.Event) (core.Answer, error) {
	if err := permitted(e); err != nil {
		return core.Answer{}, err
	}
	asked, _ := e.Stanza.Payload()
	tree, err := asked.Tree()
	if err != nil {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "")
	}
	want := tree.Child(ns.ExternalServices, "service")
	if want == nil || want.Attr("host") == "" || want.Attr("type") == "" {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "host and type are needed")
	}
	b := []byte("<credentials xmlns='" + ns.ExternalServices + "'>")
	none := len(b)
	for _, s := range m.services {
		port, some := want.Lookup("", "port")
		if s.Relay() && s.Host == want.Attr("host") && s.Type == want.Attr("type") && (!some || port == strconv.Itoa(s.Port)) {
			b = m.append(b, s, e.Account.JID)
		}
	}
	if len(b) == none {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "no such service takes credentials")
	}
	return core.Answer{Payload: string(append(b, "</credentials>"...))}, nil
}

// append writes a service for an account.
func (m *Module) append(b []byte, s config.Service, account jid.JID) []byte {
	b = append(b, "<service"...)
	for _, a := range [][2]string{{"type", s.Type}, {"host", s.Host}, {"port", strconv.Itoa(s.Port)}, {"transport", s.Transport}} {
		b = xmltok.AppendAttr(b, a[0], a[1])
	}
	if s.Relay() {
		end := m.host.Now().Add(m.life).UTC().Truncate(time.Second)
		name, password := m.sign(account, end)
		for _, a := range [][2]string{{"restricted", "1"}, {"username", name}, {"password", password}, {"expires", end.Format(time.RFC3339)}} {
			b = xmltok.AppendAttr(b, a[0], a[1])
		}
	}
	return append(b, "/>"...)
}

// sign makes credentials. The relay, which counts by what stands behind the colon, sees that two are of one account and not of which.
func (m *Module) sign(account jid.JID, end time.Time) (name, password string) {
	who := hmac.New(sha256.New, m.secret)
	who.Write([]byte(account.Bare().String()))
	name = strconv.FormatInt(end.Unix(), 10) + ":" + hex.EncodeToString(who.Sum(nil)[:8])
	proof := hmac.New(sha1.New, m.secret)
	proof.Write([]byte(name))
	return name, base64.StdEncoding.EncodeToString(proof.Sum(nil))
}
