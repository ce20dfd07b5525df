package muc

import (
	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/uri"
)

// This file makes a room follow the space that it names (docs/decisions/0026-spaces.md).

// spaceOf is the space that a configuration names; ok is false when it names none.
func spaceOf(c *muc.Config) (s core.Space, ok bool) {
	if c.Node == "" {
		return s, false
	}
	u, err := uri.Parse(c.Node)
	return core.Space{Service: u.JID, Node: u.Get("node")}, err == nil
}

// introduce asks the space that a room names from now on who is in it.
func (m *Module) introduce(x *room, was *muc.Config, by jid.JID) {
	before, _ := spaceOf(was)
	if s, ok := spaceOf(&x.config); ok && s != before && m.host.Ports.Spaces != nil {
		m.host.Ports.Spaces.Introduce(s, x.address, by)
	}
}

// bySpace is the affiliation that a place in the space gives.
func bySpace(role core.SpaceRole, everybody bool) muc.Affiliation {
	switch {
	case role == core.OwnsSpace:
		return muc.Admin
	case role == core.InSpace && everybody:
		return muc.Member
	}
	return muc.Unaffiliated
}

// follows is the affiliation of somebody who has now, when the space gave was and gives is: it raises who has less, and lowers who has just that.
func follows(now, was, is muc.Affiliation) muc.Affiliation {
	if now != muc.Outcast && is > was && is > now || is < was && now == was {
		return is
	}
	return now
}

// follow is core.Rooms.Follow.
func (m *Module) follow(w *core.Work, r *core.Room, news core.SpaceNews) store.Ticket {
	x, ok := m.rooms.Has(r)
	if !ok || r.ID == 0 {
		return store.Settled(nil)
	}
	if named, ok := spaceOf(&x.config); !ok || named != news.Space {
		return store.Settled(nil) // nobody here wants to be in it
	}
	plan, keep, raised := m.placed(x, news)
	if len(plan) == 0 {
		return store.Settled(nil)
	}
	// Who leaves must not be kept here by having spent too much.
	if err := m.afford(news.By, len(plan)*len(x.crowd)); err != nil && raised {
		return store.Settled(err)
	}
	t := m.Affiliations.Set(r.ID, keep)
	r.Pause(w, t, func(w *core.Work, err error) {
		if err != nil {
			return
		}
		for _, c := range plan {
			m.affiliate(r, w, x, c, news.By, cause{}, store.Ticket{})
			if c.knows && c.person.belongs() {
				m.bookmark(x, c.who, c.person.nick.shown, jid.JID{})
			}
		}
	})
	return t
}

// placed is what changes by news of the space; raised: somebody gets more than they had.
func (m *Module) placed(x *room, news core.SpaceNews) (plan []change, keep []store.Affiliation, raised bool) {
	more := 0
	for _, s := range news.People {
		was, known := x.people[s.JID]
		now := follows(was.affiliation, bySpace(s.Was, news.Default), bySpace(s.Is, news.Default))
		if now == was.affiliation {
			continue
		}
		if !known {
			if more++; len(x.people)+more > m.config.Affiliations {
				m.host.Metrics().Refused("room_affiliations")
				m.obs.Log.Warn("a room cannot remember all people of its space", obs.JID, x.address.String())
				break
			}
		}
		c := change{who: s.JID, person: was, knows: s.Joined || s.JID == news.By}
		c.person.affiliation, c.person.been = now, now >= muc.Member && (was.been || c.knows)
		if now < muc.Member {
			c.person.nick = nick{} // section 7.10: it was a member's
		}
		raised = raised || now > was.affiliation
		plan, keep = append(plan, c), append(keep, c.kept())
	}
	return plan, keep, raised
}
