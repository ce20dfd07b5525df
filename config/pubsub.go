package config

import "fmt"

// Pubsub bounds what accounts publish on their nodes (XEP-0060, XEP-0163): avatars, keys, bookmarks and the like.
type Pubsub struct {
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
	return Pubsub{Nodes: 200, Items: 1000, ItemBytes: 192 << 10, Bytes: 20 << 20, Peers: 1000, Notifications: 100_000}
}

// checkPubsub checks the bounds.
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
	return errs
}
