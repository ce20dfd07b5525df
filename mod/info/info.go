// Package info answers what the server and its accounts are and offer: discovery (XEP-0030 2.5.0), contact addresses (XEP-0157 1.1.1),
// ping (XEP-0199), software version (XEP-0092), time (XEP-0202) and the obsolete session request (RFC 3921 section 3).
//
// Hooks: none. It stands last in the list of modules, since it announces what the others have registered. Caps: XEP-0115 1.6.0.
// Nodes of accounts are those of other modules.
package info

import (
	"context"
	"time"

	"stonechat/config"
	"stonechat/core"
	"stonechat/obs"
	"stonechat/xmpp/disco"
	"stonechat/xmpp/form"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// Module is the feature.
type Module struct {
	contact config.Contact
	version string
	node    string // of the host's caps
}

// New takes the contact addresses and the version of the program.
func New(contact config.Contact, version string) *Module {
	return &Module{contact: contact, version: version}
}

// Name of the module.
func (m *Module) Name() string { return "info" }

// Install registers rows.
func (m *Module) Install(h *core.Host) {
	row := func(space, local string, typ stanza.Type, to core.Target, act core.Action, do func(context.Context, *core.Event) (core.Answer, error)) {
		h.IQ.Handle(core.IQ{Space: space, Local: local, Type: typ, To: to, Action: act, Module: m.Name(), Do: do})
	}
	row(ns.DiscoInfo, "query", stanza.Get, core.ToHost, core.ActSeeHost, m.hostInfo)
	row(ns.DiscoInfo, "query", stanza.Get, core.ToOwn, core.ActUseSession, m.accountInfo)
	row(ns.DiscoInfo, "query", stanza.Get, core.ToContact, core.ActSeeAnyone, m.contactInfo)
	row(ns.DiscoItems, "query", stanza.Get, core.ToHost, core.ActSeeHost, hostItems)
	row(ns.DiscoItems, "query", stanza.Get, core.ToOwn, core.ActUseSession, accountItems)
	row(ns.DiscoItems, "query", stanza.Get, core.ToContact, core.ActSeeAnyone, accountItems)
	row(ns.Ping, "ping", stanza.Get, core.ToHost, core.ActSeeHost, empty)
	row(ns.Ping, "ping", stanza.Get, core.ToOwn, core.ActUseSession, empty)
	row(ns.Ping, "ping", stanza.Get, core.ToContact, core.ActSeeContact, empty)
	row(ns.Version, "query", stanza.Get, core.ToHost, core.ActSeeHost, m.softwareVersion)
	row(ns.Time, "time", stanza.Get, core.ToHost, core.ActSeeHost, now)
	row(ns.Session, "session", stanza.Set, core.ToOwn, core.ActUseSession, empty)
	row(ns.Session, "session", stanza.Set, core.ToHost, core.ActSeeHost, empty)
	h.Disco.HostFeatures = append(h.Disco.HostFeatures, append(everybody(), ns.Version, ns.Time, ns.Caps)...)
	h.Disco.AccountFeatures = append(h.Disco.AccountFeatures, everybody()...)
	m.caps(h)
}

// everybody are the features of the host and of every account.
func everybody() []string { return []string{ns.DiscoInfo, ns.DiscoItems, ns.Ping} }

// capsNode names the program in caps.
const capsNode = "urn:stonechat:server"

// caps announces the host's own features with its stream (XEP-0115 section 6.3). Every other module has said its features before.
func (m *Module) caps(h *core.Host) {
	i := m.host(h)
	ver, err := i.Ver("sha-1")
	if err != nil {
		h.Obs.Log.Error("caps of the server", obs.Err, err)
		return
	}
	c := disco.Caps{Hash: "sha-1", Node: capsNode, Ver: ver}
	m.node = c.QueryNode()
	h.Disco.StreamFeatures = append(h.Disco.StreamFeatures, string(c.AppendXML(nil)))
}

func empty(context.Context, *core.Event) (core.Answer, error) { return core.Answer{}, nil }

// noNode: XEP-0030 section 3.2, error case: we have no nodes.
func noNode(e *core.Event) error {
	p, _ := e.Stanza.Payload()
	if node, ok := p.Attr("node"); ok && node != "" {
		return stanza.NewError(stanza.ItemNotFound, "")
	}
	return nil
}

// host is what the host says of itself.
func (m *Module) host(h *core.Host) *disco.Info {
	return &disco.Info{
		Identities: append([]disco.Identity{{Category: "server", Type: "im", Name: "Stonechat"}}, identities(h.Disco.HostIdentities)...),
		Features:   h.Disco.HostFeatures, Forms: []*form.Form{m.addresses(h)},
	}
}

// hostInfo answers without a node, or with that of the caps (XEP-0115 section 6.2).
func (m *Module) hostInfo(_ context.Context, e *core.Event) (core.Answer, error) {
	i := m.host(e.Host)
	if p, _ := e.Stanza.Payload(); m.node != "" {
		if node, _ := p.Attr("node"); node == m.node {
			i.Node = node
			return core.Answer{Payload: string(i.AppendXML(nil))}, nil
		}
	}
	if payload, ok, err := e.Host.Disco.Nodes.Info(e); ok {
		return core.Answer{Payload: payload}, err
	}
	return core.Answer{Payload: string(i.AppendXML(nil))}, noNode(e)
}

// addresses is the form of XEP-0157. Who configures nothing is reached at the abuse address of RFC 2142.
func (m *Module) addresses(h *core.Host) *form.Form {
	abuse := m.contact.Abuse
	if len(abuse) == 0 {
		abuse = []string{"mailto:abuse@" + h.Domain.Domain()}
	}
	var fields []form.Field
	for _, a := range []struct {
		name string
		uris []string
	}{
		{"abuse-addresses", abuse},
		{"admin-addresses", m.contact.Admin},
		{"feedback-addresses", m.contact.Feedback},
		{"sales-addresses", m.contact.Sales},
		{"security-addresses", m.contact.Security},
		{"status-addresses", m.contact.Status},
		{"support-addresses", m.contact.Support},
	} {
		if len(a.uris) > 0 {
			fields = append(fields, form.Field{Var: a.name, Type: form.ListMulti, Values: a.uris})
		}
	}
	return form.New(form.Result, ns.ServerInfo, fields...)
}

func identities(all []core.DiscoIdentity) []disco.Identity {
	var out []disco.Identity
	for _, i := range all {
		out = append(out, disco.Identity{Category: i.Category, Type: i.Type})
	}
	return out
}

// contactInfo answers others. What the account is only contacts learn, and everybody else the same as of one that does not exist (XEP-0030
// section 8); nodes know themselves to whom they are shown.
func (m *Module) contactInfo(ctx context.Context, e *core.Event) (core.Answer, error) {
	a, asker := e.Account, e.Stanza.From.Bare()
	if payload, ok, err := e.Host.Disco.AccountNodes.Info(e); ok {
		return core.Answer{Payload: payload}, err
	}
	if !a.Exists || !a.Guest() && e.Host.Ports.Contacts.Subscription(a, asker)&core.SubscribedFrom == 0 {
		return core.Answer{}, stanza.NewError(stanza.ServiceUnavailable, "")
	}
	return m.accountInfo(ctx, e)
}

func (m *Module) accountInfo(_ context.Context, e *core.Event) (core.Answer, error) {
	if payload, ok, err := e.Host.Disco.AccountNodes.Info(e); ok {
		return core.Answer{Payload: payload}, err
	}
	i := disco.Info{
		Identities: append([]disco.Identity{{Category: "account", Type: "registered"}}, identities(e.Host.Disco.AccountIdentities)...),
		Features:   e.Host.Disco.AccountFeatures,
	}
	if e.Account.Guest() {
		// XEP-0175 section 4
		i.Identities, i.Features = []disco.Identity{{Category: "account", Type: "anonymous"}}, everybody()
	}
	return core.Answer{Payload: string(i.AppendXML(nil))}, noNode(e)
}

func hostItems(_ context.Context, e *core.Event) (core.Answer, error) {
	if payload, ok, err := e.Host.Disco.Nodes.Items(e); ok {
		return core.Answer{Payload: payload}, err
	}
	var items disco.Items
	for _, i := range e.Host.Disco.HostItems {
		items.Items = append(items.Items, disco.Item{JID: i.JID, Name: i.Name})
	}
	return core.Answer{Payload: string(items.AppendXML(nil))}, noNode(e)
}

// accountItems are the available resources (XEP-0030 section 4.1), and nodes.
func accountItems(_ context.Context, e *core.Event) (core.Answer, error) {
	a, asker := e.Account, e.Stanza.From.Bare()
	if payload, ok, err := e.Host.Disco.AccountNodes.Items(e); ok {
		return core.Answer{Payload: payload}, err
	}
	var items disco.Items
	p, _ := e.Stanza.Payload()
	if items.Node, _ = p.Attr("node"); items.Node == "" {
		for _, f := range e.Host.Disco.AccountItems {
			for _, i := range f(e) {
				items.Items = append(items.Items, disco.Item{JID: a.JID, Node: i.Node, Name: i.Name})
			}
		}
	}
	if asker != a.JID && e.Host.Ports.Contacts.Subscription(a, asker)&core.SubscribedFrom == 0 {
		// XEP-0030 section 8: nothing but what everybody is shown, and the same for an account that does not exist.
		return core.Answer{Payload: string(items.AppendXML(nil))}, nil
	}
	for _, s := range a.Sessions() {
		if s.Available() {
			items.Items = append(items.Items, disco.Item{JID: s.JID})
		}
	}
	return core.Answer{Payload: string(items.AppendXML(nil))}, noNode(e)
}

func (m *Module) softwareVersion(context.Context, *core.Event) (core.Answer, error) {
	b := []byte("<query xmlns='" + ns.Version + "'><name>Stonechat</name><version>")
	b = xmltok.AppendEscaped(b, m.version)
	return core.Answer{Payload: string(append(b, "</version></query>"...))}, nil
}

// now is XEP-0202; the zone is not told, since it would say where the server stands. Nobody needs to know more than the second, and not
// everybody can read more (XEP-0082 section 3.2 lets readers ignore it).
func now(_ context.Context, e *core.Event) (core.Answer, error) {
	utc := e.Host.Now().UTC().Format(time.RFC3339)
	return core.Answer{Payload: "<time xmlns='" + ns.Time + "'><tzo>+00:00</tzo><utc>" + utc + "</utc></time>"}, nil
}
