package muc

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
)

// admin reads a request of muc#admin.
func (m *Module) admin(e *core.Event) (*room, []muc.Item, error) {
	x := m.rooms.Of(e.Room)
	if x.locked && x.affiliation(e.Stanza.From) < muc.Owner {
		return nil, nil, errNoRoom
	}
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return nil, nil, err
	}
	items, err := muc.ParseAdmin(tree, e.Stanza.Type)
	return x, items, err
}

// list is sections 8.5, 9.2, 9.5, 9.8, 10.5 and 10.8.
func (m *Module) list(_ context.Context, e *core.Event) (core.Answer, error) {
	x, items, err := m.admin(e)
	if err != nil {
		return core.Answer{}, err
	}
	// A short request may have a very long answer, for which the whole room waits.
	if err := m.afford(e.Stanza.From, (len(x.people)+len(x.nicks))/listed); err != nil {
		return core.Answer{}, err
	}
	m.behind(e)
	who := x.standingOf(e.Stanza.From)
	var out []muc.Item
	if items[0].HasRole {
		if err := mayReadRoles(who, items[0].Role); err != nil {
			return core.Answer{}, err
		}
		out = x.byRole(items[0].Role)
	} else {
		if err := mayReadAffiliations(&x.config, who, items[0].Affiliation); err != nil {
			return core.Answer{}, err
		}
		out = x.byAffiliation(items[0].Affiliation)
	}
	return core.Answer{Payload: string(muc.AppendAdmin(nil, out))}, nil
}

// byRole are the occupants of a role; who may ask knows addresses (section 13.3).
func (x *room) byRole(role muc.Role) (out []muc.Item) {
	for _, o := range x.nicks {
		if o.role == role {
			out = append(out, muc.Item{
				Affiliation: x.affiliation(o.account), HasAffiliation: true, Role: role, HasRole: true, JID: o.face.jid, Nick: o.nick.shown,
			})
		}
	}
	slices.SortFunc(out, func(a, b muc.Item) int { return cmp.Compare(a.Nick, b.Nick) })
	return out
}

// byAffiliation are the people of an affiliation, with the nicks that are reserved for them (section 13.3).
func (x *room) byAffiliation(a muc.Affiliation) (out []muc.Item) {
	for who, p := range x.people {
		if p.affiliation == a {
			out = append(out, muc.Item{Affiliation: a, HasAffiliation: true, JID: who, Nick: p.nick.shown, Reason: p.reason})
		}
	}
	slices.SortFunc(out, func(a, b muc.Item) int { return cmp.Compare(a.JID.String(), b.JID.String()) })
	return out
}

// change is sections 8.2 to 8.5, 9.1 to 9.7 and 10.3 to 10.8. All items are carried out, or none.
func (m *Module) change(_ context.Context, e *core.Event) (core.Answer, error) {
	x, items, err := m.admin(e)
	if err != nil {
		return core.Answer{}, err
	}
	plan, err := m.plan(x, e.Stanza.From, items)
	if err != nil {
		return core.Answer{}, err
	}
	if err := m.afford(e.Stanza.From, len(plan)*len(x.crowd)); err != nil {
		return core.Answer{}, err
	}
	m.behind(e)
	actor := x.actor(e.Stanza.From)
	from := e.Stanza.From.Bare()
	var keep []store.Affiliation
	for _, c := range plan {
		if c.item.HasAffiliation {
			keep = append(keep, c.kept())
		}
	}
	r := e.Room
	if len(keep) == 0 {
		out := answered(e)
		defer out.guard()
		m.carryOut(r, e.Work, x, plan, from, actor, out.told())
		return core.Answer{}, nil
	}
	t := m.Affiliations.Set(r.ID, keep)
	e.Wait(t)
	out := answered(e)
	r.Pause(e.Work, t, func(w *core.Work, err error) {
		defer out.guard()
		if err == nil {
			m.carryOut(r, w, x, plan, from, actor, out.told())
		}
	})
	return core.Answer{}, nil
}

// maxReason is how much of a reason is kept and shown, in bytes.
const maxReason = 1024

func clip(s string) string {
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "")
	}
	return strings.Clone(s)
}

// carryOut changes the room, and has everybody see it when hold is done.
func (m *Module) carryOut(r *core.Room, w *core.Work, x *room, plan []change, from jid.JID, actor string, hold store.Ticket) {
	for _, c := range plan {
		note := cause{reason: c.item.Reason, actor: actor}
		if c.item.HasRole {
			x.remark(c.occupant, c.item.Role, len(x.people)+m.config.Occupants)
			m.giveRole(r, w, x, c.occupant, c.item.Role, note, muc.StatusKicked, hold)
			continue
		}
		m.affiliate(r, w, x, c, from, note, hold)
	}
}

// remark remembers a role that was given, for the next visit of the person: else whoever lost their voice would find it at the door (section 5.1).
// It is forgotten when the room leaves the memory.
func (x *room) remark(o *occupant, role muc.Role, most int) {
	if role == muc.Visitor || role == muc.Participant {
		if len(x.given) < most {
			x.given[o.account] = role
		}
		return
	}
	if role == muc.Moderator {
		delete(x.given, o.account)
	}
}

// roleOf is the role of who enters.
func (x *room) roleOf(who jid.JID) muc.Role {
	role := initialRole(&x.config, x.affiliation(who))
	if given, ok := x.given[who]; ok && role != muc.Absent && role != muc.Moderator {
		return given
	}
	return role
}

// cause is what is said of a change beside the change: why, by whom, and between which versions of the list of affiliations (XEP-0463).
type cause struct{ reason, actor, since, until string }

// on puts it on a view.
func (c cause) on(v *view) {
	v.Item.Reason, v.Item.Actor, v.Since, v.Until = c.reason, c.actor, c.since, c.until
}

// giveRole changes a role; Absent takes the occupant out for the reason of status.
func (m *Module) giveRole(r *core.Room, w *core.Work, x *room, o *occupant, role muc.Role, note cause, status muc.Status, hold store.Ticket) {
	if len(o.sessions) == 0 {
		return // it left by an item before this one
	}
	if role == muc.Absent {
		v := x.gone(o, o.face, status)
		note.on(v)
		m.remove(r, w, x, o, v, hold)
		return
	}
	o.role = role
	m.showNoted(r, w, x, o, note, hold)
}

// showNoted shows an occupant with who changed it and why; whoever comes later is not told.
func (m *Module) showNoted(r *core.Room, w *core.Work, x *room, o *occupant, note cause, hold store.Ticket) {
	v := x.look(o)
	plain := *v
	note.on(v)
	m.show(r, w, x, o, v, hold)
	r.Stand(w, func(*core.Work, error) {
		if o.view == v {
			o.view = &plain
		}
	})
}

// affiliate changes how somebody stands to the room, who may be here or not.
func (m *Module) affiliate(r *core.Room, w *core.Work, x *room, c change, from jid.JID, note cause, hold store.Ticket) {
	type before struct {
		standing
		shown bool
	}
	was := x.affiliation(c.who)
	here := make(map[*occupant]before)
	for _, o := range x.nicks {
		if o.account == c.who || c.who.IsDomain() && o.account.DomainJID() == c.who {
			here[o] = before{standing{x.affiliation(o.account), o.role}, x.shows(o)}
		}
	}
	note.since, note.until = x.setPerson(c.who, c.person)
	if from != c.who {
		delete(x.given, c.who) // the affiliation says something newer; what people do themselves takes back nothing that a moderator said
	}
	told := note.until == ""
	last := make(map[*occupant]*view) // of who has to leave
	for o, b := range here {
		now := x.affiliation(o.account)
		if now == b.affiliation {
			continue
		}
		status := muc.StatusAffiliationGone
		if now == muc.Outcast {
			status = muc.StatusBanned
		}
		one := note
		if told || c.who.IsDomain() {
			one.since, one.until = "", "" // each version is told once, and with the address that it is about
		}
		role := roleAfter(&x.config, b.standing, now)
		if from == c.who {
			role = min(role, b.role)
		}
		if role != muc.Absent {
			m.giveRole(r, w, x, o, role, one, status, hold)
		} else if len(o.sessions) > 0 {
			last[o] = x.gone(o, o.face, status)
			one.on(last[o])
		}
		told = told || !c.who.IsDomain() && (b.shown || role != muc.Absent && x.shows(o))
	}
	if len(last) > 0 {
		m.removeAll(r, w, x, last, hold)
	}
	now := x.affiliation(c.who)
	for o := range here {
		if was < muc.Member && now >= muc.Member && o.account == c.who {
			m.bookmark(x, c.who, o.nick.shown, jid.JID{}) // who is here has come by themselves
			break
		}
	}
	if len(here) == 0 && now != was && !c.who.IsDomain() {
		if !c.knows {
			m.tellAbsent(r, w, x, c, was, from, hold)
		}
		told = false
	}
	if !told {
		m.tellList(r, w, x, c, note, hold)
	}
}

// tellAbsent tells somebody whose affiliation changed while they were not here (section 14.1), by an invitation if the room became open to them
// (section 9.5).
func (m *Module) tellAbsent(r *core.Room, w *core.Work, x *room, c change, was muc.Affiliation, from jid.JID, hold store.Ticket) {
	item := c.listed()
	item.Reason = c.item.Reason
	u := muc.User{Items: []muc.Item{item}, Status: []muc.Status{muc.StatusAffiliation}}
	notice := string(u.AppendXML(nil))
	opened := x.config.MembersOnly && was <= muc.Unaffiliated && c.person.affiliation >= muc.Member
	if opened {
		notice = x.invitation(muc.Invite{From: from, Reason: c.item.Reason})
		x.invite(invitation{who: c.who, by: from}, m.host.Now())
	}
	// Nobody makes the room send without end by changing an affiliation to and fro.
	if !m.spend(from) {
		return
	}
	if opened {
		m.remind(x, c.who, from)
	}
	r.Stand(w, func(w *core.Work, _ error) {
		m.send(r, w, stanza.Head{Kind: stanza.Message, From: x.address, To: c.who}, notice)
	}, hold)
}

// listed is the change as an item of somebody who is not here.
func (c *change) listed() muc.Item {
	return muc.Item{Affiliation: c.person.affiliation, HasAffiliation: true, Role: muc.Absent, HasRole: true, JID: c.who}
}

// tellList tells those who may know of an affiliation that no presence tells (section 10.3; XEP-0463 section 4.2.2).
func (m *Module) tellList(r *core.Room, w *core.Work, x *room, c change, note cause, hold store.Ticket) {
	item := c.listed()
	item.Reason = note.reason
	u := muc.User{Items: []muc.Item{item}, Since: note.since, Until: note.until}
	if c.person.affiliation == muc.Outcast {
		u.Status = []muc.Status{muc.StatusBanned}
	}
	st, err := stanza.New(stanza.Head{Kind: stanza.Message, From: x.address}, string(u.AppendXML(nil)))
	if err != nil {
		return
	}
	st.Seal()
	r.Stand(w, func(w *core.Work, _ error) {
		if x.exposed {
			x.tellCrowd(r, w, st)
			return
		}
		x.toModerators(r, w, st)
	}, hold)
}
