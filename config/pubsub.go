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
	// Bytes is how many bytes all items of an account may have together, or all of one node of the service.
	Bytes int `toml:"bytes"`
	// BytesPerAccount is how many bytes all items, and the addresses of people with a right of their own, may have together on the nodes of the service that
	// one account has created.
	BytesPerAccount int `toml:"bytes_per_account"`
	// Peers is how many subscribers, and how many others with a right of their own, a node may have. All nodes of an account may have ten times as many of these.
	Peers int `toml:"peers"`
	// Deliveries is how many notifications a second all nodes together send because of one account, which may save them for ten seconds. What it publishes
	// for a thousand people is a thousand of them, each 4 KiB of it counted. With more, it is refused for a moment. 0 is no bound.
	Deliveries int `toml:"deliveries"`
}

func pubsub() Pubsub {
	return Pubsub{
		Create: "member", PerAccount: 50, Nodes: 200, Items: 1000, ItemBytes: 192 << 10, Bytes: 20 << 20, BytesPerAccount: 100 << 20, Peers: 1000, Deliveries: 5000,
	}
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
		"nodes": c.Pubsub.Nodes, "items": c.Pubsub.Items, "item_bytes": c.Pubsub.ItemBytes, "bytes": c.Pubsub.Bytes, "bytes_per_account": c.Pubsub.BytesPerAccount,
		"peers": c.Pubsub.Peers,
	} {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("pubsub.%s must be positive", name))
		}
	}
	for name, v := range map[string]int{"per_account": c.Pubsub.PerAccount, "deliveries": c.Pubsub.Deliveries} {
		if v < 0 {
			errs = append(errs, fmt.Errorf("pubsub.%s is negative", name))
		}
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
