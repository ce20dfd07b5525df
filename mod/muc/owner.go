package muc

import (
	"context"
	"fmt"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/form"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// askConfig is sections 10.1.3 and 10.2. Only owners come here.
func (m *Module) askConfig(_ context.Context, e *core.Event) (core.Answer, error) {
	x := m.rooms.Of(e.Room)
	var s muc.Staff
	for _, i := range x.byAffiliation(muc.Admin) {
		s.Admins = append(s.Admins, i.JID)
	}
	for _, i := range x.byAffiliation(muc.Owner) {
		s.Owners = append(s.Owners, i.JID)
	}
	f := x.config.Form(fmt.Sprintf("The room %s", x.address.Local()), s)
	return core.Answer{Payload: string(muc.AppendOwner(nil, muc.OwnerRequest{Form: f}))}, nil
}

// setConfig is sections 10.1.2, 10.1.3, 10.2 and 10.9.
func (m *Module) setConfig(_ context.Context, e *core.Event) (core.Answer, error) {
	x := m.rooms.Of(e.Room)
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, err
	}
	req, err := muc.ParseOwner(tree, e.Stanza.Type)
	switch {
	case err != nil:
		return core.Answer{}, err
	case req.Destroy != nil && len(req.Destroy.Password) > maxSecret:
		return core.Answer{}, stanza.NewError(stanza.NotAcceptable, "this password is too long")
	case req.Destroy != nil:
		req.Destroy.Reason = clip(req.Destroy.Reason)
		m.destroy(e, x, req.Destroy)
		return core.Answer{}, nil
	case req.Form.Type == form.Cancel && x.locked:
		m.destroy(e, x, &muc.Destroy{}) // section 10.1.3: who cancels wants no room
		return core.Answer{}, nil
	case req.Form.Type == form.Cancel:
		return core.Answer{}, nil
	case req.Instant() && !x.locked:
		return core.Answer{}, nil // it is as it is
	case req.Instant():
		return core.Answer{}, m.configure(e, x, x.config, muc.Staff{})
	}
	c, staff, err := x.config.Submit(req.Form)
	if err != nil {
		return core.Answer{}, err
	}
	if err := checkConfig(&c, m.config.Occupants, m.config.History); err != nil {
		return core.Answer{}, err
	}
	if c.NonAnonymous && !x.config.NonAnonymous && !x.locked {
		c.Shown = e.Host.Now().UTC()
	}
	return core.Answer{}, m.configure(e, x, c, staff)
}

// configure keeps a configuration, and has it hold when it is durable.
func (m *Module) configure(e *core.Event, x *room, c muc.Config, staff muc.Staff) error {
	items, err := x.staffItems(staff)
	if err != nil {
		return err
	}
	plan, err := m.plan(x, e.Stanza.From, items)
	if err != nil {
		return err
	}
	kept, err := x.record(c, x.hats)
	if err != nil {
		return err
	}
	if err := m.afford(e.Stanza.From, (1+len(plan)+x.misfits(&c))*len(x.crowd)); err != nil {
		return err
	}
	t := m.Rooms.Change(kept)
	if len(plan) > 0 {
		var keep []store.Affiliation
		for i := range plan {
			keep = append(keep, plan[i].kept())
		}
		t = store.All(t, m.Affiliations.Set(e.Room.ID, keep))
	}
	r, from, actor := e.Room, e.Stanza.From.Bare(), x.actor(e.Stanza.From)
	m.behind(e)
	e.Wait(t)
	out := answered(e)
	r.Pause(e.Work, t, func(w *core.Work, err error) {
		defer out.guard()
		if err != nil {
			return
		}
		hold := out.told()
		x.kept.Config, x.kept.Public, x.kept.Temporary = kept.Config, kept.Public, kept.Temporary
		was := m.reconfigure(r, w, x, c, hold)
		m.introduce(x, &was, from)
		m.carryOut(r, w, x, plan, from, actor, hold)
		m.refit(r, w, x, &was, hold) // who has become somebody by the form fits
		m.lookAfter(r)
	})
	return nil
}

// reconfigure makes a configuration hold, and returns the one before. Occupants are as they were (refit).
func (m *Module) reconfigure(r *core.Room, w *core.Work, x *room, c muc.Config, hold store.Ticket) (was muc.Config) {
	was = x.config
	x.config, r.NamesSince = c, c.Shown
	told := changes(&was, &c)
	portrait := x.portrait()
	x.locked = false
	r.Stand(w, func(w *core.Work, _ error) {
		if !c.NonAnonymous {
			x.exposed = false
		}
		if len(told) > 0 {
			u := muc.User{Status: told}
			st, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.GroupChat, From: x.address}, string(u.AppendXML(nil)))
			if err == nil {
				x.tellCrowd(r, w, st.Seal())
			}
		}
		if c.Picture != was.Picture {
			x.tellCrowd(r, w, portrait)
		}
		x.exposed = c.NonAnonymous // behind the warning
	}, hold)
	return was
}

// inOrder are all occupants, first those who are seen.
func (x *room) inOrder() []*occupant {
	var out []*occupant
	for _, o := range x.faces {
		if len(o.sessions) > 0 {
			out = append(out, o)
		}
	}
	for _, o := range x.nicks {
		if o.view == nil {
			out = append(out, o)
		}
	}
	return out
}

// misfits is how many occupants others will see change with another configuration.
func (x *room) misfits(c *muc.Config) (n int) {
	for _, o := range x.nicks {
		if c.MembersOnly && x.affiliation(o.account) < muc.Member || x.config.Moderated && !c.Moderated && o.role == muc.Visitor ||
			c.Broadcast.Has(o.role) != x.config.Broadcast.Has(o.role) || c.NonAnonymous && !x.config.NonAnonymous {
			n++
		}
	}
	return n
}

// refit makes occupants fit into the room as it is now, which it was different before.
func (m *Module) refit(r *core.Room, w *core.Work, x *room, was *muc.Config, hold store.Ticket) {
	last := make(map[*occupant]*view)
	var changed []*occupant
	for _, o := range x.inOrder() {
		switch {
		case x.config.MembersOnly && x.affiliation(o.account) < muc.Member:
			last[o] = x.gone(o, o.face, muc.StatusMembersOnly)
		case was.Moderated && !x.config.Moderated && o.role == muc.Visitor:
			o.role = muc.Participant
			changed = append(changed, o)
		case was.Broadcast.Has(o.role) != x.config.Broadcast.Has(o.role), !was.NonAnonymous && x.config.NonAnonymous:
			changed = append(changed, o)
		}
	}
	if len(last) > 0 {
		m.removeAll(r, w, x, last, hold)
	}
	m.showAll(r, w, x, changed, hold)
}

// staffItems are the changes that make the lists of the form true (section 10.2): who is no longer an owner stays an admin, and who is no longer
// an admin stays a member, unless a list says otherwise.
func (x *room) staffItems(s muc.Staff) ([]muc.Item, error) {
	want := make(map[jid.JID]muc.Affiliation)
	var order []jid.JID
	put := func(list []jid.JID, a muc.Affiliation) {
		for _, j := range list {
			if _, twice := want[j]; !twice {
				order = append(order, j)
			}
			want[j] = max(a, want[j])
		}
	}
	put(s.Owners, muc.Owner)
	put(s.Admins, muc.Admin)
	if s.Owners != nil && len(s.Owners) == 0 {
		return nil, stanza.NewError(stanza.Conflict, "a room needs an owner")
	}
	for _, a := range []muc.Affiliation{muc.Admin, muc.Owner} {
		list := s.Admins
		if a == muc.Owner {
			list = s.Owners
		}
		for _, i := range x.byAffiliation(a) {
			if _, named := want[i.JID]; list != nil && !named {
				want[i.JID] = a - 1
				if a == muc.Owner && s.Admins != nil {
					want[i.JID] = muc.Member
				}
				order = append(order, i.JID)
			}
		}
	}
	var out []muc.Item
	for _, j := range order {
		now := x.affiliation(j)
		// Somebody who is an owner is not made less by standing among the admins, when nothing is said of owners.
		if now == want[j] || now == muc.Owner && s.Owners == nil {
			continue
		}
		out = append(out, muc.Item{JID: j, Affiliation: want[j], HasAffiliation: true})
	}
	return out, nil
}

// destroy is section 10.9.
func (m *Module) destroy(e *core.Event, x *room, d *muc.Destroy) {
	r := e.Room
	t, g := m.entomb(e, x, d)
	m.behind(e)
	e.Wait(t)
	r.Pause(e.Work, t, func(w *core.Work, err error) {
		if err == nil {
			vanish(r, w, x, d)
			*m.graves.Of(r) = g
		}
	})
}

// vanish ends a room that the store has no more, and tells everybody in it.
func vanish(r *core.Room, w *core.Work, x *room, d *muc.Destroy) {
	r.Stand(w, func(w *core.Work, _ error) {
		for _, s := range x.crowd {
			v := view{Presence: muc.Presence{From: x.at(s.occupant.nick), Type: stanza.Unavailable, OccupantID: s.occupant.id, Destroy: d}}
			tell(r, w, v.self(false), s.jid)
		}
		x.crowd, x.faces, x.all = nil, nil, nil
	})
	r.Vanish()
}

// askRegister is section 7.10: what it takes to register.
func (m *Module) askRegister(_ context.Context, e *core.Event) (core.Answer, error) {
	x := m.rooms.Of(e.Room)
	p, known := x.people[e.Stanza.From.Bare()]
	if err := x.mayRegister(e.Stanza.From); err != nil {
		return core.Answer{}, err
	}
	b := []byte("<query xmlns='" + ns.Register + "'>")
	if known && p.nick.shown != "" {
		b = appendText(append(b, "<registered/>"...), "username", p.nick.shown)
	} else {
		b = appendText(b, "instructions", "Choose the nick that is reserved for you.")
		b = muc.RegisterForm(p.nick.shown).AppendXML(b)
	}
	return core.Answer{Payload: string(append(b, "</query>"...))}, nil
}

// mayRegister: members may reserve a nick anywhere; others become members where the room lets them.
func (x *room) mayRegister(who jid.JID) *stanza.Error {
	switch a := x.affiliation(who); {
	case x.locked:
		return errNoRoom
	// A room for members only chooses them itself.
	case a == muc.Outcast, a == muc.Unaffiliated && (!x.config.Register || x.config.MembersOnly):
		return notAllowed("this room is not open for registration")
	// A member reads what was said, and speaks: that is for who has come past the password, and, as section 7.10 has it, for participants.
	case a == muc.Unaffiliated && (x.config.Password != "" || x.config.Moderated) && x.here[who.Bare()] == 0:
		return notAllowed("who registers with this room has to be in it")
	case a == muc.Unaffiliated && x.silenced(who.Bare()):
		return notAllowed("who registers with this room has a voice in it")
	}
	return nil
}

// silenced tells whether somebody is in the room without a voice, or has lost it at the last visit.
func (x *room) silenced(who jid.JID) bool {
	for _, o := range x.nicks {
		if o.account == who && o.role == muc.Visitor {
			return true
		}
	}
	return x.given[who] == muc.Visitor
}

// register is section 7.10: who registers becomes a member, with a nick of their own. <remove/> ends it (XEP-0077 section 3.2).
func (m *Module) register(_ context.Context, e *core.Event) (core.Answer, error) {
	x := m.rooms.Of(e.Room)
	who := e.Stanza.From.Bare()
	if err := x.mayRegister(who); err != nil {
		return core.Answer{}, err
	}
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, err
	}
	is := x.people[who]
	if tree.Child(ns.Register, "remove") != nil {
		is.nick = nick{}
		if is.affiliation == muc.Member {
			is.affiliation, is.been = muc.Unaffiliated, false
		}
	} else if is, err = m.registered(x, who, is, tree.Child(ns.DataForm, "x")); err != nil {
		return core.Answer{}, err
	}
	if err := m.afford(who, len(x.crowd)); err != nil {
		return core.Answer{}, err
	}
	if !m.spend(who) {
		// The room waits for the disk, whoever asks.
		return core.Answer{}, &stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: "too many requests"}
	}
	c := change{who: who.Clone(), person: is}
	t := m.Affiliations.Set(e.Room.ID, []store.Affiliation{c.kept()})
	m.behind(e)
	e.Wait(t)
	out := answered(e)
	r := e.Room
	r.Pause(e.Work, t, func(w *core.Work, err error) {
		defer out.guard()
		if err == nil {
			m.affiliate(r, w, x, c, who, cause{}, out.told())
		}
	})
	return core.Answer{}, nil
}

// registered is a person with the nick that the form asks for.
func (m *Module) registered(x *room, who jid.JID, is person, n *xmltok.Node) (person, error) {
	f, err := form.ParseSubmit(n)
	if err != nil {
		return is, err
	}
	wanted, err := muc.ParseRegister(f)
	if err != nil {
		return is, err
	}
	chosen, bad := nickOf(wanted, m.config.Nick)
	if bad != nil {
		return is, bad
	}
	if err := x.free(chosen, who); err != nil {
		return is, err
	}
	if is.affiliation == muc.Unaffiliated && len(x.people) >= m.config.Affiliations {
		return is, stanza.NewError(stanza.ResourceConstraint, "this room remembers too many people")
	}
	is.nick, is.affiliation = chosen, max(is.affiliation, muc.Member)
	is.been = is.been || x.here[who] > 0
	return is, nil
}
