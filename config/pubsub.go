package config

import (
	"errors"
	"fmt"
	"slices"

	"stonechat/xmpp/jid"
)

// Pubsub bounds what accounts publish on their nodes (XEP-0060, XEP-0163): avatars, keys, bookmarks and the like. The same holds for the nodes of a service
// with a domain of its own, each for itself: feeds, things and spaces, which belong to no account.
type Pubsub struct {
	// Domain of the service; empty is pubsub. before the domain. It needs no certificate, and no name in the DNS as long as the server does not talk to
	// others. With several domains it stays empty.
	Domain string `toml:"domain"`
	// Create is the least role that may create nodes of the service: member, moderator, admin or owner.
	Create string `toml:"create"`
	// PerAccount is how many nodes of the service one account may have created that still exist.
	PerAccount int `toml:"per_account"`
	// Nodes is how many nodes one account may have.
	Nodes int `toml:"nodes"`
	// Items is how many items a node may keep that asks for as many as possible.
	Items int `toml:"items"`
	// ItemBytes is the size of the largest payload of an item.
	ItemBytes int `toml:"item_bytes"`
	// Bytes is how many bytes all items of an account may have together.
	Bytes int `toml:"bytes"`
	// Peers is how many subscribers, and how many others with a right of their own, a node may have.
	Peers int `toml:"peers"`
	// Notifications is how many accounts what one account publishes within a minute may reach, each publication counted for all that it is for, and once for each 4 KiB.
	// With more, publishing is refused for the rest of the minute.
	Notifications int `toml:"notifications"`
}

func pubsub() Pubsub {
	return Pubsub{Create: "member", PerAccount: 50, Nodes: 200, Items: 1000, ItemBytes: 192 << 10, Bytes: 20 << 20, Peers: 1000, Notifications: 100_000}
}

// Of is the domain of the service of a served domain.
func (p Pubsub) Of(domain string) string {
	if p.Domain != "" {
		return p.Domain
	}
	return "pubsub." + domain
}

// checkPubsub checks the bounds, and the domain of the service.
func (c *Config) checkPubsub() []error {
	var errs []error
	for name, v := range map[string]int{
		"nodes": c.Pubsub.Nodes, "items": c.Pubsub.Items, "item_bytes": c.Pubsub.ItemBytes, "bytes": c.Pubsub.Bytes, "peers": c.Pubsub.Peers,
		"notifications": c.Pubsub.Notifications,
	} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("pubsub.%s must be positive", name))
		}
	}
	if c.Pubsub.PerAccount < 0 {
		errs = append(errs, errors.New("pubsub.per_account is negative"))
	}
	if !slices.Contains([]string{"member", "moderator", "admin", "owner"}, c.Pubsub.Create) {
		errs = append(errs, fmt.Errorf("pubsub.create is %q, not member, moderator, admin or owner", c.Pubsub.Create))
	}
	return append(errs, c.checkPubsubDomain()...)
}

// checkPubsubDomain reports a domain of the service that cannot be one.
func (c *Config) checkPubsubDomain() (errs []error) {
	if d := c.Pubsub.Domain; d != "" {
		j, err := jid.Parse(d)
		switch {
		case err != nil || !j.IsDomain():
			return []error{fmt.Errorf("pubsub.domain is %q, not a domain", d)}
		case len(c.Domains) > 1:
			return []error{errors.New("pubsub.domain is for one domain; with several each has its service at pubsub. before it")}
		}
		c.Pubsub.Domain = j.Domain()
	}
	for _, host := range c.Domains {
		d := c.Pubsub.Of(host)
		if slices.Contains(c.Domains, d) {
			errs = append(errs, fmt.Errorf("%s has accounts, so it cannot be the pubsub service of %s", d, host))
		}
		if slices.ContainsFunc(c.Domains, func(other string) bool { return c.Rooms.Of(other) == d }) {
			errs = append(errs, fmt.Errorf("%s has rooms, so it cannot be the pubsub service of %s", d, host))
		}
	}
	return errs
}
