package archive

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/ns"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/xmltok"
)

// This file is the archives of rooms (XEP-0313 section 6.1.2): one row for each message, owned by the room; its peer is the bare address of who
// said it, its resource the nick. The whole address stands in the row as the room would show it to those who may know it, and nobody else is
// shown it.

// Archive implements core.Archiver. Turn of the room.
func (x *archive) Archive(r *core.Room, st *stanza.Stanza, publisher jid.JID, keep bool) (core.Archived, store.Ticket, error) {
	a := core.Archived{Stanza: x.cleanInRoom(r.JID, publisher.Bare(), st), Publisher: publisher.Bare(), At: r.Host.Now()}
	if !keep || r.ID == 0 || !worthInRoom(a.Stanza) {
		return a, store.Ticket{}, nil
	}
	row, err := a.Stanza.WithChildren(named(publisher))
	if err != nil {
		return a, store.Ticket{}, err
	}
	key, ticket := x.Stores.Archive.Append(store.Entry{
		// Copies, since the store keeps these longer than the message they were cut out of.
		Owner: r.ID, Peer: strings.Clone(a.Publisher.String()), Resource: strings.Clone(st.From.Resource()),
		Aside: !core.Says(st), Target: targetOf(a.Stanza, ""), Stanza: row.Append(make([]byte, 0, row.Size()), ns.Client),
	})
	a.Key = key
	a.ID, a.At = x.Stores.Archive.ID(r.ID, key), key.Time()
	with, err := a.Stanza.WithChildren(core.StanzaID(a.ID, r.JID))
	if err != nil {
		return a, ticket, err
	}
	a.Stanza = with.Seal()
	return a, ticket, nil
}

// named says who said a message, in its row.
func named(publisher jid.JID) string {
	item := xmltok.AppendAttr([]byte("<x xmlns='"+ns.MUCUser+"'><item"), "jid", publisher.String())
	return string(append(item, "/></x>"...))
}

// Find implements core.Archiver.
func (x *archive) Find(ctx context.Context, r *core.Room, id string) (core.Archived, error) {
	res, err := x.Stores.Archive.Page(ctx, r.ID, store.Query{IDs: []string{id}, Max: 1})
	if err == nil && len(res.Rows) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return core.Archived{}, err
	}
	return archived(xmltok.NewScanner(xmltok.TreeLimits), &res.Rows[0], r.JID)
}

// Replace implements core.Archiver. Turn of the room.
func (x *archive) Replace(r *core.Room, was core.Archived, with *stanza.Stanza) store.Ticket {
	row, err := with.WithChildren(named(was.Publisher))
	if err != nil {
		return store.Settled(err)
	}
	return x.Stores.Archive.Replace(r.ID, was.Key, row.Append(make([]byte, 0, row.Size()), ns.Client))
}

// archived reads a row of a room.
func archived(sc *xmltok.Scanner, row *store.Row, room jid.JID) (core.Archived, error) {
	st, err := unnamed(sc, row.Stanza)
	if err == nil {
		st, err = st.WithChildren(core.StanzaID(row.ID, room))
	}
	if err != nil {
		return core.Archived{}, err
	}
	publisher, err := jid.Parse(row.Peer)
	return core.Archived{Stanza: st.Seal(), ID: row.ID, Publisher: publisher, At: row.Key.Time(), Key: row.Key}, err
}

// cleanInRoom is a message without what it says in our name.
func (x *archive) cleanInRoom(room, publisher jid.JID, st *stanza.Stanza) *stanza.Stanza {
	c := cleaner{router: x.host.Router, domain: room, own: room, client: true, speaker: publisher}
	return st.Without(func(child stanza.Child) bool {
		// XEP-0313 section 6.1.2: existing elements MUST be stripped; only a room says who somebody is.
		return c.forged(child) || child.Space == ns.MUCUser
	}).Seal()
}

// worthInRoom tells whether a message belongs into the archive of the room (XEP-0313 section 6.1.2): those with a body, subjects, and what else is
// kept between two.
func worthInRoom(st *stanza.Stanza) bool {
	if st.Type == stanza.TypeError || !storable(st) || st.Has(ns.Hints, "no-permanent-store") {
		return false
	}
	if st.Has(ns.Hints, "store") {
		return true
	}
	for c := range st.Children() {
		if core.Counts(c) {
			return true
		}
	}
	return false
}

// Newest implements core.Archiver.
func (x *archive) Newest(ctx context.Context, r *core.Room, n int) ([]core.Archived, error) {
	if n <= 0 {
		return nil, nil
	}
	last := ""
	res, err := x.Stores.Archive.Page(ctx, r.ID, store.Query{Max: min(n, store.MaxPage), Before: &last})
	if err != nil {
		return nil, err
	}
	out, sc := make([]core.Archived, 0, len(res.Rows)), xmltok.NewScanner(xmltok.TreeLimits)
	for i := range res.Rows {
		row := &res.Rows[i]
		a, err := archived(sc, row, r.JID)
		if err != nil {
			x.obs.Log.Error("archived message cannot be read", obs.JID, r.JID.String(), "id", row.ID)
			continue
		}
		out = append(out, a)
	}
	return out, nil
}

// unnamed reads a message of a room without the address of who said it.
func unnamed(sc *xmltok.Scanner, text []byte) (*stanza.Stanza, error) {
	st, err := stanza.ParseWith(sc, string(text))
	if err != nil {
		return nil, err
	}
	return st.Without(func(c stanza.Child) bool { return c.Space == ns.MUCUser }).Seal(), nil
}

// inRooms registers what is asked of rooms. XEP-0313 section 6.1.2: whether somebody may read the archive the room knows.
func (x *archive) inRooms(h *core.Host, module string) {
	row := func(local string, typ stanza.Type, slow bool, do func(context.Context, *core.Event) (core.Answer, error)) {
		h.IQ.Handle(core.IQ{Space: ns.Archive, Local: local, Type: typ, To: core.ToRoom, Action: core.ActReadRoom, Slow: slow, Do: do, Module: module})
	}
	row("query", stanza.Set, true, x.queryRoom)
	row("query", stanza.Get, false, x.fields)
	row("metadata", stanza.Get, true, x.metadataOfRoom)
}

// queryRoom is query for a room. It runs outside turns.
func (x *archive) queryRoom(ctx context.Context, e *core.Event) (core.Answer, error) {
	room, knows := e.Room.JID, e.Standing&core.RoomKnower != 0
	var since time.Time
	if e.Standing&(core.RoomOwner|core.RoomAdmin|core.RoomModerator) == 0 {
		// XEP-0313 section 6.1.2: what they would have been told at the time. Who spoke while addresses were hidden has not agreed to more.
		since = e.Room.NamesSince
	}
	q, res, err := x.page(ctx, e, room, e.Room.ID, func(q *asked) error {
		if err := q.within(e, room); err != nil {
			return err
		}
		switch {
		case q.With == "":
			return nil
		case q.With == room.String() && q.nick != "":
			return x.byNick(ctx, e, q)
		case q.With == room.String():
			return stanza.NewError(stanza.FeatureNotImplemented, "everything here was said in the room")
		case !knows && !q.mine:
			// XEP-0313 section 4.1.1: only for those who may know the publishers.
			return stanza.NewError(stanza.Forbidden, "who said what is not known here")
		}
		q.WithResource = "" // rows have the nick there
		if since.After(q.Start) {
			q.Start = since
		}
		return nil
	})
	if err != nil {
		return core.Answer{}, err
	}
	ans := core.Answer{Payload: fin(q, res)}
	if len(res.Rows) > 0 {
		x.hideNames(res.Rows, room, func(at time.Time) bool { return knows && !at.Before(since) })
		ans.Before = x.results(q, res.Rows, room, e.Stanza.From)
	}
	return ans, nil
}

// byNick makes a query one for what somebody said under a nick (XEP-0313 section 4.1.1). Rows are found by who said them: whose nick it is now, or
// who has used it last in what was said lately. The asker learns nothing of who that is.
func (x *archive) byNick(ctx context.Context, e *core.Event, q *asked) error {
	who, err := e.Host.WhoseName(ctx, e.Room.JID, q.nick)
	q.With, q.WithResource = who.String(), q.nick
	if errors.Is(err, store.ErrNotFound) {
		q.With, err = x.lastCalled(ctx, e.Room.ID, q.nick)
	}
	return err
}

// lastCalled is who has said something under the nick, among the newest messages. To look through all would cost as much as there are.
func (x *archive) lastCalled(ctx context.Context, room store.Owner, nick string) (who string, err error) {
	last := ""
	res, err := x.Stores.Archive.Page(ctx, room, store.Query{Max: store.MaxPage, Before: &last})
	if err != nil {
		return "", err
	}
	for i := range slices.Backward(res.Rows) {
		if res.Rows[i].Resource == nick {
			return res.Rows[i].Peer, nil
		}
	}
	return "", stanza.NewError(stanza.ItemNotFound, "nobody has this nick, or had it lately")
}

// hideNames takes the addresses of who said them out of rows of times at which they are not known. What cannot be read is not shown.
func (x *archive) hideNames(rows []store.Row, room jid.JID, known func(at time.Time) bool) {
	sc := xmltok.NewScanner(xmltok.TreeLimits)
	for i := range rows {
		if known(rows[i].Key.Time()) {
			continue
		}
		st, err := unnamed(sc, rows[i].Stanza)
		if err != nil {
			x.obs.Log.Error("archived message cannot be read", obs.JID, room.String(), "id", rows[i].ID)
			rows[i].Stanza = nil // XEP-0313 section 3.2: the place of a message may be given without it
			continue
		}
		rows[i].Stanza = st.Append(make([]byte, 0, st.Size()), ns.Client)
	}
}

// metadataOfRoom is metadata for a room. It runs outside turns.
func (x *archive) metadataOfRoom(ctx context.Context, e *core.Event) (core.Answer, error) {
	bounds, err := x.Stores.Archive.Bounds(ctx, e.Room.ID)
	if err != nil {
		return core.Answer{}, err
	}
	return core.Answer{Payload: metadataXML(bounds)}, nil
}
