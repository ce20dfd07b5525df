package muc

import (
	"context"
	"iter"
	"slices"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/xmltok"
)

// This file is what makes a conversation last: members belong to it also while none of their clients is there.

// left notes that an occupant has gone.
func (x *room) left(o *occupant) {
	if x.here[o.account]--; x.here[o.account] <= 0 {
		delete(x.here, o.account)
	}
}

// belongs tells whether what is said is for somebody also while they are away: members who have been here, or have registered (section 7.10). Who was
// only put on the list has not agreed to anything.
func (p *person) belongs() bool { return p.affiliation >= muc.Member && (p.been || p.nick.key != "") }

// audience is who is in the room, and who belongs to it without being there.
func (x *room) audience() iter.Seq[jid.JID] {
	return func(yield func(jid.JID) bool) {
		for who := range x.here {
			if !yield(who) {
				return
			}
		}
		for who, p := range x.people {
			if p.belongs() && x.here[who] == 0 && !yield(who) {
				return
			}
		}
	}
}

// said tells who keeps unread messages, pushes and the like that something was said; back is what a moderator takes back with it.
func (m *Module) said(r *core.Room, w *core.Work, x *room, a, back core.Archived) {
	if m.host.Hooks.Heard() {
		m.host.Hooks.Say(w, &core.Said{
			Room: r, Name: x.name(), Message: a, Back: back, Everybody: x.audience(), Open: !x.config.MembersOnly,
			Occupant: func(who jid.JID) string { return occupantID(x.kept.Secret, who) },
			Nick:     func(who jid.JID) string { return x.people[who].nick.shown },
		})
	}
}

// visited notes that a member has come for the first time. Nobody waits for it: it is noted again the next time.
func (m *Module) visited(r *core.Room, x *room, o *occupant) {
	p := x.people[o.account]
	if p.affiliation < muc.Member || p.been {
		return
	}
	p.been = true
	x.people[o.account] = p
	c := change{who: o.account, person: p}
	m.Affiliations.Set(r.ID, []store.Affiliation{c.kept()}).Done(func(err error) {
		if err != nil {
			m.obs.Log.Warn("not noted that a member has been in a room", obs.JID, r.JID.String(), obs.Err, err)
		}
	})
	m.bookmark(x, o.account, o.nick.shown, jid.JID{})
}

// remind gives somebody who became a member a bookmark, if a contact of theirs wished it: a stranger must not make their clients come.
func (m *Module) remind(x *room, who, by jid.JID) {
	m.bookmark(x, who, x.people[who].nick.shown, by.Bare())
}

// bookmark publishes one (XEP-0402 section 3.2) in a turn of the account, unless there is one already: what the user has decided about the room stays.
// by is the contact who wishes it; zero: the user has come.
func (m *Module) bookmark(x *room, who jid.JID, nick string, by jid.JID) {
	h := m.host.Router.Host(who.Domain())
	if !m.config.Bookmarks || !x.config.Persistent || h == nil || h.Ports.Publisher == nil {
		return
	}
	room := x.address.String()
	b := xmltok.AppendAttr([]byte("<conference xmlns='"+ns.Bookmarks+"' autojoin='true'"), "name", x.name())
	if b = append(b, '>'); nick != "" {
		b = appendText(b, "nick", nick)
	}
	item := string(append(b, "</conference>"...))
	err := h.Do(who, func(w *core.Work, a *core.Account) {
		if !a.Exists || a.Failed || a.ID == 0 || !by.IsZero() && !h.Ports.Contacts.Lists(a, by) || a.Blocks(x.address) {
			return
		}
		m.publish(w, a, room, item)
	})
	if err != nil {
		m.obs.Log.Info("no bookmark of a room", obs.JID, who.String(), obs.Err, err)
	}
}

// publish is the rest of bookmark. Turn of the account.
func (m *Module) publish(w *core.Work, a *core.Account, room, item string) {
	p := a.Host.Ports.Publisher
	if access := p.Access(a, ns.Bookmarks); access != "" && access != "whitelist" {
		return // the user shows their bookmarks to others: this one is not for us to show
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	all, err := p.Items(ctx, a, ns.Bookmarks)
	if err == nil && slices.ContainsFunc(all, func(i store.NodeItem) bool { return i.ID == room }) {
		return
	}
	if err == nil {
		p.Publish(w, a, ns.Bookmarks, room, item, map[string]string{
			"pubsub#persist_items": "true", "pubsub#max_items": "max", "pubsub#send_last_published_item": "never", "pubsub#access_model": "whitelist",
		}).Done(func(err error) {
			if err != nil {
				m.obs.Log.Info("no bookmark of a room", obs.JID, a.JID.String(), obs.Err, err)
			}
		})
		return
	}
	m.obs.Log.Info("no bookmark of a room", obs.JID, a.JID.String(), obs.Err, err)
}
