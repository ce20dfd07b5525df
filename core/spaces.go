package core

import (
	"stonechat/store"
	"stonechat/xmpp/jid"
)

// Spaces knows which rooms a space lists and who is in it (XEP-0503).
type Spaces interface {
	// Introduce has the space tell a room that names it of everybody who is in it, by Host.Follow, if it lists the room. by is who has the room name
	// the space. It does not wait; what fails is logged.
	Introduce(space Space, room, by jid.JID)
}

// Follow has a room follow its space, see Rooms.Follow, in a turn of its own. It does not wait. The ticket fails with ErrNoRooms and ErrElsewhere as DoRoom does.
func (h *Host) Follow(room jid.JID, news SpaceNews) store.Ticket {
	s := h.Router.services[room.Domain()]
	if s == nil || s.Follow == nil {
		return store.Settled(ErrNoRooms)
	}
	p := new(store.Promise)
	if err := h.DoRoom(room, func(w *Work, r *Room) { s.Follow(w, r, news).Done(p.Settle) }); err != nil {
		return store.Settled(err)
	}
	return p.Ticket()
}

// Space is a node at a service of ours.
type Space struct {
	Service jid.JID
	Node    string
}

// SpaceNews is what has become of people in a space, for one room that it lists.
type SpaceNews struct {
	Space Space
	// Default: everybody who is in the space is in this room.
	Default bool
	By      jid.JID // who caused it, bare
	People  []SpaceChange
}

// SpaceChange is what somebody was in a space and is now.
type SpaceChange struct {
	JID     jid.JID // bare
	Was, Is SpaceRole
	// Joined: by a subscription of their own.
	Joined bool
}

// SpaceRole is what somebody is in a space. A greater one may do what a lesser one may.
type SpaceRole uint8

// The roles in a space; the zero value is nobody in particular.
const (
	NotInSpace SpaceRole = iota
	InSpace
	OwnsSpace
)
