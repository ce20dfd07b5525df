package config

import (
	"fmt"
	"slices"

	"stonechat/xmpp/jid"
)

// Rooms are for many people.
type Rooms struct {
	// Domain of the rooms; empty is rooms. before the domain. It needs no certificate, and no name in the DNS as long as the server does not talk to
	// others. With several domains it stays empty.
	Domain string `toml:"domain"`
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
	d := c.Rooms.Domain
	if d == "" {
		return nil
	}
	j, err := jid.Parse(d)
	switch {
	case err != nil || !j.IsDomain():
		return []error{fmt.Errorf("rooms.domain is %q, not a domain", d)}
	case len(c.Domains) > 1:
		return []error{fmt.Errorf("rooms.domain is for one domain; with several each has its rooms at rooms. before it")}
	case slices.Contains(c.Domains, j.Domain()):
		return []error{fmt.Errorf("rooms.domain is %q, which has accounts", d)}
	}
	c.Rooms.Domain = j.Domain()
	return nil
}
