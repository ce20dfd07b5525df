package config

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"stonechat/xmpp/jid"
)

// Rooms are for many people.
type Rooms struct {
	// Domain of the rooms; empty is rooms. before the domain. It needs no certificate, and no name in the DNS as long as the server does not talk to
	// others. With several domains it stays empty.
	Domain string `toml:"domain"`
	// Create is the least role that may create rooms: member, moderator, admin or owner.
	Create string `toml:"create"`
	// Preset is what a new room is like until its owner configures it: "instant", which cannot be found and goes with its last occupant; "group",
	// for members only who see each other's addresses; "channel", which everybody finds and may enter; or "announcements", a channel where those who
	// enter listen, and are not shown to others.
	Preset string `toml:"preset"`
	// PerAccount is how many rooms one account may have created that still exist.
	PerAccount int `toml:"per_account"`
	// Tombstones is how long the name of a lasting room that its owner destroyed is kept for its owners, so that nobody else gets those who come back to it by
	// a bookmark; whoever asks is told that it is gone, and where to. Of one account that destroys rooms as many names are kept as per_account says, the
	// newest. 0: none, from now on.
	Tombstones Duration `toml:"tombstones"`
	// Occupants is how many people a room holds at most; its owner may choose fewer.
	Occupants int `toml:"occupants"`
	// QuietAbove is a number of occupants: visitors who enter a room that has more are not shown to others, since nobody reads such lists and everybody
	// would be sent them. 0: all are shown.
	QuietAbove int `toml:"quiet_above"`
	// Sessions is how many sessions one occupant may have in a room.
	Sessions int `toml:"sessions"`
	// Affiliations is how many addresses a room remembers: owners, admins, members and outcasts.
	Affiliations int `toml:"affiliations"`
	// Nick is the greatest length of a nick in bytes.
	Nick int `toml:"nick"`
	// Subject is the greatest length of a subject in bytes.
	Subject int `toml:"subject"`
	// Presence is the greatest size in bytes of what an occupant's presence says. Everybody in the room is shown it, and the room holds it.
	Presence int `toml:"presence"`
	// Picture is the greatest size in bytes of a room's vCard, which has its picture. It must be below limits.stanza_bytes to be of use.
	Picture int `toml:"picture"`
	// History is how many messages at most are shown to who enters; its owner may choose fewer. The archive has the rest.
	History int `toml:"history"`
	// Bookmarks is whether those who become members of a lasting room at the wish of a contact, or enter one as members for the first time, get a bookmark
	// of it, so that all their clients come back to it.
	Bookmarks bool `toml:"bookmarks"`
	// Invites is how many invitations and requests for voice one account may have all rooms send, and registrations with rooms it may make, in an hour.
	Invites int `toml:"invites"`
	// Deliveries is how many messages and presences a second all rooms together deliver for one account, which may save them for ten seconds. What it
	// says in a room of a thousand is a thousand of them, each 4 KiB of it counted, and a new room is as many. With more, it is refused for a moment. 0 is no
	// bound.
	Deliveries int `toml:"deliveries"`
}

// usualRooms are the defaults.
func usualRooms() Rooms {
	return Rooms{
		Create: "member", Preset: "instant", PerAccount: 100, Tombstones: Duration(30 * 24 * time.Hour), Occupants: 5000, QuietAbove: 300, Sessions: 20, Affiliations: 20_000, Nick: 128, Subject: 4096,
		Presence: 16 << 10, Picture: 128 << 10, History: 50, Bookmarks: true, Invites: 200, Deliveries: 20_000,
	}
}

// check reports what makes no sense.
func (r Rooms) check() (errs []error) {
	if !slices.Contains([]string{"member", "moderator", "admin", "owner"}, r.Create) {
		errs = append(errs, fmt.Errorf("rooms.create is %q, not member, moderator, admin or owner", r.Create))
	}
	if !slices.Contains([]string{"instant", "group", "channel", "announcements"}, r.Preset) {
		errs = append(errs, fmt.Errorf("rooms.preset is %q, not instant, group, channel or announcements", r.Preset))
	}
	for _, n := range []struct {
		name            string
		v, least, limit int
	}{
		{"per_account", r.PerAccount, 0, 1_000_000},
		{"occupants", r.Occupants, 1, 100_000},
		{"quiet_above", r.QuietAbove, 0, 100_000},
		{"sessions", r.Sessions, 1, 1000},
		{"affiliations", r.Affiliations, 1, 1_000_000},
		{"nick", r.Nick, 1, jid.MaxPart},
		{"subject", r.Subject, 0, 65_536},
		{"presence", r.Presence, 1024, 1 << 20},
		{"picture", r.Picture, 0, 1 << 20},
		{"history", r.History, 0, 1000},
		{"invites", r.Invites, 0, 1_000_000},
		{"deliveries", r.Deliveries, 0, 100_000_000},
	} {
		if n.v < n.least || n.v > n.limit {
			errs = append(errs, fmt.Errorf("rooms.%s is %d, not from %d to %d", n.name, n.v, n.least, n.limit))
		}
	}
	if r.Tombstones < 0 {
		errs = append(errs, errors.New("rooms.tombstones must not be negative"))
	}
	return errs
}

// Of is the domain of the rooms of a served domain.
func (r Rooms) Of(domain string) string {
	if r.Domain != "" {
		return r.Domain
	}
	return "rooms." + domain
}

// checkRooms reports a domain of rooms that cannot be one.
func (c *Config) checkRooms() (errs []error) {
	errs = c.Rooms.check()
	d := c.Rooms.Domain
	if d == "" {
		for _, host := range c.Domains {
			if rooms := c.Rooms.Of(host); slices.Contains(c.Domains, rooms) {
				errs = append(errs, fmt.Errorf("%s has accounts, so it cannot have the rooms of %s", rooms, host))
			}
		}
		return errs
	}
	j, err := jid.Parse(d)
	switch {
	case err != nil || !j.IsDomain():
		return append(errs, fmt.Errorf("rooms.domain is %q, not a domain", d))
	case len(c.Domains) > 1:
		return append(errs, errors.New("rooms.domain is for one domain; with several each has its rooms at rooms. before it"))
	case slices.Contains(c.Domains, j.Domain()):
		return append(errs, fmt.Errorf("rooms.domain is %q, which has accounts", d))
	}
	c.Rooms.Domain = j.Domain()
	return errs
}
