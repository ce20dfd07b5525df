package muc

import (
	"context"
	"slices"
	"time"

	"stonechat/core"
	"stonechat/obs"
	"stonechat/store"
	"stonechat/xmpp/jid"
	"stonechat/xmpp/muc"
	"stonechat/xmpp/stanza"
	"stonechat/xmpp/uri"
)

// This file is what stands in the place of a room that was destroyed: clients come back to their rooms by themselves, and the first of them must not
// become the owner of what all others then come back to.

const (
	maxHeirs    = 100 // owners for whom the name is kept
	expireEvery = time.Hour
)

// grave is what a room that does not exist has instead of a state: its tombstone. Zero: the name is anybody's.
type grave struct{ store.Tombstone }

// entomb deletes a room, and what then stands in its place.
func (m *Module) entomb(e *core.Event, x *room, d *muc.Destroy) (store.Ticket, grave) {
	if m.config.Tombstones == 0 || !x.config.Persistent || x.locked {
		return m.Rooms.Delete(e.Room.ID), grave{}
	}
	now := e.Host.Now()
	t := store.Tombstone{By: e.Stanza.From.Bare().String(), At: now, Until: now.Add(m.config.Tombstones.D())}
	t.Owners = append(t.Owners, t.By)
	for _, i := range x.byAffiliation(muc.Owner) {
		if owner := i.JID.String(); owner != t.By && len(t.Owners) < maxHeirs {
			t.Owners = append(t.Owners, owner)
		}
	}
	// Who came later could be anybody, and of a room that not everybody may enter its occupants alone are told why it ends and where they go.
	if x.mayRead(standing{}) {
		t.Reason = d.Reason
		if !d.JID.IsZero() {
			t.Alternate = d.JID.Bare().String()
		}
	}
	return m.Tombstones.Bury(e.Room.ID, t, m.config.PerAccount), grave{t}
}

// loadGrave is load for a room that does not exist.
func (m *Module) loadGrave(ctx context.Context, r *core.Room) error {
	t, err := m.Tombstones.Tombstone(ctx, r.JID.Domain(), r.JID.Local())
	if err == nil {
		m.graves.Of(r).Tombstone = t
	}
	return err
}

// reserved refuses somebody a name that is kept for others; nil: they may have it. Section 10.9: a service may lock the address of a room that was
// destroyed, and redirect who enters to the other place.
func (m *Module) reserved(r *core.Room, who jid.JID) *stanza.Error {
	g, ok := m.graves.Has(r)
	if !ok || !m.host.Now().Before(g.Until) || slices.Contains(g.Owners, who.Bare().String()) {
		return nil
	}
	// RFC 6120 section 8.3.3.5: the new address is a URI, and clients of rooms look for one that they can join.
	gone := stanza.NewError(stanza.Gone, g.Reason)
	if j, err := jid.Parse(g.Alternate); err == nil {
		gone.Detail = uri.URI{JID: j, Action: "join"}.String()
	}
	return gone
}

// absent is core.Rooms.Absent. For who may have the name it is free: their clients ask, hear that there is no such room, and offer to make it.
func (m *Module) absent(r *core.Room, who jid.JID) *stanza.Error {
	if gone := m.reserved(r, who); gone != nil {
		return gone
	}
	return errNoRoom
}

// Run erases tombstones that are over.
func (m *Module) Run(ctx context.Context) error {
	return core.Every(ctx, expireEvery, func() {
		if _, err := m.Tombstones.ExpireTombstones(ctx, m.host.Now()); err != nil && ctx.Err() == nil {
			m.obs.Log.Warn("tombstones of rooms that are over not erased", obs.Err, err)
		}
	})
}
