package muc

import (
	"context"
	"encoding/json"
	"slices"

	"stonechat/core"
	"stonechat/xmpp/disco"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/rsm"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

const maxRooms = 100 // rooms on one page of disco#items

// Nodes of a room (section 15.4).
const (
	nodeNick    = "x-roomuser-item"
	nodeTraffic = "http://jabber.org/protocol/muc#traffic"
)

// common are features of the service and of every room.
func common() []string {
	return []string{ns.DiscoInfo, ns.DiscoItems, ns.Ping, ns.MUCStableID, ns.MUCSelfPing, ns.OccupantID, ns.StanzaID, ns.VCardTemp}
}

func node(e *core.Event) string {
	p, _ := e.Stanza.Payload()
	name, _ := p.Attr("node")
	return name
}

// serviceInfo is section 6.2.
func (m *Module) serviceInfo(_ context.Context, e *core.Event) (core.Answer, error) {
	if node(e) != "" {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "")
	}
	i := disco.Info{
		Identities: []disco.Identity{{Category: "conference", Type: "text", Name: "Rooms"}},
		Features:   append([]string{ns.MUC, ns.RSM, ns.ChannelSearch}, common()...),
	}
	return core.Answer{Payload: string(i.AppendXML(nil))}, nil
}

// serviceItems is section 6.3, by pages (XEP-0059). It runs outside turns.
func (m *Module) serviceItems(ctx context.Context, e *core.Event) (core.Answer, error) {
	if node(e) != "" {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "")
	}
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, err
	}
	set := tree.Child(ns.RSM, "set")
	req, err := rsm.ParseRequest(set)
	if err != nil {
		return core.Answer{}, err
	}
	if req.Before != "" || req.Last || req.HasIndex {
		return core.Answer{}, stanza.NewError(stanza.FeatureNotImplemented, "rooms are listed forwards")
	}
	size := req.Size(maxRooms, maxRooms)
	list, err := m.Rooms.List(ctx, m.domain.Domain(), req.After, size+1, true)
	if err != nil {
		return core.Answer{}, err
	}
	more := len(list) > size
	list = list[:min(size, len(list))]
	var out disco.Items
	for _, kept := range list {
		j, err := jid.New(kept.Local, m.domain.Domain(), "")
		var c muc.Config
		if err != nil || json.Unmarshal(kept.Config, &c) != nil {
			continue
		}
		name := c.Name
		if name == "" {
			name = kept.Local
		}
		out.Items = append(out.Items, disco.Item{JID: j, Name: name})
	}
	if (set != nil || more) && len(list) > 0 {
		out.Page = &rsm.Result{First: list[0].Local, Last: list[len(list)-1].Local}
	}
	return core.Answer{Payload: string(out.AppendXML(nil))}, nil
}

// roomInfo is sections 6.4 and 7.12.
func (m *Module) roomInfo(_ context.Context, e *core.Event) (core.Answer, error) {
	x := m.rooms.Of(e.Room)
	who := x.standingOf(e.Stanza.From)
	if x.locked && who.affiliation < muc.Owner {
		return core.Answer{}, errNoRoom
	}
	m.behind(e)
	switch node(e) {
	case "":
	case nodeNick:
		i := disco.Info{Node: nodeNick}
		if p := x.people[e.Stanza.From.Bare()]; p.nick.shown != "" {
			i.Identities = []disco.Identity{{Category: "conference", Type: "text", Name: p.nick.shown}}
		}
		return core.Answer{Payload: string(i.AppendXML(nil))}, nil
	case nodeTraffic:
		// Section 14.1.1: we discard nothing.
		return core.Answer{}, stanza.NewError(stanza.ServiceUnavailable, "")
	default:
		if i := x.commandInfo(node(e)); i != nil {
			return core.Answer{Payload: string(i.AppendXML(nil))}, nil
		}
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "")
	}
	f := muc.Facts{Occupants: -1, Hats: x.hatsHash()}
	// Section 12.4: what is talked of, and by how many, is for those who could come in.
	if x.mayRead(who) && (x.config.Public || who.role != muc.Absent || who.affiliation >= muc.Member) {
		f.Occupants = len(x.nicks)
		if x.subject != nil {
			c, _ := x.subject.Child(ns.Client, "subject")
			f.Subject = c.Text()
		}
	}
	features := append(common(), ns.MUCRequest, ns.Hats, ns.Commands)
	if x.config.Archive && e.Host.Ports.Archiver != nil {
		features = append(features, ns.Archive, ns.ArchiveExtended, ns.Retract, ns.Moderate, ns.FasteningCollation)
		if slices.Contains(e.Host.Disco.AccountFeatures, ns.Fulltext) {
			features = append(features, ns.Fulltext) // XEP-0431 section 3.1: what is found in one archive is found in all
		}
	}
	if x.config.NonAnonymous {
		features = append(features, ns.MUCAffiliations)
	}
	if x.config.Register && !x.config.MembersOnly {
		features = append(features, ns.Register)
	}
	return core.Answer{Payload: string(x.config.Info(x.name(), f, features...).AppendXML(nil))}, nil
}

// roomItems: who is in the room is not told outside (section 6.5).
func (m *Module) roomItems(_ context.Context, e *core.Event) (core.Answer, error) {
	x := m.rooms.Of(e.Room)
	if x.locked && x.affiliation(e.Stanza.From) < muc.Owner {
		return core.Answer{}, errNoRoom
	}
	list := disco.Items{Node: node(e)}
	if list.Node == ns.Commands {
		list.Items = x.commandItems(x.standingOf(e.Stanza.From))
	}
	return core.Answer{Payload: string(list.AppendXML(nil))}, nil
}

// appendText appends an element that holds only text.
func appendText(dst []byte, name, text string) []byte {
	dst = append(append(append(dst, '<'), name...), '>')
	dst = xmltok.AppendEscaped(dst, text)
	return append(append(append(dst, "</"...), name...), '>')
}
