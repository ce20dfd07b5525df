package pubsub

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// This file has the rooms of a space follow it (docs/decisions/0026-spaces.md).

// spaceRole is what a bare address is in a space, of whose subscriptions the best has that state, and whether it has subscribed itself. Nobody is in a node that
// is none.
func (m *Module) spaceRole(a home, n *node, who jid.JID, state string) (role core.SpaceRole, joined bool) {
	if n.options.Type != ns.Spaces {
		return core.NotInSpace, false
	}
	joined = state == stateSubscribed
	p := m.subscribed(a, n, who, state)
	switch {
	case p.affiliation == isOwner:
		return core.OwnsSpace, joined
	case p.affiliation == isNone && !joined, mayRead(&n.options, p) != nil:
		return core.NotInSpace, false
	}
	return core.InSpace, joined
}

// membership is the best subscriptions of people in a space, by bare addresses; nil for other nodes.
func (n *node) membership() map[jid.JID]string {
	if n.options.Type != ns.Spaces {
		return nil
	}
	return n.best()
}

// halls is how many rooms may have to be told of somebody in a space, at most.
func (a home) halls(n *node) int {
	if a.room == nil || n.options.Type != ns.Spaces {
		return 0
	}
	return n.items
}

// roles are what people are in a space before something changes; nil for nodes of accounts.
func (m *Module) roles(a home, n *node, who ...jid.JID) map[jid.JID]core.SpaceRole {
	if a.room == nil {
		return nil
	}
	out, states := make(map[jid.JID]core.SpaceRole, len(who)), n.membership()
	for _, j := range who {
		bare := j.Bare()
		out[bare], _ = m.spaceRole(a, n, bare, states[bare])
	}
	return out
}

// follow has the rooms of a space follow what has become of people since was, as soon as t is done. The answer waits for it.
func (m *Module) follow(x *act, n *node, was map[jid.JID]core.SpaceRole, t store.Ticket) {
	if x.at.room == nil {
		return
	}
	var moved []core.SpaceChange
	states := n.membership()
	for who, before := range was {
		if now, joined := m.spaceRole(x.at, n, who, states[who]); now != before {
			moved = append(moved, core.SpaceChange{JID: who, Was: before, Is: now, Joined: joined})
		}
	}
	if len(moved) == 0 {
		return
	}
	name, by := n.name, x.Stanza.From.Bare().Clone()
	x.Wait(m.then(x.at, t, func(_ *core.Work, a home, b *book, err error) []store.Ticket {
		if n := b.nodes[name]; err == nil && n != nil {
			return m.tellRooms(a, n, by, moved, store.NodeQuery{Max: -1})
		}
		return nil
	}))
}

// dissolve deletes a node of the service. If it is a space, its rooms first take back what they have given for it: who was not answered says it again, and
// they hear it again.
func (m *Module) dissolve(x *act, n *node, inner string) store.Ticket {
	var all []core.SpaceChange
	for who, was := range m.roles(x.at, n, n.people()...) {
		if was != core.NotInSpace {
			all = append(all, core.SpaceChange{JID: who, Was: was})
		}
	}
	a, p := x.at, new(store.Promise)
	told := m.tellRooms(a, n, x.from.Bare().Clone(), all, store.NodeQuery{Max: -1})
	a.room.Pause(x.Work, store.All(told...), func(w *core.Work, err error) {
		if err != nil {
			p.Settle(err)
			return
		}
		m.vanish(w, a, n, inner).Done(p.Settle)
	})
	return p.Ticket()
}

// tellRooms gives news to the rooms among the items that q asks for.
func (m *Module) tellRooms(a home, n *node, by jid.JID, people []core.SpaceChange, q store.NodeQuery) (done []store.Ticket) {
	if len(people) == 0 {
		return nil
	}
	owners := slices.ContainsFunc(people, func(p core.SpaceChange) bool { return max(p.Was, p.Is) == core.OwnsSpace }) // nobody else is anything in other rooms
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	got, err := m.nodes.Items(ctx, a.id(), n.name, q)
	if err != nil {
		return []store.Ticket{store.Settled(storeFault(err))}
	}
	for _, i := range got.Items {
		if room, usual, ok := roomOf(i.ID, string(i.Payload)); ok && (usual || owners) {
			news := core.SpaceNews{Space: core.Space{Service: m.domain, Node: n.name}, Default: usual, By: by, People: people}
			done = append(done, m.reached(room, m.host.Follow(room, news)))
		}
	}
	return done
}

// reached is t for a room that is ours. A space may list others, which do not follow it.
func (m *Module) reached(room jid.JID, t store.Ticket) store.Ticket {
	if done, err := t.Outcome(); done && (errors.Is(err, core.ErrNoRooms) || errors.Is(err, core.ErrElsewhere)) {
		m.obs.Log.Debug("a room of a space is not ours", obs.JID, room.String(), obs.Err, err)
		return store.Settled(nil)
	}
	return t
}

// settleIn has a room that was just put into a space, as an item, follow it.
func (m *Module) settleIn(a home, n *node, by jid.JID, item string) []store.Ticket {
	if n.options.Type != ns.Spaces {
		return nil
	}
	var all []core.SpaceChange
	states := n.membership()
	for _, who := range n.people() {
		if is, joined := m.spaceRole(a, n, who, states[who]); is != core.NotInSpace {
			all = append(all, core.SpaceChange{JID: who, Is: is, Joined: joined})
		}
	}
	return m.tellRooms(a, n, by, all, store.NodeQuery{IDs: []string{item}})
}

// people are the bare addresses of all who have an affiliation or a subscription, once each.
func (n *node) people() []jid.JID {
	all := slices.Collect(maps.Keys(n.affiliations))
	for j := range n.subscriptions {
		all = append(all, j.Bare())
	}
	return slices.Compact(ordered(all))
}

// roomOf reads an item of a space as a room (XEP-0402 section 3), and whether it is one for everybody.
func roomOf(id, payload string) (room jid.JID, usual, ok bool) {
	tree, err := xmltok.Tree(payload, "")
	if err != nil || !tree.Is(ns.Bookmarks, "conference") {
		return jid.JID{}, false, false
	}
	room, err = jid.Parse(id)
	on := strings.TrimSpace(tree.Attr("autojoin"))
	return room, on == "true" || on == "1", err == nil && room.IsBare() && room.Local() != ""
}

// Introduce is core.Spaces.
func (m *Module) Introduce(s core.Space, room, by jid.JID) {
	part, err := jid.New(partOf(s.Node), m.domain.Domain(), "")
	if err != nil || s.Service != m.domain || len(s.Node) > maxPartName {
		return
	}
	err = m.host.DoRoom(part, func(_ *core.Work, r *core.Room) {
		a := m.ofPart(r)
		b, err := m.of(a)
		if err != nil || b.nodes[s.Node] == nil {
			return
		}
		for _, t := range m.settleIn(a, b.nodes[s.Node], by.Bare(), room.String()) {
			t.Done(func(err error) {
				if err != nil {
					m.obs.Log.Warn("a room does not follow its space", obs.JID, room.String(), obs.Err, err)
				}
			})
		}
	})
	if err != nil {
		m.obs.Log.Warn("a room does not follow its space", obs.JID, room.String(), obs.Err, err)
	}
}
