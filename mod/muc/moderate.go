package muc

import (
	"context"
	"crypto/rand"
	"errors"

	"stonechat/core"
	"stonechat/store"
	"stonechat/xmpp/forward"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// moderate is XEP-0425 section 3: a moderator takes back what somebody has said. Everybody is told, and the archive has a tombstone in its place.
// The row is for moderators (core.ActModerateRoom) and runs outside turns, since the message is looked for on the disk.
func (m *Module) moderate(ctx context.Context, e *core.Event) (core.Answer, error) {
	p, _ := e.Stanza.Payload()
	tree, err := p.Tree()
	if err != nil {
		return core.Answer{}, err
	}
	if tree.Child(ns.Retract, "retract") == nil || tree.Attr("id") == "" {
		return core.Answer{}, stanza.NewError(stanza.BadRequest, "a message is named that is to be taken back")
	}
	archive := e.Host.Ports.Archiver
	if archive == nil {
		return core.Answer{}, stanza.NewError(stanza.ServiceUnavailable, "nothing is kept")
	}
	was, err := archive.Find(ctx, e.Room, tree.Attr("id"))
	if errors.Is(err, store.ErrNotFound) {
		return core.Answer{}, stanza.NewError(stanza.ItemNotFound, "there is no such message")
	}
	if err != nil {
		return core.Answer{}, err
	}
	room, from, reason := e.Room.ID, e.Stanza.From, clip(tree.Child(ns.Moderate, "reason").Text())
	var kept store.Ticket
	err = e.Host.AskRoom(ctx, e.Room.JID, func(w *core.Work, r *core.Room) error {
		x, ok := m.rooms.Has(r)
		if !ok || r.ID != room {
			return errNoRoom
		}
		t, err := m.takeBack(r, w, x, was, from, reason)
		kept = t
		return err
	})
	if err == nil {
		err = kept.Wait(ctx)
	}
	return core.Answer{}, err
}

// takeBack tells everybody that a message is taken back, and puts a tombstone into its place (XEP-0425 sections 3.1 and 4).
func (m *Module) takeBack(r *core.Room, w *core.Work, x *room, was core.Archived, from jid.JID, reason string) (store.Ticket, error) {
	if err := m.afford(from, len(x.crowd)); err != nil {
		return store.Ticket{}, err
	}
	archive := m.host.Ports.Archiver
	by := x.moderatedBy(from, reason)
	id := rand.Text()
	// XEP-0334 section 4.4: the retraction is kept, so that whoever was away learns of it (XEP-0424 section 6).
	b := xmltok.AppendAttr([]byte("<retract xmlns='"+ns.Retract+"'"), "id", was.ID)
	b = append(append(append(b, '>'), by...), "</retract><store xmlns='"+ns.Hints+"'/>"...)
	out, err := stanza.New(stanza.Head{Kind: stanza.Message, Type: stanza.GroupChat, ID: id, From: x.address}, string(b))
	if err != nil {
		return store.Ticket{}, err
	}
	tomb, err := tombstone(was.Stanza, id, by, forward.AppendStamp(nil, m.host.Now()))
	if err != nil {
		return store.Ticket{}, err
	}
	a, first, err := archive.Archive(r, out.Seal(), from, x.config.Archive)
	if err != nil {
		return store.Ticket{}, err
	}
	t := store.All(first, archive.Replace(r, was, tomb))
	r.Stand(w, func(w *core.Work, err error) {
		if err == nil {
			x.unsay(was.ID, was.Publisher)
			x.tellCrowd(r, w, a.Stanza)
			m.said(r, w, x, a, was)
		}
	}, t)
	return t, nil
}

// moderatedBy says who took a message back, and why.
func (x *room) moderatedBy(from jid.JID, reason string) string {
	b := []byte("<moderated xmlns='" + ns.Moderate + "'")
	if s := x.sessions[from]; s != nil {
		b = xmltok.AppendAttr(b, "by", x.at(s.occupant.nick).String())
		b = muc.AppendOccupantID(append(b, '>'), s.occupant.id)
		b = append(b, "</moderated>"...)
	} else {
		b = append(b, "/>"...)
	}
	if reason != "" {
		b = appendText(b, "reason", reason)
	}
	return string(b)
}

// tombstone is what stays of a message: who said it, and that it was taken back (XEP-0424 section 5).
func tombstone(was *stanza.Stanza, id, by string, stamp []byte) (*stanza.Stanza, error) {
	var b []byte
	if c, ok := was.Child(ns.OccupantID, "occupant-id"); ok {
		b = append(b, c.Raw()...)
	}
	b = xmltok.AppendAttr(append(b, "<retracted xmlns='"+ns.Retract+"'"...), "id", id)
	b = xmltok.AppendAttr(b, "stamp", string(stamp))
	b = append(append(append(b, '>'), by...), "</retracted>"...)
	st, err := was.WithInner(string(b))
	if err != nil {
		return nil, err
	}
	return st.Seal(), nil
}

// takenBack takes out of the history what its publisher takes back with this message (XEP-0424 section 3).
func (x *room) takenBack(a core.Archived) {
	back, _ := a.Stanza.Child(ns.Retract, "retract")
	if id, _ := back.Attr("id"); id != "" {
		x.unsay(id, a.Publisher)
	}
}

// unsay takes a message out of the history, if the publisher said it: nobody who comes later is shown it (XEP-0424 section 6).
func (x *room) unsay(id string, publisher jid.JID) {
	for i := range x.history {
		if h := &x.history[i]; h.id == id && h.by == publisher.Bare() {
			x.outdate(i)
			return
		}
	}
}
