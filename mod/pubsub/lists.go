package pubsub

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/disco"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// This file answers what is asked of the service as a whole, or of no node that there can be.

const maxListed = 100 // nodes on one page of disco#items

// serviceFeatures are what the service can do of XEP-0060 section 10.
func serviceFeatures() []string {
	out := []string{ns.DiscoInfo, ns.DiscoItems, ns.Ping, ns.RSM, ns.Commands, ns.PubSubFilter, ns.PubSub}
	for _, name := range []string{
		"access-authorize", "access-open", "access-whitelist", "config-node", "config-node-max", "create-and-configure", "create-nodes", "delete-items",
		"delete-nodes", "get-pending", "item-ids", "last-published", "manage-subscriptions", "member-affiliation", "meta-data", "modify-affiliations", "multi-items",
		"outcast-affiliation", "persistent-items", "publish", "publish-node-full", "publish-only-affiliation", "publish-options", "publisher-affiliation",
		"purge-nodes", "retract-items", "retrieve-affiliations", "retrieve-default", "retrieve-items", "retrieve-subscriptions", "rsm", "subscribe",
		"subscription-notifications",
	} {
		out = append(out, ns.PubSub+"#"+name)
	}
	return out
}

// impossible is the answer about a node whose name is too long for the service, or that is not named.
func (r *request) impossible() *stanza.Error {
	switch {
	case r.verb.Local == "create" && r.node != "":
		return stanza.NewError(stanza.NotAcceptable, "the name of the node is too long")
	case r.verb.Local == "create":
		return fault(stanza.NotAcceptable, "nodeid-required") // XEP-0060 section 8.1.2: there are no instant nodes
	case r.node != "":
		return noNode()
	case slices.Contains([]string{"publish", "retract", "subscribe", "unsubscribe", "items", "configure", "delete", "purge", "affiliations", "subscriptions"}, r.verb.Local):
		return fault(stanza.BadRequest, "nodeid-required")
	}
	return stanza.NewError(stanza.BadRequest, "")
}

// asked is a request as it was addressed to the service.
func asked(e *core.Event) (request, *stanza.Error) {
	p, _ := e.Stanza.Payload()
	return read(e.Stanza, p.Space)
}

// serviceSet answers what names no node that there can be.
func (m *Module) serviceSet(_ context.Context, e *core.Event) (answer, error) {
	r, fail := asked(e)
	if fail == nil {
		fail = r.impossible()
	}
	return answer{}, fail
}

// serviceOwnerGet is XEP-0060 section 8.3.
func (m *Module) serviceOwnerGet(_ context.Context, e *core.Event) (answer, error) {
	r, fail := asked(e)
	if fail == nil && r.verb.Local != "default" {
		fail = r.impossible()
	}
	if fail != nil {
		return answer{}, fail
	}
	o := serviceDefaults()
	f := m.form(home{jid: m.domain}, form.Prompt, ns.PubSubNodeConfig, &o)
	return result(ns.PubSubOwner, "<default>"+string(f.AppendXML(nil))+"</default>", nil)
}

// serviceGet is XEP-0060 sections 5.6 and 5.7: what somebody has to do with all nodes. It runs outside turns.
func (m *Module) serviceGet(ctx context.Context, e *core.Event) (answer, error) {
	r, fail := asked(e)
	if fail != nil {
		return answer{}, fail
	}
	if r.node != "" || r.verb.Local != "subscriptions" && r.verb.Local != "affiliations" {
		return answer{}, r.impossible()
	}
	ties, err := m.nodes.Ties(ctx, m.domain.Domain(), r.from.Bare())
	if err != nil {
		return answer{}, err
	}
	var b []byte
	for _, n := range ties {
		if r.verb.Local == "subscriptions" {
			for _, s := range n.Subscriptions {
				b = append(b, subscriptionXML(n.Name, s.JID, s.State)...)
			}
			continue
		}
		for _, a := range n.Affiliations {
			b = xmltok.AppendAttr(append(b, "<affiliation"...), "node", n.Name)
			b = append(xmltok.AppendAttr(b, "affiliation", a.Is), "/>"...)
		}
	}
	return result(ns.PubSub, list(r.verb.Local, "", string(b)), nil)
}

// nodeAttribute is the node of a discovery request.
func nodeAttribute(e *core.Event) string {
	p, _ := e.Stanza.Payload()
	name, _ := p.Attr("node")
	return name
}

// serviceInfo is XEP-0060 section 5.1.
func (m *Module) serviceInfo(_ context.Context, e *core.Event) (answer, error) {
	if nodeAttribute(e) != "" {
		return described(e.Host.Disco.Nodes.Info(e))
	}
	i := disco.Info{Identities: []disco.Identity{{Category: "pubsub", Type: "service", Name: "Nodes"}}, Features: serviceFeatures()}
	return answer{Payload: string(i.AppendXML(nil))}, nil
}

// serviceItems is XEP-0060 section 5.2, by pages (XEP-0059): the nodes that everybody may know of, and those that are for the asker. It runs outside turns.
func (m *Module) serviceItems(ctx context.Context, e *core.Event) (answer, error) {
	if nodeAttribute(e) != "" {
		return described(e.Host.Disco.Nodes.Items(e))
	}
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return answer{}, err
	}
	set := tree.Child(ns.RSM, "set")
	req, err := rsm.ParseRequest(set)
	if err != nil {
		return answer{}, err
	}
	if req.Before != "" || req.Last || req.HasIndex {
		return answer{}, stanza.NewError(stanza.FeatureNotImplemented, "nodes are listed forwards")
	}
	wanted, err := readFilter(tree.Child(ns.PubSubFilter, "filter"))
	if err != nil {
		return answer{}, err
	}
	size := req.Size(maxListed, maxListed)
	all, err := m.known(ctx, e.Stanza.From.Bare(), req.After, size+1, wanted)
	if err != nil {
		return answer{}, err
	}
	more := len(all) > size
	all = all[:min(size, len(all))]
	out := disco.Items{Items: all}
	if (set != nil || more) && len(all) > 0 {
		out.Page = &rsm.Result{First: all[0].Node, Last: all[len(all)-1].Node}
	}
	return answer{Payload: string(out.AppendXML(nil))}, nil
}

// filter says by their types which nodes are listed (XEP-0462); the zero one lists all.
type filter struct {
	included, excluded *form.Field
}

// readFilter reads a filter; nil: there is none.
func readFilter(n *xmltok.Node) (filter, error) {
	if n == nil {
		return filter{}, nil
	}
	f, err := form.ParseSubmit(n.Child(ns.DataForm, "x"))
	if err != nil {
		return filter{}, err
	}
	out := filter{f.Field("included-types"), f.Field("excluded-types")}
	if f.FormType() != ns.PubSubFilter || out.included != nil && out.excluded != nil {
		return out, stanza.NewError(stanza.BadRequest, "types are either included or excluded")
	}
	return out, nil
}

func (f filter) lists(kind string) bool {
	return (f.included == nil || slices.Contains(f.included.Values, kind)) && (f.excluded == nil || !slices.Contains(f.excluded.Values, kind))
}

// known are up to limit nodes behind a name that somebody may know of and wants to, by name.
func (m *Module) known(ctx context.Context, who jid.JID, after string, limit int, wanted filter) ([]disco.Item, error) {
	var out []disco.Item
	for from := partOf(after); len(out) < limit; {
		listed, err := m.rooms.List(ctx, m.domain.Domain(), from, limit, true)
		if err != nil {
			return nil, err
		}
		for _, r := range listed {
			var x entry
			// What cannot be read has no title.
			_ = json.Unmarshal(r.Config, &x)
			if wanted.lists(x.Type) {
				out = append(out, disco.Item{JID: m.domain, Node: nodeOf(r.Local), Name: x.Title})
			}
			from = r.Local
		}
		if len(listed) < limit {
			break
		}
	}
	ties, err := m.nodes.Ties(ctx, m.domain.Domain(), who)
	if err != nil {
		return nil, err
	}
	for i := range ties {
		if o, mine := m.mine(&ties[i]); mine && ties[i].Name > after && wanted.lists(o.Type) {
			out = append(out, disco.Item{JID: m.domain, Node: ties[i].Name, Name: o.Title})
		}
	}
	slices.SortFunc(out, func(x, y disco.Item) int { return strings.Compare(x.Node, y.Node) })
	out = slices.CompactFunc(out, func(x, y disco.Item) bool { return x.Node == y.Node })
	return out[:min(limit, len(out))], nil
}

// mine tells whether a node is one of those that are not for everybody, and its friend may know of it.
func (m *Module) mine(n *store.Node) (o options, ok bool) {
	o = serviceDefaults()
	if o.read(n.Config) != nil || o.Access != accessWhitelist || len(n.Affiliations) == 0 {
		return o, false
	}
	return o, visible(&o, person{affiliation: affiliation(n.Affiliations[0].Is)})
}

// partInfo is XEP-0060 sections 5.3 and 5.4.
func (m *Module) partInfo(_ context.Context, e *core.Event) (answer, error) {
	return described(m.nodeInfo(e, nodeAttribute(e)))
}

// partItems is XEP-0060 section 5.5.
func (m *Module) partItems(_ context.Context, e *core.Event) (answer, error) {
	return described(m.nodeItems(e, nodeAttribute(e)))
}

// described is the answer about a node, if there is one that the asker may know of.
func described(payload string, _ bool, err error) (answer, error) {
	if err == nil && payload == "" {
		return answer{}, noNode()
	}
	return answer{Payload: payload}, err
}
